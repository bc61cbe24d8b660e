"""Access tokens: signed, bound to a DPoP key, and worth nothing once their session has ended.

That the session is looked up each time is what makes a revocation immediate, and lets a narrower consent or a changed
permission set be in force without a new token.

https://www.rfc-editor.org/rfc/rfc9068, https://www.rfc-editor.org/rfc/rfc9449#section-6
"""

from __future__ import annotations

import secrets
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final

from tempest_pds.protocol.crypto.jwt import decode_unverified
from tempest_pds.protocol.syntax.did import Did
from tempest_pds.services.errors import ExpiredToken, InvalidToken
from tempest_pds.services.oauth.lifetimes import ACCESS_SECONDS
from tempest_pds.services.oauth.signing_keys import SigningKeys
from tempest_pds.services.timestamps import SECOND
from tempest_pds.stores.account.oauth_sessions import OAuthSession

TYPE: Final = "at+jwt"
SESSION_CLAIM: Final = "sid"
_CACHE_SIZE: Final = 4096
_TOLD: Final = frozenset({"aud", "iat", "exp", "jti"})


@dataclass(frozen=True, slots=True)
class AccessClaims:
    """What a token of this server says; `expires_at` in seconds since 1970.

    Attributes:
        others: the claims that are only ever told to who asks about the token.
    """

    did: Did
    client_id: str
    session_id: str
    thumbprint: str
    expires_at: int
    others: dict[str, Any]


class AccessTokens:
    """Make and check access tokens.

    Args:
        issuer: this server, as the authorization server.
        audience: its DID, as the resource server: the only one that takes these tokens.
        clock: the time in microseconds since 1970.
    """

    def __init__(self, keys: SigningKeys, *, issuer: str, audience: Did, clock: Callable[[], int]) -> None:
        self._keys = keys
        self._issuer = issuer
        self._audience = audience
        self._clock = clock
        # A client sends one token with every request of an hour: checking its signature once is enough, as long as its
        # key is still believed and its end is looked at.
        # Neither token nor scope is kept: an app chooses how long these are.
        self._verified: OrderedDict[bytes, tuple[str, AccessClaims]] = OrderedDict()

    def make(self, session: OAuthSession) -> tuple[str, int]:
        """Make a token for a session; return it and for how many seconds it is good."""
        now = self._clock() // SECOND
        expires_at = min(now + ACCESS_SECONDS, session.ends_at // SECOND)
        claims = {
            "iss": self._issuer,
            "aud": self._audience,
            "sub": session.did,
            "client_id": session.client_id,
            "scope": session.scope,
            "jti": secrets.token_urlsafe(16),
            SESSION_CLAIM: session.id,
            "iat": now,
            "exp": expires_at,
            "cnf": {"jkt": session.dpop_jkt},
        }
        return self._keys.sign(claims, typ=TYPE), expires_at - now

    def read(self, token: str) -> AccessClaims:
        """Check a token's signature and that it was made here, not its end; raise InvalidToken."""
        digest = sha256(token.encode(errors="surrogatepass")).digest()
        found = self._verified.get(digest)
        if found is not None and self._keys.verifies(found[0]):
            self._verified.move_to_end(digest)
            return found[1]
        claims = self._claims(self._keys.verify(token, typ=TYPE))
        self._verified[digest] = (str(decode_unverified(token).header["kid"]), claims)
        if len(self._verified) > _CACHE_SIZE:
            self._verified.popitem(last=False)
        return claims

    def verify(self, token: str) -> AccessClaims:
        """Check a token; raise InvalidToken, or ExpiredToken when it was good, and is over."""
        claims = self.read(token)
        if claims.expires_at * SECOND <= self._clock():
            raise ExpiredToken("Token has expired")
        return claims

    def _claims(self, members: dict[str, Any]) -> AccessClaims:
        match members:
            case {
                "iss": self._issuer,
                "aud": self._audience,
                "sub": str(did),
                "client_id": str(client_id),
                "exp": int(expires_at),
                "cnf": {"jkt": str(thumbprint)},
            } if isinstance(session_id := members.get(SESSION_CLAIM), str):
                others: dict[str, Any] = {name: value for name, value in members.items() if name in _TOLD}
                return AccessClaims(Did(did), client_id, session_id, thumbprint, expires_at, others)
        # Of another server whose keys were moved here, or of a time when this one had another name.
        raise InvalidToken("Token could not be verified")
