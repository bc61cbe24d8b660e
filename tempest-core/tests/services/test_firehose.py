"""The firehose with subscribers made on the spot: every event once, in order, whatever the pace."""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager, suppress

import pytest

from tempest_pds.protocol.data_model import dag_cbor
from tempest_pds.protocol.syntax.did import Did
from tempest_pds.repo.verify import verify_commit_event
from tempest_pds.repo.writes import RepoOp
from tempest_pds.services import firehose as firehose_module
from tempest_pds.services.event_frames import AccountEvent
from tempest_pds.services.firehose import ConsumerTooSlow, from_wire, to_wire
from tempest_pds.services.repo_errors import FutureCursor

ALICE = Did("did:plc:aliceaaaaaaaaaaaaaaaaaaa")
BOB = Did("did:plc:bobbbbbbbbbbbbbbbbbbbbbb")


class Sink:
    """A subscriber's socket. `reads` tells whether the other side reads at all."""

    def __init__(self, *, at_once: bool = True, pause: float = 0.0, reads: bool = True) -> None:
        self.frames: list[bytes] = []
        self.wires: list[bytes] = []
        self._at_once = at_once
        self._pause = pause
        self._reads = reads
        self.changed = asyncio.Event()

    def try_write(self, wire: bytes) -> bool:
        if not self._at_once or not self._reads:
            return False
        self._take(wire)
        return True

    async def write(self, wire: bytes) -> None:
        if not self._reads:
            await asyncio.Event().wait()
        if self._pause:
            await asyncio.sleep(self._pause)
        self._take(wire)

    def _take(self, wire: bytes) -> None:
        self.wires.append(wire)
        self.frames += from_wire(wire)
        self.changed.set()

    @property
    def seqs(self) -> list[int]:
        return [body["seq"] for kind, body in map(parse, self.frames) if kind != "#info"]

    async def reach(self, seq: int) -> None:
        async with asyncio.timeout(10):
            while not self.seqs or self.seqs[-1] < seq:
                self.changed.clear()
                await self.changed.wait()


HEADERS = {
    dag_cbor.encode({"op": 1, "t": kind}): kind for kind in ("#commit", "#sync", "#account", "#identity", "#info")
}


def parse(frame: bytes) -> tuple[str, dict]:
    header = next(header for header in HEADERS if frame.startswith(header))
    body = dag_cbor.decode(frame[len(header) :])
    assert isinstance(body, dict)
    return HEADERS[header], body


@asynccontextmanager
async def subscribed(path, cursor: int | None, sink: Sink):
    task = asyncio.create_task(path.firehose.serve(cursor, sink))
    await asyncio.sleep(0)
    try:
        yield task
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError, ConsumerTooSlow):
            await task


async def write(path, count: int, did: Did = ALICE) -> None:
    await asyncio.gather(*[path.post(str(number), did=did) for number in range(count)])


async def test_without_a_cursor_a_subscriber_is_told_of_what_is_to_come(write_path):
    await write(write_path, 3)
    sink = Sink()
    async with subscribed(write_path, None, sink):
        await write(write_path, 3)
        await sink.reach(6)
    assert sink.seqs == [4, 5, 6]


@pytest.mark.parametrize("cursor", [0, 1, 3, 5])
async def test_with_a_cursor_a_subscriber_is_told_of_what_came_after_it(write_path, cursor):
    await write(write_path, 5)
    sink = Sink()
    async with subscribed(write_path, cursor, sink):
        await write(write_path, 2)
        await sink.reach(7)
    assert sink.seqs == list(range(cursor + 1, 8))


