"""The metadata that the id of a loopback client stands for.

Nobody serves a document for a client under development, so its id says the little that differs: where to redirect to
and which scopes. All else is what a public native client has.

https://atproto.com/specs/oauth#localhost-client-development
"""

from __future__ import annotations

from typing import Final

from tempest_pds.protocol.oauth.client_id import LoopbackClientId
from tempest_pds.protocol.oauth.client_metadata import ClientMetadata
from tempest_pds.protocol.oauth.errors import InvalidClientMetadata
from tempest_pds.protocol.oauth.redirect_uri import RedirectUri

DEFAULT_SCOPE: Final = "atproto"
DEFAULT_REDIRECT_URIS: Final = (RedirectUri("http://127.0.0.1/"), RedirectUri("http://[::1]/"))


def loopback_client_metadata(client_id: LoopbackClientId) -> ClientMetadata:
    """Return what a loopback client's id stands for; raise InvalidClientMetadata where it leaves `atproto` out."""
    scope = DEFAULT_SCOPE if client_id.scope is None else client_id.scope
    scopes = scope.split(" ")
    if "atproto" not in scopes:
        raise InvalidClientMetadata('the scope of a loopback client must include "atproto"')
    if len(set(scopes)) != len(scopes):
        raise InvalidClientMetadata("the scope of a loopback client must not name one twice")
    return ClientMetadata(
        client_id=client_id,
        redirect_uris=client_id.redirect_uris or DEFAULT_REDIRECT_URIS,
        scope=scope,
        application_type="native",
        token_endpoint_auth_method="none",  # noqa: S106 - the name of a method
        grant_types=("authorization_code", "refresh_token"),
    )
