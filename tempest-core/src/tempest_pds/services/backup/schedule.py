"""Backups by the clock. The last one counts, whoever made it, so a restart does not begin the waiting anew."""

from __future__ import annotations

import asyncio
import time
from typing import Final

import structlog

from tempest_pds.services.backup.history import History
from tempest_pds.services.backup.maker import BackupMaker

_LOOK_SECONDS: Final = 60.0
_RETRY_SECONDS: Final = 900.0

_log = structlog.get_logger("tempest_pds.backup")


class BackupSchedule:
    """Makes a backup whenever the last good one is `interval` seconds old; after a failure, soon again.

    Attributes:
        interval: in seconds; 0 for never.
    """

    def __init__(self, maker: BackupMaker, history: History, interval: float) -> None:
        self._maker = maker
        self._history = history
        self.interval = interval
        self._task: asyncio.Task[None] | None = None
        self._not_before = 0.0

    def start(self) -> None:
        """Begin; to be called on the event loop."""
        if self.interval > 0:
            self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """End; a backup that is being made is given up, and nothing of it is kept."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def due_at(self) -> float | None:
        """Tell when the next one is due, in seconds since 1970; None without a schedule."""
        if self.interval <= 0:
            return None
        last = self._history.last("backup")
        # A clock that was ahead once must not put the next one off for as long.
        made_at = 0.0 if last is None else min(last.at, time.time())
        return max(self._not_before, made_at + self.interval if last is not None else 0.0)

    async def _run(self) -> None:
        while True:
            wait = (self.due_at() or 0.0) - time.time()
            if wait > 0:
                await asyncio.sleep(min(wait, _LOOK_SECONDS))
                continue
            # Should its history not be written, the next one is not due at once.
            self._not_before = time.time() + self.interval
            try:
                await self._maker.create_and_tidy()
            except Exception as error:  # noqa: BLE001 - the next one must be tried whatever happened to this
                # A backup that failed was logged where it failed; a sink that cannot be tidied is told here.
                _log.warning("backup.schedule", error=repr(error), retry_in=_RETRY_SECONDS)
                self._not_before = time.time() + min(_RETRY_SECONDS, self.interval)
