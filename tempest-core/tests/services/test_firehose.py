"""The firehose with subscribers made on the spot: every event once, in order, whatever the pace."""

from __future__ import annotations

import asyncio
import time

import pytest
from firehose_sink import ALICE, BOB, Sink, parse, subscribed, write

from tempest_pds.repo.verify import verify_commit_event
from tempest_pds.repo.writes import RepoOp
from tempest_pds.services import firehose as firehose_module
from tempest_pds.services.event_frames import AccountEvent
from tempest_pds.services.firehose import ConsumerTooSlow, from_wire, to_wire
from tempest_pds.services.repo_errors import FutureCursor


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
