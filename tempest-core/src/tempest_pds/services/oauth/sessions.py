"""OAuth sessions: an app that may act for an account, from the exchange of its code until it is revoked or ends."""

from __future__ import annotations

from dataclasses import dataclass

from tempest_pds.protocol.oauth.scope_set import ScopeSet
from tempest_pds.protocol.syntax.did import Did


@dataclass(frozen=True, slots=True, kw_only=True)
class OAuthSessionView:
    """A session as the account's owner sees it. Times are microseconds since 1970.

    Attributes:
        scopes: what was granted.
        used_at: when the client last did something with it, to the minute.
    """

    id: str
    client_id: str
    client_name: str | None
    scopes: ScopeSet
    created_at: int
    used_at: int
    client_ip: str | None


class OAuthSessions:
    """List and end sessions."""

    def list_for(self, did: Did) -> list[OAuthSessionView]:
        """List an account's sessions, the last used first."""
        raise NotImplementedError

    async def revoke(self, did: Did, session_id: str) -> bool:
        """End one session of an account."""
        raise NotImplementedError

    async def revoke_client(self, did: Did, client_id: str) -> int:
        """End all sessions of one client, and forget the consent; return how many sessions that were."""
        raise NotImplementedError

    async def revoke_all(self, did: Did) -> int:
        """End all sessions of an account; return how many that were."""
        raise NotImplementedError
