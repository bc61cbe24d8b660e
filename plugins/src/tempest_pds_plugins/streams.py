"""Byte streams: what a store is fed from, and what it hands out."""

from collections.abc import AsyncIterable, AsyncIterator, Iterable


async def of(*chunks: bytes) -> AsyncIterator[bytes]:
    """Stream the chunks as they are."""
    for chunk in chunks:
        yield chunk


async def of_each(chunks: Iterable[bytes]) -> AsyncIterator[bytes]:
    """Stream what a plain iterable yields, without holding it."""
    for chunk in chunks:
        yield chunk


async def collect(chunks: AsyncIterable[bytes]) -> bytes:
    """Read a stream to its end into memory: for small ones, and for tests."""
    return b"".join([chunk async for chunk in chunks])


async def close(stream: AsyncIterator[bytes]) -> None:
    """Let go of a stream that will not be read to its end, and of the file or connection behind it."""
    aclose = getattr(stream, "aclose", None)
    if aclose is not None:
        await aclose()
