"""com.atproto.repo.importRepo below HTTP: a CAR file of somebody else's making replaces a repository, or nothing."""

from __future__ import annotations

import asyncio
import time
import tracemalloc
from collections.abc import AsyncIterator, Iterable, Iterator

import pytest

from tempest_pds.protocol.crypto.keys import generate_k256
from tempest_pds.protocol.data_model import car, dag_cbor
from tempest_pds.protocol.data_model.cid import CID
from tempest_pds.protocol.syntax.did import Did
from tempest_pds.protocol.syntax.nsid import Nsid
from tempest_pds.protocol.syntax.record_key import RecordKey
from tempest_pds.protocol.syntax.tid import Tid
from tempest_pds.repo.block_source import MemoryBlockSource
from tempest_pds.repo.commit import Commit, decode, sign_commit
from tempest_pds.repo.mst.change import Change
from tempest_pds.repo.mst.tree import Tree
from tempest_pds.services import foreign_repos
from tempest_pds.services.errors import InvalidRequest
from tempest_pds.services.record_writes import RequestedWrite
from tempest_pds.services.repo_errors import RepoBusy, RepoNotFound

ALICE = Did("did:plc:aliceaaaaaaaaaaaaaaaaaaa")
BOB = Did("did:plc:bobbbbbbbbbbbbbbbbbbbbbb")
POST = Nsid("app.bsky.feed.post")
NOW = "2026-01-01T00:00:00.000Z"
OLD_REV = Tid("3jzfcijpj2z2a")


def post(text: str, **extra) -> dict:
    return {"$type": "app.bsky.feed.post", "text": text, "createdAt": NOW, **extra}


class Foreign:
    """A repository as another server may export it."""

    def __init__(self, records: dict[str, object], did: Did = ALICE, rev: Tid = OLD_REV) -> None:
        self.records = {path: dag_cbor.encode(value) for path, value in records.items()}
        cids = {path: CID.for_dag_cbor(block) for path, block in self.records.items()}
        change = Tree(MemoryBlockSource()).apply([Change(path, cid, None) for path, cid in cids.items()], prove=False)
        self.data = change.tree.root
        self.commit = sign_commit(did, rev, self.data, generate_k256())
        self.nodes = dict(change.tree.nodes())
        self.blocks = {
            self.commit.cid: self.commit.encode(),
            **self.nodes,
            **{cids[path]: block for path, block in self.records.items()},
        }

    def car(self) -> bytes:
        return car.encode(self.commit.cid, self.blocks.items())


async def in_chunks(data: bytes, size: int = 1000) -> AsyncIterator[bytes]:
    for start in range(0, len(data), size):
        yield data[start : start + size]


RECORDS = {f"app.bsky.feed.post/{n}": post(f"imported {n}") for n in range(300)}


async def test_an_import_replaces_the_repository_by_the_same_tree_under_a_new_commit(write_path):
    await write_path.post("of before")
    before = write_path.sync.head(ALICE)
    foreign = Foreign(RECORDS)
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
    await write_path.repos.import_car(ALICE, in_chunks(Foreign(RECORDS, rev=future).car()))
    assert write_path.sync.head(ALICE).rev > future
    await write_path.post("and goes on rising")
    assert len(await write_path.contents()) == 301


async def test_writing_goes_on_upon_what_was_imported(write_path):
    await write_path.post("of before")
    await write_path.repos.import_car(ALICE, in_chunks(Foreign(RECORDS).car()))
    await write_path.post("of after", rkey="after")
    assert await write_path.contents() == {**RECORDS, "app.bsky.feed.post/after": post("of after")}


async def test_an_import_of_an_active_account_is_told_by_a_sync_event(write_path):
    await write_path.repos.import_car(ALICE, in_chunks(Foreign(RECORDS).car()))
    head = write_path.sync.head(ALICE)
    [(_, kind, body)] = write_path.events()
    assert (kind, body["did"], body["rev"]) == ("sync", ALICE, head.rev)
    roots, blocks = car.decode(body["blocks"])
    assert roots == [head.commit]
    assert decode(blocks[head.commit]).verify(write_path.key())


async def test_an_import_of_an_account_that_is_not_active_is_told_to_nobody(open_write_path):
    path = await open_write_path()
    path.create(ALICE, active=False)
    await path.repos.import_car(ALICE, in_chunks(Foreign(RECORDS).car()))
    assert path.events() == []
    assert len(await path.contents()) == 300


