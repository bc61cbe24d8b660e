"""Making backups: one at a time, whole or not at all, and the right ones kept."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from backup_world import HeldSink, archive_of, maker_of

from tempest_pds.services.backup.errors import BackupFailed, BackupRunning
from tempest_pds.services.backup.history import History, Outcome
from tempest_pds.services.backup.maker import BackupMaker
from tempest_pds.services.backup.names import Retention, name_for
from tempest_pds.services.backup.ready_sink import ReadySink
from tempest_pds.services.backup.schedule import BackupSchedule
from tempest_pds.services.backup.standing import BackupStanding
from tempest_pds.telemetry import Instruments
from tempest_pds_plugins import streams
from tempest_pds_plugins.backup_sink import BackupStat


async def names(sink: HeldSink) -> list[str]:
    return [stat.name async for stat in sink.list()]


async def eventually(
    look: Callable[[], Outcome | None], enough: Callable[[Outcome], bool] = lambda outcome: True
) -> None:
    """Look again and again, for a while, until it is there."""
    for _ in range(2_000):
        outcome = look()
        if outcome is not None and enough(outcome):
            return
        await asyncio.sleep(0.01)
    raise TimeoutError


async def test_one_at_a_time(write_path: Any) -> None:
    sink = HeldSink()
    sink.go.clear()
    maker = maker_of(write_path, sink)
    first = asyncio.create_task(maker.create(upload=True))
    await sink.began.wait()
    assert maker.running
    with pytest.raises(BackupRunning):
        await maker.create(upload=True)
    sink.go.set()
    made = await first
    assert await names(sink) == [made.name]


async def test_one_that_was_begun_goes_on_by_itself(write_path: Any) -> None:
    sink = HeldSink()
    sink.go.clear()
    maker = maker_of(write_path, sink)
    assert maker.begin()
    await sink.began.wait()
    assert not maker.begin()
    sink.go.set()
    await eventually(lambda: History(write_path.directory.backups, "memory").last("backup"))
    assert len(await names(sink)) == 1
    await maker.close()


async def test_one_that_was_begun_is_given_up_with_the_server(write_path: Any) -> None:
    sink = HeldSink()
    sink.go.clear()
    maker = maker_of(write_path, sink)
    maker.begin()
    await sink.began.wait()
    await maker.close()
    assert not maker.running
    assert await names(sink) == []


async def test_a_failure_is_told_and_kept_nothing(write_path: Any) -> None:
    sink = HeldSink()
    sink.down = True
    maker = maker_of(write_path, sink)
    with pytest.raises(BackupFailed, match="nobody answers"):
        await maker.create(upload=True)
    assert await names(sink) == []
    failure = History(write_path.directory.backups, "memory").last("backup", failed=True)
    assert failure is not None
    assert failure.error == "nobody answers"
    sink.down = False
    await maker.create(upload=True)


async def test_a_cancelled_one_keeps_nothing_and_holds_up_nobody(write_path: Any) -> None:
    sink = HeldSink()
    sink.go.clear()
    maker = maker_of(write_path, sink)
    task = asyncio.create_task(maker.create(upload=True))
    await sink.began.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    sink.go.set()
    assert await names(sink) == []
    await maker.create(upload=True)
    await write_path.post("still writing")


async def test_old_ones_go_when_a_new_one_is_there(write_path: Any) -> None:
    sink = HeldSink()
    now = datetime.now(UTC)
    old = [name_for("pds.test", now - timedelta(days=days), encrypted=False) for days in (1, 2, 3)]
    others = [name_for("other.test", now - timedelta(days=9), encrypted=False), "notes.txt"]
    for name in (*old, *others):
        await sink.put(name, streams.of(b"x"))
    made = await maker_of(write_path, sink, retention=Retention(count=2)).create_and_tidy()
    assert set(await names(sink)) == {made.name, old[0], *others}


async def test_nothing_goes_when_the_new_one_failed(write_path: Any) -> None:
    sink = HeldSink()
    old = [name_for("pds.test", datetime.now(UTC) - timedelta(days=days), encrypted=False) for days in range(1, 5)]
    for name in old:
        await sink.put(name, streams.of(b"x"))
    sink.down = True
    with pytest.raises(BackupFailed):
        await maker_of(write_path, sink, retention=Retention(count=1)).create_and_tidy()
    assert set(await names(sink)) == set(old)


async def test_a_copy_beside_the_chosen_store_counts_for_nothing(write_path: Any) -> None:
    """Or a copy in the data directory would hide that nothing reaches the store elsewhere."""
    chosen, local = HeldSink(), HeldSink()
    history = History(write_path.directory.backups, "chosen")
    maker = BackupMaker(
        hostname="pds.test",
        local=ReadySink("local", local),
        sink=ReadySink("chosen", chosen),
        new_archive=lambda progress: archive_of(write_path, progress),
        history=history,
        instruments=Instruments(),
    )
    chosen.down = True
    with pytest.raises(BackupFailed):
        await maker.create(upload=True)
    await maker.create(upload=False)
    assert history.last("backup") is None
    assert history.last("backup", failed=True) is not None
    assert BackupSchedule(maker, history, 3600).due_at() == 0.0
    chosen.down = False
    await maker.create(upload=True)
    assert history.last("backup") is not None
    assert History(write_path.directory.backups, "another").last("backup") is None


class TestSchedule:
    async def test_it_makes_one_when_the_last_is_old_enough(self, write_path: Any) -> None:
        sink, history = HeldSink(), History(write_path.directory.backups, "memory")
        history.note("backup", Outcome(name="tempest-pds.test-20260101T000000Z.tar", at=time.time() - 60, seconds=1.0))
        schedule = BackupSchedule(maker_of(write_path, sink), history, interval=61)
        schedule.start()
        assert await names(sink) == []
        await eventually(lambda: history.last("backup"), lambda outcome: outcome.at > time.time() - 30)
        await schedule.stop()
        assert len(await names(sink)) == 1
        due = schedule.due_at()
        assert due is not None
        assert due > time.time() + 30

    async def test_it_tries_again_later_after_a_failure(self, write_path: Any) -> None:
        sink, history = HeldSink(), History(write_path.directory.backups, "memory")
        sink.down = True
        schedule = BackupSchedule(maker_of(write_path, sink), history, interval=3600)
        schedule.start()
        await eventually(lambda: history.last("backup", failed=True))
        await schedule.stop()
        due = schedule.due_at()
        assert due is not None
        assert due > time.time() + 60

    async def test_a_history_that_cannot_be_written_makes_it_no_faster(self, write_path: Any) -> None:
        sink, folder = HeldSink(), write_path.directory.backups
        (folder / ".history.json").mkdir()
        schedule = BackupSchedule(maker_of(write_path, sink), History(folder, "memory"), interval=3600)
        schedule.start()
        await sink.began.wait()
        await asyncio.sleep(0.3)
        await schedule.stop()
        assert sink.puts == 1

    async def test_whatever_fails_the_next_one_is_tried(self, write_path: Any) -> None:
        class Unlistable(HeldSink):
            async def list(self) -> AsyncIterator[BackupStat]:
                raise FileNotFoundError("backups")
                yield

        sink = Unlistable()
        schedule = BackupSchedule(
            maker_of(write_path, sink), History(write_path.directory.backups, "memory"), interval=0.05
        )
        schedule.start()
        for _ in range(3):
            sink.began.clear()
            async with asyncio.timeout(20):
                await sink.began.wait()
        await schedule.stop()

    async def test_a_clock_that_was_ahead_once_does_not_put_it_off(self, write_path: Any) -> None:
        history = History(write_path.directory.backups, "memory")
        history.note("backup", Outcome(name="a", at=time.time() + 1e8, seconds=1.0))
        due = BackupSchedule(maker_of(write_path, HeldSink()), history, interval=60).due_at()
        assert due is not None
        assert due < time.time() + 61

    async def test_without_an_interval_there_is_none(self, write_path: Any) -> None:
        schedule = BackupSchedule(
            maker_of(write_path, HeldSink()), History(write_path.directory.backups, "memory"), interval=0
        )
        schedule.start()
        assert schedule.due_at() is None
        await schedule.stop()


class TestStanding:
    def standing(self, write_path: Any, *, interval: float = 0, is_local: bool = False) -> BackupStanding:
        history = History(write_path.directory.backups, "memory")
        maker = maker_of(write_path, HeldSink())
        return BackupStanding(
            maker=maker, schedule=BackupSchedule(maker, history, interval), history=history, is_local=is_local
        )

    async def test_a_public_server_without_a_backup_has_a_problem(self, write_path: Any) -> None:
        assert self.standing(write_path).report()["problems"]
        assert not self.standing(write_path, is_local=True).report()["problems"]

    async def test_a_late_backup_is_a_problem(self, write_path: Any) -> None:
        history = History(write_path.directory.backups, "memory")
        history.note("backup", Outcome(name="a", at=time.time() - 3 * 3600, seconds=1.0))
        assert not self.standing(write_path, interval=2 * 3600).report()["problems"]
        assert "3 hours old" in self.standing(write_path, interval=3600).report()["problems"][0]

    async def test_a_failure_counts_until_the_next_success(self, write_path: Any) -> None:
        history = History(write_path.directory.backups, "memory")
        history.note("backup", Outcome(name="a", at=time.time() - 10, seconds=1.0, error="the disk is full"))
        assert "the disk is full" in self.standing(write_path).report()["problems"][0]
        history.note("backup", Outcome(name="b", at=time.time(), seconds=1.0))
        report = self.standing(write_path).report()
        assert report["failure"] is None
        assert report["lastName"] == "b"

    async def test_a_failed_drill_is_a_problem(self, write_path: Any) -> None:
        history = History(write_path.directory.backups, "memory")
        history.note("backup", Outcome(name="b", at=time.time(), seconds=1.0))
        history.note("drill", Outcome(name="b", at=time.time(), seconds=1.0, error="blobs: one is damaged"))
        report = self.standing(write_path).report()
        assert report["drillPassed"] is False
        assert "blobs: one is damaged" in report["problems"][0]

    def test_a_broken_history_is_none(self, tmp_path: Path) -> None:
        (tmp_path / ".history.json").write_text("{")
        assert History(tmp_path).last("backup") is None
