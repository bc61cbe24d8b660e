"""How the Authorization header becomes credentials.

Session tokens come as `Bearer` and name their scope; service tokens come as `Bearer` too and name the method they are
for (`lxm`); access tokens of apps come as `DPoP`, with a proof; the administrator comes as `Basic admin:<token>` or
`Bearer <token>`.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Final, Protocol

from tempest_pds.http.access import Access
from tempest_pds.http.client_address import limit_key
from tempest_pds.http.context import Call
from tempest_pds.http.dpop_scheme import DpopScheme
from tempest_pds.http.errors import XrpcError
from tempest_pds.http.rate_limits import MINUTE, Limit, RateLimiter
from tempest_pds.protocol.oauth.scope_set import ScopeSet
from tempest_pds.protocol.syntax.did import Did
from tempest_pds.services.credentials import Credentials, Kind, Scope
from tempest_pds.services.errors import (
    AccountMissing,
    AuthenticationRequired,
    AuthMissing,
    ExpiredToken,
    InvalidToken,
    UntrustedIss,
)
from tempest_pds.services.hosting import account_takedown
from tempest_pds.stores.account.accounts import AccountStatus

ADMIN_FAILURES: Final = Limit("admin-failure", 30, 5 * MINUTE)
_ADMIN_NAME: Final = "admin"
_TAKEN_DOWN: Final = frozenset({"takendown", "suspended"})


class SessionTokens(Protocol):
    """What checks session tokens."""

    def verify_access(self, token: str) -> Credentials:
        """Check an access token."""
        ...

    def verify_refresh(self, token: str, *, allow_expired: bool = False) -> Credentials:
        """Check a refresh token."""
        ...


class ServiceTokens(Protocol):
    """What checks service tokens."""

    async def verify(self, token: str, method: str, *, issuers: frozenset[str] | None = None) -> Did:
        """Check a service token for a method."""
        ...


class AdminTokens(Protocol):
    """What checks the administrator's token."""

    async def verify(self, candidate: str) -> bool:
        """Tell whether this is the administrator's token."""
        ...

    def is_control(self, candidate: str) -> bool:
        """Tell whether this is the token of commands on this machine, which nobody guesses."""
        ...


