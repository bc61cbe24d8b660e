"""Request bodies: counted while they come, never trusted to be as short as they say, nor to ever end."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import AsyncIterator
from typing import Final

from tempest_pds.http.errors import ClientGone, XrpcError
from tempest_pds.http.exchange import Exchange

# A client that sends nothing for this long has gone, whatever its connection says.
IDLE_SECONDS: Final = 60.0
_PIECE: Final = 65_536
_CLOSE: Final = ((b"connection", b"close"),)
_WINDOW_BITS: Final = {b"gzip": 31, b"x-gzip": 31, b"deflate": 15}


def too_large(limit: int) -> XrpcError:
    """Refuse a body; the connection is closed, as the rest of it is not worth reading."""
    return XrpcError(413, "PayloadTooLarge", f"The request body is larger than {limit} bytes", _CLOSE)


def declared_length(headers: dict[bytes, bytes]) -> int | None:
    """Give Content-Length, None when there is none; raise XrpcError when it is not a number."""
    value = headers.get(b"content-length")
    if value is None:
        return None
    if not value.isdigit() or len(value) > 18:
        raise XrpcError(400, "InvalidRequest", "invalid content-length")
    return int(value)


async def read_all(exchange: Exchange, limit: int) -> bytes:
    """Read a whole body of at most `limit` bytes, decompressed; raises as `read_chunks` does."""
    parts = [chunk async for chunk in read_chunks(exchange, limit)]
    return parts[0] if len(parts) == 1 else b"".join(parts)


async def read_chunks(exchange: Exchange, limit: int, *, decode: bool = True) -> AsyncIterator[bytes]:
    """Read a body as it comes, in non-empty chunks.

    Args:
        exchange: whose body.
        limit: in bytes; after decompression, if the body is decoded.
        decode: whether to undo gzip and deflate.

    Raises:
        XrpcError: PayloadTooLarge, or a Content-Encoding that is not understood.
        ClientGone: the client went away, or stopped sending.
    """
    length = declared_length(exchange.headers)
    if length is not None and length > limit:
        raise too_large(limit)
    source = _received(exchange)
    if decode:
        encoding = exchange.headers.get(b"content-encoding", b"identity").strip().lower()
        if encoding not in {b"identity", b""}:
            bits = _WINDOW_BITS.get(encoding)
            if bits is None:
                raise XrpcError(415, "UnsupportedMediaType", "unsupported content-encoding", _CLOSE)
            source = _decompressed(source, bits)
    total = 0
    async for chunk in source:
        total += len(chunk)
        if total > limit:
            raise too_large(limit)
        yield chunk


async def _received(exchange: Exchange) -> AsyncIterator[bytes]:
    receive = exchange.receive
    more = exchange.body_pending
    while more:
        try:
            async with asyncio.timeout(IDLE_SECONDS):
                message = await receive()
        except TimeoutError:
            raise XrpcError(408, "RequestTimeout", "The request body did not arrive in time", _CLOSE) from None
        if message["type"] == "http.disconnect":
            raise ClientGone("the client went away while sending")
        exchange.body_pending = more = message.get("more_body", False)
        body: bytes = message.get("body", b"")
        if body:
            yield body


async def _decompressed(source: AsyncIterator[bytes], bits: int) -> AsyncIterator[bytes]:
    """Decompress in pieces of bounded size, so that a bomb is cut off by whoever counts them."""
    decompressor = zlib.decompressobj(bits)
    try:
        async for chunk in source:
            data = chunk
            while not decompressor.eof:
                piece = decompressor.decompress(data, _PIECE)
                data = decompressor.unconsumed_tail
                if piece:
                    yield piece
                # A full piece may leave more output inside zlib although all input is consumed.
                if not data and len(piece) < _PIECE:
                    break
            if decompressor.unused_data or (decompressor.eof and data):
                raise XrpcError(400, "InvalidRequest", "There is more after the end of the compressed body", _CLOSE)
        if not decompressor.eof:
            raise XrpcError(400, "InvalidRequest", "The compressed body ends too soon", _CLOSE)
    except zlib.error:
        raise XrpcError(400, "InvalidRequest", "The body is not what its content-encoding says", _CLOSE) from None
