"""What happened to the safety of an account, for its owner to read: who signed in, what was changed, which app came."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tempest_pds.protocol.syntax.did import Did


@dataclass(frozen=True, slots=True, kw_only=True)
class SecurityEvent:
    """One event; `happened_at` in microseconds since 1970, `detail` by the kind, never a secret."""

    kind: str
    detail: Mapping[str, str]
    client_ip: str | None
    user_agent: str | None
    happened_at: int


class SecurityEvents:
    """Note and list events."""

    async def note(
        self, did: Did, kind: str, *, client_ip: str | None = None, user_agent: str | None = None, **detail: str
    ) -> None:
        """Note an event."""
        raise NotImplementedError

    def list_for(self, did: Did, limit: int = 100) -> list[SecurityEvent]:
        """List the events of an account, the newest first."""
        raise NotImplementedError
