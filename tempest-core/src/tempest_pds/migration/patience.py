"""Asking again: servers that limit rates, restart, or lose connections for a while."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from tempest_pds.migration.errors import CallRefused, ServerAway
from tempest_pds.remote.causes import explain
from tempest_pds.remote.errors import RemoteError, TimedOut, Unreachable

T = TypeVar("T")

_FIRST_PAUSE: Final = 0.5
_LONGEST_PAUSE: Final = 30.0
_LONGEST_WISH: Final = 3600.0
_WORTH_A_LINE: Final = 5.0
# Answers that say nothing about the request: the server, or what stands in front of it, has troubles of its own.
_PASSING: Final = frozenset({408, 425, 429, 500, 502, 503, 504, 520, 521, 522, 523, 524})


class Patience:
    """Repeat what failed for a passing cause, with growing pauses.

    Args:
        seconds: how long a server may be away. What it wishes to be waited for (`Retry-After`) does not count.
        tell: told of pauses that a person would notice.
    """

    def __init__(
        self,
        seconds: float,
        tell: Callable[[str], None],
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._seconds = seconds
        self._tell = tell
        self._clock = clock
        self._sleep = sleep

    async def run(self, server: str, attempt: Callable[[], Awaitable[T]], *, repeatable: bool = True) -> T:
        """Give what an attempt gives, once one succeeds.

        Args:
            repeatable: whether to repeat what may have been done although no answer came.

        Raises:
            CallRefused: for what the request itself is to blame.
            ServerAway: for too long.
        """
        away_since: float | None = None
        pause = _FIRST_PAUSE
        while True:
            try:
                return await attempt()
            except CallRefused as error:
                if error.status not in _PASSING:
                    raise
                if error.status == 500 and not repeatable:
                    raise
                wish, cause = error.retry_after, str(error)
            except (Unreachable, TimedOut) as error:
                if not repeatable:
                    raise ServerAway(f"{server} does not answer ({explain(error)})") from error
                wish, cause = None, f"{server} does not answer ({explain(error)})"
            except RemoteError as error:
                raise ServerAway(f"{server}: {explain(error)}") from error
            if wish is not None:
                wanted = min(max(wish, 1.0), _LONGEST_WISH)
                self._tell(f"{cause}; waiting {wanted:.0f} s as it asks")
                await self._sleep(wanted)
                continue
            now = self._clock()
            away_since = now if away_since is None else away_since
            if now - away_since >= self._seconds:
                raise ServerAway(f"{cause}; give the same command again once it does")
            if pause >= _WORTH_A_LINE:
                self._tell(f"{cause}; trying again in {pause:.0f} s")
            await self._sleep(min(pause, max(0.0, self._seconds - (now - away_since))))
            pause = min(pause * 2, _LONGEST_PAUSE)
