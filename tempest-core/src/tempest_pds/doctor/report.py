"""The report: one result a line, in the order of the table, or the same as JSON."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from typing import Final

from tempest_pds.doctor.check import Result
from tempest_pds.doctor.finding import Finding, Status

_PLURALS: Final = {Status.WARNING: "warnings", Status.FAILURE: "failures", Status.NOTE: "notes"}


def failed(results: Sequence[Result]) -> bool:
    """Tell whether anything does not work."""
    return any(finding.status is Status.FAILURE for result in results for finding in result.findings)


def lines(results: Sequence[Result]) -> list[str]:
    """Write the report for a person."""
    width = max((len(result.check) for result in results), default=0)
    written = [
        f"{finding.status.value:<7}  {result.check:<{width}}  {_text(finding)}"
        for result in results
        for finding in result.findings
    ]
    return [*written, "", _summary(results)]


def to_json(results: Sequence[Result]) -> str:
    """Write the report for a program: `ok`, the number of results of each status, and the results."""
    return json.dumps(
        {
            "ok": not failed(results),
            "summary": {status.value: count for status, count in _counts(results).items()},
            "results": [
                {
                    "check": result.check,
                    "status": finding.status.value,
                    "detail": finding.detail,
                    **({} if finding.cure is None else {"cure": finding.cure}),
                }
                for result in results
                for finding in result.findings
            ],
        },
        indent=2,
        ensure_ascii=False,
    )


def _text(finding: Finding) -> str:
    # What another server said may have line ends in it, and whatever moves a terminal's cursor.
    text = finding.detail if finding.cure is None else f"{finding.detail}. Cure: {finding.cure}"
    return "".join(character if character.isprintable() else " " for character in text)


def _summary(results: Sequence[Result]) -> str:
    parts = [
        f"{count} {_PLURALS.get(status, status.value) if count != 1 else status.value}"
        for status, count in _counts(results).items()
        if count or status in (Status.OK, Status.WARNING, Status.FAILURE)
    ]
    return ", ".join(parts)


def _counts(results: Sequence[Result]) -> dict[Status, int]:
    counts = Counter(finding.status for result in results for finding in result.findings)
    return {status: counts[status] for status in Status}
