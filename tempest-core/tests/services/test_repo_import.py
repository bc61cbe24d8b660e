"""com.atproto.repo.importRepo below HTTP: a CAR file of somebody else's making replaces a repository, or nothing."""

from __future__ import annotations

import asyncio
import re
import time
import tracemalloc
from collections.abc import AsyncIterator, Iterable
from contextlib import suppress

import pytest
from tests.support.foreign_repo import BOB, RECORDS, Foreign, bad_repos, odd_repos, post

from tempest_pds.protocol.data_model import car, dag_cbor
from tempest_pds.protocol.data_model.cid import CID
from tempest_pds.protocol.syntax.did import Did
from tempest_pds.protocol.syntax.nsid import Nsid
from tempest_pds.protocol.syntax.record_key import RecordKey
from tempest_pds.protocol.syntax.tid import Tid
from tempest_pds.repo.commit import decode
from tempest_pds.services import foreign_repos
from tempest_pds.services.errors import InvalidRequest
from tempest_pds.services.record_writes import RequestedWrite
from tempest_pds.services.repo_errors import RepoBusy, RepoNotFound

ALICE = Did("did:plc:aliceaaaaaaaaaaaaaaaaaaa")
POST = Nsid("app.bsky.feed.post")
NOW = "2026-01-01T00:00:00.000Z"
ODD_REPOS = odd_repos(ALICE)


async def in_chunks(data: bytes, size: int = 1000) -> AsyncIterator[bytes]:
    for start in range(0, len(data), size):
        yield data[start : start + size]


async def test_an_import_replaces_the_repository_by_the_same_tree_under_a_new_commit(write_path):
    await write_path.post("of before")
    before = write_path.sync.head(ALICE)
    foreign = Foreign(RECORDS, ALICE)
    await write_path.repos.import_car(ALICE, in_chunks(foreign.car()))
    after = write_path.sync.head(ALICE)
    assert after.data == foreign.data
    assert after.rev > before.rev
    assert after.rev > foreign.commit.rev
    assert after.commit != foreign.commit.cid
    assert await write_path.contents() == RECORDS
    assert write_path.listed() == RECORDS


