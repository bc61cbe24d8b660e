"""Blobs and the records that refer to them: what comes into use, what goes out of it, and what no race may break."""

from __future__ import annotations

import asyncio
import tracemalloc
from collections.abc import AsyncIterator

import pytest
from sqlalchemy import update

from tempest_pds.protocol.data_model.cid import CID
from tempest_pds.protocol.syntax.did import Did
from tempest_pds.protocol.syntax.nsid import Nsid
from tempest_pds.protocol.syntax.record_key import RecordKey
from tempest_pds.services.blobs import UploadedBlob
from tempest_pds.services.errors import InvalidRequest
from tempest_pds.services.record_writes import RequestedWrite
from tempest_pds.services.repo_errors import BlobNotFound, InvalidMimeType, InvalidRecord, InvalidSize, RepoNotFound
from tempest_pds.stores.actor.store import ActorStore
from tempest_pds.stores.actor.tables import BLOB
from tempest_pds_plugins import streams

ALICE = Did("did:plc:aliceaaaaaaaaaaaaaaaaaaa")
THING = Nsid("com.example.thing")


def reference(blob: UploadedBlob, **changed) -> dict:
    return {"$type": "blob", "ref": blob.cid, "mimeType": blob.mime_type, "size": blob.size, **changed}


def create(rkey: str, *blobs: dict) -> RequestedWrite:
    return RequestedWrite("create", THING, RecordKey(rkey), {"blobs": list(blobs)})


def put(rkey: str, *blobs: dict) -> RequestedWrite:
    return RequestedWrite("put", THING, RecordKey(rkey), {"blobs": list(blobs)})


def delete(rkey: str) -> RequestedWrite:
    return RequestedWrite("delete", THING, RecordKey(rkey))


async def keys(path) -> list[str]:
    return sorted([stat.key async for stat in path.blob_store.list("")])


def _take_all_down(file: ActorStore) -> None:
    with file.database.transaction() as transaction:
        transaction.run_clause(update(BLOB).values(takedown_ref="report-1"))


async def released(path) -> None:
    """Wait for what is removed after the answer."""
    await path.blobs.close()


async def test_an_upload_is_temporary_until_a_record_refers_to_it(write_path):
    blob = await write_path.upload(b"hello")
    assert blob.cid == CID.for_raw(b"hello")
    assert await keys(write_path) == [f"temporary/{ALICE}/{blob.cid}"]
    with pytest.raises(BlobNotFound):
        write_path.blobs.find(ALICE, blob.cid)
    await write_path.write(create("a", reference(blob)))
    assert await keys(write_path) == [f"public/{ALICE}/{blob.cid}"]
    assert write_path.blobs.find(ALICE, blob.cid).size == 5
    assert write_path.blobs.list(ALICE, None, 10, None) == [blob.cid]


async def test_the_type_is_that_of_the_first_bytes_or_else_what_the_uploader_says(write_path):
    png = await write_path.upload(b"\x89PNG\r\n\x1a\n" + bytes(32), "text/html")
    text = await write_path.upload(b"some text", "text/x-odd")
    assert (png.mime_type, text.mime_type) == ("image/png", "text/x-odd")


async def test_a_record_cannot_refer_to_a_blob_that_was_not_uploaded(write_path):
    missing = {"$type": "blob", "ref": CID.for_raw(b"never"), "mimeType": "text/plain", "size": 5}
    with pytest.raises(BlobNotFound, match="Could not find blob"):
        await write_path.write(create("a", missing))
    assert write_path.events() == []


async def test_a_reference_must_tell_the_type_and_the_size_of_the_blob(write_path):
    blob = await write_path.upload(b"hello")
    with pytest.raises(InvalidMimeType):
        await write_path.write(create("a", reference(blob, mimeType="image/png")))
    with pytest.raises(InvalidSize):
        await write_path.write(create("a", reference(blob, size=6)))
    assert await write_path.contents() == {}


async def test_a_record_with_a_blob_of_the_old_form_is_refused(write_path):
    blob = await write_path.upload(b"hello")
    with pytest.raises(InvalidRecord, match="Legacy blobs"):
        await write_path.write(create("a", {"cid": str(blob.cid), "mimeType": blob.mime_type}))


