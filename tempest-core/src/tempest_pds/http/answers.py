"""What a method may answer with, beside a plain dict (JSON by the lexicon) and None (an empty body)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

Headers = Sequence[tuple[bytes, bytes]]

JSON: Final = b"application/json; charset=utf-8"
CAR: Final = b"application/vnd.ipld.car"


@dataclass(frozen=True, slots=True)
class Body:
    """Bytes that are ready to be sent.

    Attributes:
        data: the whole body; JSON unless `content_type` says otherwise.
        headers: further headers, names in lower case.
    """

    data: bytes
    content_type: bytes = JSON
    status: int = 200
    headers: Headers = ()


@dataclass(frozen=True, slots=True)
class Stream:
    """A body that is made while it is sent.

    Attributes:
        chunks: sent one by one as the client takes them, and closed when it goes away.
        length: in bytes when known; the answer is chunked otherwise.
    """

    chunks: AsyncIterator[bytes]
    content_type: bytes = CAR
    length: int | None = None
    status: int = 200
    headers: Headers = ()


Answer = dict[str, Any] | Body | Stream | None
