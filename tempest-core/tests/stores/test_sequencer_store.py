"""The log of events: numbers only rise, and a cursor never skips nor repeats."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tempest_pds.stores.sequencer.store import EventRow, SequenceNotRising, SequencerStore


def event(seq: int, *, did: str = "did:plc:a", kind: str = "commit", time_us: int | None = None) -> EventRow:
    return EventRow(seq, did, kind, f"3{seq:05d}", seq * 10 if time_us is None else time_us, b"frame %d" % seq)


def test_an_empty_log(sequencer: SequencerStore) -> None:
    assert sequencer.last_seq() == 0
    assert sequencer.first_seq() is None
    assert sequencer.frames_after(0) == []
    assert sequencer.seq_at_or_after(0) is None
    assert sequencer.latest_for("did:plc:a") is None
    assert sequencer.prune_before(10**18) == 0


def test_what_is_appended_is_read_in_order(sequencer: SequencerStore) -> None:
    sequencer.append([event(1), event(2, kind="identity")])
    sequencer.append([event(5, did="did:plc:b")])
    assert sequencer.frames_after(0) == [(1, b"frame 1"), (2, b"frame 2"), (5, b"frame 5")]
    assert sequencer.frames_after(1, 1) == [(2, b"frame 2")]
    assert [row.seq for row in sequencer.rows_after(0, "commit", chunk=1)] == [1, 5]
    assert [row.seq for row in sequencer.rows_after(1, chunk=1)] == [2, 5]
    assert sequencer.latest_for("did:plc:a") == event(2, kind="identity")
    assert (sequencer.first_seq(), sequencer.last_seq()) == (1, 5)


@pytest.mark.parametrize("bad", [[2], [1], [4, 4], [5, 4]])
def test_a_number_that_does_not_rise_is_refused(sequencer: SequencerStore, bad: list[int]) -> None:
    sequencer.append([event(1), event(2)])
    with pytest.raises(SequenceNotRising):
        sequencer.append([event(seq) for seq in bad])
    assert sequencer.last_seq() == 2
    assert [seq for seq, _ in sequencer.frames_after(0)] == [1, 2]


def test_a_number_is_never_given_again_even_when_all_is_pruned(sequencer: SequencerStore, tmp_path: Path) -> None:
    sequencer.append([event(n) for n in range(1, 8)])
    sequencer.set_applied_seq(7)
    assert sequencer.prune_before(10**18) == 7
    sequencer.close()
    again = SequencerStore(tmp_path / "sequencer.sqlite")
    assert again.last_seq() == 7
    with pytest.raises(SequenceNotRising):
        again.append([event(7)])
    again.append([event(8)])
    again.close()


def test_the_floor_survives_reopening(sequencer: SequencerStore, tmp_path: Path) -> None:
    sequencer.append([event(1)])
    sequencer.raise_floor(1000)
    sequencer.close()
    again = SequencerStore(tmp_path / "sequencer.sqlite")
    assert again.last_seq() == 1000
    again.raise_floor(5)
    assert again.last_seq() == 1000
    again.close()


def test_events_that_are_not_applied_are_not_pruned(sequencer: SequencerStore) -> None:
    sequencer.append([event(n) for n in range(1, 8)])
    sequencer.set_applied_seq(3)
    assert sequencer.prune_before(10**18) == 3
    assert sequencer.first_seq() == 4
    assert sequencer.prune_before(10**18, keep_unapplied=False) == 4


def test_applied_seq_and_outbox_id_are_recorded_with_the_events(sequencer: SequencerStore) -> None:
    assert (sequencer.applied_seq(), sequencer.outbox_id()) == (0, 0)
    sequencer.append([event(1)], applied_seq=1, outbox_id=9)
    with pytest.raises(SequenceNotRising):
        sequencer.append([event(1)], applied_seq=5, outbox_id=12)
    assert (sequencer.applied_seq(), sequencer.outbox_id()) == (1, 9)


def test_time_never_goes_back_in_the_log(sequencer: SequencerStore, tmp_path: Path) -> None:
    sequencer.append([event(1, time_us=100), event(2, time_us=50), event(3, time_us=120)])
    sequencer.close()
    again = SequencerStore(tmp_path / "sequencer.sqlite")
    again.append([event(4, time_us=60)])
    assert [row.time_us for row in again.rows_after(0)] == [100, 100, 120, 120]
    again.close()


def test_purging_an_account_keeps_the_others_and_its_last_events(sequencer: SequencerStore) -> None:
    sequencer.append([event(1), event(2, did="did:plc:b"), event(3), event(4)])
    assert sequencer.purge_account("did:plc:a", 4) == 2
    assert [seq for seq, _ in sequencer.frames_after(0)] == [2, 4]


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(
    gaps=st.lists(st.tuples(st.integers(1, 3), st.integers(0, 20)), min_size=1, max_size=30),
    pruned=st.integers(0, 10),
    asked=st.integers(0, 700),
)
def test_finding_a_time_is_like_looking_through_all(
    tmp_path: Path, gaps: list[tuple[int, int]], pruned: int, asked: int
) -> None:
    path = tmp_path / "found.sqlite"
    for suffix in ("", "-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
    store = SequencerStore(path, synchronous="OFF")
    seq = time_us = 0
    rows = []
    for seq_gap, time_gap in gaps:
        seq, time_us = seq + seq_gap, time_us + time_gap
        rows.append(event(seq, time_us=time_us))
    store.append(rows)
    store.prune_before(rows[min(pruned, len(rows) - 1)].time_us, keep_unapplied=False)
    left = list(store.rows_after(0))
    expected = next((row.seq for row in left if row.time_us >= asked), None)
    assert store.seq_at_or_after(asked) == expected
    store.close()


def test_a_reader_sees_whole_batches_in_order_while_another_thread_appends(sequencer: SequencerStore) -> None:
    def write() -> None:
        for start in range(1, 600, 3):
            sequencer.append([event(start), event(start + 1), event(start + 2)])

    writer = threading.Thread(target=write)
    writer.start()
    seen: list[int] = []
    while len(seen) < 600:
        page = sequencer.frames_after(seen[-1] if seen else 0, 300)
        assert len(page) % 3 == 0
        seen += [seq for seq, _ in page]
    writer.join()
    assert seen == list(range(1, 601))
