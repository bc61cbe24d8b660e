"""What a check found: one line of the doctor's report."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Status(Enum):
    """How bad it is. Only a failure makes the whole examination fail."""

    OK = "ok"
    NOTE = "note"
    SKIPPED = "skipped"
    WARNING = "warning"
    FAILURE = "failure"


@dataclass(frozen=True, slots=True)
class Finding:
    """One result.

    Attributes:
        detail: what was seen, and for a warning or a failure why it is wrong: the cause.
        cure: what the operator does about it; None where there is nothing to do.
    """

    status: Status
    detail: str
    cure: str | None = None


def ok(detail: str) -> Finding:
    """Report what is as it should be."""
    return Finding(Status.OK, detail)


def note(detail: str) -> Finding:
    """Report what is worth knowing, and no fault."""
    return Finding(Status.NOTE, detail)


def skipped(detail: str) -> Finding:
    """Report what was not looked at, and why."""
    return Finding(Status.SKIPPED, detail)


def warning(detail: str, cure: str) -> Finding:
    """Report what works today and will not for long, or not for everybody."""
    return Finding(Status.WARNING, detail, cure)


def failure(detail: str, cure: str) -> Finding:
    """Report what does not work."""
    return Finding(Status.FAILURE, detail, cure)
