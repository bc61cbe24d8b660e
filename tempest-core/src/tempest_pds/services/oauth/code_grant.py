"""From a code to a session.

A code is for one use. Whatever is wrong with an attempt, other than the client's authentication or its DPoP proof,
which come before, ends the code: who holds a stolen one has one guess. A second use of a code that has led to a session
ends that session, as nobody can say which of the two was the thief (RFC 6749, section 4.1.2). It also signs the account
out of the browser that the code went through, as the reference does: somebody may have been listening there.

The code is taken and the session begun in one transaction: of two who come at the same time, the second finds the
session of the first, and ends it. Nobody else is asked anything for that, so that no outage can cost a code: what the
permission sets stand for was found when the request was made, and shown to the person who granted it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Final

from tempest_pds.protocol.oauth.errors import InvalidGrant, InvalidRequest, OAuthError
from tempest_pds.protocol.oauth.pkce import CodeChallenge
from tempest_pds.protocol.oauth.scope_set import ScopeSet
from tempest_pds.services.account_writer import AccountWriter
from tempest_pds.services.hosting import is_blocked
from tempest_pds.services.oauth.client_authentication import ClientAuth, ClientAuthentication
from tempest_pds.services.oauth.clients import Client
from tempest_pds.services.oauth.lifetimes import lifetimes_of
from tempest_pds.services.oauth.refresh_tokens import new_session_id
from tempest_pds.services.oauth.requests import hash_secret
from tempest_pds.services.oauth.sessions import OAuthSessions
from tempest_pds.services.oauth.stored_parameters import read_parameters
from tempest_pds.services.oauth.stored_permission_sets import read_sets
from tempest_pds.services.timestamps import SECOND
from tempest_pds.stores.account.account_store import AccountStore
from tempest_pds.stores.account.oauth_requests import OAuthRequest
from tempest_pds.stores.account.oauth_sessions import OAuthSession

MAX_SESSIONS: Final = 200
"""Of an account, whose owner is shown all of them: more than apps on all of somebody's devices have."""
CHALLENGE_SECONDS: Final = 24 * 60 * 60
"""How long a PKCE challenge may not serve again; the reference's figure."""


class CodeGrant:
    """Exchange codes.

    Args:
        clock: the time in microseconds since 1970.
    """

    def __init__(
        self,
        store: AccountStore,
        writer: AccountWriter,
        sessions: OAuthSessions,
        client_authentication: ClientAuthentication,
        clock: Callable[[], int],
    ) -> None:
        self._store = store
        self._writer = writer
        self._sessions = sessions
        self._client_authentication = client_authentication
        self._clock = clock

    async def exchange(
        self, fields: Mapping[str, object], client: Client, client_auth: ClientAuth, dpop_thumbprint: str
    ) -> OAuthSession:
        """Begin the session that a code is for; raise InvalidGrant, or another OAuthError."""
        code = fields.get("code")
        if not isinstance(code, str) or not code:
            raise InvalidRequest("code is required")
        code_hash = hash_secret(code)
        request = self._store.oauth_requests.by_code(code_hash)
        if request is None:
            await self._writer.run(self._store_replay, code_hash)
            raise InvalidGrant("Invalid code")
        try:
            challenge = await self._check(request, fields, client, client_auth, dpop_thumbprint)
            session = self._new_session(request, client, client_auth, dpop_thumbprint)
            replayed = not await self._writer.run(self._store_session, request, session, challenge)
        except OAuthError:
            await self._writer.run(self._store.oauth_requests.delete, request.id_hash)
            raise
        if replayed:
            raise InvalidGrant("Invalid code")
        return session

    async def _check(
        self,
        request: OAuthRequest,
        fields: Mapping[str, object],
        client: Client,
        client_auth: ClientAuth,
        dpop_thumbprint: str,
    ) -> CodeChallenge:
        if request.expires_at <= self._clock():
            raise InvalidGrant("This code has expired")
        if request.client_id != client.client_id:
            raise InvalidGrant("This code was not issued to this client")
        await self._client_authentication.check_bound(client, client_auth, ClientAuth.from_json(request.client_auth))
        parameters = read_parameters(request.parameters)
        if parameters.dpop_jkt not in (None, dpop_thumbprint):
            raise InvalidGrant("The DPoP proof is of another key than the one that the request was made with")
        if fields.get("redirect_uri") != parameters.reply.redirect_uri:
            raise InvalidGrant("The redirect_uri parameter must match the one used in the authorization request")
        if "code_verifier" not in fields:
            raise InvalidGrant("code_verifier is required")
        parameters.code_challenge.check(fields["code_verifier"])
        return parameters.code_challenge

    def _new_session(
        self, request: OAuthRequest, client: Client, client_auth: ClientAuth, dpop_thumbprint: str
    ) -> OAuthSession:
        assert request.did is not None, "a request with a code was granted by an account"
        assert request.scope is not None, "a request with a code was granted a scope"
        scopes = ScopeSet.parse(request.scope)
        permissions = scopes.expanded(read_sets(request.permission_sets))
        now = self._clock()
        lifetimes = lifetimes_of(client)
        return OAuthSession(
            id=new_session_id(),
            did=request.did,
            client_id=client.client_id,
            client_name=client.metadata.client_name,
            client_auth=client_auth.to_json(),
            dpop_jkt=dpop_thumbprint,
            scope=str(scopes),
            permissions=str(permissions),
            code_hash=request.code_hash or b"",
            generation=0,
            created_at=now,
            refreshed_at=now,
            used_at=now,
            client_ip=request.client_ip,
            idle_after=now + lifetimes.idle,
            ends_at=now + lifetimes.total,
        )

    # In the thread that writes accounts

    def _store_session(self, request: OAuthRequest, session: OAuthSession, challenge: CodeChallenge) -> bool:
        """Take the code and begin its session; or, when somebody else has taken it meanwhile, end that one."""
        now = self._clock()
        with self._store.transaction():
            if not self._store.oauth_requests.delete(request.id_hash):
                self._store_replay(session.code_hash)
                return False
            account = self._store.accounts.get(session.did)
            if account is None or is_blocked(account):
                raise InvalidGrant("This account cannot be used")
            if not self._store.oauth_challenges.spend(
                challenge.value, now=now, expires_at=now + CHALLENGE_SECONDS * SECOND
            ):
                raise InvalidGrant("Code challenge already used")
            browser = self._store.browsers.with_secret(request.browser or b"")
            self._store.oauth_sessions.add(replace(session, browser_id=None if browser is None else browser.id))
            self._store.oauth_sessions.delete_surplus(session, MAX_SESSIONS)
            return True

    def _store_replay(self, code_hash: bytes) -> None:
        """End the session that a code has led to, if it has, and the sign-in that it was granted by."""
        with self._store.transaction():
            session = self._store.oauth_sessions.by_code(code_hash)
            if session is None:
                return
            self._sessions.end_misused(session)
            if session.browser_id is not None:
                self._store.browsers.remove_account(session.browser_id, session.did)
