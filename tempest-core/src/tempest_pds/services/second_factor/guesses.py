"""How many wrong codes may be given.

Only who knows an account's password gets to guess at its codes, and each guess is right with a chance of three in a
million: of the three time steps that are accepted. Twenty a day make a year of guessing a chance of one in fifty, and
the owner sees the first of them among the security events. While an app's codes are locked, recovery codes and passkeys
go on: nobody guesses those.

Counts are kept in memory, and a table never outgrows `_MOST`: its keys are accounts whose password was given.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from tempest_pds.services.errors import TooManyTries

_MOST: Final = 10_000


@dataclass(frozen=True, slots=True)
class Window:
    """So many tries in so many seconds."""

    name: str
    tries: int
    seconds: int


BY_TICKET: Final = Window("ticket", 5, 300)
BY_ACCOUNT: Final = Window("account", 6, 15 * 60)
BY_ACCOUNT_PER_DAY: Final = Window("account-day", 20, 24 * 60 * 60)
BY_ADDRESS: Final = Window("address", 30, 60 * 60)


class Guesses:
    """Count tries, before they are looked at: of many at once none slips through.

    Args:
        clock: seconds, from any moment on.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._counts: OrderedDict[tuple[Window, str], tuple[int, float]] = OrderedDict()

    def take(self, counted: Iterable[tuple[Window, str]]) -> None:
        """Count a try against each of these; raise TooManyTries, and count none, when one of them is used up."""
        now, keys = self._clock(), list(counted)
        standing = [self._standing(key, now) for key in keys]
        if any(count >= window.tries for (window, _), (count, _) in zip(keys, standing, strict=True)):
            raise TooManyTries("Too many wrong codes. Wait a while, then try again.")
        for key, (count, ends_at) in zip(keys, standing, strict=True):
            self._counts[key] = (count + 1, ends_at)
            self._counts.move_to_end(key)
        while len(self._counts) > _MOST:
            self._counts.popitem(last=False)

    def give_back(self, counted: Iterable[tuple[Window, str]]) -> None:
        """Take back the count of a try that was right."""
        for key in counted:
            found = self._counts.get(key)
            if found is not None:
                self._counts[key] = (max(found[0] - 1, 0), found[1])

    def _standing(self, key: tuple[Window, str], now: float) -> tuple[int, float]:
        count, ends_at = self._counts.get(key, (0, 0.0))
        return (count, ends_at) if ends_at > now else (0, now + key[0].seconds)
