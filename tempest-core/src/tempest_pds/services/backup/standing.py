"""How the backups stand, for the operator's status: what went well last, what failed since, what is due."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from tempest_pds.services.backup.history import History, Outcome
from tempest_pds.services.backup.maker import BackupMaker
from tempest_pds.services.backup.schedule import BackupSchedule
from tempest_pds.services.timestamps import to_datetime

_HOUR: Final = 3600.0
_DAY: Final = 24 * _HOUR
_LATE: Final = 2.0
"""A backup that is this many intervals old is late; without a schedule, one that is a week old."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BackupStanding:
    """Makes that part of the status report; `clock` gives seconds since 1970."""

    maker: BackupMaker
    schedule: BackupSchedule
    history: History
    is_local: bool
    clock: Callable[[], float] = time.time

    def report(self) -> dict[str, Any]:
        """Tell, JSON-able; times are ISO 8601 in UTC, null where there is none."""
        success, failure = self.history.last("backup"), self.history.last("backup", failed=True)
        if failure is not None and success is not None and failure.at < success.at:
            failure = None
        drill = _latest(self.history.last("drill"), self.history.last("drill", failed=True))
        due = self.schedule.due_at()
        return {
            "store": self.maker.uploads_to,
            "encrypted": self.maker.encrypts,
            "running": self.maker.running,
            "lastAt": _time(success),
            "lastName": success and success.name,
            "lastBytes": success and success.size,
            "lastSeconds": success and round(success.seconds, 1),
            "failedAt": _time(failure),
            "failure": failure and failure.error,
            "nextAt": None if due is None else _datetime(due),
            "drillAt": _time(drill),
            "drillPassed": drill and not drill.error,
            "problems": list(self._problems(success, failure, drill)),
        }

    def _problems(self, success: Outcome | None, failure: Outcome | None, drill: Outcome | None) -> Iterator[str]:
        if failure is not None:
            yield f"The last backup failed: {failure.error}."
        if drill is not None and drill.error:
            yield f"The last restore drill failed: {drill.error}. Until one passes, count on no backup."
        if self.is_local:
            return
        if success is None:
            yield "There is no backup of this server: make one, or set TEMPEST_BACKUP_INTERVAL_HOURS."
            return
        age = self.clock() - success.at
        limit = self.schedule.interval * _LATE or 7 * _DAY
        if age > limit:
            yield f"The last backup is {age / _HOUR:,.0f} hours old: run `tempest backup create`."


def _latest(*outcomes: Outcome | None) -> Outcome | None:
    return max((outcome for outcome in outcomes if outcome is not None), key=lambda outcome: outcome.at, default=None)


def _time(outcome: Outcome | None) -> str | None:
    return None if outcome is None else _datetime(outcome.at)


def _datetime(at: float) -> str:
    return to_datetime(int(at * 1_000_000))