async def test_a_batch_with_one_bad_blob_leaves_the_others_unused(write_path):
    blob = await write_path.upload(b"hello")
    missing = {"$type": "blob", "ref": CID.for_raw(b"never"), "mimeType": "text/plain", "size": 5}
    with pytest.raises(BlobNotFound):
        await write_path.write(create("a", reference(blob)), create("b", missing))
    with pytest.raises(BlobNotFound):
        write_path.blobs.find(ALICE, blob.cid)
    await write_path.write(create("a", reference(blob)))
    assert write_path.blobs.find(ALICE, blob.cid).size == 5


async def test_a_blob_goes_when_the_last_record_that_refers_to_it_goes(write_path):
    blob = await write_path.upload(b"shared")
    await write_path.write(create("a", reference(blob)), create("b", reference(blob)))
    await write_path.write(delete("a"))
    await released(write_path)
    assert write_path.blobs.find(ALICE, blob.cid).size == 6
    await write_path.write(delete("b"))
    await released(write_path)
    assert await keys(write_path) == []
    with pytest.raises(BlobNotFound):
        write_path.blobs.find(ALICE, blob.cid)


async def test_a_blob_goes_when_an_update_lets_go_of_it(write_path):
    old, new = await write_path.upload(b"old"), await write_path.upload(b"new")
    await write_path.write(put("a", reference(old)))
    await write_path.write(put("a", reference(new)))
    await released(write_path)
    assert await keys(write_path) == [f"public/{ALICE}/{new.cid}"]


async def test_a_blob_that_moves_from_one_record_to_another_in_a_batch_stays(write_path):
    blob = await write_path.upload(b"moves")
    await write_path.write(create("a", reference(blob)))
    await write_path.write(delete("a"), create("b", reference(blob)))
    await released(write_path)
    assert write_path.blobs.find(ALICE, blob.cid).size == 5


async def test_blob_ownership_is_many_to_many_across_accounts(write_path):
    """What one account does to its blob never takes it away from another that has the same bytes."""
    dids = [write_path.create(Did(f"did:plc:{letter * 24}")) for letter in "bcd"]
    for did in dids:
        blob = await write_path.upload(b"everybody's", did=did)
        await write_path.write(create("a", reference(blob)), did=did)
    await write_path.write(delete("a"), did=dids[0])
    await released(write_path)
    for did in dids[1:]:
        size = write_path.blobs.find(did, blob.cid).size
        chunks = await write_path.blobs.read(did, blob.cid, 0, size)
        assert b"".join([chunk async for chunk in chunks]) == b"everybody's"
    with pytest.raises(BlobNotFound):
        write_path.blobs.find(dids[0], blob.cid)
    with pytest.raises(BlobNotFound):
        await write_path.write(create("b", reference(blob)), did=dids[0])


async def test_a_blob_that_is_used_again_while_it_is_being_removed_stays_or_is_refused(write_path):
    """Block GC must not race with a concurrent commit on the same repo: the same holds for blobs."""
    for number in range(20):
        blob = await write_path.upload(b"%d" % number)
        await write_path.write(create(f"a{number}", reference(blob)))
        await write_path.write(delete(f"a{number}"))  # its removal begins now, after the answer
        try:
            await write_path.write(create(f"b{number}", reference(blob)))
        except BlobNotFound:
            continue
        await released(write_path)
        size = write_path.blobs.find(ALICE, blob.cid).size
        chunks = await write_path.blobs.read(ALICE, blob.cid, 0, size)
        assert b"".join([chunk async for chunk in chunks]) == b"%d" % number
    assert write_path.blobs.missing(ALICE, 100, None) == []


async def test_records_that_come_and_go_at_the_same_time_leave_only_blobs_that_are_referred_to(write_path):
    blobs = [await write_path.upload(b"blob %d" % n) for n in range(4)]

    async def worker(name: int) -> None:
        for turn in range(12):
            blob = blobs[(name + turn) % 4]
            try:
                await write_path.write(put(f"w{name}", reference(blob)))
            except BlobNotFound:
                blobs[(name + turn) % 4] = await write_path.upload(b"blob %d" % ((name + turn) % 4))
            if turn % 3 == 2:
                await write_path.write(delete(f"w{name}"))

    await asyncio.gather(*[worker(n) for n in range(5)])
    await released(write_path)
    used = {blob["ref"] for value in (await write_path.contents()).values() for blob in value["blobs"]}
    assert set(write_path.blobs.list(ALICE, None, 100, None)) == used
    assert write_path.blobs.missing(ALICE, 100, None) == []
    for cid in used:
        size = write_path.blobs.find(ALICE, cid).size
        assert len(b"".join([chunk async for chunk in await write_path.blobs.read(ALICE, cid, 0, size)])) == size


