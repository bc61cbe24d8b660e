"""Bodies that are read whole, or not at all."""

from __future__ import annotations

import gzip
from collections.abc import AsyncIterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tempest_pds.services.read_after_write.whole_body import NotReadable, decompressed, read_up_to


class Source:
    def __init__(self, chunks: list[bytes]) -> None:
        self.closed = False
        self._chunks = chunks

    async def read(self) -> AsyncIterator[bytes]:
        try:
            for chunk in self._chunks:
                yield chunk
        finally:
            self.closed = True


@given(st.lists(st.binary(min_size=1, max_size=9), max_size=9), st.integers(0, 40))
async def test_a_body_comes_out_whole_whether_it_was_read_or_not(chunks: list[bytes], limit: int) -> None:
    whole = b"".join(chunks)
    body, stream = await read_up_to(Source(chunks).read(), limit)
    assert body == (whole if len(whole) <= limit else None)
    assert b"".join([chunk async for chunk in stream]) == whole


async def test_the_source_of_a_long_body_is_closed_with_it() -> None:
    source = Source([b"12345"] * 3)
    _, stream = await read_up_to(source.read(), 5)
    assert await anext(stream) == b"12345"
    assert not source.closed
    await stream.aclose()  # type: ignore[attr-defined]
    assert source.closed


def test_gzip_is_undone_up_to_the_limit() -> None:
    plain = bytes(10_000)
    assert decompressed(gzip.compress(plain), "gzip", 10_000) == plain
    assert decompressed(plain, "", 10_000) == plain
    for body, encoding in [
        (gzip.compress(bytes(10_001)), "gzip"),
        (gzip.compress(plain)[:-1], "gzip"),
        (plain, "gzip"),
        (plain, "br"),
        (plain, "zstd"),
    ]:
        with pytest.raises(NotReadable):
            decompressed(body, encoding, 10_000)
