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

from tempest_pds.protocol.errors import InvalidSyntax
from tempest_pds.protocol.syntax.at_identifier import parse_at_identifier
from tempest_pds.protocol.syntax.did import Did
from tempest_pds.protocol.syntax.handle import INVALID_HANDLE
from tempest_pds.remote.did_resolver import DidResolver
from tempest_pds.remote.errors import RemoteError
from tempest_pds.services.account_hooks import AccountHooks
from tempest_pds.services.account_writer import AccountWriter
from tempest_pds.services.credentials import Credentials, Scope
from tempest_pds.services.errors import AuthenticationRequired, ExpiredToken, InvalidRequest
from tempest_pds.services.hosting import account_takedown
from tempest_pds.services.origin import NOWHERE, Origin
from tempest_pds.services.passwords import MAX_LOGIN_LENGTH, Passwords, hash_app_password
from tempest_pds.services.policies import SigningIn, check_sign_in, tell_signed_in
from tempest_pds.services.security_event_kinds import EventKind
from tempest_pds.services.security_events import SecurityEvents
from tempest_pds.services.tokens import REFRESH_SECONDS, RefreshClaims, TokenPair, Tokens, new_refresh_id
from tempest_pds.stores.account.account_store import AccountStore
from tempest_pds.stores.account.accounts import Account, AccountStatus
from tempest_pds.stores.account.app_passwords import AppPassword

