"""The log and the files behind it when something fails: what is acknowledged stays, what is not leaves no trace."""

from __future__ import annotations

import asyncio
import sqlite3
import threading

import pytest

from tempest_pds.protocol.syntax.did import Did
from tempest_pds.protocol.syntax.nsid import Nsid
from tempest_pds.services import commit_log, open_repos
from tempest_pds.services.commit_log import WriteLost, WriterStopped
from tempest_pds.services.event_frames import AccountEvent
from tempest_pds.services.record_writes import RequestedWrite
from tempest_pds.services.repo_errors import RepoBusy
from tempest_pds.stores.actor.store import ActorStore

ALICE = Did("did:plc:aliceaaaaaaaaaaaaaaaaaaa")
BOB = Did("did:plc:bobbbbbbbbbbbbbbbbbbbbbb")


class Failing:
    """Stands before a method; raises while `left` is above zero."""

    def __init__(self, method, error: Exception, left: int) -> None:
        self._method = method
        self._error = error
        self.left = left
        self.failed = 0

    def __call__(self, *arguments, **named):
        if self.left > 0:
            self.left -= 1
            self.failed += 1
            raise self._error
        return self._method(*arguments, **named)


@pytest.fixture
def log_fails(write_path, monkeypatch):
    def fail(times: int = 1) -> Failing:
        failing = Failing(write_path.sequencer.append, sqlite3.OperationalError("database or disk is full"), times)
        monkeypatch.setattr(write_path.sequencer, "append", failing)
        return failing

    return fail


@pytest.fixture
def file_fails(monkeypatch):
    def fail(times: int = 1) -> Failing:
        failing = Failing(ActorStore.apply, sqlite3.OperationalError("database or disk is full"), times)
        monkeypatch.setattr(ActorStore, "apply", lambda self, commits: failing(self, commits))
        return failing

    return fail


@pytest.fixture
async def behind(write_path):
    """Hold the writer thread, so that what follows is queued: `release` lets it go."""
    gate, entered = threading.Event(), threading.Event()

    def wait():
        entered.set()
        gate.wait()

    async def hold():
        held = asyncio.create_task(write_path.log.call(wait))
        await asyncio.to_thread(entered.wait)
        return held

    hold.release = gate.set
    yield hold
    gate.set()


async def queued(coroutine) -> asyncio.Task:
    task = asyncio.create_task(coroutine)
    await asyncio.sleep(0)
    return task


# The log


async def test_a_write_that_the_log_does_not_take_fails_and_leaves_nothing(write_path, log_fails):
    await write_path.post("kept")
    contents, head = await write_path.contents(), write_path.sync.head(ALICE)
    log_fails()
    with pytest.raises(sqlite3.OperationalError):
        await write_path.post("lost")
    assert await write_path.contents() == contents
    assert (write_path.sync.head(ALICE), write_path.firehose.last_seq) == (head, 1)
    await write_path.post("goes on")
    assert [seq for seq, _, _ in write_path.events()] == [1, 2]
    assert write_path.events()[1][2]["since"] == head.rev


async def test_what_is_queued_behind_a_lost_write_is_lost_too_and_others_are_not(write_path, log_fails, behind):
    """A write that was built on one that never was must not be kept."""
    write_path.create(BOB)
    await behind()
    first = await queued(write_path.post("first"))
    between = await queued(write_path.log.call(lambda: None))
    second = await queued(write_path.post("second"))
    others = await queued(write_path.post("bob's", did=BOB))
    log_fails()
    behind.release()
    results = await asyncio.gather(first, second, others, between, return_exceptions=True)
    assert isinstance(results[0], sqlite3.OperationalError)
    assert isinstance(results[1], WriteLost)
    assert not isinstance(results[2], BaseException)
    assert await write_path.contents() == {}
    assert len(await write_path.contents(BOB)) == 1
    await write_path.post("at last")
    assert len(await write_path.contents()) == 1
    assert [body["repo"] for _, _, body in write_path.events()] == [BOB, ALICE]


