"""Authorization requests: pushed by a client, worked on in a browser, and answered with a code or a refusal."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tempest_pds.protocol.errors import TempestError
from tempest_pds.protocol.oauth.authorization_parameters import AuthorizationParameters, ReplyAddress
from tempest_pds.protocol.oauth.scope_set import ScopeSet
from tempest_pds.protocol.syntax.did import Did
from tempest_pds.services.oauth.client_authentication import ClientAuth
from tempest_pds.services.oauth.clients import Client


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenRequest:
    """A request that a person is asked about.

    Attributes:
        id: names the request to the browser at work on it; a secret between the two.
        scopes: what was asked for, as far as it is understood here.
        created_at: when the client asked, in microseconds since 1970; `expires_at` likewise.
    """

    id: str
    client: Client
    client_auth: ClientAuth
    parameters: AuthorizationParameters
    scopes: ScopeSet
    created_at: int
    expires_at: int


@dataclass(frozen=True, slots=True)
class AuthorizationResponse:
    """What the browser carries to the client: `code` or `error`, with `state` and `iss`."""

    reply: ReplyAddress
    values: Mapping[str, str]


class RequestRefused(TempestError):
    """A request that is answered with an error, at the client's own address."""

    def __init__(self, response: AuthorizationResponse) -> None:
        super().__init__(response.values.get("error_description", response.values["error"]))
        self.response = response


class AuthorizationRequests:
    """Take, show and answer requests. `browser` is always the SHA-256 of the cookie of the browser at work."""

    async def push(
        self, fields: Mapping[str, object], client: Client, client_auth: ClientAuth, *, dpop_thumbprint: str | None
    ) -> tuple[str, int]:
        """Take a pushed request; give its `request_uri` and how long it lives, in seconds. Raise an OAuthError."""
        raise NotImplementedError

    async def open(self, fields: Mapping[str, str], browser: bytes) -> OpenRequest:
        """Begin to work on what the authorize page was opened with.

        Raises:
            RequestRefused: the client gets an error, and the browser goes back to it.
            OAuthError: nobody may be redirected; the person is told.
        """
        raise NotImplementedError

    async def resume(self, request_id: str, browser: bytes) -> OpenRequest:
        """Go on with a request that this browser has opened; raise OAuthError, or RequestRefused."""
        raise NotImplementedError

    async def hand_over(self, request_id: str, old: bytes, new: bytes) -> None:
        """Note that a browser's cookie was replaced, as it is at each sign-in."""
        raise NotImplementedError

    async def grant(
        self, request: OpenRequest, browser: bytes, did: Did, scopes: ScopeSet, *, client_ip: str | None
    ) -> AuthorizationResponse:
        """Make a code for what an account's owner has allowed; raise RequestRefused or OAuthError."""
        raise NotImplementedError

    async def refuse(self, request: OpenRequest, error: str, description: str) -> AuthorizationResponse:
        """End a request with an error for its client."""
        raise NotImplementedError