_SECOND: Final = 1_000_000
_DOCUMENT_SECONDS: Final = 3.0
# Stands in for an account that is not here, so that looking for its app passwords takes as long.
_NOBODY: Final = Did("did:plc:aaaaaaaaaaaaaaaaaaaaaaaa")
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
        passwords: Passwords,
        dids: DidResolver,
        hooks: AccountHooks,
        events: SecurityEvents,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._store = store
        self._writer = writer
        self._tokens = tokens
        self._passwords = passwords
        self._dids = dids
        self._hooks = hooks
        self._events = events
        self._clock = clock

    def verify_access(self, token: str) -> Credentials:
        """Check an access token; raise ExpiredToken or InvalidToken."""
        return self._tokens.verify_access(token)

    def verify_refresh(self, token: str, allow_expired: bool = False) -> Credentials:
        """Check a refresh token; raise ExpiredToken or InvalidToken."""
        return self._tokens.verify_refresh(token, allow_expired=allow_expired)

    async def create(
        self, identifier: str, password: str, *, allow_takendown: bool = False, origin: Origin = NOWHERE
    ) -> Session:
        """Log in with a handle, DID or e-mail address, and the account's password or an app password.

        Neither the answer nor the work behind it tells a wrong password from an account that is not here.

        Raises:
            AuthenticationRequired: no account of that name, or not its password; which of the two is not told.
            AccountTakedown: the account was taken down, and no narrow session was asked for.
            Forbidden: a plugin's policy is against it. It is asked after the password, lest strangers hear of accounts.
            NotEnoughResources: too many logins at once.
        """
        if len(password) > MAX_LOGIN_LENGTH:
            raise AuthenticationRequired("Password too long. Consider resetting your password.")
        account = self._find(identifier)
        opened = await self._check_password(account, password)
        if account is None or opened is None:
            if account is not None:
                self._events.count_failure(account.did, EventKind.SIGN_IN_FAILED, origin)
            raise AuthenticationRequired("Invalid identifier or password")
        scope, app_password = opened
        if scope is Scope.TAKENDOWN and not allow_takendown:
            raise account_takedown(account.status)
        signing_in = SigningIn(
            account=account,
            client_ip=origin.client_ip,
            method="password" if app_password is None else "app_password",
            surface="api",
        )
        check_sign_in(self._hooks, signing_in)
        tokens = self._tokens.issue(account.did, scope)
        document = asyncio.ensure_future(self.document(account.did))
        try:
            if scope is not Scope.TAKENDOWN:
                # Without its row a refresh token is worth nothing: a narrow session ends after two hours.
                await self._writer.run(self._open, account, scope, tokens, app_password, origin)
            tell_signed_in(self._hooks, signing_in)
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

    def open_first(self, did: Did) -> TokenPair:
        """Open the first session of an account that is being created, in the transaction that creates it."""
        tokens = self._tokens.issue(did, Scope.ACCESS)
        self._add(did, Scope.ACCESS, tokens, None)
        return tokens

    async def document(self, did: Did) -> dict[str, Any] | None:
        """Give an account's DID document as clients get it with a session; None when it cannot be had just now."""
        try:
            async with asyncio.timeout(_DOCUMENT_SECONDS):
                return dict((await self._dids.resolve(did)).json)
        except (RemoteError, TimeoutError) as error:
            _log.warning("session.did_document_missing", did=did, error=str(error))
            return None

    def _find(self, identifier: str) -> Account | None:
        text = identifier.strip().removeprefix("@")
        if "@" in text:
            return self._store.accounts.by_email(text)
        try:
            name = parse_at_identifier(text)
        except InvalidSyntax:
            return None
        return self._store.accounts.get(name) if isinstance(name, Did) else self._store.accounts.by_handle(name)

    async def _check_password(self, account: Account | None, password: str) -> tuple[Scope, AppPassword | None] | None:
        """Tell what a password opens, and the app password that it is; None when it opens nothing."""
        did = _NOBODY if account is None else account.did
        # Looked at first: the bots that use them log in often, and a look-up costs nothing.
        found = self._store.app_passwords.with_hash(did, hash_app_password(did, password))
        if account is not None and found is not None and not is_blocked(account):
            return (Scope.APP_PASS_PRIVILEGED if found.privileged else Scope.APP_PASS), found
        right = await self._passwords.verify(None if account is None else account.password_hash, password)
        if account is None or not right:
            return None
        return (Scope.TAKENDOWN if is_blocked(account) else Scope.ACCESS), None

    def _open(
        self, account: Account, scope: Scope, tokens: TokenPair, app_password: AppPassword | None, origin: Origin
    ) -> None:
        with self._store.transaction():
            if not self._still_opens(account, app_password):
                raise AuthenticationRequired("Invalid identifier or password")
            self._add(account.did, scope, tokens, None if app_password is None else app_password.name)
            if app_password is None:
                self._events.add(account.did, EventKind.SIGNED_IN, origin, door="api")
            else:
                # A bot may log in every minute.
                kind = EventKind.APP_PASSWORD_USED
                self._events.add_once_a_day(account.did, kind, origin, name=app_password.name)

    def _still_opens(self, account: Account, app_password: AppPassword | None) -> bool:
        """Tell whether the password was not changed or revoked while it was checked, which ends what it has opened."""
        if app_password is not None:
            return self._store.app_passwords.with_hash(account.did, app_password.password_hash) is not None
        now = self._store.accounts.get(account.did)
        return now is not None and now.password_hash == account.password_hash

    def _rotate(self, did: Did, token_id: str) -> TokenPair | None:
        now = self._now()
        found = self._store.refresh_tokens.rotate(
            token_id, new_refresh_id(), now=now, next_expires_at=now + REFRESH_SECONDS * _SECOND
        )
        if found is None or found.did != did:
            return None
        claims = RefreshClaims(found.id, found.created_at // _SECOND, found.expires_at // _SECOND)
        return self._tokens.issue(did, Scope(found.scope), claims)

    def _add(self, did: Did, scope: Scope, tokens: TokenPair, app_password_name: str | None) -> None:
        refresh = tokens.refresh
        self._store.refresh_tokens.add(
            refresh.identifier,
            did,
            scope,
            now=refresh.issued_at * _SECOND,
            expires_at=refresh.expires_at * _SECOND,
            app_password_name=app_password_name,
        )

    def _now(self) -> int:
        return int(self._clock()) * _SECOND


def is_blocked(account: Account) -> bool:
    """Tell whether a moderator keeps an account from acting."""
    return account.status in (AccountStatus.TAKENDOWN, AccountStatus.SUSPENDED)
