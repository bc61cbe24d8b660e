"""Blobs that were taken down, and the crashes that may come in between."""

from __future__ import annotations

import asyncio

import pytest

from tempest_pds.protocol.data_model.cid import CID
from tempest_pds.protocol.syntax.did import Did
from tempest_pds.services.errors import InvalidRequest, NotFound
from tempest_pds.services.quarantine import Quarantine
from tempest_pds.services.repo_errors import BlobNotFound
from tempest_pds.stores.actor.blobs import PUBLIC

ALICE = Did("did:plc:aliceaaaaaaaaaaaaaaaaaaa")
ABSENT = CID.parse("bafkreidmclqgoloilqzrg3fs2dvqxd2tcub7w6qfav27ijih6bjj4ikus4")
NOBODY = Did("did:plc:nobodyaaaaaaaaaaaaaaaaaa")


@pytest.fixture
def quarantine(write_path):
    return Quarantine(
        stores=write_path.stores, log=write_path.log, blobs=write_path.blobs, blob_store=write_path.blob_store
    )


async def keys(write_path):
    return [stat.key async for stat in write_path.blob_store.list()]


async def published(write_path):
    """Upload a blob, and bring it to where a record would have brought it."""
    blob = await write_path.upload(b"bytes")
    await write_path.blobs.publish(ALICE, [blob.cid])
    with write_path.stores.open(ALICE) as store:
        await write_path.log.change_file(store, lambda file: file.blobs.put(blob.cid, "text/plain", 5, PUBLIC))
    return blob.cid


async def mark(write_path, cid, reference):
    """Write the row and nothing else, as a crash leaves it."""
    with write_path.stores.open(ALICE) as store:
        assert await write_path.log.change_file(store, lambda file: file.blobs.set_takedown(cid, reference))


async def test_a_takedown_that_crashed_before_the_bytes_moved_is_finished_by_the_sweep(write_path, quarantine):
    cid = await published(write_path)
    await mark(write_path, cid, "reason")
    with pytest.raises(BlobNotFound):
        write_path.blobs.find(ALICE, cid)
    assert await keys(write_path) == [f"public/{ALICE}/{cid}"]
    await quarantine.sweep(ALICE)
    assert await keys(write_path) == [f"quarantine/{ALICE}/{cid}"]


async def test_a_restoration_that_crashed_before_its_row_was_written_leaves_the_blob_down(write_path, quarantine):
    cid = await published(write_path)
    await quarantine.take_down(ALICE, cid, "reason")
    await write_path.blob_store.move(f"quarantine/{ALICE}/{cid}", f"public/{ALICE}/{cid}")
    with pytest.raises(BlobNotFound):
        write_path.blobs.find(ALICE, cid)
    await quarantine.sweep(ALICE)
    assert await keys(write_path) == [f"quarantine/{ALICE}/{cid}"]
    await quarantine.restore(ALICE, cid)
    assert await keys(write_path) == [f"public/{ALICE}/{cid}"]
    assert write_path.blobs.find(ALICE, cid).cid == cid


async def test_a_restoration_that_is_asked_for_again_finds_the_bytes_where_they_are(write_path, quarantine):
    cid = await published(write_path)
    await mark(write_path, cid, "reason")
    await quarantine.restore(ALICE, cid)
    assert await keys(write_path) == [f"public/{ALICE}/{cid}"]
    assert write_path.blobs.find(ALICE, cid).cid == cid


async def test_a_takedown_whose_caller_went_away_comes_to_its_end(write_path, quarantine):
    cid = await published(write_path)
    task = asyncio.create_task(quarantine.take_down(ALICE, cid, "reason"))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await keys(write_path) == [f"quarantine/{ALICE}/{cid}"]


async def test_what_was_taken_down_is_never_collected_as_garbage(write_path, quarantine):
    blob = await write_path.upload(b"unused")
    await quarantine.take_down(ALICE, blob.cid, "reason")
    assert await write_path.blobs.collect_garbage(ALICE, unused_seconds=-10) == 0
    with pytest.raises(InvalidRequest, match="takendown"):
        await write_path.upload(b"unused")
    await quarantine.restore(ALICE, blob.cid)
    assert await write_path.blobs.collect_garbage(ALICE, unused_seconds=-10) == 1
    assert await keys(write_path) == []


async def test_what_was_never_uploaded_is_not_found(quarantine):
    for did in (ALICE, NOBODY):
        with pytest.raises(NotFound):
            await quarantine.take_down(did, ABSENT, "reason")
        with pytest.raises(NotFound):
            await quarantine.restore(did, ABSENT)
        with pytest.raises(NotFound):
            quarantine.find(did, ABSENT)


async def test_the_sweep_leaves_everything_else_where_it_is(write_path, quarantine):
    cid = await published(write_path)
    temporary = (await write_path.upload(b"temporary")).cid
    before = await keys(write_path)
    await quarantine.sweep(ALICE)
    assert await keys(write_path) == before == sorted([f"public/{ALICE}/{cid}", f"temporary/{ALICE}/{temporary}"])
