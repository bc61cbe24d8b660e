"""The dashboard and the alert rules in `deploy/` speak of metrics and labels that a running server has."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.support.observed import Observed, samples
from tests.support.promql import Selected, selections, shown_labels

from tempest_pds.http.methods import load_methods
from tempest_pds.telemetry import INSTRUMENTS
from tempest_pds_otel.histograms import BUCKETS

DEPLOY = Path(__file__).parent.parent / "deploy"
DASHBOARD = json.loads((DEPLOY / "grafana" / "tempest-dashboard.json").read_text())
PROMETHEUS = yaml.safe_load((DEPLOY / "prometheus" / "prometheus.yml").read_text())
RULES = [
    rule
    for group in yaml.safe_load((DEPLOY / "prometheus" / "tempest-alerts.yml").read_text())["groups"]
    for rule in group["rules"]
]
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
VARIABLES = {variable["name"]: variable for variable in DASHBOARD["templating"]["list"]}
# What Prometheus itself adds.
ADDED_LABELS = {"job", "instance"}
ADDED_METRICS = {"up"}

Query = tuple[str, str]
"""A query, and where its labels are shown: legends, or annotations."""


def dashboard_queries() -> dict[str, Query]:
    """Give every query of the dashboard by where it stands."""
    found = {
        f"{panel['id']} {panel['title']} {target['refId']}": (target["expr"], target["legendFormat"])
        for panel in PANELS
        for target in panel["targets"]
    }
    for annotation in DASHBOARD["annotations"]["list"]:
        found[annotation["name"]] = (annotation["expr"], annotation["textFormat"])
    for name, variable in VARIABLES.items():
        if variable["type"] == "query":
            values = re.fullmatch(r"label_values\((.*), (\w+)\)", variable["query"]["query"])
            assert values, name
            found[name] = (values[1], f"{{{{{values[2]}}}}}")
    return found


def alert_queries() -> dict[str, Query]:
    """Give the query of every alert by its name."""
    return {rule["alert"]: (rule["expr"], " ".join(rule["annotations"].values())) for rule in RULES}


QUERIES = {**dashboard_queries(), **alert_queries()}


@pytest.fixture(scope="module")
def series(observed: Observed) -> dict[str, list[dict[str, str]]]:
    """The labels of every series of a running server, by the name of the metric."""
    status, _, page = observed.page()
    assert status == 200
    return {name: [sample.labels for sample in found] for name, found in samples(page).items()}


each_query = pytest.mark.parametrize("query", QUERIES.values(), ids=QUERIES)


@each_query
def test_a_query_speaks_of_metrics_that_are_there(query: Query, series: dict[str, list[dict[str, str]]]) -> None:
    for selected in selections(query[0]):
        assert selected.metric in series.keys() | ADDED_METRICS


@each_query
def test_a_query_speaks_of_labels_that_they_have(query: Query, series: dict[str, list[dict[str, str]]]) -> None:
    for selected in selections(query[0]):
        assert selected.labels <= labels_of(selected, series) | ADDED_LABELS, selected.metric


@each_query
def test_labels_that_are_shown_are_there(query: Query, series: dict[str, list[dict[str, str]]]) -> None:
    for selected in selections(query[0]):
        assert shown_labels(query[1]) <= labels_of(selected, series) | ADDED_LABELS, selected.metric


@each_query
def test_values_that_are_asked_for_can_be(query: Query, series: dict[str, list[dict[str, str]]]) -> None:
    for selected in selections(query[0]):
        for label, pattern in selected.wanted:
            values = possible(label, selected, series)
            assert any(re.fullmatch(pattern, value) for value in values), f"{selected.metric}: {label} {pattern}"


@each_query
def test_methods_that_are_named_one_by_one_are_all_there(query: Query) -> None:
    for selected in selections(query[0]):
        for label, pattern in selected.wanted:
            if label == "xrpc_method" and ".*" not in pattern:
                prefix, _, names = pattern.replace("[.]", ".").replace("\\.", ".").partition("(")
                for name in names.rstrip(")").split("|"):
                    assert prefix + name in load_methods()


def labels_of(selected: Selected, series: dict[str, list[dict[str, str]]]) -> set[str]:
    return {label for labels in series.get(selected.metric, []) for label in labels}


def possible(label: str, selected: Selected, series: dict[str, list[dict[str, str]]]) -> set[str]:
    """Give the values that a label may have."""
    if label == "job":
        return {scrape["job_name"] for scrape in PROMETHEUS["scrape_configs"]}
    if label == "instance":
        return {target for scrape in PROMETHEUS["scrape_configs"] for target in scrape["static_configs"][0]["targets"]}
    if label == "xrpc_method":
        return {*load_methods()}
    if label == "http_response_status_code":
        return {str(status) for status in range(200, 600)}
    return {labels[label] for labels in series[selected.metric]}


def test_every_instrument_is_on_the_dashboard() -> None:
    """Whoever adds one gives it a panel."""
    shown = {selected.metric for query, _ in dashboard_queries().values() for selected in selections(query)}
    for instrument in INSTRUMENTS:
        stem = instrument.name.replace(".", "_")
        assert any(metric.startswith(stem) for metric in shown), instrument.name


def test_every_histogram_has_buckets_of_its_own() -> None:
    """OpenTelemetry's begin at five seconds, if the unit is the second."""
    assert BUCKETS.keys() == {each.name for each in INSTRUMENTS if each.kind == "histogram"}


def test_panels_are_told_apart_and_do_not_overlap() -> None:
    ids = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(ids) == len(set(ids))
    taken = [cell for panel in DASHBOARD["panels"] for cell in cells(panel["gridPos"])]
    assert len(taken) == len(set(taken))
    assert {column for column, _ in taken} == set(range(24))


def cells(place: dict[str, int]) -> list[tuple[int, int]]:
    return [(place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])]


def test_the_dashboard_asks_the_data_source_that_is_chosen() -> None:
    """An import would break on the identifier of somebody else's Prometheus."""
    asking: list[dict[str, Any]] = [*PANELS, *(target for panel in PANELS for target in panel["targets"])]
    asking += [*DASHBOARD["annotations"]["list"], *(each for each in VARIABLES.values() if each["type"] == "query")]
    assert {each["datasource"]["uid"] for each in asking} == {"${datasource}"}
    assert VARIABLES["datasource"]["type"] == "datasource"


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: str(rule["alert"]))
def test_an_alert_says_how_urgent_it_is_and_what_to_do(rule: dict[str, Any]) -> None:
    assert rule["alert"].startswith("Tempest")
    assert rule["labels"] == {"severity": rule["labels"]["severity"]}
    assert rule["labels"]["severity"] in {"page", "ticket"}
    assert "$labels.instance" in rule["annotations"]["summary"]
    assert rule["annotations"]["description"].endswith(".")


def test_alerts_are_told_apart() -> None:
    assert len(alert_queries()) == len(RULES)


def test_the_example_of_prometheus_reads_the_page_and_the_rules() -> None:
    [scrape] = PROMETHEUS["scrape_configs"]
    assert scrape["metrics_path"] == "/metrics"
    assert scrape["authorization"]["type"] == "Bearer"
    assert all((DEPLOY / "prometheus" / name).is_file() for name in PROMETHEUS["rule_files"])
