"""Repositories as others replicate them, read while their owners write."""

from __future__ import annotations

import asyncio
import random
import tracemalloc

import pytest

from tempest_pds.protocol.data_model import car, dag_cbor
from tempest_pds.protocol.data_model.cid import CID
from tempest_pds.protocol.syntax.did import Did
from tempest_pds.protocol.syntax.nsid import Nsid
from tempest_pds.protocol.syntax.record_key import RecordKey
from tempest_pds.repo.block_source import MemoryBlockSource
from tempest_pds.repo.commit import decode
from tempest_pds.repo.mst.tree import Tree
from tempest_pds.repo.verify import verify_proof, verify_repo
from tempest_pds.services.record_writes import RequestedWrite
from tempest_pds.services.repo_errors import BlockNotFound, RepoNotFound
from tempest_pds.services.sync_reads import CONCURRENT_EXPORTS, EXPORTS_OF_ONE_READER

ALICE = Did("did:plc:aliceaaaaaaaaaaaaaaaaaaa")
BOB = Did("did:plc:bobbbbbbbbbbbbbbbbbbbbbb")
THING = Nsid("com.example.thing")


def create(rkey: str, value: object = 0) -> RequestedWrite:
    return RequestedWrite("create", THING, RecordKey(rkey), {"n": value})


def put(rkey: str, value: object) -> RequestedWrite:
    return RequestedWrite("put", THING, RecordKey(rkey), {"n": value})


def delete(rkey: str) -> RequestedWrite:
    return RequestedWrite("delete", THING, RecordKey(rkey))


async def fill(path, count: int, did: Did = ALICE) -> None:
    for start in range(0, count, 100):
        await path.write(*[create(f"r{n:05}", n) for n in range(start, min(start + 100, count))], did=did)


async def keep_writing(path, stop: asyncio.Event) -> int:
    """Create, replace and delete until told to stop."""
    chance, present, turns = random.Random(1), set(), 0
    while not stop.is_set():
        rkey = f"w{chance.randrange(40)}"
        if rkey in present and chance.random() < 0.3:
            present.discard(rkey)
            await path.write(delete(rkey))
        else:
            present.add(rkey)
            await path.write(put(rkey, turns))
        turns += 1
    return turns


# Exports


@pytest.mark.parametrize("settled", [False, True])
async def test_a_full_export_can_be_checked_as_it_comes(write_path, settled):
    """The commit first, then the nodes of its tree, then the records in the order of their paths; nothing else."""
    await fill(write_path, 500)
    if settled:
        await write_path.log.settle()
    data = await write_path.export()
    roots, blocks = car.iter_blocks(data)
    [(commit_cid, commit_block), *rest] = list(blocks)
    assert roots == [commit_cid]
    tree = Tree(MemoryBlockSource(dict(rest)), decode(commit_block).data)
    nodes = dict(tree.nodes())
    assert dict(rest[: len(nodes)]) == nodes
    assert [cid for cid, _ in rest[len(nodes) :]] == [cid for _, cid in tree.walk()]


async def test_an_export_of_an_empty_repository_verifies(write_path):
    assert await write_path.contents() == {}


async def test_exports_verify_while_writers_write(write_path):
    await fill(write_path, 200)
    stop = asyncio.Event()
    writer = asyncio.create_task(keep_writing(write_path, stop))
    for _ in range(15):
        roots, blocks = car.decode(await write_path.export())
        commit, records = verify_repo(MemoryBlockSource(blocks), roots[0], did=ALICE, key=write_path.key())
        reachable = {cid for cid, _ in Tree(MemoryBlockSource(blocks), commit.data).preorder()}
        assert len(list(records)) >= 200
        assert set(blocks) == reachable | {roots[0]}
        await asyncio.sleep(0.005)
    stop.set()
    assert await writer > 20


