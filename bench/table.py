"""The table of figures and of their ratios."""

import os
import platform
from dataclasses import dataclass, field

from bench.measure import Measure

NOTHING = Measure(0)


@dataclass
class Line:
    """One row with the figure of each server."""

    name: str
    unit: str
    higher_is_better: bool
    figures: dict[str, Measure] = field(default_factory=dict)


class Table:
    """Collects figures and prints them as a Markdown table."""

    def __init__(self) -> None:
        self._lines: dict[str, Line] = {}

    def add(self, name: str, unit: str, label: str, measure: Measure, *, higher_is_better: bool) -> None:
        line = self._lines.setdefault(name, Line(name, unit, higher_is_better))
        line.figures[label] = measure

    def figures(self) -> dict[str, dict[str, dict[str, float | None]]]:
        """Return every figure by row and server."""
        return {
            line.name: {label: {"value": m.value, "cpu_ms": m.cpu_ms} for label, m in line.figures.items()}
            for line in self._lines.values()
        }

    def render(self, base: str, ours: str, other: str) -> str:
        """Return the table. `times` is how many times better than *base* we are: faster, or smaller."""
        heads = ["", "unit", base, ours, "times", f"CPU ms, {base}", f"CPU ms, {ours}", "times", other]
        text = [" | ".join(heads).strip(), "|".join(["---", "---"] + ["---:"] * 7)]
        for line in self._lines.values():
            first, second, third = (line.figures.get(label, NOTHING) for label in (base, ours, other))
            cells = [
                line.name,
                line.unit,
                number(first.value),
                number(second.value),
                ratio(first.value, second.value, rising=line.higher_is_better),
                number(first.cpu_ms),
                number(second.cpu_ms),
                ratio(first.cpu_ms, second.cpu_ms, rising=False),
                number(third.value),
            ]
            text.append(" | ".join(cells))
        return "\n".join(f"| {line} |" for line in text) + "\n"


def number(value: float | None) -> str:
    if not value:
        return ""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def ratio(base: float | None, ours: float | None, *, rising: bool) -> str:
    if not base or not ours:
        return ""
    return f"{(ours / base if rising else base / ours):.1f}"


def describe_machine() -> str:
    return f"{os.cpu_count()} processors, {platform.system()} {platform.machine()}, Python {platform.python_version()}"
