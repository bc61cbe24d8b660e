"""What is done a moment after the answer, so that neither the answer nor its time depends on what is found then.

The moment cannot be foreseen, so that no request of another kind tells by its own time that something is being done.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import Final

from structlog.typing import FilteringBoundLogger

from tempest_pds.protocol.errors import TempestError

_MOST_PENDING: Final = 100


def a_moment() -> float:
    """Give the seconds to wait after an answer."""
    return random.uniform(0.05, 0.5)  # noqa: S311 - it hides, and opens nothing


class Afterwards:
    """Do what nobody waits for.

    Args:
        failed: what the log calls a piece of work that came to nothing.
    """

    def __init__(self, log: FilteringBoundLogger, failed: str, pause: Callable[[], float]) -> None:
        self._log = log
        self._failed = failed
        self._pause = pause
        self._pending: set[asyncio.Task[None]] = set()

    @property
    def is_full(self) -> bool:
        """Tell whether so much waits already that no more should."""
        return len(self._pending) >= _MOST_PENDING

    def do(self, work: Callable[[], Awaitable[None]]) -> None:
        """Have something done soon."""
        task = asyncio.get_running_loop().create_task(self._do(work))
        self._pending.add(task)
        task.add_done_callback(self._pending.discard)

    async def close(self) -> None:
        """Do what is not done yet."""
        if self._pending:
            await asyncio.wait(self._pending)

    async def _do(self, work: Callable[[], Awaitable[None]]) -> None:
        try:
            await asyncio.sleep(self._pause())
            await work()
        except TempestError as error:
            self._log.warning(self._failed, error=str(error))
        except Exception as error:  # noqa: BLE001 - nobody waits for this task, so nobody else would tell
            self._log.error(self._failed, error=repr(error))
