"""Servers that do what no server should: raw bytes, for whoever asks, until the other side is gone."""

from __future__ import annotations

import asyncio
import gzip
import ssl
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from functools import cache

Script = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"


class RudeServer:
    """A server whose every connection follows a script.

    Attributes:
        connections: made so far.
        open: connections that the other side has not ended yet.
        most_open: at once, so far.
    """

    def __init__(self, script: Script) -> None:
        self._script = script
        self.connections = 0
        self.open = 0
        self.most_open = 0
        self.port = 0
        self._changed = asyncio.Condition()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/"

    async def forsaken(self) -> None:
        """Wait until nobody is connected any more."""
        async with self._changed:
            await self._changed.wait_for(lambda: not self.open)

    async def visited(self, times: int = 1) -> None:
        """Wait for so many connections."""
        async with self._changed:
            await self._changed.wait_for(lambda: self.connections >= times)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.open += 1
        self.most_open = max(self.most_open, self.open)
        async with self._changed:
            self._changed.notify_all()
        try:
            await self._script(reader, writer)
            await writer.drain()
            while await reader.read(65536):
                pass
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            self.open -= 1
            writer.transport.abort()
            async with self._changed:
                self._changed.notify_all()


@asynccontextmanager
async def rude_server(
    script: Script, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1"
) -> AsyncIterator[RudeServer]:
    made = RudeServer(script)
    server = await asyncio.start_server(made.serve, host, 0, ssl=tls)
    made.port = server.sockets[0].getsockname()[1]
    try:
        yield made
    finally:
        server.close()


def says(*pieces: bytes, end: bool = False) -> Script:
    """Hear the request, answer with these bytes, and wait, or close the connection."""

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
        if end:
            writer.close()

    return script


def floods(start: bytes, piece: bytes) -> Script:
    """Answer with a start, and then with the same again and again."""

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(start)
        while not writer.is_closing():
            writer.write(piece)
            await writer.drain()

    return script


def drips(start: bytes, drop: bytes = b".") -> Script:
    """Answer with a start, and then with a drop twenty times a second."""

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(start)
        while not writer.is_closing():
            writer.write(drop)
            await writer.drain()
            await asyncio.sleep(0.05)

    return script


async def says_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Take the connection, and what is sent, and be silent."""


async def reads_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Take the connection, and nothing of what is sent."""
    writer.transport.pause_reading()  # type: ignore[attr-defined]
    with suppress(TimeoutError):
        await asyncio.wait_for(writer.wait_closed(), 5)


def compressed(encoding: bytes, body: bytes) -> bytes:
    return OK + b"Content-Encoding: %b\r\nContent-Length: %d\r\n\r\n%b" % (encoding, len(body), body)


@cache
def bomb(wbits: int, megabytes: int = 64) -> bytes:
    """Compress so many megabytes of nothing, to a thousandth."""
    compressor = zlib.compressobj(level=9, wbits=wbits)
    megabyte = bytes(1_000_000)
    return b"".join([*(compressor.compress(megabyte) for _ in range(megabytes)), compressor.flush()])


FLOODS: dict[str, Script] = {
    "interim answers": floods(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 4000),
    "headers": floods(OK, b"X-Header: value\r\n" * 1000),
    "large headers": floods(OK, b"X-Header: %b\r\n" % (b"x" * 8000)),
    "one header": floods(OK + b"X-Header: ", b"x" * 50_000),
    "one header, folded": floods(OK + b"X-Header: x\r\n", b" x\r\n" * 10_000),
    "a status line": floods(b"HTTP/1.1 200 ", b"x" * 50_000),
    "empty lines": floods(b"", b"\r\n" * 25_000),
    "no HTTP": floods(b"", b"x" * 50_000),
    "a body to its close": floods(OK + b"\r\n", b"x" * 50_000),
    "a body of a given length": floods(OK + b"Content-Length: 99999999999\r\n\r\n", b"x" * 50_000),
    "chunks": floods(CHUNKED, b"ffff\r\n%b\r\n" % bytes(0xFFFF)),
    "chunks of a byte": floods(CHUNKED, b"1\r\nx\r\n" * 10_000),
    "a chunk": floods(CHUNKED + b"fffffffffffffff\r\n", b"x" * 50_000),
    "the size of a chunk": floods(CHUNKED, b"0" * 50_000),
    "the extensions of a chunk": floods(CHUNKED + b"1;", b"a=b;" * 10_000),
    "trailers": floods(CHUNKED + b"0\r\n", b"X-Trailer: value\r\n" * 1000),
    "empty blocks of deflate": floods(
        OK + b"Content-Encoding: gzip\r\n\r\n" + gzip.compress(b"")[:10], b"\0\0\0\xff\xff" * 10_000
    ),
}
"""Each without an end."""

