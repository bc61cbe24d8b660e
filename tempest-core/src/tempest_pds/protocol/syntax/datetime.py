"""Datetimes: the part that RFC 3339 and ISO 8601 have in common, with a time zone always.

https://atproto.com/specs/lexicon#datetime. A datetime stays the text it was, because records are signed as they are; to
compare or sort, normalise it to UTC in milliseconds.

Two liberties of the reference are kept, for the sake of the same verdicts: any month may have 31 days, the surplus
running over into the next month, and there is no leap second.
"""

from __future__ import annotations

import datetime as _stdlib
import re
from typing import Final, Self

from tempest_pds.protocol.errors import InvalidSyntax

MAX_LENGTH: Final = 64

_DATETIME: Final = re.compile(
    r"([0-9]{4})-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])"
    r"T([01][0-9]|2[0-3]):([0-5][0-9]):([0-5][0-9])(?:\.([0-9]+))?"
    r"(?:Z|([+-])([01][0-9]|2[0-3]):([0-5][0-9]))"
)
# What older clients wrote: a space for the T, seconds or the time or the zone left out, a zone without its colon.
_LOOSE: Final = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})"
    r"(?:[Tt ]([0-9]{2}):([0-9]{2})(?::([0-9]{2})(?:[.,]([0-9]+))?)?)?"
    r" ?(?:[Zz]|([+-])([0-9]{2}):?([0-9]{2}))?"
)
_EPOCH: Final = _stdlib.datetime(1970, 1, 1, tzinfo=_stdlib.UTC)
_DAYS_IN_400_YEARS: Final = 146_097
_MINUTES_A_DAY: Final = 24 * 60


class Datetime(str):
    """A valid datetime, at most 64 characters of ASCII, in the form it was given."""

    __slots__ = ()

    @staticmethod
    def is_valid(text: str) -> bool:
        """Tell whether `text` is a datetime, without making one."""
        # "-00:00" means an unknown zone in RFC 3339, and ISO 8601 forbids it.
        if len(text) > MAX_LENGTH or text.endswith("-00:00"):
            return False
        match = _DATETIME.fullmatch(text)
        return match is not None and _stays_in_four_digits(match)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a datetime; raise InvalidSyntax."""
        if not cls.is_valid(text):
            raise InvalidSyntax(f"not a datetime: {text[:80]!r}")
        return cls(text)

    @classmethod
    def now(cls) -> Self:
        """Tell the time in UTC, in milliseconds: `2026-01-31T12:34:56.789Z`."""
        return cls.from_datetime(_stdlib.datetime.now(_stdlib.UTC))

    @classmethod
    def from_datetime(cls, moment: _stdlib.datetime) -> Self:
        """Write an aware `datetime` in UTC, cut to milliseconds; raise InvalidSyntax for a naive one."""
        if moment.tzinfo is None:
            raise InvalidSyntax("a datetime without a time zone names no moment")
        return cls(moment.astimezone(_stdlib.UTC).isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z")

    @classmethod
    def from_millis(cls, millis: int) -> Self:
        """Write a moment given in milliseconds since 1970; raise InvalidSyntax outside the years 1 to 9999."""
        try:
            return cls.from_datetime(_EPOCH + _stdlib.timedelta(milliseconds=millis))
        except OverflowError as error:
            raise InvalidSyntax(f"no datetime for {millis} ms") from error

    @property
    def millis(self) -> int:
        """The moment in milliseconds since 1970, what is finer cut off."""
        match = _DATETIME.fullmatch(self)
        assert match is not None, "a Datetime is valid by construction"
        return _millis(match)


def normalise_datetime(text: str) -> Datetime:
    """Bring a datetime to UTC in milliseconds, so that text sorts as time; raise InvalidSyntax.

    Besides valid datetimes this takes what older clients wrote: no time zone (read as UTC), no seconds or no time of
    day, a space instead of the T.
    """
    match = _DATETIME.fullmatch(text) or _LOOSE.fullmatch(text)
    if match is None or len(text) > MAX_LENGTH:
        raise InvalidSyntax(f"not a datetime: {text[:80]!r}")
    try:
        return Datetime.from_millis(_millis(match))
    except ValueError as error:
        raise InvalidSyntax(f"not a datetime: {text[:80]!r}") from error


def _offset_minutes(match: re.Match[str]) -> int:
    sign, hours, minutes = match.group(8, 9, 10)
    if sign is None:
        return 0
    offset = int(hours) * 60 + int(minutes)
    return -offset if sign == "-" else offset


def _stays_in_four_digits(match: re.Match[str]) -> bool:
    """Refuse what falls outside the years 0 to 9999 once the time zone is taken off."""
    year, month, day, hour, minute = match.group(1, 2, 3, 4, 5)
    if match[8] is None or (year != "0000" and year != "9999"):
        return True
    utc = int(hour) * 60 + int(minute) - _offset_minutes(match)
    if year == "0000":
        return utc >= 0 or (month, day) != ("01", "01")
    return utc < _MINUTES_A_DAY or (month, day) != ("12", "31")


def _millis(match: re.Match[str]) -> int:
    year, month, day, hour, minute, second = (int(part or 0) for part in match.group(1, 2, 3, 4, 5, 6))
    if not (1 <= month <= 12 and 1 <= day <= 31 and hour < 24 and minute < 60 and second < 60):
        raise InvalidSyntax(f"not a datetime: {match[0]!r}")
    # The day is added afterwards: 30 February is 1 or 2 March. `date` has no year 0, but the calendar repeats after
    # 400 years.
    days = _stdlib.date(year or 400, month, 1).toordinal() - _EPOCH.toordinal() + day - 1
    if year == 0:
        days -= _DAYS_IN_400_YEARS
    minutes = days * _MINUTES_A_DAY + hour * 60 + minute - _offset_minutes(match)
    fraction = int((match[7] or "0")[:3].ljust(3, "0"))
    return (minutes * 60 + second) * 1000 + fraction
