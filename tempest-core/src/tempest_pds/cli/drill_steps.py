"""How a drill went, step by step."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

from tempest_pds.protocol.errors import TempestError
from tempest_pds.services.backup.history import Outcome


class DrillFailed(TempestError):
    """A check that did not pass; one line."""


@dataclass(frozen=True, slots=True)
class Step:
    """One step of the drill: what was done, how it went, how many seconds it took; `error` is empty when it passed."""

    what: str
    detail: str
    seconds: float
    error: str = ""

    def line(self) -> str:
        """Tell it to a person."""
        return f"{'FAILED' if self.error else 'ok':<7}{self.what}: {self.error or self.detail} ({self.seconds:.1f} s)"


@dataclass(slots=True)
class Drill:
    """How a drill went."""

    name: str = ""
    steps: list[Step] = field(default_factory=list)

    @property
    def failed(self) -> bool:
        """Whether a step did not pass."""
        return any(step.error for step in self.steps)

    def outcome(self) -> Outcome:
        """Say it for the history."""
        error = next((f"{step.what}: {step.error}" for step in self.steps if step.error), "")
        return Outcome(name=self.name, at=time.time(), seconds=sum(step.seconds for step in self.steps), error=error)

    def as_dict(self) -> dict[str, Any]:
        """Say it in JSON."""
        steps = [
            {"what": step.what, "detail": step.detail, "seconds": round(step.seconds, 3), "error": step.error}
            for step in self.steps
        ]
        return {"backup": self.name, "ok": not self.failed, "steps": steps}
