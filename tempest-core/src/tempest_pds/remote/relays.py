"""Telling relays that there is something to read here: com.atproto.sync.requestCrawl.

A relay that knows this server keeps its own connection open, so asking again matters only after it has lost sight of
us. Each relay is asked at start and on new commits, at most once in twenty minutes; a call that falls into the pause is
not lost, but made up for when the pause ends. Nobody ever waits for a relay.
"""

import asyncio
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import structlog

from tempest_pds.remote.causes import explain
from tempest_pds.remote.errors import RemoteError
from tempest_pds.remote.safe_fetch import SafeFetch

PAUSE_SECONDS = 20 * 60.0
_MAX_REASON = 200

_log = structlog.get_logger("tempest_pds.relays")


@dataclass(frozen=True, slots=True)
class RelayStanding:
    """What came of the last time that a relay was asked.

    Attributes:
        asked_at: seconds since 1970; None before the first time.
        reason: why it did not accept, in one line, partly in its own words.
    """

    relay: str
    state: Literal["not asked", "accepted", "refused", "unreachable"]
    asked_at: float | None = None
    reason: str | None = None


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
        self._standings = {relay: RelayStanding(relay, "not asked") for relay in self._relays}
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

    def standings(self) -> Sequence[RelayStanding]:
        """Tell of each relay what came of asking it last."""
        return list(self._standings.values())

    async def ask_now(self) -> Sequence[RelayStanding]:
        """Ask every relay at once, whatever the pause, and tell what came of it; for an operator who asks for it."""
        self._not_before = self._clock() + self._pause
        await asyncio.gather(*(self._request_crawl(relay) for relay in self._relays))
        return self.standings()

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
        asked_at = time.time()
        try:
            answer = await self._fetch.fetch(
                "POST",
                f"{relay}/xrpc/com.atproto.sync.requestCrawl",
                headers={"Content-Type": "application/json"},
                body=json.dumps({"hostname": self._hostname}).encode(),
                seconds=15.0,
            )
        except RemoteError as error:
            reason = _one_line(explain(error))
            _log.warning("relay.unreachable", relay=relay, error=reason)
            self._standings[relay] = RelayStanding(relay, "unreachable", asked_at, reason)
            return
        if answer.status >= 400:
            _log.warning("relay.refused", relay=relay, status=answer.status)
            reason = _one_line(f"{answer.status} {_message_of(answer.body)}")
            self._standings[relay] = RelayStanding(relay, "refused", asked_at, reason)
        else:
            _log.info("relay.asked", relay=relay)
            self._standings[relay] = RelayStanding(relay, "accepted", asked_at)


def _message_of(body: bytes) -> str:
    """Give what a refusal says for a person to read; nothing when it is not in the protocol's form."""
    try:
        refusal = json.loads(body)
    except (ValueError, RecursionError):
        return ""
    message = refusal.get("message") if isinstance(refusal, dict) else None
    return message if isinstance(message, str) else ""


def _one_line(text: str) -> str:
    return " ".join(text.split())[:_MAX_REASON]
