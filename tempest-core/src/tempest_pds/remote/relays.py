"""Telling relays that there is something to read here: com.atproto.sync.requestCrawl.

A relay that knows this server keeps its own connection open, so asking again matters only after it has lost sight of
us. Each relay is asked at start and on new commits, at most once in twenty minutes; a call that falls into the pause is
not lost, but made up for when the pause ends. Nobody ever waits for a relay.
"""

import asyncio
import json
import time
from collections.abc import Callable, Sequence

import structlog

from tempest_pds.remote.errors import RemoteError
from tempest_pds.remote.safe_fetch import SafeFetch

PAUSE_SECONDS = 20 * 60.0

_log = structlog.get_logger("tempest_pds.relays")


class Relays:
    """Ask relays to crawl this server.

    Args:
        hostname: of this server, as relays reach it.
        relays: their addresses, such as `https://bsky.network`; none means that nothing is ever sent.
        clock: seconds that only rise.
    """

    def __init__(
        self,
        fetch: SafeFetch,
        hostname: str,
        relays: Sequence[str],
        *,
        pause: float = PAUSE_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._fetch = fetch
        self._hostname = hostname
        self._relays = [relay.rstrip("/") for relay in relays]
        self._pause = pause
        self._clock = clock
        self._not_before = float("-inf")
        self._planned = False
        self._running: set[asyncio.Task[None]] = set()

    def notify(self) -> None:
        """Say that there is something new. Returns at once; to be called on the event loop."""
        if not self._relays or self._planned:
            return
        self._planned = True
        delay = max(self._not_before - self._clock(), 0.0)
        task = asyncio.get_running_loop().create_task(self._request_crawls(delay))
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def close(self) -> None:
        """Give up on what is under way."""
        running = list(self._running)
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    async def _request_crawls(self, delay: float) -> None:
        if delay:
            await asyncio.sleep(delay)
        self._not_before = self._clock() + self._pause
        # A commit from here on may have come too late for this round: it plans the next.
        self._planned = False
        await asyncio.gather(*(self._request_crawl(relay) for relay in self._relays))

    async def _request_crawl(self, relay: str) -> None:
        try:
            answer = await self._fetch.fetch(
                "POST",
                f"{relay}/xrpc/com.atproto.sync.requestCrawl",
                headers={"Content-Type": "application/json"},
                body=json.dumps({"hostname": self._hostname}).encode(),
                seconds=15.0,
            )
        except RemoteError as error:
            _log.warning("relay.unreachable", relay=relay, error=str(error))
            return
        if answer.status >= 400:
            _log.warning("relay.refused", relay=relay, status=answer.status)
        else:
            _log.info("relay.asked", relay=relay)
