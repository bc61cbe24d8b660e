"""How numbers, sizes and times look to a person."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

_UNITS: Final = ("kB", "MB", "GB", "TB", "PB")
_STEPS: Final = ((86_400, "day"), (3_600, "hour"), (60, "minute"))
_CAPITAL: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_CODE: Final = re.compile(r"`([^`]+)`")
_THOUSAND: Final = "\u202f"


def size(count: int) -> str:
    """Write a number of bytes: `512 bytes`, `1.5 MB`."""
    if count < 1000:
        return f"{count} byte{'' if count == 1 else 's'}"
    power = 1
    while power < len(_UNITS) and count >= 999.5 * 1000**power:
        power += 1
    value = count / 1000**power
    return f"{value:.1f} {_UNITS[power - 1]}" if value < 99.95 else f"{value:.0f} {_UNITS[power - 1]}"


def number(count: int) -> str:
    """Write a whole number in groups of three digits."""
    return f"{count:,}".replace(",", _THOUSAND)


def count(amount: int, noun: str) -> str:
    """Write a number with its noun, in the plural where it is one: `1 blob`, `1,200 blobs`."""
    return f"{amount:,} {noun}" if amount == 1 else f"{amount:,} {noun}s"


def duration(seconds: float) -> str:
    """Write a time span by its largest unit or two: `3 days 4 hours`, `12 seconds`."""
    left = max(0, int(seconds))
    parts = []
    for length, name in _STEPS:
        count, left = divmod(left, length)
        if count:
            parts.append(f"{count} {name}{'' if count == 1 else 's'}")
    if not parts:
        return f"{left} second{'' if left == 1 else 's'}"
    return " ".join(parts[:2])


def moment(iso: str) -> str:
    """Write an ISO 8601 time to the minute, in UTC, which the foot of the page says once."""
    return datetime.fromisoformat(iso).astimezone(UTC).strftime("%Y-%m-%d %H:%M")


def iso_moment(micros: int) -> str:
    """Write microseconds since 1970 to the minute, for programs that read the page."""
    return datetime.fromtimestamp(micros // 1_000_000, UTC).strftime("%Y-%m-%dT%H:%MZ")


def spans(text: str) -> list[str]:
    """Divide a line at what stands between backticks: every second piece, from the second on, is code."""
    return _CODE.split(text)


def share(part: int, whole: int) -> int:
    """Give a percentage, a whole number from 0 to 100."""
    return 0 if whole <= 0 else max(0, min(100, round(100 * part / whole)))


class Row(NamedTuple):
    """A line of a part of the status report; `kind` is `time` when `value` is one, else `text`."""

    label: str
    value: str
    kind: str


def rows(part: Mapping[str, Any]) -> list[Row]:
    """Lay out a part of the status report that plugins or later versions fill.

    A member ending in `At` is a time, in `Bytes` a size, in `Seconds` a time span; lists and objects are left out, and
    so is what is null.
    """
    laid_out = []
    for name, value in part.items():
        label = _CAPITAL.sub(" ", name).lower()
        kind = "text"
        if name.endswith("At") and isinstance(value, str):
            label, text, kind = label.removesuffix(" at"), value, "time"
        elif isinstance(value, bool):
            text = "yes" if value else "no"
        elif isinstance(value, (int, float)) and name.endswith("Bytes"):
            label, text = label.removesuffix("bytes") + "size", size(int(value))
        elif isinstance(value, (int, float)) and name.endswith("Seconds"):
            label, text = label.removesuffix("seconds") + "duration", duration(value)
        elif isinstance(value, int):
            text = number(value)
        elif isinstance(value, (str, float)):
            text = str(value)
        else:
            continue
        laid_out.append(Row(label[:1].upper() + label[1:], text, kind))
    return laid_out


FORMATTERS: Final[tuple[Callable[..., Any], ...]] = (size, number, duration, moment, iso_moment, share, spans, rows)
"""What templates may use as filters, under their own names."""
