"""The web hosts of apps, in this process: HTTPS under any name below example.net, with what OAuth clients publish.

async with app_hosts(tmp_path) as hosts:
    hosts.publish("https://app.example.net/client.json", client_document("https://app.example.net/client.json"))
    clients = Clients(ClientDocuments(hosts.fetch))
"""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestServer
from tests.support.certificates import Authority

from tempest_pds.remote.safe_fetch import SafeFetch


@dataclass
class Page:
    """What is at a URL; `gate` holds the answer back, and `wanted` is set once somebody asks."""

    body: bytes
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    gate: asyncio.Event | None = None
    wanted: asyncio.Event = field(default_factory=asyncio.Event)


class AppHosts:
    """All the hosts.

    Attributes:
        fetch: reaches them, and them alone.
        asked: the URLs that were asked for, in order.
    """

    def __init__(self, fetch: SafeFetch) -> None:
        self.fetch = fetch
        self.asked: list[str] = []
        self._pages: dict[str, Page] = {}

    def publish(self, url: str, document: object, **more: Any) -> Page:
        """Put JSON, or bytes as they are, at a URL."""
        body = document if isinstance(document, bytes) else json.dumps(document).encode()
        page = self._pages[url] = Page(body, **{"headers": {"Content-Type": "application/json"}, **more})
        return page

    def withdraw(self, url: str) -> None:
        """Take away what is at a URL."""
        del self._pages[url]

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Answer one request."""
        url = f"https://{request.host}{request.path_qs}"
        self.asked.append(url)
        page = self._pages.get(url)
        if page is None:
            raise web.HTTPNotFound
        page.wanted.set()
        if page.gate is not None:
            await page.gate.wait()
        return web.Response(body=page.body, status=page.status, headers=page.headers)


@asynccontextmanager
async def app_hosts(folder: Path) -> AsyncIterator[AppHosts]:
    """Serve until the block is left; certificates are written below the folder."""
    authority = Authority(folder / "authority")
    pair = authority.issue("apps", "*.example.net")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(pair.certificate, pair.key)

    async def look_up(host: str, port: int) -> Sequence[tuple[str, int]]:
        if not host.endswith(".example.net"):
            raise OSError("no such host")
        return [("127.0.0.1", server.port or 0)]

    fetch = SafeFetch(allow_private=True, look_up=look_up, tls=ssl.create_default_context(cafile=str(authority.root)))
    hosts = AppHosts(fetch)
    app = web.Application()
    app.router.add_get("/{path:.*}", hosts.answer)
    server = TestServer(app)
    await server.start_server(ssl=context)
    try:
        yield hosts
    finally:
        await fetch.close()
        await server.close()


def client_document(client_id: str, **members: Any) -> dict[str, Any]:
    """Make the document of a public web client; a member that is None is left out."""
    document = {
        "client_id": client_id,
        "client_name": "An app",
        "redirect_uris": [f"{client_id.rpartition('/')[0]}/callback"],
        "scope": "atproto transition:generic",
        "grant_types": ["authorization_code", "refresh_token"],
        "response_types": ["code"],
        "application_type": "web",
        "token_endpoint_auth_method": "none",
        "dpop_bound_access_tokens": True,
        **members,
    }
    return {name: value for name, value in document.items() if value is not None}


def confidential(client_id: str, keys: list[dict[str, Any]] | None = None, **members: Any) -> dict[str, Any]:
    """Make the document of a confidential client, with its public keys in it unless `jwks_uri` is given."""
    jwks = None if "jwks_uri" in members else {"keys": keys or []}
    method = {"token_endpoint_auth_method": "private_key_jwt", "token_endpoint_auth_signing_alg": "ES256"}
    return client_document(client_id, **{**method, "jwks": jwks, **members})
