"""What is found before and after the move, as a table of verdicts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any


class Verdict(Enum):
    """How a finding stands to the move."""

    OK = "ok"
    NOTE = "note"
    WARNING = "warning"
    FAILURE = "failure"


@dataclass(frozen=True, slots=True)
class Finding:
    """One row: what was looked at, and what it means for the move."""

    subject: str
    verdict: Verdict
    text: str

    def as_json(self) -> dict[str, Any]:
        """Give the row for a program."""
        return {"subject": self.subject, "verdict": self.verdict.value, "text": self.text}


class Findings:
    """A table that grows row by row."""

    def __init__(self) -> None:
        self.rows: list[Finding] = []

    def ok(self, subject: str, text: str) -> None:
        """Add what is as it should be."""
        self.rows.append(Finding(subject, Verdict.OK, text))

    def note(self, subject: str, text: str) -> None:
        """Add what the owner should know, and that is no fault."""
        self.rows.append(Finding(subject, Verdict.NOTE, text))

    def warning(self, subject: str, text: str) -> None:
        """Add what the move can live with."""
        self.rows.append(Finding(subject, Verdict.WARNING, text))

    def failure(self, subject: str, text: str) -> None:
        """Add what stands in the way."""
        self.rows.append(Finding(subject, Verdict.FAILURE, text))

    @property
    def failed(self) -> bool:
        """Whether anything stands in the way."""
        return any(row.verdict is Verdict.FAILURE for row in self.rows)

    @property
    def failures(self) -> list[str]:
        """The texts of what stands in the way."""
        return [row.text for row in self.rows if row.verdict is Verdict.FAILURE]


def lines(rows: Sequence[Finding]) -> list[str]:
    """Write a table for a person."""
    width = max((len(row.subject) for row in rows), default=0)
    return [f"{row.verdict.value:<7}  {row.subject:<{width}}  {_printable(row.text)}" for row in rows]


def _printable(text: str) -> str:
    # Servers said some of it, and may have put line ends or a terminal's commands into it.
    return "".join(character if character.isprintable() else " " for character in text)
