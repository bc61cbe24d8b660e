"""Who a client is, proven or not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tempest_pds.protocol.oauth.client_metadata import AuthMethod
from tempest_pds.services.oauth.clients import Client


@dataclass(frozen=True, slots=True)
class ClientAuth:
    """How a client has proven to be itself; the three of the key are None for a public client."""

    method: AuthMethod
    kid: str | None = None
    alg: str | None = None
    thumbprint: str | None = None


class ClientAuthentication:
    """Authenticate clients."""

    async def authenticate(
        self, fields: Mapping[str, object], *, dpop_thumbprint: str | None
    ) -> tuple[Client, ClientAuth]:
        """Find the client that makes a request, and check its proof; raise an OAuthError."""
        raise NotImplementedError

    async def check_bound(self, client: Client, auth: ClientAuth, session_auth: ClientAuth) -> None:
        """Raise an OAuthError unless a client may go on with a session that began with `session_auth`."""
        raise NotImplementedError
