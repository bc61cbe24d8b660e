"""How many wrong codes may be given.

Only who knows an account's password gets to guess at its codes, and each guess is right with a chance of three in a
million: of the three time steps that are accepted. Twenty a day make a year of guessing a chance of one in fifty, and
the owner sees it among the security events from the third of a day on. While an app's codes are locked, recovery codes
and passkeys go on: nobody guesses those.

Counts are kept in memory, a table for each window, which never outgrows `_MOST`. What is counted by account is of those
whose password was given. Of tickets and addresses anybody can have any number, so their tables are no account's: who
fills them makes nobody else's guesses forgotten.
"""

from __future__ import annotations

import time
from collections import OrderedDict, defaultdict
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
        self._counts: defaultdict[Window, OrderedDict[str, tuple[int, float]]] = defaultdict(OrderedDict)

    def take(self, counted: Iterable[tuple[Window, str]]) -> None:
        """Count a try against each of these; raise TooManyTries, and count none, when one of them is used up."""
        now, keys = self._clock(), list(counted)
        standing = [self._standing(window, key, now) for window, key in keys]
        if any(count >= window.tries for (window, _), (count, _) in zip(keys, standing, strict=True)):
            raise TooManyTries("Too many wrong codes. Wait a while, then try again.")
        for (window, key), (count, ends_at) in zip(keys, standing, strict=True):
            table = self._counts[window]
            table[key] = (count + 1, ends_at)
            table.move_to_end(key)
            if len(table) > _MOST:
                table.popitem(last=False)

    def give_back(self, counted: Iterable[tuple[Window, str]]) -> None:
        """Take back the count of a try that was right."""
        for window, key in counted:
            table = self._counts[window]
            if key in table:
                count, ends_at = table[key]
                table[key] = (max(count - 1, 0), ends_at)

    def _standing(self, window: Window, key: str, now: float) -> tuple[int, float]:
        count, ends_at = self._counts[window].get(key, (0, 0.0))
        return (count, ends_at) if ends_at > now else (0, now + window.seconds)
