"""Logging in and staying logged in: com.atproto.server.createSession, refreshSession, getSession, deleteSession.

A refresh token is used once and replaced, but a client with two tabs uses it twice. For two hours after its first use a
token therefore leads to the *same* successor, and so both tabs go on with one session. After that it is over.
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import structlog

from tempest_pds.protocol.syntax.did import Did
from tempest_pds.protocol.syntax.handle import INVALID_HANDLE
from tempest_pds.remote.did_resolver import DidResolver
from tempest_pds.remote.errors import RemoteError
from tempest_pds.services.account_writer import AccountWriter
from tempest_pds.services.credentials import Credentials, Scope
from tempest_pds.services.errors import AuthenticationRequired, ExpiredToken, InvalidRequest
from tempest_pds.services.hosting import account_takedown, is_blocked
from tempest_pds.services.origin import Origin
from tempest_pds.services.second_factor.visitor import Visitor
from tempest_pds.services.security_event_kinds import EventKind
from tempest_pds.services.security_events import SecurityEvents
from tempest_pds.services.sign_in import Entry, SignIn, described
from tempest_pds.services.timestamps import SECOND
from tempest_pds.services.tokens import REFRESH_SECONDS, RefreshClaims, TokenPair, Tokens, new_refresh_id
from tempest_pds.stores.account.account_store import AccountStore
from tempest_pds.stores.account.accounts import Account

_DOCUMENT_SECONDS: Final = 3.0
_MAX_USER_AGENT: Final = 256
_NOBODY_KNOWN: Final = Visitor(surface="api")
_log = structlog.get_logger("tempest_pds.sessions")


@dataclass(frozen=True, slots=True)
class Session:
    """An account as its own client sees it.

    Attributes:
        tokens: None when the session was only looked at.
        did_doc: None when it cannot be had just now; clients then go on with what they know.
    """

    account: Account
    did_doc: dict[str, Any] | None
    tokens: TokenPair | None = None

    @property
    def handle(self) -> str:
        """The account's handle, or the one that stands for none."""
        return self.account.handle or INVALID_HANDLE


