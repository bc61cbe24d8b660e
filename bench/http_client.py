"""A lean HTTP/1.1 client: one connection, one request at a time, answers counted rather than kept where they are large.

The client shares the machine with the server it measures, so it does no more than it must: requests are encoded once by
the caller, and of an answer's head only the status and the length are read.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Self, cast


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer; `body` is empty when it was only counted."""

    status: int
    size: int
    body: bytes


class ConnectionLost(Exception):
    """The server closed the connection in the middle of an answer."""


def encode_get(path: str, token: str | None = None) -> bytes:
    """Encode a GET request for a connection that stays open."""
    authorization = f"Authorization: Bearer {token}\r\n" if token else ""
    return f"GET {path} HTTP/1.1\r\nHost: localhost\r\n{authorization}\r\n".encode()


def encode_post(path: str, body: bytes, token: str | None = None, content_type: str = "application/json") -> bytes:
    """Encode a POST request for a connection that stays open."""
    authorization = f"Authorization: Bearer {token}\r\n" if token else ""
    head = (
        f"POST {path} HTTP/1.1\r\nHost: localhost\r\n{authorization}"
        f"Content-Type: {content_type}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


class Connection(asyncio.Protocol):
    """One connection to the server. Not safe for two requests at a time."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._waiting: asyncio.Future[Answer] | None = None
        self._keep = True
        self._reset()

    @classmethod
    async def open(cls, port: int) -> Self:
        loop = asyncio.get_running_loop()
        _, connection = await loop.create_connection(cls, "127.0.0.1", port)
        return connection

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    async def request(self, data: bytes, *, keep: bool = True) -> Answer:
        """Send an encoded request and wait for the answer; with *keep* false its body is only counted."""
        assert self._transport is not None
        self._reset()
        self._keep = keep
        self._waiting = asyncio.get_running_loop().create_future()
        self._transport.write(data)
        return await self._waiting

    def _reset(self) -> None:
        self._head = b""
        self._status = 0
        self._left: int | None = None
        self._chunks: Callable[[bytes], bool] | None = None
        self._size = 0
        self._body: list[bytes] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's does not derive from it

    def connection_lost(self, exc: Exception | None) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_exception(ConnectionLost(str(exc or "closed")))

    def data_received(self, data: bytes) -> None:
        if self._status == 0:
            head, found, data = (self._head + data).partition(b"\r\n\r\n")
            if not found:
                self._head = head
                return
            self._read_head(head)
        if self._chunks is not None:
            if self._chunks(data):
                self._finish()
            return
        self._count(data)
        assert self._left is not None
        self._left -= len(data)
        if self._left <= 0:
            self._finish()

    def _read_head(self, head: bytes) -> None:
        self._status = int(head[9:12])
        lower = head.lower()
        at = lower.find(b"\r\ncontent-length:")
        if at >= 0:
            end = lower.find(b"\r\n", at + 2)
            self._left = int(lower[at + 17 : end if end >= 0 else None])
        elif b"transfer-encoding: chunked" in lower:
            self._chunks = ChunkReader(self._count).feed
        else:
            self._left = 0

    def _count(self, data: bytes) -> None:
        self._size += len(data)
        if self._keep and data:
            self._body.append(data)

    def _finish(self) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(Answer(self._status, self._size, b"".join(self._body)))


class ChunkReader:
    """Takes the chunked coding off a body, piece by piece."""

    def __init__(self, sink: Callable[[bytes], None]) -> None:
        self._sink = sink
        self._left = 0
        self._line = b""
        self._last = False

    def feed(self, data: bytes) -> bool:
        """Take the next piece and tell whether the body is complete."""
        at = 0
        while at < len(data):
            if self._left > 2:
                piece = data[at : at + self._left - 2]
                self._sink(piece)
                self._left -= len(piece)
                at += len(piece)
            elif self._left > 0:  # the line end after a chunk
                step = min(self._left, len(data) - at)
                self._left -= step
                at += step
            else:
                end = data.find(b"\n", at)
                if end < 0:
                    self._line += data[at:]
                    return False
                line = (self._line + data[at:end]).strip()
                self._line = b""
                at = end + 1
                if self._last and not line:
                    return True
                if not self._last:
                    size = int(line.partition(b";")[0], 16)
                    self._last = size == 0
                    self._left = 0 if self._last else size + 2
        return False