async def test_an_upload_that_nothing_refers_to_is_swept_after_a_day(write_path):
    blob, used = await write_path.upload(b"forgotten"), await write_path.upload(b"used")
    await write_path.write(create("a", reference(used)))
    assert await write_path.blobs.collect_garbage(ALICE) == 0
    assert await write_path.blobs.collect_garbage(ALICE, unused_seconds=-1) == 1
    assert await keys(write_path) == [f"public/{ALICE}/{used.cid}"]
    with pytest.raises(BlobNotFound):
        await write_path.write(create("b", reference(blob)))


async def test_bytes_that_a_crash_left_without_a_row_are_swept(write_path):
    kept = await write_path.upload(b"has a row")
    stray = f"temporary/{ALICE}/{CID.for_raw(b'stray')}"
    await write_path.blob_store.put(stray, streams.of(b"stray"))
    assert await write_path.blobs.clear_strays() == 0
    assert await write_path.blobs.clear_strays(unused_seconds=-1) == 1
    assert await keys(write_path) == [f"temporary/{ALICE}/{kept.cid}"]


async def test_a_large_upload_is_stored_whole(write_path):
    data = bytes(range(256)) * 12_000
    blob = await write_path.upload(data)
    assert blob == UploadedBlob(CID.for_raw(data), "text/plain", len(data))
    await write_path.write(create("a", reference(blob)))
    assert await streams.collect(await write_path.blobs.read(ALICE, blob.cid, 0, blob.size)) == data


async def test_a_blob_may_be_uploaded_again(write_path):
    first = await write_path.upload(b"again")
    await write_path.write(create("a", reference(first)))
    second = await write_path.upload(b"again")
    assert second == first
    assert write_path.blobs.find(ALICE, first.cid).size == 5
    assert await keys(write_path) == [f"public/{ALICE}/{first.cid}"]


async def test_an_upload_that_breaks_off_leaves_nothing(write_path):
    async def broken() -> AsyncIterator[bytes]:
        yield b"some"
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        await write_path.blobs.upload(ALICE, "text/plain", broken())
    assert await keys(write_path) == []


async def test_a_blob_that_was_taken_down_is_not_served_not_used_and_not_uploaded_again(write_path):
    blob = await write_path.upload(b"bad")
    await write_path.write(create("a", reference(blob)))
    with write_path.stores.open(ALICE) as store:
        await write_path.log.change_file(store, _take_all_down)
    with pytest.raises(BlobNotFound):
        write_path.blobs.find(ALICE, blob.cid)
    with pytest.raises(BlobNotFound):
        await write_path.write(create("b", reference(blob)))
    with pytest.raises(InvalidRequest, match="takendown"):
        await write_path.upload(b"bad")


async def test_upload_blob_accepts_an_account_that_is_deactivated(open_write_path):
    """Which is what an account is while it moves here."""
    path = await open_write_path()
    path.create(ALICE, active=False)
    blob = await path.upload(b"on the move")
    assert await keys(path) == [f"temporary/{ALICE}/{blob.cid}"]


async def test_nobody_uploads_without_a_repository(write_path):
    with pytest.raises(RepoNotFound):
        await write_path.upload(b"x", did=Did("did:plc:zzzzzzzzzzzzzzzzzzzzzzzz"))


async def test_blobs_survive_a_restart_in_the_state_they_were_in(open_write_path):
    path = await open_write_path()
    path.create(ALICE)
    used, unused = await path.upload(b"used"), await path.upload(b"unused")
    await path.write(create("a", reference(used)))
    await path.stop()
    path = await open_write_path()
    assert path.blobs.find(ALICE, used.cid).size == 4
    await path.write(create("b", reference(unused)))
    assert path.blobs.find(ALICE, unused.cid).size == 6


async def test_memory_does_not_grow_with_the_size_of_a_blob(write_path):
    async def large() -> AsyncIterator[bytes]:
        for number in range(200):
            yield bytes([number]) * 65_536

    tracemalloc.start()
    try:
        blob = await write_path.blobs.upload(ALICE, "application/octet-stream", large())
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert blob.size == 200 * 65_536
    # Half of the blob: room for what the rest of the process allocates meanwhile.
    assert peak < 6_500_000
