"""Session tokens: HS256 JWTs in the shape of the reference server, so that its clients read them.

An access token (`typ: at+jwt`, two hours) is valid by itself, and tells the microsecond it was made in (`made_at`). A
refresh token (`typ: refresh+jwt`, ninety days) also needs the row that its `jti` names. `aud` and the absent `iss` are
the server's own DID: no other server takes them.
"""

import base64
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeGuard

from tempest_pds.protocol.crypto import jwt
from tempest_pds.protocol.errors import InvalidSyntax, ProtocolError
from tempest_pds.protocol.syntax.did import Did
from tempest_pds.services.credentials import Credentials, Kind, Scope
from tempest_pds.services.errors import ExpiredToken, InvalidToken
from tempest_pds.services.timestamps import SECOND

ACCESS_SECONDS = 2 * 60 * 60
REFRESH_SECONDS = 90 * 24 * 60 * 60
_CACHE_SIZE = 4096
_ACCESS_SCOPES = frozenset(Scope) - {Scope.REFRESH}


@dataclass(frozen=True, slots=True)
class RefreshClaims:
    """What makes one refresh token differ from another; times are seconds since the epoch.

    Attributes:
        identifier: its `jti`.
    """

    identifier: str
    issued_at: int
    expires_at: int


@dataclass(frozen=True, slots=True)
class TokenPair:
    """What a session gives its client."""

    access_jwt: str
    refresh_jwt: str
    refresh: RefreshClaims


class Tokens:
    """Issue and check session tokens.

    Args:
        secret: the HMAC key, 32 bytes or more.
        audience: the server's own DID.
        clock: seconds since the epoch.
    """

    def __init__(self, secret: bytes, audience: Did, clock: Callable[[], float] = time.time) -> None:
        self._secret = secret
        self._audience = audience
        self._clock = clock
        # A client sends one access token with every request of its two hours: checking it once is enough, as long as
        # its end is looked at each time.
        self._verified: OrderedDict[str, tuple[float, Credentials]] = OrderedDict()

    def issue(
        self, did: Did, scope: Scope, refresh: RefreshClaims | None = None, *, factor_at: int | None = None
    ) -> TokenPair:
        """Make an access and a refresh token; the refresh token is worth nothing until its row is stored.

        Args:
            refresh: what is stored of a refresh token that exists already; the token comes out byte for byte the same.
            factor_at: when the session was opened with a second factor, in seconds since the epoch.
        """
        moment = self._clock()
        now = int(moment)
        if refresh is None:
            refresh = RefreshClaims(new_refresh_id(), now, now + REFRESH_SECONDS)
        access: dict[str, Any] = {
            "scope": scope,
            "aud": self._audience,
            "sub": did,
            "iat": now,
            "exp": now + ACCESS_SECONDS,
            # A new password ends what was made in its second too, which whoever refreshes all the time would keep.
            "made_at": int(moment * SECOND),
        }
        if factor_at is not None:
            access["factor_at"] = factor_at
        claims = {
            "scope": Scope.REFRESH,
            "aud": self._audience,
            "sub": did,
            "jti": refresh.identifier,
            "iat": refresh.issued_at,
            "exp": refresh.expires_at,
        }
        return TokenPair(self._sign("at+jwt", access), self._sign("refresh+jwt", claims), refresh)

    def verify_access(self, token: str) -> Credentials:
        """Check an access token.

        Raises:
            ExpiredToken: it was good, and is over.
            InvalidToken: it never was good here.
        """
        found = self._verified.get(token)
        if found is not None:
            expires_at, credentials = found
            if expires_at <= self._clock():
                del self._verified[token]
                raise ExpiredToken("Token has expired")
            self._verified.move_to_end(token)
            return credentials
        claims = self._verify(token, "at+jwt", allow_expired=False)
        scope = _scope(claims)
        if scope not in _ACCESS_SCOPES:
            raise InvalidToken("Bad token scope")
        issued_at = claims.get("iat")
        made_at = claims.get("made_at")
        factor_at = claims.get("factor_at")
        if not _is_number(issued_at) or not all(at is None or _is_number(at) for at in (made_at, factor_at)):
            raise InvalidToken("Malformed token")
        if made_at is not None:
            issued_at = made_at / SECOND
        credentials = Credentials(_subject(claims), scope, Kind.ACCESS, issued_at=issued_at, factor_at=factor_at)
        self._verified[token] = (float(claims["exp"]), credentials)
        if len(self._verified) > _CACHE_SIZE:
            self._verified.popitem(last=False)
        return credentials

    def verify_refresh(self, token: str, *, allow_expired: bool = False) -> Credentials:
        """Check a refresh token's signature and shape, not its row. Errors as for `verify_access`."""
        claims = self._verify(token, "refresh+jwt", allow_expired=allow_expired)
        if _scope(claims) is not Scope.REFRESH:
            raise InvalidToken("Bad token scope")
        identifier = claims.get("jti")
        if not isinstance(identifier, str) or not identifier:
            raise InvalidToken("Unexpected missing refresh token id")
        return Credentials(_subject(claims), Scope.REFRESH, Kind.REFRESH, identifier)

    def _sign(self, kind: str, claims: dict[str, Any]) -> str:
        return jwt.encode_hs256({"typ": kind, "alg": "HS256"}, claims, self._secret)

    def _verify(self, token: str, kind: str, *, allow_expired: bool) -> dict[str, Any]:
        try:
            parsed = jwt.verify_hs256(token, self._secret)
        except ProtocolError as error:
            raise InvalidToken("Token could not be verified") from error
        claims = parsed.claims
        if parsed.header.get("typ") != kind or claims.get("aud") != self._audience:
            raise InvalidToken("Token could not be verified")
        expires_at = claims.get("exp")
        if not _is_number(expires_at):
            raise InvalidToken("Token could not be verified")
        if "lxm" in claims or "cnf" in claims:
            # A service token or a token bound to a key: neither is a session, should one ever be signed with this key.
            raise InvalidToken("Malformed token")
        if expires_at <= self._clock() and not allow_expired:
            raise ExpiredToken("Token has expired")
        return claims


def new_refresh_id() -> str:
    """Make a refresh token's identifier: 256 random bits."""
    return base64.b64encode(secrets.token_bytes(32)).decode().rstrip("=")


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _scope(claims: dict[str, Any]) -> Scope:
    try:
        return Scope(str(claims.get("scope")))
    except ValueError as error:
        raise InvalidToken("Bad token scope") from error


def _subject(claims: dict[str, Any]) -> Did:
    subject = claims.get("sub")
    if not isinstance(subject, str):
        raise InvalidToken("Malformed token")
    try:
        return Did.parse(subject)
    except InvalidSyntax as error:
        raise InvalidToken("Malformed token") from error
