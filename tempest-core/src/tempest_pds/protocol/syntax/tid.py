"""Timestamp identifiers, and the clock that makes them.

A TID is a 64-bit number in 13 characters of a base32 whose alphabet sorts as text the way the numbers sort: a zero bit,
53 bits of microseconds since 1970, and 10 bits that tell apart the clocks which tick in the same microsecond.
https://atproto.com/specs/tid

Revisions of a repo are TIDs and may only rise. The wall clock does not promise that: it is set back by hand and by
NTP, and a repo brought from elsewhere may carry a revision from the future. So the clock never looks back behind what
it gave out last, and a caller who knows of a later TID says so.
"""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Callable
from typing import Final, Self

from tempest_pds.protocol.errors import InvalidSyntax

_ALPHABET: Final = "234567abcdefghijklmnopqrstuvwxyz"
_DIGITS: Final = {character: value for value, character in enumerate(_ALPHABET)}
_PAIRS: Final = tuple(high + low for high in _ALPHABET for low in _ALPHABET)
_TID: Final = re.compile(r"[234567abcdefghij][234567abcdefghijklmnopqrstuvwxyz]{12}")
_LENGTH: Final = 13
_CLOCK_IDS: Final = 1024
_MAX_MICROS: Final = (1 << 53) - 1


class Tid(str):
    """A timestamp identifier of 13 characters; TIDs sort as text in the order of time."""

    __slots__ = ()

    @staticmethod
    def is_valid(text: str) -> bool:
        """Tell whether `text` is a TID, without making one."""
        return len(text) == _LENGTH and _TID.fullmatch(text) is not None

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a TID; raise InvalidSyntax."""
        if not cls.is_valid(text):
            raise InvalidSyntax(f"not a TID: {text[:80]!r}")
        return cls(text)

    @classmethod
    def from_micros(cls, micros: int, clock_id: int = 0) -> Self:
        """Name a moment in microseconds since 1970; raise InvalidSyntax beyond 53 bits, or 10 bits of `clock_id`."""
        if not 0 <= micros <= _MAX_MICROS or not 0 <= clock_id < _CLOCK_IDS:
            raise InvalidSyntax(f"no TID for {micros} µs and clock {clock_id}")
        number = micros << 10 | clock_id
        # Two characters at a time: a revision is made for every write.
        return cls(
            _ALPHABET[number >> 60]
            + _PAIRS[number >> 50 & 1023]
            + _PAIRS[number >> 40 & 1023]
            + _PAIRS[number >> 30 & 1023]
            + _PAIRS[number >> 20 & 1023]
            + _PAIRS[number >> 10 & 1023]
            + _PAIRS[number & 1023]
        )

    def _number(self) -> int:
        number = 0
        for character in self:
            number = number << 5 | _DIGITS[character]
        return number

    @property
    def micros(self) -> int:
        """The moment it names, in microseconds since 1970."""
        return self._number() >> 10

    @property
    def clock_id(self) -> int:
        """The clock that made it, from 0 to 1,023."""
        return self._number() & 1023


def _wall_clock_micros() -> int:
    return time.time_ns() // 1000


class TidClock:
    """Makes TIDs that strictly rise, whatever the wall clock does. For one thread: the event loop's."""

    def __init__(self, clock_id: int | None = None, now_micros: Callable[[], int] = _wall_clock_micros) -> None:
        """Take a random clock id unless one is given; `now_micros` tells the time in microseconds since 1970."""
        self._clock_id = secrets.randbelow(_CLOCK_IDS) if clock_id is None else clock_id
        self._now_micros = now_micros
        self._last = -1

    def next(self, after: Tid | None = None) -> Tid:
        """Return a TID above every one that followed the wall clock, and above `after`.

        Raises InvalidSyntax when `after` is so close to the end of time that nothing can follow it.
        """
        micros = self._last = max(self._now_micros(), self._last + 1)
        if after is not None and after.micros >= micros:
            # One repository from the future does not carry the others along.
            micros = after.micros + 1
        return Tid.from_micros(micros, self._clock_id)
