"""A client of OAuth made by hand, which can do everything wrong; its signatures are those of PyJWT."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import time
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

import httpx
import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from tests.support.oauth_app import EVERYTHING, REDIRECT_URI, loopback_client_id
from tests.support.oauth_person import Person, origin_of

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


def base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def refused(answer: httpx.Response, *names: str) -> None:
    """Look that an endpoint of the authorization server refused, by one of these names.

    RFC 6749 has 400 for all but the authentication of a client; the reference server says 401 to a wrong proof too.
    """
    assert answer.status_code in {400, 401}, answer.text
    assert answer.json()["error"] in names, answer.text


class SigningKey:
    """A key on P-256, for proofs, assertions or request objects."""

    def __init__(self, kid: str | None = None) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        numbers = self._key.private_numbers()
        x, y = (
            base64url(number.to_bytes(32, "big")) for number in (numbers.public_numbers.x, numbers.public_numbers.y)
        )
        self.bare = {"kty": "EC", "crv": "P-256", "x": x, "y": y}
        self.kid = kid
        named = {**self.bare, "kid": kid} if kid else self.bare
        self.jwk: dict[str, str] = {**named, "alg": "ES256", "use": "sig"} if kid else self.bare
        self.private_jwk = {**self.jwk, "d": base64url(numbers.private_value.to_bytes(32, "big"))}

    @property
    def thumbprint(self) -> str:
        """The RFC 7638 thumbprint."""
        canonical = json.dumps(self.bare, sort_keys=True, separators=(",", ":"))
        return base64url(hashlib.sha256(canonical.encode()).digest())

    def sign(self, claims: dict[str, Any], **header: Any) -> str:
        """Return a JWT; a claim or a member of the header that is None is left out."""
        kid = {"kid": self.kid} if self.kid else {}
        given = {name: value for name, value in {**kid, **header}.items() if value is not None}
        body = {name: value for name, value in claims.items() if value is not None}
        return jwt.encode(body, self._key, "ES256", given)


@dataclass
class Tokens:
    """What a token request was answered with."""

    access: str
    refresh: str
    scope: str
    sub: str
    body: dict[str, Any]


@dataclass
class RawClient:
    """One client at one server; `keys` are set where it is a confidential one."""

    issuer: str
    http: httpx.Client
    client_id: str = field(default_factory=loopback_client_id)
    redirect_uri: str = REDIRECT_URI
    key: SigningKey = field(default_factory=SigningKey)
    assertion_key: SigningKey | None = None
    nonce: str | None = None

    def __post_init__(self) -> None:
        self.verifier = secrets.token_urlsafe(48)
        self.state = secrets.token_urlsafe(16)
        answer = self.http.get(f"{self.issuer}/.well-known/oauth-authorization-server")
        self.metadata: dict[str, Any] = answer.json()

    @property
    def challenge(self) -> str:
        return base64url(hashlib.sha256(self.verifier.encode()).digest())

    def endpoint(self, name: str) -> str:
        url: str = self.metadata[f"{name}_endpoint"]
        return url

    def proof(self, method: str, url: str, access: str | None = None, **changes: Any) -> str:
        """Return a proof; `key` signs it, `header` changes its header, all other changes are to its claims."""
        key: SigningKey = changes.pop("key", self.key)
        header = {"typ": "dpop+jwt", "jwk": key.bare, "kid": None, **changes.pop("header", {})}
        claims = {
            "jti": secrets.token_urlsafe(12),
            "htm": method,
            "htu": url.partition("?")[0],
            "iat": int(time.time()),
            "nonce": self.nonce,
            "ath": None if access is None else base64url(hashlib.sha256(access.encode()).digest()),
            **changes,
        }
        return key.sign(claims, **header)

    def assertion(self, **changes: Any) -> str:
        """Return a client assertion."""
        key: SigningKey | None = changes.pop("key", self.assertion_key)
        assert key is not None
        now = int(time.time())
        claims = {
            "iss": self.client_id,
            "sub": self.client_id,
            "aud": self.issuer,
            "jti": secrets.token_urlsafe(12),
            "iat": now,
            "exp": now + 60,
            **changes,
        }
        return key.sign(claims)

    def send(
        self, endpoint: str, fields: dict[str, Any], *, proof: str | None = None, **changes: Any
    ) -> httpx.Response:
        """Post a form to an endpoint of the authorization server, answering one challenge for a nonce.

        Args:
            proof: a proof to send instead of a good one; an empty one is not sent.
        """
        url = self.endpoint(endpoint)
        form = {"client_id": self.client_id, **fields}
        if self.assertion_key is not None:
            form = {"client_assertion_type": ASSERTION_TYPE, "client_assertion": self.assertion(), **form}
        given = {name: value for name, value in form.items() if value is not None}
        for attempt in (1, 2):
            headers = {"Content-Type": "application/x-www-form-urlencoded", "Origin": origin_of(self.redirect_uri)}
            if proof != "":
                headers["DPoP"] = proof or self.proof("POST", url, **changes)
            answer = self.http.post(url, content=urlencode(given), headers=headers)
            self.nonce = answer.headers.get("dpop-nonce", self.nonce)
            asked = answer.status_code == 400 and answer.json().get("error") == "use_dpop_nonce"
            if attempt == 2 or not asked or proof is not None or "nonce" in changes:
                break
            if self.assertion_key is not None and "client_assertion" not in fields:
                given["client_assertion"] = self.assertion()
        return answer

    def authorization(self, **changes: Any) -> dict[str, Any]:
        """Return the parameters of an authorization request."""
        usual = {
            "client_id": self.client_id,
            "response_type": "code",
            "redirect_uri": self.redirect_uri,
            "scope": EVERYTHING,
            "state": self.state,
            "code_challenge": self.challenge,
            "code_challenge_method": "S256",
        }
        return {name: value for name, value in {**usual, **changes}.items() if value is not None}

    def push(self, *, proof: str | None = None, **changes: Any) -> httpx.Response:
        """Push an authorization request."""
        return self.send("pushed_authorization_request", self.authorization(**changes), proof=proof)

    def request_uri(self, **changes: Any) -> str:
        """Push an authorization request that is good, and return what it is called."""
        answer = self.push(**changes)
        assert answer.status_code == 201, answer.text
        uri: str = answer.json()["request_uri"]
        return uri

    def authorize_url(self, request_uri: str, **more: str) -> str:
        """Return where to send somebody."""
        query = urlencode({"client_id": self.client_id, "request_uri": request_uri, **more})
        return f"{self.endpoint('authorization')}?{query}"

    def code(self, person: Person, **changes: Any) -> str:
        """Have somebody agree, and return the code."""
        parameters = person.approve(self.authorize_url(self.request_uri(**changes)))
        assert parameters["state"] == self.state
        assert parameters["iss"] == self.issuer
        return parameters["code"]

    def exchange(self, code: str, *, proof: str | None = None, **changes: Any) -> httpx.Response:
        """Ask for tokens for a code."""
        fields = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self.redirect_uri,
            "code_verifier": self.verifier,
            **changes,
        }
        return self.send("token", fields, proof=proof)

    def refresh(self, token: str, *, proof: str | None = None, **changes: Any) -> httpx.Response:
        """Ask for new tokens."""
        return self.send("token", {"grant_type": "refresh_token", "refresh_token": token, **changes}, proof=proof)

    def tokens(self, answer: httpx.Response) -> Tokens:
        """Read a good answer to a token request."""
        assert answer.status_code == 200, answer.text
        body = answer.json()
        return Tokens(body["access_token"], body["refresh_token"], body["scope"], body["sub"], body)

    def sign_in(self, person: Person, **changes: Any) -> Tokens:
        """Do all of it."""
        return self.tokens(self.exchange(self.code(person, **changes)))

    def call(
        self,
        nsid: str,
        access: str,
        *,
        body: object = None,
        scheme: str = "DPoP",
        proof: str | None = None,
        params: dict[str, str] | None = None,
        **changes: Any,
    ) -> httpx.Response:
        """Call a method, by POST when there is a body, answering one challenge for a nonce."""
        url = f"{self.issuer}/xrpc/{nsid}"
        method = "GET" if body is None else "POST"
        for attempt in (1, 2):
            headers = {"Authorization": f"{scheme} {access}", "Origin": origin_of(self.redirect_uri)}
            if proof != "":
                headers["DPoP"] = proof or self.proof(method, url, access, **changes)
            answer = self.http.request(method, url, headers=headers, params=params, json=body)
            self.nonce = answer.headers.get("dpop-nonce", self.nonce)
            challenged = 'error="use_dpop_nonce"' in answer.headers.get("www-authenticate", "")
            if attempt == 2 or not challenged or proof is not None or "nonce" in changes:
                break
        return answer


def leads_nowhere(visitor: Person, client: RawClient, url: str) -> None:
    """Look that whoever is sent to this address gets no further.

    That is told on a page, or to the application whose request it was.
    """
    visitor.open(url)
    target = visitor.answer.headers.get("location")
    if target is None:
        assert 400 <= visitor.answer.status_code < 500, visitor.words
        assert visitor.answer.headers["content-type"].startswith("text/html")
    else:
        assert target.startswith(client.redirect_uri)
        assert "error=" in target
        assert "code=" not in target
