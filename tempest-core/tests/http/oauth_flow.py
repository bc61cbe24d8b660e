"""A client of the OAuth provider, on a server in this process, whose owner agrees without pages."""

from __future__ import annotations

import base64
import hashlib
import secrets
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock
from urllib.parse import urlencode

import httpx
from tests.support.app_hosts import AppHosts, app_hosts, client_document, confidential
from tests.support.oauth_raw import ASSERTION_TYPE, SigningKey
from whole_server import User, WholeServer, whole_server

from tempest_pds.protocol.syntax.did import Did
from tempest_pds.remote.client_documents import ClientDocuments
from tempest_pds.services.browsers import REMEMBERED_US
from tempest_pds.services.oauth.requests import AuthorizationResponse, OpenRequest
from tempest_pds.services.timestamps import now_us
from tempest_pds.stores.account.account_store import AccountStore
from tempest_pds.stores.account.browsers import Browser, BrowserAccount

ISSUER = "http://localhost:4000"
PUBLIC = "https://app.example.net/client.json"
CONFIDENTIAL = "https://backend.example.net/client.json"
SCOPE = "atproto transition:generic"
BROWSER, OTHER_BROWSER = b"\x01" * 32, b"\x02" * 32
FORM = "application/x-www-form-urlencoded"
DOCUMENTS = ["/.well-known/oauth-protected-resource", "/.well-known/oauth-authorization-server", "/oauth/jwks"]
APP = {"Origin": "https://app.example.net"}


class Clock:
    """The time as the provider's requests, codes, sessions and tokens have it; `ahead` in seconds."""

    ahead = 0.0

    def __call__(self) -> int:
        return int((time.time() + self.ahead) * 1_000_000)

    @contextmanager
    def later(self, seconds: float) -> Iterator[None]:
        """Let that much time have passed."""
        self.ahead = seconds
        try:
            yield
        finally:
            self.ahead = 0.0


@dataclass
class Provider:
    """A server, and the hosts where its clients publish their documents; the key is the confidential client's."""

    server: WholeServer
    hosts: AppHosts
    key: SigningKey
    clock: Clock

    def client(self, client_id: str = PUBLIC, **more: Any) -> FlowClient:
        key = self.key if client_id == CONFIDENTIAL else None
        return FlowClient(self.server, client_id, assertion_key=key, **more)


@asynccontextmanager
async def provider(folder: Path, **settings: str) -> AsyncIterator[Provider]:
    """Start a server, and hosts with a public and a confidential client."""
    key = SigningKey("backend")
    async with app_hosts(folder / "hosts") as hosts:
        hosts.publish(PUBLIC, client_document(PUBLIC))
        hosts.publish(CONFIDENTIAL, confidential(CONFIDENTIAL, [key.jwk]))
        async with on_folder(folder, hosts, key, **settings) as started:
            yield started


@asynccontextmanager
async def on_folder(folder: Path, hosts: AppHosts, key: SigningKey, **settings: str) -> AsyncIterator[Provider]:
    """Start a server on a folder, which may be that of an earlier one."""
    data, clock = folder / "data", Clock()
    data.mkdir(exist_ok=True)
    documents = ClientDocuments(hosts.fetch)
    with (
        mock.patch("tempest_pds.composition.oauth_clients.ClientDocuments", return_value=documents),
        mock.patch("tempest_pds.composition.oauth.now_us", clock),
    ):
        async with whole_server(data, **settings) as server:
            yield Provider(server, hosts, key, clock)


