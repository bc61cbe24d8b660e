"""The body of an answer in one piece, where it is small enough; larger ones stay a stream."""

import zlib
from collections.abc import AsyncIterator

from tempest_pds.protocol.errors import TempestError


class NotReadable(TempestError):
    """A body in an encoding that was not asked for, or longer than may be read."""


async def read_up_to(chunks: AsyncIterator[bytes], limit: int) -> tuple[bytes | None, AsyncIterator[bytes]]:
    """Read a body of at most `limit` bytes.

    Returns:
        the body, or None when it is longer, and in any case a stream of all of it.
    """
    read: list[bytes] = []
    size = 0
    async for chunk in chunks:
        read.append(chunk)
        size += len(chunk)
        if size > limit:
            return None, _resumed(read, chunks)
    return b"".join(read), in_one_piece(b"".join(read))


def decompressed(body: bytes, encoding: str, limit: int) -> bytes:
    """Undo a Content-Encoding; raise NotReadable for any but gzip, and beyond the limit."""
    match encoding.strip().lower():
        case "" | "identity":
            return body
        case "gzip":
            reader = zlib.decompressobj(wbits=31)
            try:
                plain = reader.decompress(body, limit)
            except zlib.error as error:
                raise NotReadable("not gzip, although it says so") from error
            if not reader.eof:
                raise NotReadable("too long, or cut off")
            return plain
    raise NotReadable(f"encoded as {encoding[:20]}")


async def in_one_piece(body: bytes) -> AsyncIterator[bytes]:
    """Give a body as a stream."""
    yield body


async def _resumed(read: list[bytes], rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    try:
        for chunk in read:
            yield chunk
        async for chunk in rest:
            yield chunk
    finally:
        close = getattr(rest, "aclose", None)
        if close is not None:
            await close()