async def test_an_export_shows_one_state_from_its_first_byte_to_its_last(write_path):
    await fill(write_path, 3_000)
    chunks = write_path.sync.export(ALICE, None)
    data = [await anext(chunks)]
    await write_path.write(*[delete(f"r{n:05}") for n in range(100)])
    await write_path.log.settle()
    data += [chunk async for chunk in chunks]
    roots, blocks = car.decode(b"".join(data))
    _, records = verify_repo(MemoryBlockSource(blocks), roots[0], did=ALICE, key=write_path.key())
    assert len(list(records)) == 3_000


async def test_what_is_newer_than_a_revision_completes_what_was_exported_at_it(write_path):
    await fill(write_path, 300)
    _, known = car.decode(await write_path.export())
    since = write_path.sync.head(ALICE).rev
    for number in range(30):
        await write_path.write(put(f"r{number:05}", -number), delete(f"r{number + 100:05}"), create(f"new{number}"))
    data = await write_path.export(since=since)
    roots, newer = car.decode(data)
    assert roots == [write_path.sync.head(ALICE).commit]
    assert len(newer) < 150
    source = MemoryBlockSource({**known, **newer})
    _, records = verify_repo(source, roots[0], did=ALICE, key=write_path.key())
    assert {record.path: record.value for record in records} == await write_path.contents()


async def test_what_is_newer_is_right_before_and_after_the_tree_is_written_to_the_file(write_path):
    """Nodes wait in memory until there are enough of them; who reads does not see where they are."""
    await fill(write_path, 100)
    since = write_path.sync.head(ALICE).rev
    await write_path.write(create("one"))
    before = await write_path.export(since=since)
    await write_path.log.settle()
    after = await write_path.export(since=since)
    assert car.decode(before)[0] == car.decode(after)[0]
    assert set(car.decode(before)[1]) == set(car.decode(after)[1])


@pytest.mark.parametrize("later", [False, True])
async def test_nothing_is_newer_than_the_newest_revision(write_path, later):
    await fill(write_path, 3)
    since = "zzzzzzzzzzzzz" if later else write_path.sync.head(ALICE).rev
    roots, blocks = car.decode(await write_path.export(since=since))
    assert roots == [write_path.sync.head(ALICE).commit]
    assert blocks == {}


async def test_an_export_ends_when_its_reader_goes_away(write_path):
    await fill(write_path, 2_000)
    for _ in range(20):
        chunks = write_path.sync.export(ALICE, None)
        await anext(chunks)
        await chunks.aclose()
    with write_path.stores.open(ALICE) as store:
        # Nobody holds an old state: the write-ahead log can be emptied.
        assert store.checkpoint()


async def test_readers_of_one_address_that_take_their_time_leave_room_for_others(write_path):
    await fill(write_path, 2_000)
    slow = [write_path.sync.export(ALICE, None, "slow") for _ in range(CONCURRENT_EXPORTS)]
    begun = [asyncio.ensure_future(anext(chunks)) for chunks in slow]
    await asyncio.wait(begun[:EXPORTS_OF_ONE_READER])
    async with asyncio.timeout(30):
        assert [chunk async for chunk in write_path.sync.export(ALICE, None, "another")]
    assert [task.done() for task in begun].count(True) == EXPORTS_OF_ONE_READER
    for task in begun:
        task.cancel()
    await asyncio.gather(*begun, return_exceptions=True)
    for chunks in slow:
        await chunks.aclose()
    # Nothing is left of who has gone.
    assert not write_path.sync._shares


async def test_there_is_no_export_of_a_repository_that_is_not_here(write_path):
    with pytest.raises(RepoNotFound):
        await write_path.export(BOB)
    with pytest.raises(RepoNotFound):
        write_path.sync.head(BOB)