class Sessions:
    """Open, refresh and end sessions.

    Args:
        clock: seconds since the epoch.
    """

    def __init__(
        self,
        store: AccountStore,
        writer: AccountWriter,
        tokens: Tokens,
        sign_in: SignIn,
        dids: DidResolver,
        events: SecurityEvents,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._store = store
        self._writer = writer
        self._tokens = tokens
        self._sign_in = sign_in
        self._dids = dids
        self._events = events
        self._clock = clock

    def verify_access(self, token: str) -> Credentials:
        """Check an access token; raise ExpiredToken or InvalidToken."""
        return self._tokens.verify_access(token)

    def verify_refresh(self, token: str, allow_expired: bool = False) -> Credentials:
        """Check a refresh token; raise ExpiredToken or InvalidToken."""
        return self._tokens.verify_refresh(token, allow_expired=allow_expired)

    async def create(
        self,
        identifier: str,
        password: str,
        *,
        code: str | None = None,
        allow_takendown: bool = False,
        visitor: Visitor = _NOBODY_KNOWN,
    ) -> Session:
        """Log in with a handle, DID or e-mail address, and the account's password or an app password.

        Neither the answer nor the work behind it tells a wrong password from an account that is not here.

        Raises as `SignIn.for_session`, which takes the same.
        """
        entry = await self._sign_in.for_session(
            identifier, password, visitor, code=code, allow_takendown=allow_takendown
        )
        account = entry.account
        tokens = self._tokens.issue(account.did, entry.scope, factor_at=_seconds(entry.factor_at))
        document = asyncio.ensure_future(self.document(account.did))
        try:
            if entry.scope is not Scope.TAKENDOWN:
                # Without its row a refresh token is worth nothing: a narrow session ends after two hours.
                await self._writer.run(self._open, entry, tokens, visitor)
            self._sign_in.tell(entry, visitor)
            return Session(account, await document, tokens)
        finally:
            document.cancel()

    async def refresh(self, credentials: Credentials) -> Session:
        """Exchange a refresh token for new tokens; within the grace period the same successor again.

        Raises:
            ExpiredToken: it was revoked, or its grace period is over.
            AccountTakedown: the account was taken down since.
            InvalidRequest: the account is no longer here.
        """
        did = credentials.account
        account = self._store.accounts.get(did)
        if account is None:
            raise InvalidRequest(f"Could not find user info for account: {did}")
        if is_blocked(account):
            raise account_takedown(account.status)
        assert credentials.token_id is not None, "a refresh token has an identifier"
        document = asyncio.ensure_future(self.document(did))
        try:
            tokens = await self._writer.run(self._rotate, did, credentials.token_id)
            if tokens is None:
                raise ExpiredToken("Token has been revoked")
            return Session(account, await document, tokens)
        finally:
            document.cancel()

    async def delete(self, credentials: Credentials) -> None:
        """End the session of a refresh token. Ending it twice is no error."""
        assert credentials.token_id is not None, "a refresh token has an identifier"
        await self._writer.run(self._store.refresh_tokens.revoke, credentials.token_id)

    async def forget_expired(self) -> None:
        """Sweep out refresh tokens past their time; a used one is kept for the two hours of its grace."""
        await self._writer.run(self._store.refresh_tokens.delete_expired, self._now())

    async def get(self, credentials: Credentials) -> Session:
        """Look at the account behind an access token.

        Raises:
            InvalidRequest: the account is gone, or was taken down.
        """
        did = credentials.account
        account = self._store.accounts.get(did)
        if account is None or is_blocked(account):
            raise InvalidRequest(f"Could not find user info for account: {did}")
        return Session(account, await self.document(did))

    def open_first(self, did: Did, origin: Origin) -> TokenPair:
        """Open the first session of an account that is being created, in the transaction that creates it."""
        tokens = self._tokens.issue(did, Scope.ACCESS)
        self._add(did, Scope.ACCESS, tokens, origin)
        return tokens

    async def document(self, did: Did) -> dict[str, Any] | None:
        """Give an account's DID document as clients get it with a session; None when it cannot be had just now."""
        try:
            async with asyncio.timeout(_DOCUMENT_SECONDS):
                return dict((await self._dids.resolve(did)).json)
        except (RemoteError, TimeoutError) as error:
            _log.warning("session.did_document_missing", did=did, error=str(error))
            return None

    def _open(self, entry: Entry, tokens: TokenPair, visitor: Visitor) -> None:
        did, app_password = entry.account.did, entry.app_password
        with self._store.transaction():
            if not self._sign_in.still_opens(entry):
                raise AuthenticationRequired("Invalid identifier or password")
            name = None if app_password is None else app_password.name
            self._add(did, entry.scope, tokens, visitor, app_password_name=name, factor_at=entry.factor_at)
            if name is None:
                self._events.add(did, EventKind.SIGNED_IN, visitor, **described(entry, visitor.surface))
            else:
                # A bot may log in every minute.
                self._events.add_once_a_day(did, EventKind.APP_PASSWORD_USED, visitor, name=name)

    def _rotate(self, did: Did, token_id: str) -> TokenPair | None:
        now = self._now()
        found = self._store.refresh_tokens.rotate(
            token_id, new_refresh_id(), now=now, next_expires_at=now + REFRESH_SECONDS * SECOND
        )
        if found is None or found.did != did:
            return None
        claims = RefreshClaims(found.id, found.created_at // SECOND, found.expires_at // SECOND)
        return self._tokens.issue(did, Scope(found.scope), claims, factor_at=_seconds(found.factor_at))

    def _add(
        self,
        did: Did,
        scope: Scope,
        tokens: TokenPair,
        origin: Origin,
        *,
        app_password_name: str | None = None,
        factor_at: int | None = None,
    ) -> None:
        refresh, agent = tokens.refresh, origin.user_agent
        self._store.refresh_tokens.add(
            refresh.identifier,
            did,
            scope,
            now=refresh.issued_at * SECOND,
            expires_at=refresh.expires_at * SECOND,
            app_password_name=app_password_name,
            factor_at=factor_at,
            client_ip=origin.client_ip,
            user_agent=None if agent is None else agent[:_MAX_USER_AGENT],
        )

    def _now(self) -> int:
        return int(self._clock()) * SECOND


def _seconds(micros: int | None) -> int | None:
    return None if micros is None else micros // SECOND