async def test_the_list_of_repositories_has_the_new_head(write_path):
    await write_path.repos.import_car(ALICE, in_chunks(Foreign(RECORDS).car()))
    head = write_path.sync.head(ALICE)
    page = await write_path.repo_list.page(10, None)
    assert [(repo["head"], repo["rev"]) for repo in page.repos] == [(str(head.commit), head.rev)]


async def test_an_empty_repository_can_be_imported(write_path):
    await write_path.post("of before")
    await write_path.repos.import_car(ALICE, in_chunks(Foreign({}).car()))
    assert await write_path.contents() == {}
    assert write_path.listed() == {}


async def test_an_export_can_be_imported_again(write_path):
    for number in range(20):
        await write_path.post(str(number))
    contents, exported = await write_path.contents(), await write_path.export()
    await write_path.post("too much")
    await write_path.repos.import_car(ALICE, in_chunks(exported))
    assert await write_path.contents() == contents


async def test_blocks_that_nothing_refers_to_are_left_behind(write_path):
    foreign = Foreign({"app.bsky.feed.post/one": post("one")})
    stray = dag_cbor.encode({"stray": True})
    foreign.blocks[CID.for_dag_cbor(stray)] = stray
    await write_path.repos.import_car(ALICE, in_chunks(foreign.car()))
    with write_path.stores.open(ALICE) as store:
        assert store.get_block(CID.for_dag_cbor(stray)) is None


async def test_follows_are_found_again_when_they_are_repeated(write_path):
    follow = {"$type": "app.bsky.graph.follow", "subject": BOB, "createdAt": NOW}
    await write_path.repos.import_car(ALICE, in_chunks(Foreign({"app.bsky.graph.follow/old": follow}).car()))
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
    await write_path.repos.import_car(ALICE, in_chunks(Foreign({"app.bsky.feed.post/1": record}).car()))
    row = write_path.blobs.find(ALICE, blob.cid)
    chunks = await write_path.blobs.read(ALICE, blob.cid, 0, row.size)
    assert b"".join([chunk async for chunk in chunks]) == b"uploaded before the import"


async def test_blobs_that_are_not_here_are_listed_as_missing_until_they_are_uploaded(write_path):
    cid = CID.for_raw(b"comes later")
    record = with_blob(cid, "text/plain", 11)
    await write_path.repos.import_car(ALICE, in_chunks(Foreign({"app.bsky.feed.post/1": record}).car()))
    assert write_path.blobs.missing(ALICE, 10, None) == [(cid, f"at://{ALICE}/app.bsky.feed.post/1")]
    await write_path.upload(b"comes later")
    assert write_path.blobs.missing(ALICE, 10, None) == []
    assert write_path.blobs.find(ALICE, cid).size == 11


async def test_blobs_that_no_record_refers_to_any_more_are_unused(write_path):
    blob = await write_path.upload(b"of a post of before")
    await write_path.write(
        RequestedWrite("create", POST, None, with_blob(blob.cid, blob.mime_type, blob.size)), validate=False
    )
    await write_path.repos.import_car(ALICE, in_chunks(Foreign(RECORDS).car()))
    with write_path.stores.open(ALICE) as store:
        row = store.blobs.get(blob.cid)
        assert row is not None
        assert row.status == "orphaned"
    assert await write_path.blobs.collect_garbage(ALICE, unused_seconds=-1) == 1


async def test_uploads_wait_for_the_import_and_are_kept(write_path, monkeypatch):
    monkeypatch.setattr(foreign_repos, "_PAUSE_SECONDS", 0.02)
    importing = asyncio.create_task(write_path.repos.import_car(ALICE, in_chunks(Foreign(RECORDS).car())))
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
        await write_path.repos.import_car(ALICE, in_chunks(Foreign({"app.bsky.feed.post/bad": record}).car()))
        assert store.preferences.get("app.bsky") == [("app.bsky.x", "{}")]
        assert store.record_takedown("app.bsky.feed.post/bad") == "report-1"
        assert store.get_record("app.bsky.feed.post/bad") is None


# Refusals


def without(foreign: Foreign, cid: CID) -> bytes:
    return car.encode(foreign.commit.cid, [item for item in foreign.blocks.items() if item[0] != cid])


def two_roots(foreign: Foreign) -> bytes:
    header = dag_cbor.encode({"roots": [foreign.commit.cid, foreign.data], "version": 1})
    return (
        car.encode_varint(len(header)) + header + b"".join(car.encode_block(*item) for item in foreign.blocks.items())
    )


def rooted_at(foreign: Foreign, commit: Commit) -> bytes:
    return car.encode(commit.cid, [(commit.cid, commit.encode()), *foreign.blocks.items()])


