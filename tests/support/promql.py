"""What a query of PromQL speaks of: metrics, labels and the values that it wants them to have."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import promql_parser

# Grafana puts these in before it asks Prometheus.
_VARIABLES = {"$__rate_interval": "5m", "$job": "tempest", "$instance": ".*"}


@dataclass
class Selected:
    """A metric that a query selects.

    Attributes:
        wanted: the label matchers that a series must satisfy, as name, regular expression.
        labels: every label that the query names of it: in matchers, in `by`, `on` and `group_left`.
    """

    metric: str
    wanted: list[tuple[str, str]] = field(default_factory=list)
    labels: set[str] = field(default_factory=set)


def selections(query: str) -> list[Selected]:
    """Parse a query, with Grafana's variables filled in; raise ValueError where it is none."""
    for name, value in _VARIABLES.items():
        query = query.replace(name, value)
    left = re.search(r"\$\w+", query)
    if left:
        raise ValueError(f"{left[0]} is no variable of the dashboard")
    return [_selected(selector, around) for selector, around in _selectors(promql_parser.parse(query), frozenset())]


def shown_labels(text: str) -> set[str]:
    """Give the labels that a legend, or an annotation of an alert, shows."""
    return set(re.findall(r"\{\{\s*(?:\$labels\.)?(\w+)\s*\}\}", text))


def _selectors(node: Any, around: frozenset[str]) -> Iterator[tuple[Any, frozenset[str]]]:
    """Walk to every selector, with the labels that what is around it needs."""
    if isinstance(node, promql_parser.VectorSelector):
        yield node, around
    elif isinstance(node, promql_parser.MatrixSelector):
        yield node.vector_selector, around
    elif isinstance(node, promql_parser.AggregateExpr):
        assert "without" not in str(node.modifier), "name the labels that are kept, not those that are not"
        named = frozenset(node.modifier.labels if node.modifier else ())
        yield from _selectors(node.expr, around | named)
    elif isinstance(node, promql_parser.BinaryExpr):
        matching = node.modifier.matching if node.modifier else None
        named = frozenset(matching.labels if matching else ())
        yield from _selectors(node.lhs, around | named)
        yield from _selectors(node.rhs, around | named)
    elif isinstance(node, promql_parser.Call):
        # What `histogram_quantile` looks at.
        named = frozenset({"le"} if node.func.name == "histogram_quantile" else ())
        for argument in node.args:
            yield from _selectors(argument, around | named)
    elif isinstance(node, (promql_parser.ParenExpr, promql_parser.SubqueryExpr, promql_parser.UnaryExpr)):
        yield from _selectors(node.expr, around)


def _selected(selector: Any, around: frozenset[str]) -> Selected:
    matchers = selector.matchers.matchers
    wanted = []
    for matcher in matchers:
        if matcher.op == promql_parser.MatchOp.Equal:
            wanted.append((matcher.name, re.escape(matcher.value)))
        elif matcher.op == promql_parser.MatchOp.Re:
            wanted.append((matcher.name, matcher.value))
    return Selected(selector.name, wanted, {matcher.name for matcher in matchers} | around)
