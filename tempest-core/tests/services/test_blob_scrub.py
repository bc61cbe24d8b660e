"""Blobs and their rows, held against each other: what is lost, damaged or too much is found, and told from the rest."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path
from typing import Any

import pytest
from conftest import ALICE, NOW, POST, OpenWritePath, WritePath
from damage import change

from tempest_pds.protocol.data_model.cid import CID
from tempest_pds.protocol.syntax.did import Did
from tempest_pds.services.blobs import UploadedBlob
from tempest_pds.services.progress import WorkStopped
from tempest_pds.services.record_writes import RequestedWrite
from tempest_pds_plugins import streams
from tempest_pds_plugins.errors import BlobNotFound, StoreUnavailable

BOB = Did("did:plc:bobbbbbbbbbbbbbbbbbbbbbb")
PNG = b"\x89PNG\r\n\x1a\n"
TWO_DAYS = 2 * 24 * 3600


async def picture(path: WritePath, content: bytes, did: Did = ALICE) -> UploadedBlob:
    """Upload a picture, and write a post that shows it."""
    blob = await path.upload(PNG + content, "image/png", did)
    reference = {"$type": "blob", "ref": blob.cid, "mimeType": blob.mime_type, "size": blob.size}
    embed = {"$type": "app.bsky.embed.images", "images": [{"alt": "", "image": reference}]}
    value = {"text": "look", "createdAt": NOW, "embed": embed}
    await path.write(RequestedWrite("create", POST, None, value), did=did)
    return blob


@pytest.fixture
async def two(open_write_path: OpenWritePath) -> WritePath:
    """Two accounts, of which Alice has two pictures and an upload that nothing refers to, and Bob one picture."""
    path = await open_write_path()
    path.create(ALICE)
    path.create(BOB)
    await picture(path, b"one")
    await picture(path, b"two")
    await path.upload(b"unused")
    await picture(path, b"one", BOB)
    return path


def key(place: str, did: Did, content: bytes) -> str:
    return f"{place}/{did}/{CID.for_raw(content)}"


async def put(path: WritePath, name: str, content: bytes, *, age: float = TWO_DAYS) -> Path:
    """Put bytes into the blob store, as old as they are to be; give their file."""
    before = {file for file in path.directory.blobs.rglob("*") if file.is_file()}
    await path.blob_store.put(name, streams.of(content))
    (file,) = {file for file in path.directory.blobs.rglob("*") if file.is_file()} - before
    moment = time.time() - age
    os.utime(file, (moment, moment))
    return file


async def exists(path: WritePath, name: str) -> bool:
    try:
        await path.blob_store.stat(name)
    except BlobNotFound:
        return False
    return True


async def test_all_in_order_is_sound(two: WritePath) -> None:
    report = await two.scrub.scrub()
    assert report.sound
    assert (report.blobs, report.without_row, report.problems) == (4, 0, [])
    assert report.bytes_read == 3 * 11 + 6


async def test_presence_alone_reads_no_bytes(two: WritePath) -> None:
    report = await two.scrub.scrub(rehash=False)
    assert (report.sound, report.blobs, report.bytes_read) == (True, 4, 0)


async def test_lost_bytes_are_found(two: WritePath) -> None:
    await two.blob_store.delete(key("public", ALICE, PNG + b"two"))
    report = await two.scrub.scrub(rehash=False)
    assert not report.sound
    assert (report.without_bytes, report.damaged) == (1, 0)
    assert report.problems == [f"{ALICE}: there are no bytes of blob {CID.for_raw(PNG + b'two')}, which is public"]


@pytest.mark.parametrize(
    ("content", "told"), [(PNG + b"twp", "are not those that its CID stands for"), (PNG, "has 8 bytes instead of 11")]
)
async def test_damaged_bytes_are_found(two: WritePath, content: bytes, told: str) -> None:
    await two.blob_store.put(key("public", ALICE, PNG + b"two"), streams.of(content))
    report = await two.scrub.scrub()
    assert (report.sound, report.without_bytes, report.damaged) == (False, 0, 1)
    assert told in report.problems[0]


@pytest.mark.parametrize("place", ["public", "temporary", "quarantine"])
async def test_bytes_without_a_row_are_told_and_removed_only_when_somebody_says_so(two: WritePath, place: str) -> None:
    name = key(place, ALICE, b"stray")
    await put(two, name, b"stray")
    report = await two.scrub.scrub()
    assert (report.sound, report.without_row, report.removed) == (True, 1, 0)
    assert report.problems == [f"{name}: there is no row for these bytes"]
    assert await exists(two, name)
    report = await two.scrub.scrub(delete_orphans=True)
    assert (report.without_row, report.removed) == (1, 1)
    assert not await exists(two, name)
    assert (await two.scrub.scrub()).blobs == 4


async def test_bytes_that_are_still_young_may_get_their_row_and_are_left_alone(two: WritePath) -> None:
    name = key("temporary", ALICE, b"arriving")
    await put(two, name, b"arriving", age=3600)
    report = await two.scrub.scrub(delete_orphans=True)
    assert report.without_row == 0
    assert await exists(two, name)


async def test_bytes_of_an_unknown_account_are_removed_by_a_scrub_that_is_told_to_and_never_collected(
    two: WritePath,
) -> None:
    name = key("public", Did("did:plc:ghosttttttttttttttttttt2"), b"ghost")
    await put(two, name, b"ghost")
    assert (await two.scrub.collect()).removed == 0
    assert await exists(two, name)
    assert (await two.scrub.scrub()).without_row == 1
    assert (await two.scrub.scrub(delete_orphans=True)).removed == 1
    assert not await exists(two, name)


async def test_what_is_no_key_of_ours_is_left_alone(two: WritePath) -> None:
    await put(two, f"public/{BOB}/readme.txt", b"hello")
    assert (await two.scrub.scrub(delete_orphans=True)).without_row == 0
    assert await exists(two, f"public/{BOB}/readme.txt")


async def test_the_bytes_of_an_account_whose_file_is_lost_are_kept(
    two: WritePath, open_write_path: OpenWritePath
) -> None:
    await put(two, key("public", BOB, b"old"), b"old")
    await two.stop()
    two.stores.path_of(BOB).unlink()
    path = await open_write_path()
    report = await path.scrub.scrub(delete_orphans=True)
    assert not report.sound
    assert report.problems == [f"{BOB}: there are bytes of blobs, but no repository file"]
    assert await exists(path, key("public", BOB, b"old"))
    assert (await path.scrub.collect(unused_seconds=0)).removed == 1  # Alice's unused upload
    assert await exists(path, key("public", BOB, PNG + b"one"))


async def test_an_account_whose_file_cannot_be_read_is_passed_over_and_keeps_its_bytes(
    two: WritePath, open_write_path: OpenWritePath
) -> None:
    await put(two, key("public", BOB, b"old"), b"old")
    await two.stop()
    two.stores.path_of(BOB).write_bytes(b"This is no database, however long it may be." * 100)
    path = await open_write_path()
    for report in (await path.scrub.scrub(delete_orphans=True), await path.scrub.collect(unused_seconds=0)):
        assert not report.sound
        assert report.passed_over == 1
        assert report.problems[0].startswith(f"{BOB}: passed over: cannot open")
    assert await exists(path, key("public", BOB, b"old"))
    assert await exists(path, key("public", BOB, PNG + b"one"))


async def test_a_collection_removes_unused_uploads_and_bytes_without_a_row_once_they_are_old(two: WritePath) -> None:
    await put(two, key("public", ALICE, b"stray"), b"stray")
    assert (await two.scrub.collect()).removed == 1
    assert (await two.scrub.collect(unused_seconds=0)).removed == 1
    assert not await exists(two, key("temporary", ALICE, b"unused"))
    report = await two.scrub.scrub()
    assert (report.sound, report.blobs) == (True, 3)


async def test_a_store_that_fails_ends_the_work_with_its_error(two: WritePath, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail(*_: Any) -> None:
        raise StoreUnavailable("the disk is gone")

    monkeypatch.setattr(two.blob_store, "stat", fail)
    with pytest.raises(StoreUnavailable):
        await two.scrub.scrub(rehash=False, delete_orphans=True)


async def test_a_blob_that_is_published_while_it_is_looked_at_is_no_problem(
    two: WritePath, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its row is read as temporary; then its bytes move."""
    stat = two.blob_store.stat
    unused = key("temporary", ALICE, b"unused")

    async def late(name: str) -> Any:
        if name == unused and await exists_plainly(name):
            await two.blob_store.move(unused, key("public", ALICE, b"unused"))
            with two.stores.open(ALICE) as store:
                change(store, "UPDATE blob SET status = 'public' WHERE status = 'temporary'")
        return await stat(name)

    async def exists_plainly(name: str) -> bool:
        try:
            await stat(name)
        except BlobNotFound:
            return False
        return True

    monkeypatch.setattr(two.blob_store, "stat", late)
    assert (await two.scrub.scrub(rehash=False)).sound


