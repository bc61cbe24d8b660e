"""Streams to feed a store with: large ones that are made as they are read, and ones that break off."""

import asyncio
import hashlib
import tracemalloc
from collections.abc import AsyncIterator, Awaitable, Callable

CHUNK = 256 * 1024
MIB = 1024 * 1024


class Broken(Exception):
    """What a stream of the kit raises when it breaks off."""


async def breaking(*chunks: bytes) -> AsyncIterator[bytes]:
    """Stream the chunks, then raise `Broken` instead of ending."""
    for chunk in chunks:
        yield chunk
        await asyncio.sleep(0)
    raise Broken


async def large(size: int) -> AsyncIterator[bytes]:
    """Stream `size` bytes, each chunk a new object, so that keeping the chunks costs as much as joining them."""
    for position in range(0, size, CHUNK):
        yield (position // CHUNK).to_bytes(8, "big") * (min(CHUNK, size - position) // 8)
        await asyncio.sleep(0)


async def digest(stream: AsyncIterator[bytes]) -> tuple[int, str]:
    """Read a stream to its end; return its length and hash."""
    length, hasher = 0, hashlib.sha256()
    async for chunk in stream:
        length += len(chunk)
        hasher.update(chunk)
    return length, hasher.hexdigest()


def same_bytes(found: bytes, expected: bytes) -> bool:
    """Tell whether two long byte strings are one, in an assertion that pytest must not explain line by line."""
    return found == expected


async def peak_memory(work: Callable[[], Awaitable[object]]) -> int:
    """Return by how many bytes Python's memory rose at most while `work` ran, in every thread."""
    started_here = not tracemalloc.is_tracing()
    if started_here:
        tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        tracemalloc.reset_peak()
        await work()
        _, peak = tracemalloc.get_traced_memory()
        return peak - before
    finally:
        if started_here:
            tracemalloc.stop()
