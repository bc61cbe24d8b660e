"""Who a client is, proven or not.

A confidential client signs an assertion for each request, with a key that its document lists. Its sessions are bound to
that key: they go on as long as the client signs with it, and lists it.

A client may sign with a key that it has only just added to its document, so a key that is unknown is looked for anew,
once in half a minute. What was used is remembered for the minute and a half that an assertion is good for, and by this
process only: RFC 7523 lets a server do without. Who replays an assertion right after a restart still needs a fresh DPoP
proof, and a code or refresh token that is bound to its key.

https://www.rfc-editor.org/rfc/rfc7523#section-3, https://atproto.com/specs/oauth#confidential-client-authentication
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, Self

from tempest_pds.protocol.oauth.client_assertion import ASSERTION_TYPE, ClientAssertion, check_client_assertion
from tempest_pds.protocol.oauth.client_metadata import AuthMethod
from tempest_pds.protocol.oauth.errors import (
    ClientUnavailable,
    InvalidClientAssertion,
    InvalidGrant,
    InvalidRequest,
    OAuthError,
    UnknownJwk,
)
from tempest_pds.protocol.oauth.jwk import JwkSet
from tempest_pds.services.errors import NotEnoughResources
from tempest_pds.services.oauth.clients import Client, Clients
from tempest_pds.services.oauth.spent_tokens import CannotTell, SpentTokens, TokenSpent

CAPACITY: Final = 100_000
"""How many assertions are remembered: those of a minute and a half at 1,100 requests a second, in 10 MB."""
RENEW_SECONDS: Final = 30.0
"""How old a client's keys are at least before they are fetched again for one that is not among them."""

_NO_KEYS: Final = JwkSet(())


@dataclass(frozen=True, slots=True)
class ClientAuth:
    """How a client has proven to be itself; the three of the key are None for a public client.

    Attributes:
        thumbprint: of the key, the SHA-256 of RFC 7638.
        confirmed_thumbprint: the DPoP key that the client vouches for with this one request (`cnf.jkt`): without a
            proof of its own, the request is to be bound to that. It is no part of what is kept.
    """

    method: AuthMethod
    kid: str | None = None
    alg: str | None = None
    thumbprint: str | None = None
    confirmed_thumbprint: str | None = field(default=None, compare=False)

    def to_json(self) -> str:
        """Write what a session keeps of it."""
        members = {"method": self.method, "kid": self.kid, "alg": self.alg, "jkt": self.thumbprint}
        return json.dumps({name: value for name, value in members.items() if value is not None})

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read what `to_json` wrote."""
        members = json.loads(text)
        return cls(members["method"], members.get("kid"), members.get("alg"), members.get("jkt"))


class ClientAuthentication:
    """Authenticate clients.

    Args:
        issuer: this server, the one audience that an assertion may be for.
        clock: the time in seconds since 1970.
    """

    def __init__(
        self,
        clients: Clients,
        *,
        issuer: str,
        capacity: int = CAPACITY,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._clients = clients
        self._issuer = issuer
        self._clock = clock
        self._spent = SpentTokens(capacity)

    async def authenticate(
        self, fields: Mapping[str, object], *, dpop_thumbprint: str | None
    ) -> tuple[Client, ClientAuth]:
        """Find the client that makes a request, and check its proof, which is spent by this.

        Args:
            fields: of the request; `client_id`, `client_assertion_type` and `client_assertion` are read.
            dpop_thumbprint: of the key that the request's DPoP proof shows; the proof is checked before this.

        Raises:
            InvalidRequest: a field is missing.
            InvalidClientAssertion: the client is not what it says.
            OAuthError: as for `Clients.get`.
            NotEnoughResources: too many clients authenticate at once.
        """
        client_id = _text(fields, "client_id")
        if client_id is None:
            raise InvalidRequest('"client_id" is missing')
        client = await self._clients.get(client_id)
        if not client.metadata.is_confidential:
            return client, ClientAuth("none")
        assertion = _text(fields, "client_assertion")
        if assertion is None:
            raise InvalidRequest('client authentication method "private_key_jwt" required a "client_assertion"')
        if fields.get("client_assertion_type") != ASSERTION_TYPE:
            raise InvalidClientAssertion(f'"client_assertion_type" must be "{ASSERTION_TYPE}"')
        try:
            proven = self._check(client, assertion, dpop_thumbprint)
        except InvalidClientAssertion as error:
            if not isinstance(error.__cause__, UnknownJwk):
                raise
            client = await self._renewed(client_id, error)
            proven = self._check(client, assertion, dpop_thumbprint)
        self._spend(client_id, proven)
        return client, ClientAuth(
            "private_key_jwt", proven.kid, proven.alg, proven.thumbprint, confirmed_thumbprint=proven.dpop_thumbprint
        )

    async def check_bound(self, client: Client, auth: ClientAuth, session_auth: ClientAuth) -> None:
        """Raise InvalidGrant unless a client may go on with a session that began with `session_auth`.

        A client that was public may have become confidential: it proves more than it had to. The other way round, or
        with another key, anybody could have taken the session over.

        Args:
            auth: how the client has authenticated now.
        """
        if auth.method != client.metadata.token_endpoint_auth_method:
            raise InvalidGrant("The client does not authenticate as its document says")
        if session_auth.method == "none":
            return
        if auth.method != session_auth.method:
            raise InvalidGrant("The session began with a client that authenticated itself")
        if auth != session_auth:
            raise InvalidGrant("The session began with another key than the one the client assertion is signed with")
        kid, alg, thumbprint = auth.kid or "", auth.alg or "", auth.thumbprint or ""
        if not (client.keys or _NO_KEYS).holds(kid, alg, thumbprint):
            raise InvalidGrant("The key that the session is bound to is no longer one of the client")

    def _check(self, client: Client, assertion: str, dpop_thumbprint: str | None) -> ClientAssertion:
        return check_client_assertion(
            assertion,
            client_id=client.client_id,
            issuer=self._issuer,
            keys=client.keys or _NO_KEYS,
            now=self._clock(),
            dpop_thumbprint=dpop_thumbprint,
            algorithm=client.metadata.token_endpoint_auth_signing_alg,
        )

    async def _renewed(self, client_id: str, refusal: InvalidClientAssertion) -> Client:
        try:
            client = await self._clients.get(client_id, max_age=RENEW_SECONDS)
        except ClientUnavailable:
            # It may be a good key that was only just added.
            raise
        except OAuthError:
            raise refusal from refusal.__cause__
        if not client.metadata.is_confidential:
            raise refusal from refusal.__cause__
        return client

    def _spend(self, client_id: str, proven: ClientAssertion) -> None:
        try:
            self._spent.spend(f"{client_id} {proven.jti}", proven.forget_after, self._clock())
        except TokenSpent as error:
            raise InvalidClientAssertion("client_assertion: jti was used before") from error
        except CannotTell as error:
            raise NotEnoughResources("Too many clients authenticate at once; try again in a moment") from error


def _text(fields: Mapping[str, object], name: str) -> str | None:
    value = fields.get(name)
    return value if isinstance(value, str) and value else None
