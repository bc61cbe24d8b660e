"""What subscribers are not told: events that were purged with their account, and those that are withheld."""

from __future__ import annotations

import asyncio

import pytest
from firehose_sink import BOB, Sink, subscribed, write

from tempest_pds.protocol.syntax.did import Did
from tempest_pds.services import firehose as firehose_module


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
