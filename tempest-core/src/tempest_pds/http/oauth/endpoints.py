"""The endpoints that clients call: PAR, token, revoke and introspect.

Each request is judged in the same order: how many there were, its method, its body, its DPoP proof, who the client is,
and only then what it asks for. A proof without a good nonce is therefore turned back before anything is spent on it,
the client's own assertion above all, which comes again unchanged.

Every answer brings a nonce, and may be kept by nobody. CORS is the edge's.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

import structlog
from blacksheep import Content, Request, Response

from tempest_pds.http.answers import JSON
from tempest_pds.http.auth import Authenticator, basic_password
from tempest_pds.http.client_address import limit_key
from tempest_pds.http.context import Services
from tempest_pds.http.errors import CLIENT_GONE, ClientGone, Header, XrpcError
from tempest_pds.http.exchange import Exchange, exchange_of
from tempest_pds.http.oauth.fields import read_fields
from tempest_pds.http.oauth.refusals import refused
from tempest_pds.http.pages.service import Page
from tempest_pds.http.rate_limits import GLOBAL, MINUTE, Limit, RateLimiter, Standing
from tempest_pds.protocol.oauth.errors import InvalidClientAssertion, InvalidDpopProof, InvalidRequest
from tempest_pds.protocol.oauth.server_metadata import INTROSPECT_PATH, PUSHED_REQUEST_PATH, REVOKE_PATH, TOKEN_PATH
from tempest_pds.services.oauth.client_authentication import ClientAuth
from tempest_pds.services.oauth.clients import Client

Fields = Mapping[str, object]
Answered = tuple[int, Mapping[str, object]]
Work = Callable[[Exchange, Fields], Awaitable[Answered]]

PUSHES: Final = Limit("oauth-par", 600, 5 * MINUTE)
"""Each pushed request is a row on the disk, for an hour at most."""
_NO_STORE: Final[tuple[Header, ...]] = ((b"cache-control", b"no-store"), (b"pragma", b"no-cache"))

_log = structlog.get_logger("tempest_pds.oauth")


class OAuthEndpoints:
    """Answer clients."""

    def __init__(self, services: Services, authenticator: Authenticator, limiter: RateLimiter) -> None:
        self._services = services
        self._authenticator = authenticator
        self._limiter = limiter

    def routes(self) -> Mapping[str, Page]:
        """Give the handlers by path; they take requests of every method, and refuse those that are not POST."""
        return {
            PUSHED_REQUEST_PATH: self._page(self.push, (GLOBAL, PUSHES)),
            TOKEN_PATH: self._page(self.token),
            REVOKE_PATH: self._page(self.revoke),
            INTROSPECT_PATH: self._page(self.introspect),
        }

    async def push(self, exchange: Exchange, fields: Fields) -> Answered:
        """Take a pushed authorization request: RFC 9126."""
        thumbprint = self._thumbprint(exchange, PUSHED_REQUEST_PATH)
        client, auth = await self._authenticate(fields, thumbprint)
        requests = self._services.oauth.requests
        request_uri, seconds = await requests.push(fields, client, auth, dpop_thumbprint=thumbprint)
        return 201, {"request_uri": request_uri, "expires_in": seconds}

    async def token(self, exchange: Exchange, fields: Fields) -> Answered:
        """Exchange a code or a refresh token: RFC 6749, section 3.2."""
        thumbprint = self._thumbprint(exchange, TOKEN_PATH)
        if thumbprint is None:
            raise InvalidDpopProof("DPoP proof required")
        client, auth = await self._authenticate(fields, thumbprint)
        answer = await self._services.oauth.tokens.exchange(fields, client, auth, dpop_thumbprint=thumbprint)
        exchange.did = str(answer["sub"])
        return 200, answer

    async def revoke(self, exchange: Exchange, fields: Fields) -> Answered:
        """End the session of a token, if it is one of this client: RFC 7009."""
        client, _ = await self._authenticate(fields, self._thumbprint(exchange, REVOKE_PATH))
        await self._services.oauth.tokens.revoke(_token(fields), client)
        return 200, {}

    async def introspect(self, exchange: Exchange, fields: Fields) -> Answered:
        """Tell what a token is good for, to the client that it is of or to the administrator: RFC 7662."""
        client_id: str | None = None
        if b"authorization" in exchange.headers:
            await self._authenticator.administrator(exchange.client_ip, _admin_token(exchange.headers))
        else:
            client, _ = await self._authenticate(fields, self._thumbprint(exchange, INTROSPECT_PATH))
            if not client.metadata.is_confidential:
                # RFC 7662, section 2.1: else anybody could try tokens until one is good.
                raise InvalidClientAssertion("only clients that authenticate themselves may ask about tokens")
            client_id = client.client_id
        return 200, self._services.oauth.tokens.introspect(_token(fields), client_id)

    def _thumbprint(self, exchange: Exchange, path: str) -> str | None:
        headers = [value for name, value in exchange.scope["headers"] if name == b"dpop"]
        uri = self._services.server.public_url + path
        proof = self._services.oauth.proofs.check(headers, method="POST", uri=uri)
        return None if proof is None else proof.thumbprint

    async def _authenticate(self, fields: Fields, thumbprint: str | None) -> tuple[Client, ClientAuth]:
        return await self._services.oauth.client_authentication.authenticate(fields, dpop_thumbprint=thumbprint)

    def _page(self, work: Work, limits: tuple[Limit, ...] = (GLOBAL,)) -> Page:
        async def answer(request: Request) -> Response:
            exchange = exchange_of(request)
            headers: list[Header] = [*_NO_STORE]
            try:
                self._count(exchange, limits, headers)
                if exchange.scope["method"] != "POST":
                    raise XrpcError(405, "InvalidRequest", "Method Not Allowed", ((b"allow", b"POST, OPTIONS"),))
                status, members = await work(exchange, await read_fields(exchange))
                return self._answer(status, headers, json.dumps(members).encode())
            except ClientGone:
                # Raised, it would be an error to BlackSheep.
                return Response(CLIENT_GONE)
            except Exception as error:  # noqa: BLE001 - the table of refusals decides what each becomes
                refusal = refused(error, exchange.headers)
                if refusal.unexpected:
                    _log.error("unexpected error", target=exchange.target, exc_info=error)
                headers.extend(refusal.headers)
                return self._answer(refusal.status, headers, refusal.body())

        return answer

    def _answer(self, status: int, headers: list[Header], body: bytes) -> Response:
        # The nonce comes last: a look at a proof may have made all former ones worthless.
        nonce = (b"dpop-nonce", self._services.oauth.proofs.nonce().encode())
        return Response(status, [*headers, nonce], Content(JSON, body))

    def _count(self, exchange: Exchange, limits: tuple[Limit, ...], headers: list[Header]) -> None:
        limiter = self._limiter
        if not limiter.applies(exchange.client_ip, exchange.headers.get(b"x-ratelimit-bypass")):
            return
        key = limit_key(exchange.client_ip)
        standings: list[Standing] = [limiter.consume(limit, key) for limit in limits]
        tightest = min(standings, key=lambda standing: (not standing.exceeded, standing.remaining))
        tightest.add_headers(headers)
        if tightest.exceeded:
            raise XrpcError(429, "RateLimitExceeded", "Rate Limit Exceeded")


def _token(fields: Fields) -> str:
    token = fields.get("token")
    if not isinstance(token, str) or not token:
        raise InvalidRequest("token is required")
    return token


def _admin_token(headers: dict[bytes, bytes]) -> str | None:
    """Read the administrator's token, as `Basic admin:<token>` or `Bearer <token>`; None for anything else."""
    scheme, _, value = headers[b"authorization"].decode("latin-1").partition(" ")
    if scheme.lower() == "bearer":
        return value
    return basic_password(value) if scheme.lower() == "basic" else None
