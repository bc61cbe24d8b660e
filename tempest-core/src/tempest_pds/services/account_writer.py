"""The one thread that writes to `account.sqlite`.

A transaction waits for the disk, and must not make the event loop wait with it. One thread is enough: SQLite has one
writer, and what stands in a queue needs no lock.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


class AccountWriter:
    """Run transactions one after the other, away from the event loop."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="tempest-accounts")

    async def run(self, work: Callable[P, T], /, *arguments: P.args, **named: P.kwargs) -> T:
        """Run a function that writes, and give what it returns; its errors come out here.

        A caller who is cancelled does not take the transaction with him: it is finished all the same.
        """
        loop = asyncio.get_running_loop()
        return await asyncio.shield(loop.run_in_executor(self._pool, partial(work, *arguments, **named)))

    def close(self) -> None:
        """Finish what is queued, and end the thread."""
        self._pool.shutdown(wait=True)