async def test_a_batch_that_fails_fails_for_every_writer_in_it(write_path, log_fails, behind):
    await behind()
    writes = [await queued(write_path.post(str(number))) for number in range(5)]
    log_fails()
    behind.release()
    results = await asyncio.gather(*writes, return_exceptions=True)
    assert all(isinstance(result, (sqlite3.OperationalError, WriteLost)) for result in results)
    assert await write_path.contents() == {}
    assert write_path.events() == []


async def test_a_crash_between_log_and_answer_does_not_wedge_the_writes_after_it(write_path, log_fails):
    """Commit + event + sequence in one transaction, or a crash wedges all writes: an error stands for the crash."""
    log_fails(3)
    for _ in range(3):
        with pytest.raises(sqlite3.OperationalError):
            await write_path.post("lost")
    for number in range(3):
        await write_path.post(str(number))
    assert [seq for seq, _, _ in write_path.events()] == [1, 2, 3]
    assert len(await write_path.contents()) == 3


async def test_events_without_a_repository_are_appended_all_or_none(write_path, log_fails):
    log_fails()
    with pytest.raises(sqlite3.OperationalError):
        await write_path.log.append([AccountEvent(ALICE, None), AccountEvent(BOB, None)])
    assert write_path.events() == []
    await write_path.log.append([AccountEvent(ALICE, None), AccountEvent(BOB, None)])
    assert [body["did"] for _, _, body in write_path.events()] == [ALICE, BOB]


