"""Who is at the door."""

from __future__ import annotations

from dataclasses import dataclass

from tempest_pds.services.origin import Origin
from tempest_pds_plugins.hookspecs import SignInSurface


@dataclass(frozen=True, slots=True, kw_only=True)
class Visitor(Origin):
    """Who is at the door: what is told to policies, and noted among the security events.

    Attributes:
        browser: the SHA-256 of the cookie that a half-finished sign-in is bound to; empty for API clients.
        surface: which door it is.
        client_id: of the app that sent a person here to allow it something.
    """

    browser: bytes = b""
    surface: SignInSurface = "pages"
    client_id: str | None = None