@pytest.mark.parametrize("ring", [0, 1, 7, 8192])
@pytest.mark.parametrize("sink_options", [{}, {"at_once": False}, {"pause": 0.002}])
async def test_backfill_turns_into_live_without_an_event_twice_or_left_out(
    open_write_path, monkeypatch, ring, sink_options
):
    monkeypatch.setattr(firehose_module, "RING_EVENTS", ring)
    monkeypatch.setattr(firehose_module, "_PAGE_EVENTS", 5)
    path = await open_write_path(max_lag=100_000)
    path.create(ALICE)
    path.create(BOB)
    await write(path, 60)
    sinks = [Sink(**sink_options) for _ in range(4)]
    writer = asyncio.create_task(_keep_writing(path, 40))
    async with (
        subscribed(path, 0, sinks[0]),
        subscribed(path, 30, sinks[1]),
        subscribed(path, 59, sinks[2]),
        subscribed(path, 60, sinks[3]),
    ):
        await writer
        for sink in sinks:
            await sink.reach(140)
    for sink, cursor in zip(sinks, (0, 30, 59, 60), strict=True):
        assert sink.seqs == list(range(cursor + 1, 141))


async def _keep_writing(path, turns: int) -> None:
    for number in range(turns):
        await asyncio.gather(path.post(str(number)), path.post(str(number), did=BOB))


async def test_after_a_restart_the_log_gives_what_the_ring_has_lost(open_write_path):
    path = await open_write_path()
    path.create(ALICE)
    await write(path, 10)
    await path.stop()
    path = await open_write_path()
    sink = Sink()
    async with subscribed(path, 4, sink):
        await sink.reach(10)
        await write(path, 2)
        await sink.reach(12)
    assert sink.seqs == list(range(5, 13))


async def test_events_that_were_purged_with_their_account_leave_a_gap_and_no_stop(write_path):
    write_path.create(BOB)
    await write(write_path, 3)
    await write(write_path, 3, did=BOB)
    await write(write_path, 3)
    await write(write_path, 1, did=BOB)
    await write_path.log.call(lambda: write_path.sequencer.purge_account(BOB, 100))
    write_path.firehose._ring.clear()
    sink = Sink()
    async with subscribed(write_path, 0, sink):
        await sink.reach(9)
        await write(write_path, 1)
        await sink.reach(11)
    assert sink.seqs == [1, 2, 3, 7, 8, 9, 11]


async def forget(write_path, did: Did) -> None:
    """Purge an account's events from the log, and from memory."""
    seqs = write_path.sequencer.seqs_of(did, 100)
    await write_path.log.call(lambda: write_path.sequencer.purge_account(did, 100))
    write_path.firehose.forget(seqs)


async def test_what_was_purged_is_not_sent_from_memory_either(write_path):
    write_path.create(BOB)
    await write(write_path, 3)
    await write(write_path, 3, did=BOB)
    await write(write_path, 3)
    await write(write_path, 1, did=BOB)
    before = write_path.firehose._ring_bytes
    await forget(write_path, BOB)
    assert write_path.firehose._ring_bytes < before
    sink = Sink()
    async with subscribed(write_path, 0, sink):
        await sink.reach(9)
        await write(write_path, 1)
        await sink.reach(11)
    assert sink.seqs == [1, 2, 3, 7, 8, 9, 11]


async def test_pages_of_nothing_but_purged_events_are_passed_over(write_path, monkeypatch):
    monkeypatch.setattr(firehose_module, "_PAGE_EVENTS", 2)
    write_path.create(BOB)
    await write(write_path, 7, did=BOB)
    await write(write_path, 2)
    await forget(write_path, BOB)
    sink = Sink()
    async with subscribed(write_path, 0, sink):
        await sink.reach(9)
    assert sink.seqs == [8, 9]