class Authenticator:
    """Turn the Authorization header of a call into credentials, as the access to its method asks.

    Args:
        dpop: checks the access tokens of apps.
        account_status: tells `active`, `deactivated`, `takendown`, `suspended`…, None when there is no such account.
        sessions_ended_at: tells when an account's sessions were ended by a new password, in seconds since the epoch.
        moderation_did: whose service tokens may moderate.
    """

    def __init__(
        self,
        *,
        sessions: SessionTokens,
        service_tokens: ServiceTokens,
        admin_tokens: AdminTokens,
        dpop: DpopScheme,
        account_status: Callable[[Did], str | None],
        sessions_ended_at: Callable[[Did], float | None],
        limiter: RateLimiter,
        moderation_did: str | None = None,
    ) -> None:
        self._sessions = sessions
        self._service_tokens = service_tokens
        self._admin_tokens = admin_tokens
        self._dpop = dpop
        self._account_status = account_status
        self._sessions_ended_at = sessions_ended_at
        self._limiter = limiter
        self._moderators = (
            frozenset() if moderation_did is None else frozenset({moderation_did, f"{moderation_did}#atproto_labeler"})
        )

    async def authenticate(self, access: Access, call: Call) -> Credentials | None:
        """Give the caller's credentials, None for an anonymous one.

        Raises:
            AuthMissing: there is no Authorization header, and the method needs one.
            AuthenticationRequired: what is there is not proven, or is of a kind that the method does not take.
            InvalidToken: a header that is malformed, or a token that does not verify or is not for this use.
            ScopeMissing, Forbidden: an app lacks what the method needs, or no app may call it.
            XrpcError: an app is to send its proof again, or to refresh its token.
            ExpiredToken: a session token past its time.
        """
        header = call.headers.get(b"authorization")
        if not header:
            if access.anonymous:
                return None
            # The reference knows no AuthMissing here, and moderation tools match what it says.
            raise AuthenticationRequired("Authentication Required") if access.admin else AuthMissing
        scheme, token = _parse(header)
        if access.service and access.anonymous and scheme != "bearer":
            # Only a service token proves anything here, the administrator's neither.
            raise AuthenticationRequired("Invalid authorization header")
        if scheme == "basic":
            return await self._administrator(access, call, basic_password(token))
        if scheme == "dpop":
            return self._app(access, call, token)
        if access.refresh:
            return self._sessions.verify_refresh(token, allow_expired=access.allow_expired)
        if access.scopes is None or (access.service and _names_a_method(token)):
            return await self._bearer_without_session(access, call, token)
        credentials = self._sessions.verify_access(token)
        scope = credentials.scope
        if scope not in access.scopes or (access.refuse_takendown and scope is Scope.TAKENDOWN):
            raise InvalidToken("Bad token scope")
        return self._of_session(access, credentials)

    def look_again(self, access: Access, call: Call) -> None:
        """Hold a caller who was recognised before the body came against what is known now; raises as `authenticate`.

        Whoever sends a body takes as long for it as he likes: a call that was begun while a session stood must come to
        nothing when the owner has thrown everybody out meanwhile.
        """
        credentials = call.credentials
        if credentials is None:
            return
        if credentials.kind is Kind.OAUTH:
            _, token = _parse(call.headers[b"authorization"])
            call.credentials = self._of_app(access, call, *self._dpop.look_again(token))
        elif credentials.kind is Kind.ACCESS:
            call.credentials = self._of_session(access, credentials)

    def _of_session(self, access: Access, credentials: Credentials) -> Credentials:
        self._check_not_ended(credentials)
        self._check_status(access, credentials.account)
        return self._narrowed(access, credentials)

    def _app(self, access: Access, call: Call, token: str) -> Credentials:
        """Check an app's access token, and that it was granted what the method needs."""
        if access.oauth is None:
            raise AuthenticationRequired("Authentication Required") if access.admin else AuthMissing
        return self._of_app(access, call, *self._dpop.authenticate(call, token))

    def _of_app(self, access: Access, call: Call, credentials: Credentials, permissions: ScopeSet) -> Credentials:
        assert access.oauth is not None, "a method that takes no tokens of apps has refused this one"
        self._check_status(access, credentials.account)
        credentials = self._narrowed(access, credentials)
        access.oauth.check(permissions, call)
        return credentials

    def _check_not_ended(self, credentials: Credentials) -> None:
        """Refuse an access token from before its account got a new password: else it would live on for two hours."""
        ended_at = self._sessions_ended_at(credentials.account)
        if ended_at is not None and credentials.issued_at is not None and credentials.issued_at < ended_at:
            raise ExpiredToken("Token has been revoked")

    def _narrowed(self, access: Access, credentials: Credentials) -> Credentials:
        """Let no session outlive its account, nor one that is older than a takedown do more than one opened after it.

        What anybody might ask is left as it is: there the session only tells the owner from others.
        """
        if access.anonymous:
            return credentials
        status = self._account_status(credentials.account)
        if status is None:
            raise AccountMissing("Account not found")
        if status not in _TAKEN_DOWN or credentials.scope is Scope.TAKENDOWN:
            return credentials
        if not credentials.is_full or Scope.TAKENDOWN not in (access.scopes or ()):
            raise account_takedown(AccountStatus(status))
        return replace(credentials, scope=Scope.TAKENDOWN)

    async def _bearer_without_session(self, access: Access, call: Call, token: str) -> Credentials:
        if access.service:
            did = await self._service_tokens.verify(token, call.nsid)
            self._check_status(access, did)
            return Credentials(did=did, scope=None, kind=Kind.SERVICE)
        if access.admin and token.count(".") != 2:
            return await self._administrator(access, call, token)
        if access.moderator:
            if not self._moderators:
                raise UntrustedIss("Untrusted issuer")
            did = await self._service_tokens.verify(token, call.nsid, issuers=self._moderators)
            return Credentials(did=did, scope=None, kind=Kind.MODERATOR)
        raise AuthenticationRequired("Authentication Required")

    async def _administrator(self, access: Access, call: Call, token: str | None) -> Credentials:
        if not access.admin:
            raise InvalidToken("Unexpected authorization type")
        if token is not None and self._admin_tokens.is_control(token):
            # Not limited: behind a proxy that is not trusted, strangers have the operator's own address.
            return Credentials(did=None, scope=None, kind=Kind.ADMIN)
        return await self.administrator(call.client_ip, token)

    async def administrator(self, client_ip: str, token: str | None) -> Credentials:
        """Check what somebody at an address gives as the administrator's token; None is never right.

        Raises:
            AuthenticationRequired: it is wrong.
            XrpcError: after too many failures from that address.
        """
        key = limit_key(client_ip)
        standing = self._limiter.check(ADMIN_FAILURES, key)
        if standing.exceeded and self._limiter.enabled:
            headers: list[tuple[bytes, bytes]] = []
            standing.add_headers(headers)
            raise XrpcError(429, "RateLimitExceeded", "Rate Limit Exceeded", headers)
        if token is None or not await self._admin_tokens.verify(token):
            self._limiter.consume(ADMIN_FAILURES, key)
            raise AuthenticationRequired("Authentication Required")
        return Credentials(did=None, scope=None, kind=Kind.ADMIN)

    def _check_status(self, access: Access, did: Did) -> None:
        if not access.refuse_takendown:
            return
        status = self._account_status(did)
        if status is None:
            raise AccountMissing("Account not found")
        if status in _TAKEN_DOWN:
            raise account_takedown(AccountStatus(status))


def _parse(header: bytes) -> tuple[str, str]:
    try:
        scheme, _, token = header.decode("ascii").partition(" ")
    except UnicodeDecodeError:
        raise InvalidToken("Malformed authorization header") from None
    if not token or " " in token:
        raise InvalidToken("Malformed authorization header")
    scheme = scheme.lower()
    if scheme not in {"bearer", "basic", "dpop"}:
        # The scheme itself is not repeated: a client that forgets `Bearer` puts its token there.
        raise InvalidToken("Unsupported authorization type")
    return scheme, token


def basic_password(token: str) -> str | None:
    """Read the administrator's token from what follows `Basic`; None when it is not for `admin`."""
    try:
        name, colon, password = base64.b64decode(token, validate=True).decode("utf-8").partition(":")
    except (binascii.Error, ValueError):
        return None
    return password if colon and name == _ADMIN_NAME else None


def _names_a_method(token: str) -> bool:
    """Tell a service token from a session token by its `lxm` claim, before anything is verified."""
    try:
        payload = token.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    except (IndexError, ValueError, RecursionError):
        return False
    return isinstance(claims, dict) and claims.get("lxm") is not None