async def test_memory_does_not_grow_with_the_size_of_an_export(write_path):
    async def peak_of_export() -> tuple[int, int]:
        tracemalloc.start()
        try:
            size = 0
            async for chunk in write_path.sync.export(ALICE, None):
                size += len(chunk)
            return size, tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    text = "x" * 10_000
    for number in range(12):
        await write_path.write(*[create(f"r{number:02}{n:02}", f"{text}{number}{n}") for n in range(50)])
    size, peak = await peak_of_export()
    assert size > 6_000_000
    assert peak < 3_500_000


# Proofs


async def test_a_record_is_proven_and_so_is_its_absence(write_path):
    await fill(write_path, 200)
    contents = await write_path.contents()
    for path, value in list(contents.items())[::20]:
        proven = verify_proof(write_path.sync.record_proof(ALICE, path), path, did=ALICE, key=write_path.key())
        assert dag_cbor.decode(proven.block) == value
    for rkey in ("a", "r00100x", "zzz"):
        path = f"{THING}/{rkey}"
        proven = verify_proof(write_path.sync.record_proof(ALICE, path), path, did=ALICE, key=write_path.key())
        assert proven.cid is None


async def test_proofs_verify_while_writers_write(write_path):
    await fill(write_path, 100)
    stop = asyncio.Event()
    writers = [asyncio.create_task(keep_writing(write_path, stop))]
    paths = [f"{THING}/{rkey}" for rkey in ("r00000", "r00050", "w3", "w7", "nothing", "zzz")]
    for turn in range(60):
        path = paths[turn % len(paths)]
        proven = verify_proof(write_path.sync.record_proof(ALICE, path), path, did=ALICE, key=write_path.key())
        if path.endswith(("r00000", "r00050")):
            assert proven.cid is not None
        if path.endswith(("nothing", "zzz")):
            assert proven.cid is None
        await asyncio.sleep(0.002)
    stop.set()
    await asyncio.gather(*writers)


async def test_what_a_writer_was_told_is_proven_at_once(write_path):
    for number in range(30):
        outcome = await write_path.write(put(f"k{number % 5}", number))
        path = outcome.writes[0].path
        proven = verify_proof(write_path.sync.record_proof(ALICE, path), path, did=ALICE, key=write_path.key())
        assert proven.cid == outcome.writes[0].cid


async def test_a_record_is_proven_while_its_repository_is_replaced(write_path):
    await write_path.write(create("one"))
    path = f"{THING}/one"
    async with write_path.open_repos.locked_out(ALICE):
        proven = verify_proof(write_path.sync.record_proof(ALICE, path), path, did=ALICE, key=write_path.key())
    assert proven.cid is not None


# Blocks


async def test_blocks_are_given_by_cid(write_path):
    outcome = await write_path.write(create("one"))
    head = write_path.sync.head(ALICE)
    wanted = [head.commit, head.data, outcome.writes[0].cid]
    roots, blocks = car.decode(write_path.sync.blocks(ALICE, wanted))
    assert roots == []
    assert list(blocks) == wanted


async def test_all_blocks_must_be_there(write_path):
    head = write_path.sync.head(ALICE)
    missing = CID.for_dag_cbor(b"\xa0")
    with pytest.raises(BlockNotFound, match=str(missing)):
        write_path.sync.blocks(ALICE, [head.commit, missing])


async def test_blocks_that_a_commit_removed_are_gone_and_those_it_uses_again_stay(write_path):
    """Block GC must not race with a concurrent commit on the same repo."""
    for turn in range(15):
        await asyncio.gather(*[write_path.write(put(f"k{n}", turn % 2)) for n in range(10)])
        await asyncio.gather(*[write_path.write(delete(f"k{n}")) for n in range(10)])
    await asyncio.gather(*[write_path.write(put(f"k{n}", 1)) for n in range(10)])
    await write_path.log.settle()
    assert len(await write_path.contents()) == 10
    with write_path.stores.open(ALICE) as store:
        head = write_path.sync.head(ALICE)
        nodes = sum(1 for _ in Tree(store, head.data).nodes())
        assert store.block_count() == 1 + nodes + 10
