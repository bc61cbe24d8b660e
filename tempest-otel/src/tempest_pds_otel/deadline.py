"""Blocking work that must not hold up whoever waits for it."""

import asyncio
import logging
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Final

_log: Final = logging.getLogger(__name__)


async def all_within(seconds: float, *works: Callable[[], object]) -> bool:
    """Run blocking calls, each in a thread, until they are done or the time is over; tell whether all were done.

    What is late goes on in its thread, which does not keep the process alive: a thread of the loop's own executor would
    be waited for when the loop ends. What a call raises is logged, by its type.
    """
    results = await asyncio.gather(*(_within(seconds, work) for work in works))
    return all(results)


async def _within(seconds: float, work: Callable[[], object]) -> bool:
    loop = asyncio.get_running_loop()
    done = asyncio.Event()
    succeeded = False

    def run() -> None:
        nonlocal succeeded
        try:
            work()
            succeeded = True
        except Exception as error:  # noqa: BLE001 - what cannot be sent must not stop the server
            _log.warning("telemetry: sending failed (%s)", type(error).__name__)
        with suppress(RuntimeError):  # the loop has ended without waiting
            loop.call_soon_threadsafe(done.set)

    threading.Thread(target=run, name="telemetry", daemon=True).start()
    try:
        async with asyncio.timeout(seconds):
            await done.wait()
    except TimeoutError:
        return False
    return succeeded
