"""How bytes travel: in parts that are given up whole, and past an answer that breaks off."""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from tests.support.s3_server import S3Server

from tempest_pds_blob_s3.plugin import create
from tempest_pds_plugins import BlobNotFound, BlobStore, PluginContext, StoreUnavailable, streams
from tempest_pds_plugins.testing.chunks import CHUNK, MIB, Broken, breaking, digest, large

OpenStore = Callable[..., Awaitable[BlobStore]]


@pytest.fixture
async def opened(tmp_path: Path) -> AsyncIterator[OpenStore]:
    """`opened(server, bucket, RETRIES=…)`: a store that is closed with the test."""
    stores: list[BlobStore] = []

    async def open_store(server: S3Server, bucket: str, **changed: str) -> BlobStore:
        environment = server.settings("TEMPEST_BLOB_S3_", bucket, **{"RETRIES": "0", **changed})
        store = create(environment, PluginContext(data_dir=tmp_path))
        stores.append(store)
        await store.open()
        return store

    yield open_store
    for store in stores:
        await store.close()


async def test_a_small_blob_is_one_request(s3_server: S3Server, opened: OpenStore) -> None:
    """The ETag of an object that came in parts ends in their number."""
    bucket = s3_server.make_bucket()
    store = await opened(s3_server, bucket)
    await store.put("small", large(5 * MIB))
    await store.put("large", large(5 * MIB + 8))
    assert "-" not in s3_server.client.head_object(Bucket=bucket, Key="small")["ETag"]
    assert s3_server.client.head_object(Bucket=bucket, Key="large")["ETag"].endswith('-2"')


async def test_a_source_is_read_no_faster_than_it_is_written(s3_server: S3Server, opened: OpenStore) -> None:
    """While the store stands still, an upload takes two parts from its source and no more."""
    store = await opened(s3_server, s3_server.make_bucket(), READ_TIMEOUT="60")
    taken = 0

    async def source() -> AsyncIterator[bytes]:
        nonlocal taken
        async for chunk in large(40 * MIB):
            if taken == 6 * MIB:
                s3_server.pause()
            taken += len(chunk)
            yield chunk

    upload = asyncio.create_task(store.put("k", source()))
    try:
        before = -1
        while taken != before or taken <= 6 * MIB:
            before = taken
            await asyncio.sleep(0.2)
        assert taken <= 2 * 5 * MIB + CHUNK
    finally:
        s3_server.resume()
    assert (await upload).size == 40 * MIB


@pytest.mark.parametrize("parts", [1, 3])
async def test_a_broken_upload_leaves_no_parts(s3_server: S3Server, opened: OpenStore, parts: int) -> None:
    bucket = s3_server.make_bucket()
    store = await opened(s3_server, bucket)
    with pytest.raises(Broken):
        await store.put("k", breaking(*[bytes(5 * MIB)] * parts, b"x"))
    assert s3_server.uploads(bucket) == []


async def test_a_cancelled_upload_leaves_no_parts(s3_server: S3Server, opened: OpenStore) -> None:
    """Cancelled at many points, also while a part is on its way."""
    bucket = s3_server.make_bucket()
    store = await opened(s3_server, bucket)
    for milliseconds in (1, 5, 10, 20, 40, 80):
        upload = asyncio.create_task(store.put("k", large(200 * MIB)))
        await asyncio.sleep(milliseconds / 1000)
        upload.cancel()
        with pytest.raises(asyncio.CancelledError):
            await upload
    assert s3_server.uploads(bucket) == []
    with pytest.raises(BlobNotFound):
        await store.stat("k")


async def test_uploads_that_were_given_up_a_day_ago_are_cleared_at_the_start(
    lone_s3_server: S3Server, opened: OpenStore
) -> None:
    """Ours alone: younger ones may be under way, and what is outside of the prefix is somebody else's."""
    bucket = lone_s3_server.make_bucket()
    for key in ("ours/old", "theirs/old"):
        lone_s3_server.client.create_multipart_upload(Bucket=bucket, Key=key)
    two_days_ago = time.time() - 2 * 24 * 3600
    for path in lone_s3_server.folder.rglob("*"):
        os.utime(path, (two_days_ago, two_days_ago))
    lone_s3_server.client.create_multipart_upload(Bucket=bucket, Key="ours/young")
    await opened(lone_s3_server, bucket, PREFIX="ours")
    assert sorted(lone_s3_server.uploads(bucket)) == ["ours/young", "theirs/old"]


async def test_uploads_in_a_bucket_without_a_prefix_are_left_alone(lone_s3_server: S3Server, opened: OpenStore) -> None:
    """Nothing tells ours from those of another program."""
    bucket = lone_s3_server.make_bucket()
    lone_s3_server.client.create_multipart_upload(Bucket=bucket, Key="somebodys/old")
    two_days_ago = time.time() - 2 * 24 * 3600
    for path in lone_s3_server.folder.rglob("*"):
        os.utime(path, (two_days_ago, two_days_ago))
    await opened(lone_s3_server, bucket)
    assert lone_s3_server.uploads(bucket) == ["somebodys/old"]


async def test_a_download_goes_on_where_it_broke_off(lone_s3_server: S3Server, opened: OpenStore) -> None:
    store = await opened(lone_s3_server, lone_s3_server.make_bucket())
    await store.put("k", large(16 * MIB))
    stream = await store.get("k", 5, 16 * MIB - 5)
    first = await anext(stream)
    lone_s3_server.kill()
    lone_s3_server.start()
    rest = await streams.collect(stream)
    expected = await streams.collect(large(16 * MIB))
    same = first + rest == expected[5:-5]
    assert same


async def test_a_download_does_not_go_on_with_another_version(lone_s3_server: S3Server, opened: OpenStore) -> None:
    store = await opened(lone_s3_server, lone_s3_server.make_bucket())
    await store.put("k", large(16 * MIB))
    stream = await store.get("k")
    await anext(stream)
    lone_s3_server.kill()
    lone_s3_server.start()
    await store.put("k", streams.of(*[b"b" * CHUNK] * 64))
    with pytest.raises(StoreUnavailable, match="replaced or deleted while it was read"):
        await digest(stream)


async def test_a_cancelled_reader_lets_go_of_its_thread(s3_server: S3Server, opened: OpenStore) -> None:
    """One thread serves them one after the other: had one of them kept it, none would be left."""
    store = await opened(s3_server, s3_server.make_bucket(), CONNECTIONS="1")
    await store.put("k", large(64 * MIB))

    async def read() -> None:
        stream = await store.get("k")
        try:
            await digest(stream)
        finally:
            await streams.close(stream)

    for milliseconds in (1, 2, 4, 8, 16):
        reader = asyncio.create_task(read())
        await asyncio.sleep(milliseconds / 1000)
        reader.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reader
    assert await digest(await store.get("k")) == await digest(large(64 * MIB))
