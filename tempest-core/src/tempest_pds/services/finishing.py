"""Work that has to come to its end, even when whoever waits for it is cancelled.

A request is cancelled when its client goes away. A thread is not; and what it works on must not be closed, nor handed
to somebody else, under its hands.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


async def finish(work: Coroutine[Any, Any, T]) -> T:
    """Wait for work to its end; a cancellation is raised after it, and then what came of the work is lost."""
    task = asyncio.ensure_future(work)
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.wait({task})
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is None:
        return task.result()
    if not task.cancelled():
        task.exception()  # looked at, or asyncio complains that nobody did
    raise cancelled


async def in_thread(function: Callable[P, T], /, *arguments: P.args, **named: P.kwargs) -> T:
    """Run a function in a thread, and wait for its end in any case."""
    return await finish(asyncio.to_thread(function, *arguments, **named))
