"""An app that has been granted whatever a test says, without the way through pages on which it would be."""

from __future__ import annotations

import base64
import hashlib
import secrets
import time
from typing import Any

import httpx
from tests.support.oauth_raw import SigningKey

from tempest_pds.protocol.oauth.scope_set import ScopeSet
from tempest_pds.protocol.syntax.did import Did
from tempest_pds.services.errors import ExpiredToken, InvalidToken
from tempest_pds.services.oauth.tokens import AccessGrant

CLIENT = "https://app.example/client-metadata.json"


class Grants:
    """Stands for the provider's tokens: knows those that it was told of."""

    def __init__(self) -> None:
        self._grants: dict[str, AccessGrant] = {}
        self.expired: set[str] = set()

    def add(self, did: str, scope: str, thumbprint: str) -> str:
        """Make a token for an account, a scope and a key."""
        token = secrets.token_urlsafe(16)
        self._grants[token] = AccessGrant(
            did=Did(did),
            client_id=CLIENT,
            session_id="session",
            thumbprint=thumbprint,
            permissions=ScopeSet.parse(scope),
            granted_at=time.time_ns() // 1000,
        )
        return token

    def revoke(self, token: str) -> None:
        """Forget a token."""
        del self._grants[token]

    def verify_access(self, token: str) -> AccessGrant:
        """Look a token up."""
        if token in self.expired:
            raise ExpiredToken("Token has expired")
        if token not in self._grants:
            raise InvalidToken("Token could not be verified")
        return self._grants[token]

    look_again = verify_access


class GrantedApp:
    """An app with one key.

    Args:
        origin: what the server is called, in proofs.
    """

    def __init__(self, http: httpx.AsyncClient, origin: str, grants: Grants) -> None:
        self.http = http
        self.origin = origin
        self.grants = grants
        self.key = SigningKey()
        self.nonce: str | None = None
        self._tokens: dict[tuple[str, str], str] = {}

    def token(self, did: str, scope: str) -> str:
        """Give the app's token for an account and a scope."""
        if (did, scope) not in self._tokens:
            self._tokens[did, scope] = self.grants.add(did, scope, self.key.thumbprint)
        return self._tokens[did, scope]

    def proof(self, method: str, path: str, token: str | None, **changes: Any) -> str:
        """Make a proof; `changes` are to its claims."""
        ath = None if token is None else base64.urlsafe_b64encode(hashlib.sha256(token.encode()).digest())
        claims = {
            "jti": secrets.token_urlsafe(12),
            "htm": method,
            "htu": self.origin + path,
            "iat": int(time.time()),
            "nonce": self.nonce,
            "ath": None if ath is None else ath.decode().rstrip("="),
            **changes,
        }
        key: SigningKey = claims.pop("key", self.key)
        return key.sign(claims, typ="dpop+jwt", jwk=key.bare)

    async def once(self, method: str, path: str, token: str, **more: Any) -> httpx.Response:
        """Send one request, and remember the nonce that comes back."""
        headers = {"authorization": f"DPoP {token}", "dpop": self.proof(method, path.partition("?")[0], token)}
        headers |= more.pop("headers", {})
        answer = await self.http.request(method, path, headers=headers, **more)
        self.nonce = answer.headers.get("dpop-nonce", self.nonce)
        return answer

    async def call(self, method: str, path: str, did: str, scope: str, **more: Any) -> httpx.Response:
        """Send a request as clients do: once more when the server wants a nonce."""
        answer = await self.once(method, path, self.token(did, scope), **more)
        if answer.status_code == 401 and 'error="use_dpop_nonce"' in answer.headers.get("www-authenticate", ""):
            answer = await self.once(method, path, self.token(did, scope), **more)
        return answer
