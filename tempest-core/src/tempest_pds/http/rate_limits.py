"""Fixed windows of points, counted in memory, as the reference server counts them.

A window opens with the first request of a key and closes `seconds` later. One request may count against several
limits; the answer's headers tell the tightest. Counting costs about a microsecond, and a table never outgrows
`_MAX_KEYS`: the keys are addresses and accounts, both of which a flood can multiply.
"""

from __future__ import annotations

import hmac
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from tempest_pds.http.client_address import limit_key

if TYPE_CHECKING:
    from tempest_pds.http.context import Call

MINUTE: Final = 60
HOUR: Final = 3_600
DAY: Final = 86_400
_MAX_KEYS: Final = 200_000

Header = tuple[bytes, bytes]
Key = Callable[["Call"], str | None]


def by_address(call: Call) -> str | None:
    """Count by the client's address."""
    return limit_key(call.client_ip)


def by_account(call: Call) -> str | None:
    """Count by the account that asks, or by address when nobody is known."""
    credentials = call.credentials
    if credentials is None or credentials.did is None:
        return limit_key(call.client_ip)
    return credentials.did


@dataclass(frozen=True, slots=True, eq=False)
class Limit:
    """A number of points for each window of `seconds` and key; two methods that name one Limit share its count."""

    name: str
    points: int
    seconds: int
    key: Key = by_address
    header_limit: Header = field(init=False)
    header_policy: Header = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "header_limit", (b"ratelimit-limit", b"%d" % self.points))
        object.__setattr__(self, "header_policy", (b"ratelimit-policy", b"%d;w=%d" % (self.points, self.seconds)))


GLOBAL: Final = Limit("global-ip", 3_000, 5 * MINUTE)
WRITES_PER_HOUR: Final = Limit("repo-write-hour", 5_000, HOUR, by_account)
WRITES_PER_DAY: Final = Limit("repo-write-day", 35_000, DAY, by_account)
CREATE_POINTS: Final = 3
PUT_POINTS: Final = 2
DELETE_POINTS: Final = 1


class Standing:
    """Where a key stands within one limit after a request was counted."""

    __slots__ = ("exceeded", "limit", "remaining", "resets_at")

    def __init__(self, limit: Limit, remaining: int, resets_at: float, exceeded: bool) -> None:
        self.limit = limit
        self.remaining = remaining
        self.resets_at = resets_at
        self.exceeded = exceeded

    def add_headers(self, headers: list[Header]) -> None:
        """Append the four RateLimit headers, and Retry-After when the limit is exceeded."""
        limit = self.limit
        headers.append(limit.header_limit)
        headers.append((b"ratelimit-remaining", b"%d" % self.remaining))
        headers.append((b"ratelimit-reset", b"%d" % self.resets_at))
        headers.append(limit.header_policy)
        if self.exceeded:
            headers.append((b"retry-after", b"%d" % max(1, round(self.resets_at - time.time()))))


class RateLimiter:
    """The counts of every limit. Not thread-safe: it lives on the event loop.

    Args:
        bypass_key: who sends it as `X-RateLimit-Bypass` is not limited.
        bypass_addresses: who asks from there is not limited.
        control_token: as good as `bypass_key`: what commands on this machine send.
        clock: tells the time, in seconds since 1970.
    """

    def __init__(
        self,
        *,
        enabled: bool = True,
        bypass_key: str | None = None,
        bypass_addresses: frozenset[str] = frozenset(),
        control_token: str | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.enabled = enabled
        self._bypass_keys = tuple(key.encode() for key in (bypass_key, control_token) if key)
        self._bypass_addresses = bypass_addresses
        self._clock = clock
        self._windows: dict[tuple[str, str], list[float]] = {}
        self._sweep_at = 10_000

    def applies(self, client_ip: str, bypass_header: bytes | None) -> bool:
        """Tell whether a request is limited at all."""
        if not self.enabled:
            return False
        if bypass_header is not None and any(hmac.compare_digest(bypass_header, key) for key in self._bypass_keys):
            return False
        return client_ip not in self._bypass_addresses

    def consume(self, limit: Limit, key: str, points: int = 1) -> Standing:
        """Count `points` for a key; an exceeded limit is told by the answer, not raised."""
        now = self._clock()
        window = self._windows.get((limit.name, key))
        if window is None or window[1] <= now:
            if len(self._windows) >= self._sweep_at:
                self._sweep(now)
            window = [0, now + limit.seconds]
            self._windows[(limit.name, key)] = window
        used = window[0] = window[0] + points
        remaining = limit.points - int(used)
        return Standing(limit, remaining if remaining > 0 else 0, window[1], remaining < 0)

    def check(self, limit: Limit, key: str) -> Standing:
        """Tell where a key stands without counting; exceeded when nothing is left."""
        window = self._windows.get((limit.name, key))
        now = self._clock()
        if window is None or window[1] <= now:
            return Standing(limit, limit.points, now + limit.seconds, exceeded=False)
        remaining = limit.points - int(window[0])
        return Standing(limit, max(0, remaining), window[1], remaining <= 0)

    def forget(self, limit: Limit, key: str) -> None:
        """Start a key's window anew."""
        self._windows.pop((limit.name, key), None)

    def _sweep(self, now: float) -> None:
        self._windows = {key: window for key, window in self._windows.items() if window[1] > now}
        if len(self._windows) >= _MAX_KEYS:
            # The oldest half goes: to forget some counts is better than to grow without end.
            keys = list(self._windows)
            for key in keys[: len(keys) // 2]:
                del self._windows[key]
        self._sweep_at = min(max(10_000, 2 * len(self._windows)), _MAX_KEYS)