def wrong_block(foreign: Foreign) -> bytes:
    blocks = list(foreign.blocks.items())
    blocks[-1] = (blocks[-1][0], b"\xa0")
    return car.encode(foreign.commit.cid, blocks)


def in_another_hash(foreign: Foreign) -> bytes:
    raw = b"\x01\x71\x1e\x20" + bytes(32)
    return foreign.car() + car.encode_varint(len(raw) + 1) + raw + b"\xa0"


def bad_repos() -> Iterator[tuple[str, bytes, str]]:
    foreign = Foreign(RECORDS)
    node = next(cid for cid in foreign.nodes if cid != foreign.data)
    record = CID.for_dag_cbor(next(iter(foreign.records.values())))
    whole = foreign.car()
    yield "nothing", b"", "ends before its header"
    yield "garbage", b"\x10" + b"garbage" * 20, "Invalid CAR file"
    yield "text", b"<html>this is not a CAR</html>" * 20, "Invalid CAR file"
    yield "truncated in a block", whole[:-10], "ends in the middle of a block"
    yield "truncated in the header", whole[:20], "ends before its header"
    yield "a length that never comes", whole + b"\xff\xff\xff\x7f", "larger than"
    yield "a block that is not what its CID says", wrong_block(foreign), "does not hash to its CID"
    yield (
        "a length beyond all bounds",
        whole[: len(car.encode_header(foreign.data))] + b"\xff" * 9 + b"\x01",
        "too large",
    )
    yield "a block whose CID is not of SHA-256", in_another_hash(foreign), "SHA-256"
    yield "no root", car.encode(None, foreign.blocks.items()), "expected one root, found 0"
    yield "two roots", two_roots(foreign), "expected one root, found 2"
    yield "without its commit", without(foreign, foreign.commit.cid), "missing block"
    yield "without the top node", without(foreign, foreign.data), "missing block"
    yield "without a node", without(foreign, node), "missing block"
    yield "without a record", without(foreign, record), "missing block"
    yield "of somebody else", Foreign(RECORDS, did=BOB).car(), "not of did:plc:alice"
    yield "whose root is no commit", car.encode(foreign.data, foreign.blocks.items()), "not a commit"
    yield "empty, without the empty node", without(Foreign({}), Foreign({}).data), "missing block"
    yield "whose tree is a record", rooted_at(foreign, sign_commit(ALICE, OLD_REV, record, generate_k256())), "node"
    yield "at the end of time", Foreign(RECORDS, rev=Tid("j" + "z" * 12)).car(), "the last there can be"
    yield "with a record that is a list", Foreign({"app.bsky.feed.post/1": [1]}).car(), "app.bsky.feed.post/1"
    yield "with a collection that is no NSID", Foreign({"posts/1": post("x")}).car(), "not a path in a repo"
    yield "with a record key that is none", Foreign({"app.bsky.feed.post/..": post("x")}).car(), "not a path in a repo"
    broken = Foreign({"app.bsky.feed.post/1": post("x")})
    indefinite = b"\xbf\x61a\x01\xff"
    cid = CID.for_dag_cbor(indefinite)
    change = Tree(MemoryBlockSource()).apply([Change("app.bsky.feed.post/1", cid, None)], prove=False)
    commit = sign_commit(ALICE, OLD_REV, change.tree.root, generate_k256())
    blocks = {commit.cid: commit.encode(), **change.new_nodes, cid: indefinite}
    assert broken.data != commit.data
    yield "with a record that is not DAG-CBOR", car.encode(commit.cid, blocks.items()), "app.bsky.feed.post/1"


@pytest.mark.parametrize(("data", "message"), [pytest.param(d, m, id=name) for name, d, m in bad_repos()])
async def test_what_is_not_a_whole_and_valid_repository_is_refused_and_changes_nothing(write_path, data, message):
    await write_path.post("stays")
    blob = await write_path.upload(b"stays too")
    contents, head, events = await write_path.contents(), write_path.sync.head(ALICE), write_path.events()
    with pytest.raises(InvalidRequest, match=message):
        await write_path.repos.import_car(ALICE, in_chunks(data))
    assert await write_path.contents() == contents
    assert (write_path.sync.head(ALICE), write_path.events()) == (head, events)
    with write_path.stores.open(ALICE) as store:
        assert store.blobs.get(blob.cid) is not None
    assert list(write_path.directory.tmp.iterdir()) == []
    await write_path.post("and writing goes on")