async def test_the_revision_rises_above_one_from_the_future(write_path):
    future = Tid.from_micros(time.time_ns() // 1000 + 10**9)
    await write_path.repos.import_car(ALICE, in_chunks(Foreign(RECORDS, ALICE, rev=future).car()))
    assert write_path.sync.head(ALICE).rev > future
    await write_path.post("and goes on rising")
    assert len(await write_path.contents()) == 301


async def test_writing_goes_on_upon_what_was_imported(write_path):
    await write_path.post("of before")
    await write_path.repos.import_car(ALICE, in_chunks(Foreign(RECORDS, ALICE).car()))
    await write_path.post("of after", rkey="after")
    assert await write_path.contents() == {**RECORDS, "app.bsky.feed.post/after": post("of after")}


async def test_an_import_of_an_active_account_is_told_by_a_sync_event(write_path):
    await write_path.repos.import_car(ALICE, in_chunks(Foreign(RECORDS, ALICE).car()))
    head = write_path.sync.head(ALICE)
    [(_, kind, body)] = write_path.events()
    assert (kind, body["did"], body["rev"]) == ("sync", ALICE, head.rev)
    roots, blocks = car.decode(body["blocks"])
    assert roots == [head.commit]
    assert decode(blocks[head.commit]).verify(write_path.key())


async def test_an_import_of_an_account_that_is_not_active_is_told_to_nobody(open_write_path):
    path = await open_write_path()
    path.create(ALICE, active=False)
    await path.repos.import_car(ALICE, in_chunks(Foreign(RECORDS, ALICE).car()))
    assert path.events() == []
    assert len(await path.contents()) == 300


async def test_the_list_of_repositories_has_the_new_head(write_path):
    await write_path.repos.import_car(ALICE, in_chunks(Foreign(RECORDS, ALICE).car()))
    head = write_path.sync.head(ALICE)
    page = await write_path.repo_list.page(10, None)
    assert [(repo["head"], repo["rev"]) for repo in page.repos] == [(str(head.commit), head.rev)]


async def test_an_empty_repository_can_be_imported(write_path):
    await write_path.post("of before")
    await write_path.repos.import_car(ALICE, in_chunks(Foreign({}, ALICE).car()))
    assert await write_path.contents() == {}
    assert write_path.listed() == {}


async def test_an_export_can_be_imported_again(write_path):
    for number in range(20):
        await write_path.post(str(number))
    contents, exported = await write_path.contents(), await write_path.export()
    await write_path.post("too much")
    await write_path.repos.import_car(ALICE, in_chunks(exported))
    assert await write_path.contents() == contents


@pytest.mark.parametrize("name", ODD_REPOS)
async def test_what_is_strange_and_whole_is_taken_and_signed_anew(write_path, name):
    await write_path.repos.import_car(ALICE, in_chunks(ODD_REPOS[name]))
    assert await write_path.contents() == RECORDS
    head = write_path.sync.head(ALICE)
    with write_path.stores.open(ALICE) as store:
        commit = decode(store.get_block(head.commit))
    assert commit.verify(write_path.key())
    assert commit.prev is None


async def test_blocks_that_nothing_refers_to_are_left_behind(write_path):
    foreign = Foreign({"app.bsky.feed.post/one": post("one")}, ALICE)
    stray = dag_cbor.encode({"stray": True})
    foreign.blocks[CID.for_dag_cbor(stray)] = stray
    await write_path.repos.import_car(ALICE, in_chunks(foreign.car()))
    with write_path.stores.open(ALICE) as store:
        assert store.get_block(CID.for_dag_cbor(stray)) is None


async def test_follows_are_found_again_when_they_are_repeated(write_path):
    follow = {"$type": "app.bsky.graph.follow", "subject": BOB, "createdAt": NOW}
    await write_path.repos.import_car(ALICE, in_chunks(Foreign({"app.bsky.graph.follow/old": follow}, ALICE).car()))
    await write_path.write(RequestedWrite("create", Nsid("app.bsky.graph.follow"), None, follow))
    assert len(await write_path.contents()) == 1


# Blobs


def with_blob(cid: CID, mime_type: str, size: int) -> dict:
    blob = {"$type": "blob", "ref": cid, "mimeType": mime_type, "size": size}
    image = {"image": blob, "alt": ""}
    return post("look", embed={"$type": "app.bsky.embed.images", "images": [image]})


async def test_blobs_that_the_imported_records_refer_to_become_public(write_path):
    blob = await write_path.upload(b"uploaded before the import")
    record = with_blob(blob.cid, blob.mime_type, blob.size)
    await write_path.repos.import_car(ALICE, in_chunks(Foreign({"app.bsky.feed.post/1": record}, ALICE).car()))
    row = write_path.blobs.find(ALICE, blob.cid)
    chunks = await write_path.blobs.read(ALICE, blob.cid, 0, row.size)
    assert b"".join([chunk async for chunk in chunks]) == b"uploaded before the import"


async def test_blobs_that_are_not_here_are_listed_as_missing_until_they_are_uploaded(write_path):
    cid = CID.for_raw(b"comes later")
    record = with_blob(cid, "text/plain", 11)
    await write_path.repos.import_car(ALICE, in_chunks(Foreign({"app.bsky.feed.post/1": record}, ALICE).car()))
    assert write_path.blobs.missing(ALICE, 10, None) == [(cid, f"at://{ALICE}/app.bsky.feed.post/1")]
    await write_path.upload(b"comes later")
    assert write_path.blobs.missing(ALICE, 10, None) == []
    assert write_path.blobs.find(ALICE, cid).size == 11


async def test_blobs_that_no_record_refers_to_any_more_are_unused(write_path):
    blob = await write_path.upload(b"of a post of before")
    await write_path.write(
        RequestedWrite("create", POST, None, with_blob(blob.cid, blob.mime_type, blob.size)), validate=False
    )
    await write_path.repos.import_car(ALICE, in_chunks(Foreign(RECORDS, ALICE).car()))
    with write_path.stores.open(ALICE) as store:
        row = store.blobs.get(blob.cid)
        assert row is not None
        assert row.status == "orphaned"
    assert await write_path.blobs.collect_garbage(ALICE, unused_seconds=-1) == 1


async def test_uploads_wait_for_the_import_and_are_kept(write_path, monkeypatch):
    monkeypatch.setattr(foreign_repos, "_PAUSE_SECONDS", 0.02)
    importing = asyncio.create_task(write_path.repos.import_car(ALICE, in_chunks(Foreign(RECORDS, ALICE).car())))
    blobs = []
    while not importing.done():
        blobs.append(await write_path.upload(f"during {len(blobs)}".encode()))
        await asyncio.sleep(0.001)
    await importing
    with write_path.stores.open(ALICE) as store:
        assert all(store.blobs.get(blob.cid) is not None for blob in blobs)


async def test_preferences_and_takedowns_stay(write_path):
    record = post("taken down")
    await write_path.write(RequestedWrite("create", POST, RecordKey("bad"), record), validate=False)
    with write_path.stores.open(ALICE) as store:
        await write_path.log.change_file(store, lambda file: file.preferences.put("app.bsky", [("app.bsky.x", "{}")]))
        await write_path.log.change_file(
            store, lambda file: file.set_record_takedown("app.bsky.feed.post/bad", "report-1")
        )
        await write_path.repos.import_car(ALICE, in_chunks(Foreign({"app.bsky.feed.post/bad": record}, ALICE).car()))
        assert store.preferences.get("app.bsky") == [("app.bsky.x", "{}")]
        assert store.record_takedown("app.bsky.feed.post/bad") == "report-1"
        assert store.get_record("app.bsky.feed.post/bad") is None


# Refusals


async def test_what_is_not_a_whole_and_valid_repository_is_refused_and_changes_nothing(write_path):
    """Each by its name at the front door: tests/e2e/test_bad_imports.py."""
    await write_path.post("stays")
    blob = await write_path.upload(b"stays too")
    contents, head, events = await write_path.contents(), write_path.sync.head(ALICE), write_path.events()
    for data, message in bad_repos(ALICE).values():
        with pytest.raises(InvalidRequest, match=re.escape(message)):
            await write_path.repos.import_car(ALICE, in_chunks(data))
        assert await write_path.contents() == contents
        assert list(write_path.directory.tmp.iterdir()) == []
    assert (write_path.sync.head(ALICE), write_path.events()) == (head, events)
    with write_path.stores.open(ALICE) as store:
        assert store.blobs.get(blob.cid) is not None
    await write_path.post("and writing goes on")


async def test_one_large_record_under_many_paths_does_not_fill_the_disk(write_path):
    """In a file it takes the place of one record, and here that of one for each path."""
    large = post("x", filler="y" * 100_000)
    data = Foreign({f"app.bsky.feed.post/{n}": large for n in range(100)}, ALICE).car()
    assert len(data) < 200_000
    with pytest.raises(InvalidRequest, match="more than 5000000 bytes"):
        await write_path.repos.import_car(ALICE, in_chunks(data), max_bytes=5_000_000)
    await write_path.repos.import_car(ALICE, in_chunks(data), max_bytes=15_000_000)
    assert len(write_path.listed()) == 100


async def test_an_account_without_a_repository_cannot_import(write_path):
    with pytest.raises(RepoNotFound):
        await write_path.repos.import_car(BOB, in_chunks(Foreign(RECORDS, BOB).car()))


async def test_two_imports_into_one_repository_do_not_meet(write_path):
    started, refused = asyncio.Event(), asyncio.Event()

    async def slow() -> AsyncIterator[bytes]:
        started.set()
        await refused.wait()
        yield Foreign(RECORDS, ALICE).car()

    first = asyncio.create_task(write_path.repos.import_car(ALICE, slow()))
    await started.wait()
    with pytest.raises(RepoBusy):
        await write_path.repos.import_car(ALICE, in_chunks(Foreign({}, ALICE).car()))
    refused.set()
    await first
    assert len(await write_path.contents()) == 300


async def test_a_client_that_goes_away_leaves_everything_as_it_was(write_path):
    await write_path.post("stays")
    contents = await write_path.contents()

    async def cut_off() -> AsyncIterator[bytes]:
        yield Foreign(RECORDS, ALICE).car()[:5000]
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        await write_path.repos.import_car(ALICE, cut_off())
    assert await write_path.contents() == contents
    assert list(write_path.directory.tmp.iterdir()) == []


@pytest.mark.parametrize("moment", [0.0, 0.01, 0.05, 0.1, 0.2])
async def test_an_import_that_is_cancelled_has_happened_or_not_and_holds_nothing(write_path, moment, monkeypatch):
    monkeypatch.setattr(foreign_repos, "_PAUSE_SECONDS", 0.01)
    await write_path.post("of before", rkey="before")
    before = await write_path.contents()
    task = asyncio.create_task(write_path.repos.import_car(ALICE, in_chunks(Foreign(RECORDS, ALICE).car())))
    await asyncio.sleep(moment)
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    assert await write_path.contents() in (before, RECORDS)
    assert list(write_path.directory.tmp.iterdir()) == []
    await write_path.post("at once", rkey="after")
    assert "app.bsky.feed.post/after" in await write_path.contents()


# Beside writers


async def test_writers_are_refused_while_their_repository_is_replaced_and_others_are_not(write_path, monkeypatch):
    monkeypatch.setattr(foreign_repos, "_PAUSE_SECONDS", 0.02)
    write_path.create(BOB)
    importing = asyncio.create_task(write_path.repos.import_car(ALICE, in_chunks(Foreign(RECORDS, ALICE).car())))
    kept, refused = [], 0
    while not importing.done():
        await write_path.post("bob's", did=BOB)
        try:
            kept.append(await write_path.post("alice's"))
        except RepoBusy:
            refused += 1
    await importing
    # Each time Bob's write was done by then.
    assert refused > 0
    [(_, _, sync)] = [event for event in write_path.events() if event[1] == "sync"]
    after = {outcome.writes[0].path for outcome in kept if outcome.commit.rev > sync["rev"]}
    assert set(await write_path.contents()) == RECORDS.keys() | after


async def test_the_log_is_settled_beside_an_import_without_waiting_for_it(write_path, monkeypatch):
    monkeypatch.setattr(foreign_repos, "_PAUSE_SECONDS", 0.02)
    write_path.create(BOB)
    await write_path.post("of before")
    importing = asyncio.create_task(write_path.repos.import_car(ALICE, in_chunks(Foreign(RECORDS, ALICE).car())))
    beside = 0
    while not importing.done():
        await write_path.post("bob's", did=BOB)
        await write_path.log.settle()
        beside += bool(write_path.log._set_aside)
    await importing
    # The first may have begun before the file was set aside.
    assert beside >= 2
    await write_path.log.settle()
    assert write_path.sequencer.applied_seq() == write_path.log.last_seq


async def test_the_log_does_not_forget_what_a_file_that_is_set_aside_may_lack(write_path):
    await write_path.post("not settled yet")
    with write_path.stores.open(ALICE) as store:
        async with write_path.log.set_aside(store):
            await write_path.log.settle()
            assert write_path.sequencer.applied_seq() == 0
        await write_path.log.settle()
        assert write_path.sequencer.applied_seq() == 1


async def test_a_replacement_that_fails_leaves_the_repository_as_it_was_and_writable(write_path, monkeypatch):
    await write_path.post("stays", rkey="stays")
    rows = foreign_repos.ForeignRepo.rows

    def failing(self, head) -> Iterable:
        yield next(iter(rows(self, head)))
        raise OSError("disk full")

    monkeypatch.setattr(foreign_repos.ForeignRepo, "rows", failing)
    with pytest.raises(OSError, match="disk full"):
        await write_path.repos.import_car(ALICE, in_chunks(Foreign(RECORDS, ALICE).car()))
    monkeypatch.undo()
    await write_path.post("goes on", rkey="on")
    assert set(await write_path.contents()) == {"app.bsky.feed.post/stays", "app.bsky.feed.post/on"}
    await write_path.log.settle()
    assert write_path.sequencer.applied_seq() == write_path.log.last_seq


async def test_an_import_survives_a_crash_right_after_it(open_write_path, tmp_path):
    """Nothing of it is in the log; the file alone has it, and older commits of the log are not replayed into it."""
    path = await open_write_path()
    path.create(ALICE)
    for number in range(5):
        await path.post(f"of before {number}")
    await path.repos.import_car(ALICE, in_chunks(Foreign(RECORDS, ALICE).car()))
    await path.post("of after", rkey="after")
    copy = await path.log.call(lambda: path.copy_files(tmp_path / "crashed"))
    again = await open_write_path(copy)
    assert again.replayed.broken == []
    assert await again.contents() == {**RECORDS, "app.bsky.feed.post/after": post("of after")}


async def test_memory_does_not_grow_with_the_size_of_an_import(write_path):
    """Large records, few of them: with all in memory it would be 12 MB."""
    records = {f"app.bsky.feed.post/{n}": post("x", filler=f"{n:05}" * 4_000) for n in range(600)}
    data = Foreign(records, ALICE).car()
    assert len(data) > 12_000_000
    tracemalloc.start()
    try:
        await write_path.repos.import_car(ALICE, in_chunks(data, 65_536))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 6_000_000
    assert len(write_path.listed()) == 600
