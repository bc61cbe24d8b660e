"""What clients read first: who issues the tokens of this server, where and how, and by which keys they are known."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Final

from blacksheep import Content, Request, Response

from tempest_pds.http.answers import JSON
from tempest_pds.http.context import Services
from tempest_pds.http.pages.people.languages import LANGUAGES
from tempest_pds.http.pages.service import Page
from tempest_pds.protocol.oauth.server_metadata import (
    AUTHORIZATION_SERVER_PATH,
    JWKS_PATH,
    PROTECTED_RESOURCE_PATH,
    authorization_server_metadata,
    protected_resource_metadata,
)

# The reference's figure. It is also how long a rotated key may be unknown to who verifies tokens by this set.
_FOR_A_WHILE: Final = (b"cache-control", b"max-age=300")


class OAuthDocuments:
    """Serve the documents; their addresses are the same for all servers."""

    def __init__(self, services: Services) -> None:
        self._services = services
        url = services.server.public_url
        self._resource = json.dumps(protected_resource_metadata(url)).encode()
        self._server = json.dumps(
            authorization_server_metadata(url, ui_locales=tuple(LANGUAGES), introspection=True)
        ).encode()

    def routes(self) -> Mapping[str, Page]:
        """Give the handlers by path."""
        return {
            PROTECTED_RESOURCE_PATH: self.protected_resource,
            AUTHORIZATION_SERVER_PATH: self.authorization_server,
            JWKS_PATH: self.jwks,
        }

    async def protected_resource(self, request: Request) -> Response:
        """Tell who issues the tokens that this server takes."""
        return _document(self._resource)

    async def authorization_server(self, request: Request) -> Response:
        """Tell where the endpoints are, and what they take."""
        return _document(self._server)

    async def jwks(self, request: Request) -> Response:
        """Give the public halves of the keys that access tokens are signed with."""
        return _document(json.dumps(self._services.oauth.keys.public_jwks()).encode())


def _document(body: bytes) -> Response:
    return Response(200, [_FOR_A_WHILE], Content(JSON, body))
