"""From a refresh token to its successor.

Each token is used once and replaced by that of the next *generation*. A client with two tabs, or one that lost an
answer, uses a token twice: within the grace after its first use it leads to the same successor again. A token that is
older, or comes later, is a replay: somebody holds a copy, so the session ends (RFC 9700, section 4.14.2).

The grace is two minutes: a request that waits for its time-out, and one that follows it, or a server that is started
anew, fit into it. It must be much shorter than the hour for which an access token is good, after which clients refresh:
else owner and thief could go on side by side, each within the grace of the other, and nobody would ever notice.

A generation above the row's comes from a database that was restored from a backup: the token was made here, and no row
tells that it is used up. It goes on from there.

Whatever is wrong, but for the proofs that come before, ends the session, as the reference does: a token that is not in
the hands of its client is stolen. That others cannot be asked is nobody's wrong, and ends nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Final

from tempest_pds.protocol.oauth.errors import InvalidGrant, InvalidRequest, InvalidScope, MisusedGrant
from tempest_pds.protocol.oauth.permissions import IncludeScope
from tempest_pds.protocol.oauth.scope_set import ScopeSet
from tempest_pds.services.account_writer import AccountWriter
from tempest_pds.services.errors import NotEnoughResources
from tempest_pds.services.hosting import is_blocked
from tempest_pds.services.oauth.client_authentication import ClientAuth, ClientAuthentication
from tempest_pds.services.oauth.clients import Client
from tempest_pds.services.oauth.lifetimes import lifetimes_of
from tempest_pds.services.oauth.permission_sets import PermissionSets
from tempest_pds.services.oauth.refresh_tokens import RefreshTokens
from tempest_pds.services.oauth.sessions import OAuthSessions
from tempest_pds.services.timestamps import SECOND
from tempest_pds.stores.account.account_store import AccountStore
from tempest_pds.stores.account.oauth_sessions import OAuthSession

GRACE_SECONDS: Final = 2 * 60
"""For how long after its use a token leads to the same successor."""


class RefreshGrant:
    """Refresh sessions.

    Args:
        clock: the time in microseconds since 1970.
    """

    def __init__(
        self,
        store: AccountStore,
        writer: AccountWriter,
        sessions: OAuthSessions,
        refresh_tokens: RefreshTokens,
        client_authentication: ClientAuthentication,
        permission_sets: PermissionSets,
        clock: Callable[[], int],
    ) -> None:
        self._store = store
        self._writer = writer
        self._sessions = sessions
        self._refresh_tokens = refresh_tokens
        self._client_authentication = client_authentication
        self._permission_sets = permission_sets
        self._clock = clock

    async def refresh(
        self, fields: Mapping[str, object], client: Client, client_auth: ClientAuth, dpop_thumbprint: str
    ) -> OAuthSession:
        """Give the session as it is after a refresh; raise InvalidGrant, or another OAuthError."""
        token = fields.get("refresh_token")
        if not isinstance(token, str) or not token:
            raise InvalidRequest("refresh_token is required")
        named = self._refresh_tokens.read(token)
        session = None if named is None else self._store.oauth_sessions.get(named[0])
        if named is None or session is None:
            raise InvalidGrant("Invalid refresh token")
        try:
            await self._check(session, client, client_auth, dpop_thumbprint)
            scopes, permissions = await self._allowed_now(session, client)
            changed = replace(
                session,
                client_name=client.metadata.client_name,
                client_auth=client_auth.to_json(),
                scope=str(scopes),
                permissions=str(permissions),
            )
            return await self._writer.run(self._store_refresh, changed, named[1], client)
        except MisusedGrant:
            await self._writer.run(self._sessions.end_misused, session)
            raise
        except InvalidGrant:
            await self._writer.run(self._store.oauth_sessions.delete, session.id)
            raise

    async def _check(
        self, session: OAuthSession, client: Client, client_auth: ClientAuth, dpop_thumbprint: str
    ) -> None:
        if session.client_id != client.client_id:
            raise MisusedGrant("Token was not issued to this client")
        if session.dpop_jkt != dpop_thumbprint:
            raise MisusedGrant("DPoP proof does not match the expected JKT")
        if not client.metadata.may_refresh:
            raise InvalidGrant("Refresh token grant not allowed")
        await self._client_authentication.check_bound(client, client_auth, ClientAuth.from_json(session.client_auth))

    async def _allowed_now(self, session: OAuthSession, client: Client) -> tuple[ScopeSet, ScopeSet]:
        """Give what was granted, without what the client no longer declares, and what that stands for by now."""
        granted = ScopeSet.parse(session.scope)
        declared = client.metadata.scopes
        scopes = granted.narrowed(scope.spelling for scope in granted if scope.spelling in declared)
        try:
            return scopes, scopes.expanded(await self._permission_sets.find_granted(scopes))
        except (InvalidScope, NotEnoughResources):
            if scopes == granted:
                # What it stood for until now stands until the next refresh.
                return scopes, ScopeSet.parse(session.permissions)
            # Which of that belonged to what is no longer declared, nobody can say: the sets stand for nothing so long.
            plain = (scope.spelling for scope in scopes if not isinstance(scope.meaning, IncludeScope))
            return scopes, scopes.narrowed(plain)

    # In the thread that writes accounts

    def _store_refresh(self, changed: OAuthSession, generation: int, client: Client) -> OAuthSession:
        now = self._clock()
        lifetimes = lifetimes_of(client)
        with self._store.transaction():
            current = self._store.oauth_sessions.get(changed.id)
            if current is None:
                raise InvalidGrant("Invalid refresh token")
            if current.created_at + lifetimes.total <= now:
                raise InvalidGrant("Session expired")
            if current.refreshed_at + lifetimes.idle <= now:
                raise InvalidGrant("Refresh token expired")
            account = self._store.accounts.get(current.did)
            if account is None or is_blocked(account):
                raise InvalidGrant("This account cannot be used")
            if generation < current.generation:
                if not is_in_grace(current, generation, now):
                    raise MisusedGrant("Refresh token replayed")
                return current
            refreshed = replace(
                changed,
                generation=generation + 1,
                refreshed_at=now,
                used_at=now,
                idle_after=now + lifetimes.idle,
                ends_at=current.created_at + lifetimes.total,
            )
            self._store.oauth_sessions.refresh(refreshed)
            for document in client.documents:
                self._store.oauth_client_documents.put(document)
            return refreshed


def is_in_grace(session: OAuthSession, generation: int, now: int) -> bool:
    """Tell whether a token that was used already may be used once more."""
    return generation == session.generation - 1 and now - session.refreshed_at <= GRACE_SECONDS * SECOND
