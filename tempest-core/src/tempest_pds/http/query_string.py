"""The query string, parsed strictly: blank values are kept, bad percent-encoding of UTF-8 is refused.

BlackSheep's own `request.query` drops blank values and replaces bad UTF-8.
"""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import unquote_to_bytes

from tempest_pds.http.errors import XrpcError

_MAX_PAIRS: Final = 1_000
_BRACKETS: Final = re.compile(r"\[[0-9]*\]\Z")


def parse_query_string(raw: bytes, *, loose: bool = False) -> list[tuple[str, str]]:
    """Split into pairs in the order given, as URLSearchParams does; raise XrpcError for what is not UTF-8.

    Args:
        loose: read `name[]` and `name[0]` as `name`, as the reference server does for a few methods.
    """
    if not raw:
        return []
    pairs = []
    parts = raw.split(b"&", _MAX_PAIRS)
    if len(parts) > _MAX_PAIRS:
        raise XrpcError(400, "InvalidRequest", "Too many query parameters")
    escaped = b"%" in raw or b"+" in raw
    try:
        for part in parts:
            if part:
                name, _, value = part.partition(b"=")
                if escaped:
                    if b"%" in name or b"+" in name:
                        name = unquote_to_bytes(name.replace(b"+", b" "))
                    if b"%" in value or b"+" in value:
                        value = unquote_to_bytes(value.replace(b"+", b" "))
                pairs.append((name.decode("utf-8"), value.decode("utf-8")))
    except UnicodeDecodeError:
        raise XrpcError(400, "InvalidRequest", "The query string is not valid UTF-8") from None
    return [(_BRACKETS.sub("", name), value) for name, value in pairs] if loose else pairs
