"""The store goes away and comes back: calls fail in bounded time, and the same adapter works again."""

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.support.s3_server import S3Server

from tempest_pds_blob_s3.plugin import create
from tempest_pds_plugins import BlobNotFound, BlobStore, PluginContext, StoreUnavailable, streams
from tempest_pds_plugins.testing.chunks import MIB, digest, large

PATIENCE = {"RETRIES": "0", "CONNECT_TIMEOUT": "0.5", "READ_TIMEOUT": "0.5", "CONNECTIONS": "2"}


@pytest.fixture
async def store(lone_s3_server: S3Server, tmp_path: Path) -> AsyncIterator[BlobStore]:
    environment = lone_s3_server.settings("TEMPEST_BLOB_S3_", lone_s3_server.make_bucket(), **PATIENCE)
    store = create(environment, PluginContext(data_dir=tmp_path))
    await store.open()
    yield store
    await store.close()


async def test_every_call_fails_and_works_again(store: BlobStore, lone_s3_server: S3Server) -> None:
    await store.put("k", streams.of(b"kept"))
    lone_s3_server.kill()
    for call in (
        store.put("new", streams.of(b"x")),
        store.get("k"),
        store.stat("k"),
        store.move("k", "moved"),
        store.delete("k"),
        anext(aiter(store.list())),
    ):
        with pytest.raises(StoreUnavailable, match="does not answer"):
            await call
    lone_s3_server.start()
    assert [stat.key async for stat in store.list()] == ["k"]
    assert await streams.collect(await store.get("k")) == b"kept"


async def test_an_outage_in_the_middle_of_an_upload(store: BlobStore, lone_s3_server: S3Server) -> None:
    await store.put("k", streams.of(b"old"))

    async def interrupted() -> AsyncIterator[bytes]:
        async for chunk in large(12 * MIB):
            yield chunk
        lone_s3_server.kill()
        async for chunk in large(12 * MIB):
            yield chunk

    with pytest.raises(StoreUnavailable):
        await store.put("k", interrupted())
    lone_s3_server.start()
    assert await streams.collect(await store.get("k")) == b"old"
    await store.put("k", large(12 * MIB))
    assert await digest(await store.get("k")) == await digest(large(12 * MIB))


async def test_an_outage_in_the_middle_of_a_download(store: BlobStore, lone_s3_server: S3Server) -> None:
    await store.put("k", large(32 * MIB))
    stream = await store.get("k")
    await anext(stream)
    lone_s3_server.kill()
    with pytest.raises(StoreUnavailable):
        await digest(stream)
    await streams.close(stream)
    lone_s3_server.start()
    assert await digest(await store.get("k")) == await digest(large(32 * MIB))


async def test_a_store_that_hangs_blocks_neither_the_loop_nor_a_call_for_long(
    store: BlobStore, lone_s3_server: S3Server
) -> None:
    """Two hundred calls share two threads: those that find none free in time fail too, instead of queueing."""
    lone_s3_server.pause()
    try:
        began = time.monotonic()
        calls = asyncio.gather(*[store.stat("k") for _ in range(200)], return_exceptions=True)
        turns = 0
        while not calls.done():
            await asyncio.sleep(0.01)
            turns += 1
        assert {type(error) for error in await calls} == {StoreUnavailable}
        assert time.monotonic() - began < 10
        assert turns > 20
    finally:
        lone_s3_server.resume()
    with pytest.raises(BlobNotFound):
        await store.stat("k")