async def test_a_tree_whose_keys_do_not_rise_is_refused(write_path):
    """A subtree that is named twice would be walked twice; enough of that is an attack."""
    first = Foreign({f"app.bsky.feed.post/{n}": post(str(n)) for n in range(60)})
    top = first.nodes[first.data]
    children = [cid for cid in first.nodes if cid != first.data and cid.raw in top]
    assert len(children) > 1
    forged = top.replace(children[1].raw, children[0].raw)
    root = CID.for_dag_cbor(forged)
    first.blocks[root] = forged
    with pytest.raises(InvalidRequest, match="do not rise"):
        await write_path.repos.import_car(
            ALICE, in_chunks(rooted_at(first, sign_commit(ALICE, OLD_REV, root, generate_k256())))
        )


async def test_an_account_without_a_repository_cannot_import(write_path):
    with pytest.raises(RepoNotFound):
        await write_path.repos.import_car(BOB, in_chunks(Foreign(RECORDS, did=BOB).car()))


async def test_two_imports_into_one_repository_do_not_meet(write_path):
    started = asyncio.Event()

    async def slow() -> AsyncIterator[bytes]:
        started.set()
        await asyncio.sleep(0.05)
        yield Foreign(RECORDS).car()

    first = asyncio.create_task(write_path.repos.import_car(ALICE, slow()))
    await started.wait()
    with pytest.raises(RepoBusy):
        await write_path.repos.import_car(ALICE, in_chunks(Foreign({}).car()))
    await first
    assert len(await write_path.contents()) == 300


async def test_a_client_that_goes_away_leaves_everything_as_it_was(write_path):
    await write_path.post("stays")
    contents = await write_path.contents()

    async def cut_off() -> AsyncIterator[bytes]:
        yield Foreign(RECORDS).car()[:5000]
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
    task = asyncio.create_task(write_path.repos.import_car(ALICE, in_chunks(Foreign(RECORDS).car())))
    await asyncio.sleep(moment)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await write_path.contents() in (before, RECORDS)
    assert list(write_path.directory.tmp.iterdir()) == []
    await write_path.post("at once", rkey="after")
    assert "app.bsky.feed.post/after" in await write_path.contents()


# Beside writers


async def test_writers_are_refused_while_their_repository_is_replaced_and_others_are_not(write_path, monkeypatch):
    monkeypatch.setattr(foreign_repos, "_PAUSE_SECONDS", 0.02)
    write_path.create(BOB)
    importing = asyncio.create_task(write_path.repos.import_car(ALICE, in_chunks(Foreign(RECORDS).car())))
    kept, refused, slowest = [], 0, 0.0
    while not importing.done():
        started = time.perf_counter()
        await write_path.post("bob's", did=BOB)
        slowest = max(slowest, time.perf_counter() - started)
        try:
            kept.append(await write_path.post("alice's"))
        except RepoBusy:
            refused += 1
    await importing
    assert refused > 0
    assert slowest < 0.1
    [(_, _, sync)] = [event for event in write_path.events() if event[1] == "sync"]
    after = {outcome.writes[0].path for outcome in kept if outcome.commit.rev > sync["rev"]}
    assert set(await write_path.contents()) == RECORDS.keys() | after


async def test_the_log_is_settled_beside_an_import_without_waiting_for_it(write_path, monkeypatch):
    monkeypatch.setattr(foreign_repos, "_PAUSE_SECONDS", 0.02)
    write_path.create(BOB)
    await write_path.post("of before")
    importing = asyncio.create_task(write_path.repos.import_car(ALICE, in_chunks(Foreign(RECORDS).car())))
    slowest = 0.0
    while not importing.done():
        await write_path.post("bob's", did=BOB)
        started = time.perf_counter()
        await write_path.log.settle()
        slowest = max(slowest, time.perf_counter() - started)
    await importing
    assert slowest < 0.2
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
        await write_path.repos.import_car(ALICE, in_chunks(Foreign(RECORDS).car()))
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
    await path.repos.import_car(ALICE, in_chunks(Foreign(RECORDS).car()))
    await path.post("of after", rkey="after")
    copy = await path.log.call(lambda: path.copy_files(tmp_path / "crashed"))
    again = await open_write_path(copy)
    assert again.replayed.broken == []
    assert await again.contents() == {**RECORDS, "app.bsky.feed.post/after": post("of after")}


async def test_memory_does_not_grow_with_the_size_of_an_import(write_path):
    """Large records, few of them: with all in memory it would be 12 MB."""
    records = {f"app.bsky.feed.post/{n}": post("x", filler=f"{n:05}" * 4_000) for n in range(600)}
    data = Foreign(records).car()
    assert len(data) > 12_000_000
    tracemalloc.start()
    try:
        await write_path.repos.import_car(ALICE, in_chunks(data, 65_536))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 6_000_000
    assert len(write_path.listed()) == 600