@dataclass
class FlowClient:
    """One session of a client, in the making or made."""

    server: WholeServer
    client_id: str
    assertion_key: SigningKey | None = None
    key: SigningKey = field(default_factory=SigningKey)
    verifier: str = field(default_factory=lambda: secrets.token_urlsafe(48))
    nonce: str | None = None
    redirect_uri: str = ""
    browser: bytes = BROWSER

    def __post_init__(self) -> None:
        self.redirect_uri = self.redirect_uri or f"{self.client_id.rpartition('/')[0]}/callback"

    @property
    def challenge(self) -> str:
        digest = hashlib.sha256(self.verifier.encode()).digest()
        return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()

    def proof(self, path: str, **changes: Any) -> str:
        """Make a DPoP proof for an endpoint; a claim that is None is left out."""
        claims = {
            "jti": secrets.token_urlsafe(12),
            "htm": "POST",
            "htu": ISSUER + path,
            "iat": int(time.time()),
            "nonce": self.nonce,
        }
        return self.key.sign({**claims, **changes}, typ="dpop+jwt", jwk=self.key.bare)

    def assertion(self, **changes: Any) -> str:
        assert self.assertion_key is not None
        now = int(time.time())
        claims = {"iss": self.client_id, "sub": self.client_id, "aud": ISSUER, "iat": now, "exp": now + 60}
        return self.assertion_key.sign({**claims, "jti": secrets.token_urlsafe(12), **changes})

    def credentials(self) -> dict[str, str]:
        named = {"client_id": self.client_id}
        if self.assertion_key is None:
            return named
        return {**named, "client_assertion_type": ASSERTION_TYPE, "client_assertion": self.assertion()}

    async def send(
        self, path: str, given: Mapping[str, Any], *, dpop: bool = True, json: bool = False, **headers: str
    ) -> httpx.Response:
        """Post to an endpoint as the official client does: once more, unchanged, when a nonce is asked for."""
        fields = {name: value for name, value in {**self.credentials(), **given}.items() if value is not None}
        for _ in range(2):
            proof = {"DPoP": self.proof(path)} if dpop else {}
            if json:
                answer = await self.server.http.post(path, json=fields, headers={**proof, **headers})
            else:
                sent = {"Content-Type": FORM, **proof, **headers}
                answer = await self.server.http.post(path, content=urlencode(fields), headers=sent)
            self.nonce = answer.headers["dpop-nonce"]
            if answer.status_code != 400 or answer.json()["error"] != "use_dpop_nonce":
                break
        return answer

    def parameters(self, **changes: Any) -> dict[str, Any]:
        usual = {
            "client_id": self.client_id,
            "response_type": "code",
            "redirect_uri": self.redirect_uri,
            "scope": SCOPE,
            "state": "a state",
            "code_challenge": self.challenge,
            "code_challenge_method": "S256",
        }
        return {name: value for name, value in {**usual, **changes}.items() if value is not None}

    async def push(self, *, dpop: bool = True, json: bool = False, **changes: Any) -> httpx.Response:
        return await self.send("/oauth/par", self.parameters(**changes), dpop=dpop, json=json)

    async def request_uri(self, **changes: Any) -> str:
        answer = await self.push(**changes)
        assert answer.status_code == 201, answer.text
        uri: str = answer.json()["request_uri"]
        return uri

    async def open(self, **changes: Any) -> OpenRequest:
        """Push a request and open it in the browser."""
        asked = {"client_id": self.client_id, "request_uri": await self.request_uri(**changes)}
        return await self.requests.open(asked, self.browser)

    @property
    def requests(self) -> Any:
        return self.server.services.oauth.requests

    async def agree(self, request: OpenRequest, user: User) -> AuthorizationResponse:
        """Have the owner of an account agree to all of a request, signed in in the browser."""
        self.sign_in_browser(user)
        return await self.grant(request, user)

    async def grant(self, request: OpenRequest, user: User) -> AuthorizationResponse:
        """Have it agreed to in a browser as it is."""
        response: AuthorizationResponse = await self.requests.grant(
            request, self.browser, Did(user.did), request.scopes, client_ip="192.0.2.1"
        )
        return response

    def sign_in_browser(self, user: User) -> None:
        """Have an account signed in in the browser, unless it is."""
        if self.server.services.browsers.is_signed_in(self.browser, Did(user.did)):
            return
        store: AccountStore = self.requests._store
        now = now_us()
        with store.transaction():
            found = store.browsers.with_secret(self.browser)
            if found is None:
                found = Browser(
                    id=secrets.token_urlsafe(12),
                    secret_hash=self.browser,
                    user_agent=None,
                    client_ip=None,
                    created_at=now,
                    seen_at=now,
                )
                store.browsers.add(found)
            store.browsers.put_account(
                BrowserAccount(
                    browser_id=found.id,
                    did=Did(user.did),
                    signed_in_at=now,
                    confirmed_at=now,
                    remembered=True,
                    expires_at=now + REMEMBERED_US,
                )
            )

    async def code(self, user: User, **changes: Any) -> str:
        return (await self.agree(await self.open(**changes), user)).values["code"]

    async def exchange(self, code: str, **changes: Any) -> httpx.Response:
        given = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self.redirect_uri,
            "code_verifier": self.verifier,
        }
        return await self.send("/oauth/token", {**given, **changes})

    async def sign_in(self, user: User, **changes: Any) -> dict[str, Any]:
        answer = await self.exchange(await self.code(user, **changes))
        assert answer.status_code == 200, answer.text
        tokens: dict[str, Any] = answer.json()
        return tokens

    async def refresh(self, token: str, **changes: Any) -> httpx.Response:
        return await self.send("/oauth/token", {"grant_type": "refresh_token", "refresh_token": token, **changes})

    async def revoke(self, token: str, **changes: Any) -> httpx.Response:
        return await self.send("/oauth/revoke", {"token": token, **changes})

    async def introspect(self, token: str, **changes: Any) -> httpx.Response:
        return await self.send("/oauth/introspect", {"token": token, **changes})

    def is_good(self, access_token: str) -> bool:
        """Tell whether the resource server would take a token."""
        from tempest_pds.services.errors import ExpiredToken, InvalidToken

        try:
            self.server.services.oauth.tokens.verify_access(access_token)
        except (InvalidToken, ExpiredToken):
            return False
        return True


def verdict(answer: httpx.Response) -> tuple[int, str]:
    """Return the status and, of a refusal, the error's name; every answer has a nonce and is kept by nobody."""
    assert answer.headers["dpop-nonce"]
    assert answer.headers["cache-control"] == "no-store"
    if answer.status_code < 400:
        return answer.status_code, ""
    body = answer.json()
    assert set(body) == {"error", "error_description"}, body
    assert body["error_description"]
    return answer.status_code, body["error"]
