"""Whether the client is still there, for who waits on its behalf."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

from tempest_pds.http.errors import ClientGone
from tempest_pds.http.exchange import Exchange

T = TypeVar("T")


class Presence:
    """Ends a wait as soon as the client goes away. Close it when the waiting is over.

    Nothing is noticed before `watch`: until the request's body is read, its messages belong to whoever reads it.
    """

    __slots__ = ("_exchange", "_waiting", "_watcher")

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._waiting: asyncio.Task[object] | None = None
        self._watcher: asyncio.Task[None] | None = None

    def watch(self) -> None:
        """Begin to look; does nothing while some of the request's body is still to be read."""
        if self._watcher is None and not self._exchange.body_pending:
            self._watcher = asyncio.create_task(self._gone())
            self._watcher.add_done_callback(self._interrupt)

    async def wait(self, awaitable: Awaitable[T]) -> T:
        """Await something; raise ClientGone when the client goes away before it is there."""
        self._waiting = asyncio.current_task()
        try:
            return await awaitable
        except asyncio.CancelledError:
            watcher = self._watcher
            if watcher is None or not watcher.done() or watcher.cancelled() or self._waiting is None:
                raise
            self._waiting.uncancel()
            raise ClientGone("the client went away while it waited") from None
        finally:
            self._waiting = None

    def close(self) -> None:
        """Look no longer."""
        if self._watcher is not None:
            self._watcher.cancel()

    async def _gone(self) -> None:
        while (await self._exchange.receive())["type"] != "http.disconnect":
            pass

    def _interrupt(self, watcher: asyncio.Task[None]) -> None:
        if self._waiting is not None and not watcher.cancelled():
            self._waiting.cancel()
