"""OAuth sessions: an app that may act for an account, from the exchange of its code until it is revoked or ends."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from tempest_pds.protocol.oauth.scope_set import ScopeSet
from tempest_pds.protocol.syntax.did import Did
from tempest_pds.services.account_hooks import AccountHooks
from tempest_pds.services.account_writer import AccountWriter
from tempest_pds.services.origin import NOWHERE, Origin
from tempest_pds.services.policies import tell_app_revoked
from tempest_pds.services.security_event_kinds import EventKind, told_of_app
from tempest_pds.services.security_events import SecurityEvents
from tempest_pds.services.timestamps import now_us
from tempest_pds.stores.account.account_store import AccountStore
from tempest_pds.stores.account.oauth_sessions import OAuthSession

_NOTED_EVERY: Final = 60 * 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class OAuthSessionView:
    """A session as the account's owner sees it. Times are microseconds since 1970.

    Attributes:
        scope: what was granted.
        used_at: when the client last did something with it, to the minute.
        client_ip: where its owner granted it from.
    """

    id: str
    client_id: str
    client_name: str | None
    scope: str
    created_at: int
    used_at: int
    client_ip: str | None

    @property
    def scopes(self) -> ScopeSet:
        """What was granted, read anew each time, which may take a while."""
        return ScopeSet.parse(self.scope)


class OAuthSessions:
    """List and end sessions, and note their use.

    Args:
        clock: the time in microseconds since 1970.
    """

    def __init__(
        self,
        store: AccountStore,
        writer: AccountWriter,
        hooks: AccountHooks,
        events: SecurityEvents,
        clock: Callable[[], int] = now_us,
    ) -> None:
        self._store = store
        self._writer = writer
        self._hooks = hooks
        self._events = events
        self._clock = clock
        # A write for each request would cost more than most requests.
        self._uses: dict[str, int] = {}

    def list_for(self, did: Did) -> list[OAuthSessionView]:
        """List an account's sessions, the last used first."""
        now = self._clock()
        views = [
            OAuthSessionView(
                id=session.id,
                client_id=session.client_id,
                client_name=session.client_name,
                scope=session.scope,
                created_at=session.created_at,
                used_at=self._uses.get(session.id, session.used_at),
                client_ip=session.client_ip,
            )
            for session in self._store.oauth_sessions.of_account(did)
            if not is_over(session, now)
        ]
        return sorted(views, key=lambda view: view.used_at, reverse=True)

    def find(self, session_id: str) -> OAuthSession | None:
        """Find a session that is not over."""
        session = self._store.oauth_sessions.get(session_id)
        return None if session is None or is_over(session, self._clock()) else session

    def note_use(self, session: OAuthSession) -> None:
        """Note that a client does something with a session; it is written down within the minute."""
        now = self._clock()
        if now - session.used_at >= _NOTED_EVERY:
            self._uses[session.id] = now

    async def write_uses(self) -> None:
        """Write down what was noted."""
        if self._uses:
            uses, self._uses = self._uses, {}
            await self._writer.run(self._store.oauth_sessions.note_uses, list(uses.items()))

    async def revoke(self, did: Did, session_id: str, origin: Origin = NOWHERE) -> bool:
        """End one session of an account, as its owner wants it."""
        return await self._writer.run(self._store_end, did, session_id, origin)

    async def revoke_client(self, did: Did, client_id: str, origin: Origin = NOWHERE) -> int:
        """End all sessions of one client, and forget the consent; return how many sessions that were."""
        ended = await self._writer.run(self._store_end_of_client, did, client_id, origin)
        account = self._store.accounts.get(did)
        if ended and account is not None:
            tell_app_revoked(self._hooks, account, client_id)
        return ended

    async def forget_over(self) -> None:
        """Sweep out sessions past their time."""
        await self._writer.run(self._store.oauth_sessions.delete_over, self._clock())

    # In the thread that writes accounts

    def end_misused(self, session: OAuthSession) -> None:
        """End a session of whose tokens somebody else may hold a copy, and let its owner read of it."""
        with self._store.transaction():
            if self._store.oauth_sessions.delete(session.id):
                detail = told_of_app(session.client_id, session.client_name)
                self._events.add(session.did, EventKind.APP_TOKEN_MISUSED, NOWHERE, **detail)

    def _store_end(self, did: Did, session_id: str, origin: Origin) -> bool:
        with self._store.transaction():
            session = self._store.oauth_sessions.get(session_id)
            ended = self._store.oauth_sessions.delete_of(did, session_id)
            if ended and session is not None:
                self._events.add(
                    did, EventKind.APP_SIGNED_OUT, origin, **told_of_app(session.client_id, session.client_name)
                )
        return ended

    def _store_end_of_client(self, did: Did, client_id: str, origin: Origin) -> int:
        with self._store.transaction():
            self._store.oauth_consents.delete(did, client_id)
            self._store.oauth_requests.delete_client(did, client_id)
            sessions = [each for each in self._store.oauth_sessions.of_account(did) if each.client_id == client_id]
            ended = self._store.oauth_sessions.delete_client(did, client_id)
            if sessions:
                self._events.add(did, EventKind.APP_REVOKED, origin, **told_of_app(client_id, sessions[0].client_name))
        return ended


def is_over(session: OAuthSession, now: int) -> bool:
    """Tell whether a session has ended by itself."""
    return session.idle_after <= now or session.ends_at <= now
