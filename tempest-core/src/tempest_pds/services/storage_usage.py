"""What the data directory takes on the disk, measured in a thread and remembered for a while."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from typing import Final

import structlog

from tempest_pds.stores.directory_sizes import DirectorySizes, MeasuringStopped

_KEEP_SECONDS: Final = 60.0
# A walk over millions of files takes minutes of disk: it is made at most for a twentieth of the time.
_KEEP_TIMES: Final = 20
_WAIT_SECONDS: Final = 5.0

_log = structlog.get_logger("tempest_pds.storage")


class StorageUsage:
    """Measures when somebody asks, one measurement at a time.

    Args:
        measure: takes long, and runs in a thread; it is given a function that tells when to give up.
        wait: how long whoever asks waits for a measurement, in seconds, before he gets the one before.
        clock: seconds that only rise.
    """

    def __init__(
        self,
        measure: Callable[[Callable[[], bool]], DirectorySizes],
        *,
        wait: float = _WAIT_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._measure = measure
        self._wait = wait
        self._clock = clock
        self._sizes: DirectorySizes | None = None
        self._measured_at = 0.0
        self._valid_until = float("-inf")
        self._running: asyncio.Task[None] | None = None
        self._closed = threading.Event()

    @property
    def age(self) -> float:
        """How many seconds ago the last measurement ended."""
        return self._clock() - self._measured_at

    async def current(self) -> DirectorySizes | None:
        """Give sizes that are a minute old at most, or older ones while new ones take long; None before the first."""
        if self._clock() >= self._valid_until:
            if self._running is None or self._running.done():
                self._running = asyncio.create_task(self._run())
            await asyncio.wait({self._running}, timeout=self._wait)
        return self._sizes

    async def close(self) -> None:
        """Give up on a measurement that is under way."""
        self._closed.set()
        if self._running is not None:
            await asyncio.wait({self._running})

    async def _run(self) -> None:
        began = self._clock()
        try:
            self._sizes = await asyncio.to_thread(self._measure, self._closed.is_set)
        except MeasuringStopped:
            return
        except OSError as error:
            _log.error("storage.unreadable", error=repr(error))
        self._measured_at = self._clock()
        self._valid_until = self._measured_at + max(_KEEP_SECONDS, (self._measured_at - began) * _KEEP_TIMES)
