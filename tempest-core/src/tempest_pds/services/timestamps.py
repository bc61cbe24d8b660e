"""Times as the stores keep them, microseconds since 1970, and as answers give them."""

import time
from typing import Final

from tempest_pds.protocol.syntax.datetime import Datetime

SECOND: Final = 1_000_000


def now_us() -> int:
    """Tell the time in microseconds since 1970."""
    return time.time_ns() // 1000


def to_datetime(micros: int) -> str:
    """Write a time in the form that the protocol prefers, with milliseconds."""
    return Datetime.from_millis(micros // 1000)


def from_datetime(text: str) -> int:
    """Read a time that `to_datetime` wrote."""
    return Datetime.parse(text).millis * 1000
