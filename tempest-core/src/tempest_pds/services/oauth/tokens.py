"""The token endpoint and what it gives out: codes and refresh tokens become access tokens, which end or are revoked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tempest_pds.protocol.oauth.scope_set import ScopeSet
from tempest_pds.protocol.syntax.did import Did
from tempest_pds.services.oauth.client_authentication import ClientAuth
from tempest_pds.services.oauth.clients import Client


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessGrant:
    """What a valid access token allows.

    Attributes:
        thumbprint: of the DPoP key that the token is bound to.
        permissions: with every `include:` expanded.
    """

    did: Did
    client_id: str
    session_id: str
    thumbprint: str
    permissions: ScopeSet


class OAuthTokens:
    """Give out, check and take back tokens."""

    async def exchange(
        self, fields: Mapping[str, object], client: Client, client_auth: ClientAuth, *, dpop_thumbprint: str
    ) -> dict[str, object]:
        """Answer a token request of either grant type; raise an OAuthError."""
        raise NotImplementedError

    async def revoke(self, token: str, client: Client, client_auth: ClientAuth) -> None:
        """End the session that a token of this client belongs to. A token that is none is no error."""
        raise NotImplementedError

    def introspect(self, token: str) -> dict[str, object]:
        """Tell what a token is good for: RFC 7662."""
        raise NotImplementedError

    def verify_access(self, token: str) -> AccessGrant:
        """Check an access token, and that its session has not ended; raise InvalidToken or ExpiredToken."""
        raise NotImplementedError