TEMPERS: dict[str, Script] = {
    "silence": says_nothing,
    "silence after the head": says(OK + b"Content-Length: 5\r\n\r\n"),
    "silence within the body": says(OK + b"Content-Length: 5\r\n\r\nab"),
    "silence after an interim answer": says(b"HTTP/1.1 100 Continue\r\n\r\n"),
    "a head that drips": drips(OK + b"X-Header: "),
    "headers that drip": drips(OK, b"X: y\r\n"),
    "interim answers that drip": drips(b"", b"HTTP/1.1 103 Early Hints\r\n\r\n"),
    "a body that drips": drips(OK + b"\r\n"),
    "chunks that drip": drips(CHUNKED, b"1\r\nx\r\n"),
    "an extension that drips": drips(CHUNKED + b"1;"),
}
"""Each takes its time."""

LIES: dict[str, Script] = {
    "a length that is too long": says(OK + b"Content-Length: 9\r\n\r\nshort", end=True),
    "a length below nothing": says(OK + b"Content-Length: -1\r\n\r\nshort", end=True),
    "a length that is no number": says(OK + b"Content-Length: x\r\n\r\nshort", end=True),
    "two lengths": says(OK + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nshort!", end=True),
    "chunks that end too soon": says(CHUNKED + b"9\r\nshort", end=True),
    "a chunk of no size": says(CHUNKED + b"x\r\nshort\r\n0\r\n\r\n", end=True),
    "a chunk below nothing": says(CHUNKED + b"-1\r\nshort\r\n0\r\n\r\n", end=True),
    "a chunk beyond all sizes": says(CHUNKED + b"ffffffffffffffffff\r\nx", end=True),
    "HTTP/0.9": says(b"short", end=True),
    "a version from the future": says(b"HTTP/9.9 200 OK\r\n\r\n", end=True),
    "a status that is none": says(b"HTTP/1.1 2000 OK\r\n\r\n", end=True),
    "TLS without being asked": says(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(200), end=True),
    "nothing": says(end=True),
    "a protocol that nobody asked for": says(b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\nx"),
}
"""Each is not what it says."""


def compressions() -> dict[str, Script]:
    """Bodies that say they are compressed, none of which is what was asked for."""
    small = gzip.compress(b"short")
    bodies = {
        "a bomb of gzip": (b"gzip", bomb(31)),
        "a bomb of deflate": (b"deflate", bomb(15)),
        "a bomb in a bomb": (b"gzip", gzip.compress(bomb(31) * 2)),
        "a bomb, twice encoded": (b"gzip, gzip", gzip.compress(bomb(31))),
        "a bomb behind a body": (b"gzip", small + bomb(31)),
        "a thousand bodies in a row": (b"gzip", small * 1000),
        "gzip that ends too soon": (b"gzip", small[:-9]),
        "gzip with another sum": (b"gzip", small[:-8] + bytes(8)),
        "gzip that is none": (b"gzip", b"short"),
        "brotli": (b"br", b"\x0b\x02\x80short\x03"),
        "zstd": (b"zstd", b"\x28\xb5\x2f\xfd\x24\x05)\0\0short"),
        "an encoding that nobody knows": (b"x-rot13", b"fubeg"),
    }
    return {kind: says(compressed(encoding, body), end=True) for kind, (encoding, body) in bodies.items()}
