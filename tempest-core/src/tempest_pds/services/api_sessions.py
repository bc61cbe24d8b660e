"""The sessions of apps that signed in with a password, as the account's owner sees and ends them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tempest_pds.protocol.syntax.did import Did
from tempest_pds.services.account_writer import AccountWriter
from tempest_pds.services.origin import NOWHERE, Origin
from tempest_pds.services.security_event_kinds import EventKind
from tempest_pds.services.security_events import SecurityEvents
from tempest_pds.services.timestamps import now_us
from tempest_pds.stores.account.account_store import AccountStore


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiSession:
    """A session; `refreshed_at`, in microseconds since 1970, is when its newest token was made.

    Attributes:
        app_password: the name of the app password that opened it; None for the account's own password.
        client_ip: where it was opened from.
        user_agent: what opened it, in its own words.
    """

    id: str
    app_password: str | None
    refreshed_at: int
    client_ip: str | None
    user_agent: str | None


class ApiSessions:
    """List and end sessions. Access tokens of a session that was ended last two hours at most.

    Args:
        now: microseconds since 1970.
    """

    def __init__(
        self, store: AccountStore, writer: AccountWriter, events: SecurityEvents, now: Callable[[], int] = now_us
    ) -> None:
        self._store = store
        self._writer = writer
        self._events = events
        self._now = now

    def list_for(self, did: Did) -> list[ApiSession]:
        """List an account's sessions, the last refreshed first."""
        now = self._now()
        found = [
            ApiSession(
                id=token.id,
                app_password=token.app_password_name,
                refreshed_at=token.created_at,
                client_ip=token.client_ip,
                user_agent=token.user_agent,
            )
            for token in self._store.refresh_tokens.sessions(did)
            if token.expires_at > now
        ]
        return sorted(found, key=lambda session: session.refreshed_at, reverse=True)

    async def end(self, did: Did, session_id: str, origin: Origin = NOWHERE) -> None:
        """End one session of an account; one that is not there is no error."""
        await self._writer.run(self._store_end, did, session_id, origin)

    async def end_all(self, did: Did, origin: Origin = NOWHERE) -> None:
        """End all sessions of an account."""
        await self._writer.run(self._store_end_of_all, did, origin)

    # In the thread that writes accounts

    def _store_end(self, did: Did, session_id: str, origin: Origin) -> None:
        with self._store.transaction():
            token = self._store.refresh_tokens.get(session_id)
            if token is not None and token.did == did:
                self._store.refresh_tokens.revoke(session_id)
                name = token.app_password_name
                detail = {} if name is None else {"name": name}
                self._events.add(did, EventKind.APP_SIGNED_OUT, origin, **detail)

    def _store_end_of_all(self, did: Did, origin: Origin) -> None:
        with self._store.transaction():
            if self._store.refresh_tokens.revoke_all(did):
                self._events.add(did, EventKind.APP_SIGNED_OUT, origin)