async def test_uploads_and_deletions_meanwhile_do_not_confuse(two: WritePath) -> None:
    async def churn() -> None:
        for number in range(30):
            blob = await picture(two, b"%d" % number)
            await two.upload(b"upload %d" % number)
            assert blob.size

    churning = asyncio.create_task(churn())
    while not churning.done():
        assert (await two.scrub.scrub(delete_orphans=True)).sound
    await churning
    assert (await two.scrub.scrub()).blobs == 64


async def test_a_scrub_ends_when_nobody_waits_for_it(two: WritePath) -> None:
    def gone(*_: Any) -> None:
        raise WorkStopped("gone")

    with pytest.raises(WorkStopped):
        await two.scrub.scrub(progress=gone)


async def test_a_verification_tells_of_lost_bytes_of_blobs(two: WritePath) -> None:
    await two.blob_store.delete(key("public", ALICE, PNG + b"two"))
    report = await two.checks.verify(ALICE, rehash_blobs=False, progress=lambda *_: None)
    assert report.problems == [f"there are no bytes of blob {CID.for_raw(PNG + b'two')}, which is public"]
    assert (await two.checks.verify(BOB, rehash_blobs=True, progress=lambda *_: None)).problems == []


async def test_a_verification_of_all_finds_an_account_without_a_file_and_a_file_without_an_account(
    two: WritePath, open_write_path: OpenWritePath
) -> None:
    two.accounts.accounts.delete(ALICE)
    await two.stop()
    two.stores.path_of(BOB).unlink()
    path = await open_write_path()
    found = {
        did: (await path.checks.verify(did, rehash_blobs=False, progress=lambda *_: None)).problems
        for did in await path.checks.dids()
    }
    assert found == {
        ALICE: ["there is a repository's file, but no account"],
        BOB: ["the repository's file is not there"],
    }


async def test_a_verification_without_a_key_says_so(two: WritePath) -> None:
    two.keys.delete_signing_key(ALICE)
    report = await two.checks.verify(ALICE, rehash_blobs=False, progress=lambda *_: None)
    assert len(report.problems) == 1
    assert "key" in report.problems[0]