@pytest.mark.parametrize("from_log", [False, True], ids=["memory", "log"])
async def test_what_is_withheld_is_sent_to_nobody_until_it_is_given_back(write_path, from_log):
    write_path.create(BOB)
    await write(write_path, 3, did=BOB)
    await write(write_path, 2)
    if from_log:
        write_path.firehose._ring.clear()

    async def sent():
        sink = Sink()
        async with subscribed(write_path, 0, sink):
            await sink.reach(5)
        return sink.seqs

    assert await sent() == [1, 2, 3, 4, 5]
    commits = write_path.sequencer.commits_of(BOB)
    write_path.firehose.withhold(commits)
    assert await sent() == [4, 5]
    write_path.firehose.give_back(commits)
    assert await sent() == [1, 2, 3, 4, 5]


async def test_a_page_that_was_kept_for_the_next_subscriber_is_forgotten_too(write_path):
    write_path.create(BOB)
    await write(write_path, 2, did=BOB)
    await write(write_path, 1)
    first, second = Sink(), Sink()
    async with subscribed(write_path, 0, first):
        await first.reach(3)
    await forget(write_path, BOB)
    async with subscribed(write_path, 0, second):
        await second.reach(3)
    assert (first.seqs, second.seqs) == ([1, 2, 3], [3])


async def test_a_page_without_events_does_not_put_the_next_subscriber_to_sleep(write_path):
    write_path.create(BOB)
    await write(write_path, 3)
    await write(write_path, 3, did=BOB)
    await write_path.log.call(lambda: write_path.sequencer.purge_account(BOB, 100))
    write_path.firehose._ring.clear()
    first, second = Sink(), Sink()
    async with subscribed(write_path, 3, first):
        await asyncio.sleep(0.01)
        await write(write_path, 1)
        await first.reach(7)
        async with subscribed(write_path, 3, second):
            await second.reach(7)
    assert first.seqs == second.seqs == [7]


async def test_a_cursor_of_the_future_is_refused(write_path):
    await write(write_path, 2)
    with pytest.raises(FutureCursor):
        await write_path.firehose.serve(3, Sink())
    sink = Sink()
    async with subscribed(write_path, 2, sink):
        await write(write_path, 1)
        await sink.reach(3)


async def test_an_outdated_cursor_is_told_so_and_begins_at_the_oldest_event_kept(open_write_path):
    path = await open_write_path(retention_seconds=60.0)
    path.create(ALICE)
    await write(path, 3)
    path.firehose._clock = lambda: time.time() + 3600
    await asyncio.sleep(0)
    sink = Sink()
    async with subscribed(path, 1, sink):
        await asyncio.sleep(0.01)
        await write(path, 1)
        await sink.reach(4)
    kind, body = parse(sink.frames[0])
    assert (kind, body["name"]) == ("#info", "OutdatedCursor")
    assert sink.seqs == [4]


async def test_a_cursor_right_before_the_oldest_event_kept_is_not_outdated(open_write_path):
    path = await open_write_path(retention_seconds=60.0)
    path.create(ALICE)
    await write(path, 3)
    await path.log.call(lambda: path.sequencer.set_applied_seq(2))
    later = path.sequencer.latest_for(ALICE).time_us
    await path.log.call(lambda: path.sequencer.prune_before(later + 1))
    path.firehose._ring.clear()
    sink = Sink()
    async with subscribed(path, 2, sink):
        await sink.reach(3)
    assert [parse(frame)[0] for frame in sink.frames] == ["#commit"]


async def test_a_subscriber_that_reads_nothing_is_cut_off_and_holds_up_nobody(open_write_path):
    """One slow subscriber must not hold a lock others need."""
    path = await open_write_path(max_lag=10)
    path.create(ALICE)
    slow, quick = Sink(reads=False), Sink()
    async with subscribed(path, None, slow) as task, subscribed(path, None, quick):
        for number in range(30):
            async with asyncio.timeout(5):
                await path.post(str(number))
        await quick.reach(30)
        with pytest.raises(ConsumerTooSlow):
            await task
    assert slow.frames == []
    assert quick.seqs == list(range(1, 31))
    assert path.firehose.subscriber_count == 0


