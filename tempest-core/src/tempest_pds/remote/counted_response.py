"""What comes in on a connection, counted before it is parsed.

aiohttp limits a header and their number, and whoever reads a body counts that. Nobody counts what never becomes either:
interim answers (`100 Continue`) without end, of which each is an object that waits in a queue, empty lines, the sizes
and the extensions of chunks. So what exceeds the body by too much ends the connection.

Imports aiohttp; to be imported by the first request.
"""

import asyncio
from typing import Any, Final

from aiohttp import StreamReader
from aiohttp.client_proto import ResponseHandler

MAX_HEAD: Final = 64 * 1024
MAX_INTERIM: Final = 16
_MAX_BESIDE: Final = 512 * 1024
_MAX_BESIDE_PER_BYTE: Final = 8
# All messages of a piece are parsed before the first can be counted.
_HEAD_PIECE: Final = 2 * 1024


class CountedResponse(ResponseHandler):
    """The client's side of a connection, which bounds the head of an answer and the padding of its body."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop)
        self._received = 0
        self._messages = 0
        self._body: StreamReader | None = None
        self._in_head = False

    def set_response_params(self, **params: Any) -> None:
        """Begin to wait for an answer."""
        self._received = self._messages = 0
        self._body = None
        self._in_head = True
        super().set_response_params(**params)

    def data_received(self, data: bytes) -> None:
        """Parse what came, unless it is too much."""
        if data and not self._in_head and (self._body is None or self._body.is_eof()):
            # Nothing was asked, so it answers nothing; it must not be there when the next answer is waited for.
            self._end()
            return
        rest = data
        while True:
            piece, rest = (rest[:_HEAD_PIECE], rest[_HEAD_PIECE:]) if self._in_head else (rest, b"")
            self._received += len(piece)
            super().data_received(piece)
            if self._is_too_much():
                self._end()
            if not rest or self.transport is None or self.transport.is_closing():
                return

    def feed_data(self, data: tuple[Any, StreamReader], size: int = 0) -> None:
        """Take a parsed head: of an interim answer, or of the answer."""
        self._messages += 1
        if data[0].code >= 200:
            self._in_head = False
            self._body = data[1]
        super().feed_data(data, size)

    def _end(self) -> None:
        if self.transport is not None:
            self.transport.abort()

    def _is_too_much(self) -> bool:
        if self._messages > MAX_INTERIM:
            return True
        if self._in_head:
            return self._received > MAX_HEAD
        body = 0 if self._body is None else self._body.total_bytes
        return self._received > body + _MAX_BESIDE + body * _MAX_BESIDE_PER_BYTE


def counted_response(loop: asyncio.AbstractEventLoop) -> ResponseHandler:
    """Make what aiohttp makes for each connection."""
    return CountedResponse(loop)