async def test_a_function_that_fails_in_the_writer_thread_fails_for_its_caller_alone(write_path):
    with pytest.raises(ZeroDivisionError):
        await write_path.log.call(lambda: 1 // 0)
    await write_path.post("goes on")


async def test_a_writer_who_is_cancelled_has_written_all_the_same(write_path):
    task = asyncio.create_task(write_path.post("cancelled"))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await write_path.log.call(lambda: None)
    head = write_path.sync.head(ALICE)
    assert head.rev == write_path.events()[0][2]["rev"]
    assert [repo["rev"] for repo in (await write_path.repo_list.page(5, None)).repos] == [head.rev]
    await write_path.post("next")
    assert len(await write_path.contents()) == 2


async def test_after_the_end_nobody_writes(write_path):
    await write_path.post("before")
    await write_path.log.stop()
    with pytest.raises(WriterStopped):
        await write_path.post("after")


async def test_what_is_queued_at_the_end_is_written(open_write_path, behind, write_path):
    await behind()
    writes = [await queued(write_path.post(str(number))) for number in range(100)]
    behind.release()
    await write_path.log.stop()
    outcomes = await asyncio.gather(*writes)
    assert len({outcome.commit.rev for outcome in outcomes}) == 100
    await write_path.stop()
    assert len(await (await open_write_path()).contents()) == 100


# The files


async def test_a_file_that_cannot_be_written_is_brought_up_to_date_from_the_log(write_path, file_fails):
    failing = file_fails()
    outcome = await write_path.post("in the log", rkey="one")
    assert failing.failed == 1
    assert set(await write_path.contents()) == set(write_path.listed()) == {"app.bsky.feed.post/one"}
    assert write_path.sync.head(ALICE).rev == outcome.commit.rev
    await write_path.log.call(lambda: None)
    head = write_path.sync.head(ALICE)
    assert head.rev == write_path.events()[0][2]["rev"]
    assert [repo["rev"] for repo in (await write_path.repo_list.page(5, None)).repos] == [head.rev]
    await write_path.post("next")
    assert len(await write_path.contents()) == 2


async def test_a_file_that_stays_behind_the_log_is_not_built_upon_before_it_has_caught_up(
    write_path, file_fails, monkeypatch
):
    """Or the next commit would leave out a write that was acknowledged and announced."""
    await write_path.post("zero", rkey="zero")
    failing = file_fails(3)
    await write_path.post("one", rkey="one")
    with pytest.raises(RepoBusy):
        await write_path.post("two", rkey="two")
    assert failing.left == 1
    await write_path.log.settle()
    assert write_path.sequencer.applied_seq() == 0, "the log must not forget what the file lacks"
    monkeypatch.setattr(commit_log, "_MEND_EVERY", 0.0)
    await write_path.log.call(lambda: None)  # fails once more
    with pytest.raises(RepoBusy):
        await write_path.post("two", rkey="two")
    await write_path.log.call(lambda: None)
    await write_path.log.call(lambda: None)
    await write_path.post("two", rkey="two")
    assert {path.partition("/")[2] for path in await write_path.contents()} == {"zero", "one", "two"}
    revs = [(body["since"], body["rev"]) for _, _, body in write_path.events()]
    assert [since for since, _ in revs[1:]] == [rev for _, rev in revs[:-1]]
    await write_path.log.settle()
    assert write_path.sequencer.applied_seq() == write_path.log.last_seq


async def test_a_file_that_stays_behind_is_neither_replaced_nor_forgotten(open_write_path, file_fails):
    path = await open_write_path(repo_capacity=2)
    path.create(ALICE)
    dids = [path.create(Did(f"did:plc:{letter * 24}")) for letter in "bcd"]
    file_fails(2)
    await path.post("one", rkey="one")
    with pytest.raises(RepoBusy):
        async with path.open_repos.locked_out(ALICE):
            raise AssertionError("not reached")
    for did in dids:
        await path.post("pushes others out", did=did)
    with pytest.raises(RepoBusy):
        await path.post("two")


async def test_a_restart_catches_up_with_what_a_file_lacks(open_write_path, file_fails):
    path = await open_write_path()
    path.create(ALICE)
    await path.post("zero", rkey="zero")
    file_fails(2)
    await path.post("one", rkey="one")
    await path.stop()
    path = await open_write_path()
    assert path.replayed.applied >= 1
    assert {path.partition("/")[2] for path in await path.contents()} == {"zero", "one"}


async def test_the_log_waits_for_a_file_that_could_not_be_synced(write_path, monkeypatch):
    write_path.create(BOB)
    await write_path.post("one")
    await write_path.post("one", did=BOB)
    failing = Failing(ActorStore.sync, OSError("disk on fire"), 1)
    monkeypatch.setattr(ActorStore, "sync", lambda self: failing(self))
    with pytest.raises(OSError, match="disk on fire"):
        await write_path.log.settle()
    assert write_path.sequencer.applied_seq() == 0
    await write_path.log.settle()
    assert write_path.sequencer.applied_seq() == 2


async def test_write_ahead_logs_stay_bounded(write_path):
    for number in range(40):
        record = {"bytes": bytes([number]) * 300_000}
        await write_path.write(RequestedWrite("create", Nsid("com.example.thing"), None, record))
    with write_path.stores.open(ALICE) as store:
        assert store.database.wal_bytes() < 12 * 1024 * 1024
    assert write_path.sequencer.database.wal_bytes() < 12 * 1024 * 1024


# Many repositories


async def test_more_repositories_than_are_kept_open_are_written_side_by_side(open_write_path):
    path = await open_write_path(repo_capacity=3)
    dids = [path.create(Did(f"did:plc:{letter * 24}")) for letter in "bcdefghij"]
    for turn in range(4):
        await asyncio.gather(*[path.post(str(turn), did=did) for did in dids])
    for did in dids:
        assert len(await path.contents(did)) == 4
    await path.log.settle()
    await path.log.call(path.stores.reap)
    assert path.stores.open_count() <= 3 + len(path.open_repos._open)


async def test_the_tree_of_a_writer_stays_bounded_in_memory(write_path, monkeypatch):
    monkeypatch.setattr(open_repos, "MAX_CACHED_NODES", 50)
    for batch in range(10):
        await asyncio.gather(*[write_path.post(f"{batch} {number}") for number in range(60)])
    repo = write_path.open_repos.open(ALICE)
    assert repo.latest.tree.cached_nodes <= 50
    assert len(await write_path.contents()) == 600
