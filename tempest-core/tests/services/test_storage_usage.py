"""Measuring the data directory without making anybody wait for it."""

import asyncio
import threading
from collections.abc import Callable

from tempest_pds.services.storage_usage import StorageUsage
from tempest_pds.stores.directory_sizes import DirectorySizes, MeasuringStopped

GiveUp = Callable[[], bool]


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def sizes(count: int) -> DirectorySizes:
    return DirectorySizes({"blobs/": count}, [], 0, 1, 2)


async def test_a_measurement_is_kept_for_a_minute() -> None:
    clock, made = Clock(), [0]

    def measure(give_up: GiveUp) -> DirectorySizes:
        made[0] += 1
        return sizes(made[0])

    usage = StorageUsage(measure, clock=clock)
    assert await usage.current() == sizes(1)
    clock.now += 59
    assert await usage.current() == sizes(1)
    assert usage.age == 59
    clock.now += 2
    assert await usage.current() == sizes(2)


async def test_one_that_takes_long_is_made_seldom() -> None:
    clock, made = Clock(), [0]

    def measure(give_up: GiveUp) -> DirectorySizes:
        made[0] += 1
        clock.now += 100
        return sizes(made[0])

    usage = StorageUsage(measure, clock=clock)
    await usage.current()
    clock.now += 1_999
    assert await usage.current() == sizes(1)
    clock.now += 2
    assert await usage.current() == sizes(2)


async def test_nobody_waits_long_and_one_measurement_runs_at_a_time() -> None:
    done, running = threading.Event(), []

    def measure(give_up: GiveUp) -> DirectorySizes:
        running.append(1)
        done.wait(10)
        return sizes(1)

    usage = StorageUsage(measure, wait=0.01)
    assert await asyncio.gather(usage.current(), usage.current()) == [None, None]
    assert len(running) == 1
    done.set()
    await usage.close()
    assert await usage.current() == sizes(1)


async def test_closing_gives_a_measurement_up() -> None:
    began = threading.Event()

    def measure(give_up: GiveUp) -> DirectorySizes:
        began.set()
        while not give_up():
            pass
        raise MeasuringStopped

    usage = StorageUsage(measure, wait=0)
    assert await usage.current() is None
    await asyncio.to_thread(began.wait, 10)
    await asyncio.wait_for(usage.close(), 10)


async def test_a_directory_that_cannot_be_read_is_no_error_of_who_asks() -> None:
    def measure(give_up: GiveUp) -> DirectorySizes:
        raise OSError("gone")

    assert await StorageUsage(measure).current() is None
