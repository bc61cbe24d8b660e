"""The Range header, as far as it is of use: one range of bytes. https://www.rfc-editor.org/rfc/rfc9110#section-14"""

from __future__ import annotations

import re
from typing import Final

from tempest_pds.protocol.errors import TempestError

_RANGE: Final = re.compile(rb"bytes=\s*([0-9]{0,18})-([0-9]{0,18})\s*")


class RangeNotSatisfiable(TempestError):
    """A range that begins after the end."""


def parse_range(header: bytes | None, size: int) -> tuple[int, int] | None:
    """Read a Range header for a body of `size` bytes into (start, end), the end exclusive.

    None means that the whole body is to be sent: there is no header, or one that may be ignored, as that of several
    ranges may. Raises RangeNotSatisfiable.
    """
    match = None if header is None else _RANGE.fullmatch(header)
    if match is None:
        return None
    first, last = match.groups()
    if not first:
        if not last:
            return None
        length = min(int(last), size)
        if not length:
            raise RangeNotSatisfiable("the range is empty")
        return size - length, size
    start = int(first)
    if last and int(last) < start:
        return None
    if start >= size:
        raise RangeNotSatisfiable(f"the range begins after the end, at {size} bytes")
    return start, min(int(last) + 1, size) if last else size