async def test_a_subscriber_that_catches_up_slowly_is_not_cut_off(open_write_path, monkeypatch):
    """Whoever has not been live yet may be as far behind as the log reaches."""
    monkeypatch.setattr(firehose_module, "_PAGE_EVENTS", 10)
    path = await open_write_path(max_lag=5)
    path.create(ALICE)
    await write(path, 100)
    sink = Sink(at_once=False, pause=0.01)
    async with subscribed(path, 0, sink):
        await write(path, 20)
        await sink.reach(120)
    assert sink.seqs == list(range(1, 121))


async def test_a_subscriber_that_goes_away_ends_its_own_stream_alone(write_path):
    class Gone(Sink):
        async def write(self, wire: bytes) -> None:
            raise ConnectionResetError

    sink = Sink()
    await write(write_path, 1)
    async with subscribed(write_path, 0, sink):
        with pytest.raises(ConnectionResetError):
            await write_path.firehose.serve(0, Gone())
        await write(write_path, 1)
        await sink.reach(2)


async def test_a_frame_is_made_once_for_all_subscribers(write_path):
    sinks = [Sink() for _ in range(3)]
    async with (
        subscribed(write_path, None, sinks[0]),
        subscribed(write_path, None, sinks[1]),
        subscribed(write_path, None, sinks[2]),
    ):
        await write_path.post("one")
        for sink in sinks:
            await sink.reach(1)
    first = sinks[0].wires[0]
    assert all(sink.wires[0] is first for sink in sinks)


async def test_the_ring_is_bounded_in_bytes(write_path, monkeypatch):
    monkeypatch.setattr(firehose_module, "RING_BYTES", 20_000)
    await write(write_path, 60)
    assert sum(len(wire) for _, wire in write_path.firehose._ring) <= 20_000
    sink = Sink()
    async with subscribed(write_path, 0, sink):
        await sink.reach(60)
    assert sink.seqs == list(range(1, 61))


async def test_events_without_a_repository_take_their_place_among_commits(write_path):
    sink = Sink()
    async with subscribed(write_path, 0, sink):
        await write_path.post("one")
        await write_path.log.append([AccountEvent(BOB, None), AccountEvent(BOB, "deactivated")])
        await write_path.post("two")
        await sink.reach(4)
    bodies = [parse(frame) for frame in sink.frames]
    assert [kind for kind, _ in bodies] == ["#commit", "#account", "#account", "#commit"]
    assert bodies[1][1]["active"] is True
    assert "status" not in bodies[1][1]
    assert (bodies[2][1]["active"], bodies[2][1]["status"]) == (False, "deactivated")


async def test_every_commit_can_be_undone_by_who_reads_it(write_path):
    """Sync 1.1: prevData, the operations' prev, and the covering proof."""
    sink = Sink()
    async with subscribed(write_path, 0, sink):
        outcomes = [await write_path.post(str(number), rkey=f"k{number % 7}x{number}") for number in range(40)]
        await sink.reach(40)
    previous = None
    for frame, outcome in zip(sink.frames, outcomes, strict=True):
        _, body = parse(frame)
        ops = [RepoOp(op["action"], op["path"], op["cid"], op.get("prev")) for op in body["ops"]]
        commit = verify_commit_event(
            body["blocks"], body["commit"], ops, body["prevData"], did=ALICE, key=write_path.key()
        )
        assert body["repo"] == ALICE
        assert (commit.rev, body["commit"]) == (outcome.commit.rev, outcome.commit.cid)
        if previous is not None:
            assert (body["since"], body["prevData"]) == (previous.rev, previous.data)
        previous = commit


@pytest.mark.parametrize("size", [0, 1, 125, 126, 65_535, 65_536, 200_000])
def test_frames_are_wrapped_as_websocket_servers_do(size):
    frame = bytes(size)
    wire = to_wire(frame)
    assert wire[0] == 0x82
    assert from_wire(wire + to_wire(b"next")) == [frame, b"next"]
