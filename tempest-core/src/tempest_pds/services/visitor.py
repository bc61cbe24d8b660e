"""Who is at the door."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Visitor:
    """Who is at the door: what is told to policies, and noted among the security events.

    Attributes:
        browser: the SHA-256 of the cookie that a half-finished sign-in is bound to; empty for API clients.
    """

    client_ip: str | None
    user_agent: str | None = None
    browser: bytes = b""
