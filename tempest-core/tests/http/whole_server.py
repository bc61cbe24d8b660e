"""The whole server in this process, on a folder and a free port, and users who ask it as clients do."""

from __future__ import annotations

import io
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any
from unittest import mock

import httpx
import pytest
import structlog
from edge_server import serving
from tests.support.dns_server import DnsServer

from tempest_pds.app import build_app
from tempest_pds.composition.opened import Opened
from tempest_pds.composition.root import open_services
from tempest_pds.http.context import Services
from tempest_pds.http.dpop_scheme import AccessTokens
from tempest_pds.logs import configure_logs
from tempest_pds.remote.name_servers import NameServers
from tempest_pds.settings_loading import load_settings
from tempest_pds.stores.key_files import KeyFiles

PASSWORD = "correct horse battery"
POST = "app.bsky.feed.post"
PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 4


@dataclass
class User:
    """An account, and the calls that its client makes. `token` is its access token unless a test says otherwise."""

    http: httpx.AsyncClient
    did: str
    handle: str
    token: str
    refresh: str

    async def get(self, method: str, *, headers: dict[str, str] | None = None, **params: Any) -> httpx.Response:
        return await self.http.get(f"/xrpc/{method}", params=params, headers=self.bearer | (headers or {}))

    async def post(self, method: str, given: Any = None, **headers: str) -> httpx.Response:
        return await self.http.post(f"/xrpc/{method}", json=given, headers=self.bearer | headers)

    async def upload(self, data: bytes, content_type: str, token: str | None = None) -> httpx.Response:
        headers = {"Authorization": f"Bearer {token or self.token}", "Content-Type": content_type}
        return await self.http.post("/xrpc/com.atproto.repo.uploadBlob", content=data, headers=headers)

    async def write(self, record: dict[str, Any]) -> dict[str, Any]:
        """Create a record in the collection of its type."""
        given = {"repo": self.did, "collection": record["$type"], "record": record}
        made = await self.post("com.atproto.repo.createRecord", given)
        assert made.status_code == 200, made.text
        answer: dict[str, Any] = made.json()
        return answer

    async def picture(self, data: bytes = PNG) -> str:
        """Upload a picture, post it, and return its CID."""
        blob = (await self.upload(data, "image/png")).json()["blob"]
        image = {"alt": "", "image": blob}
        await self.write(
            {
                "$type": POST,
                "text": "look",
                "createdAt": "2026-01-02T03:04:05.678Z",
                "embed": {"$type": "app.bsky.embed.images", "images": [image]},
            }
        )
        cid: str = blob["ref"]["$link"]
        return cid

    async def service_token(self, audience: str, method: str) -> str:
        answer = await self.get("com.atproto.server.getServiceAuth", aud=audience, lxm=method)
        token: str = answer.json()["token"]
        return token

    @property
    def bearer(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}


class WholeServer:
    """A server that answers on `port`, with an HTTP client of its own."""

    def __init__(
        self, folder: Path, port: int, http: httpx.AsyncClient, log: io.StringIO, opened: list[Opened]
    ) -> None:
        self.folder = folder
        self.port = port
        self.http = http
        self._log = log
        self._opened = opened

    @property
    def admin_token(self) -> str:
        return KeyFiles(self.folder / "keys").load_or_create("admin_token").hex()

    @property
    def services(self) -> Services:
        """What is behind the methods, for what no client can see."""
        return self._opened[0].services

    async def sign_up(self, name: str, **more: Any) -> User:
        given = {"handle": f"{name}.test", "email": f"{name}@example.com", "password": PASSWORD, **more}
        answer = await self.http.post("/xrpc/com.atproto.server.createAccount", json=given)
        assert answer.status_code == 200, answer.text
        made = answer.json()
        return User(self.http, made["did"], made["handle"], made["accessJwt"], made["refreshJwt"])

    async def anybody(self, method: str, **params: Any) -> httpx.Response:
        """Ask without credentials."""
        return await self.http.get(f"/xrpc/{method}", params=params)

    async def administer(self, method: str, given: Any = None, **params: Any) -> httpx.Response:
        """Call a method as the administrator: POST when something is given."""
        auth = httpx.BasicAuth("admin", self.admin_token)
        if given is None:
            return await self.http.get(f"/xrpc/{method}", params=params, auth=auth)
        return await self.http.post(f"/xrpc/{method}", json=given, auth=auth)

    async def set_takedown(self, subject: dict[str, str], *, applied: bool = True) -> None:
        """Take a subject down, or put it back."""
        given = {"subject": subject, "takedown": {"applied": applied, "ref": "test"}}
        answer = await self.administer("com.atproto.admin.updateSubjectStatus", given)
        assert answer.status_code == 200, answer.text

    async def take_down(self, user: User) -> None:
        """Take an account down."""
        await self.set_takedown({"$type": "com.atproto.admin.defs#repoRef", "did": user.did})

    def log_text(self) -> str:
        return self._log.getvalue()


@asynccontextmanager
async def whole_server(
    folder: Path, access_tokens: AccessTokens | None = None, **settings: str
) -> AsyncIterator[WholeServer]:
    """Start a server on localhost's defaults; `settings` are environment variables.

    Args:
        access_tokens: checks the access tokens of apps instead of the provider.
    """
    environ = {
        "TEMPEST_DATA_DIR": str(folder),
        "PORT": "4000",
        "TEMPEST_VALIDATE_RESPONSES": "true",
        "TEMPEST_RATE_LIMITS_ENABLED": "false",
        "TEMPEST_APPVIEW_URL": "http://localhost:1",
        **settings,
    }
    log = io.StringIO()
    opened: list[Opened] = []

    async def open_and_keep(*arguments: Any, serving: bool) -> Opened:
        made = await open_services(*arguments, serving=serving)
        opened.append(made if access_tokens is None else replace(made, access_tokens=access_tokens))
        return opened[0]

    with _logging_restored(), mock.patch("tempest_pds.app.open_services", open_and_keep):
        app = build_app(load_settings(environ), environ, configure_logs("debug", "json", log))
        for name in ("httpx", "httpcore"):
            logging.getLogger(name).setLevel(logging.WARNING)
        await app.start()
        try:
            async with (
                serving(app) as port,  # type: ignore[arg-type]
                httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=20) as http,
            ):
                yield WholeServer(folder, port, http, log, opened)
        finally:
            await app.stop()


@contextmanager
def _logging_restored() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    try:
        yield
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
        structlog.reset_defaults()
        logging.captureWarnings(False)


@contextmanager
def name_server() -> Iterator[DnsServer]:
    """Let the servers that are started meanwhile be configured with a name server of the test's own."""
    with DnsServer() as server, pytest.MonkeyPatch.context() as patch:
        host, port = server.address.split(":")
        asking = partial(NameServers, [(host, int(port))])
        for module in ("composition.network", "remote.safe_fetch"):
            patch.setattr(f"tempest_pds.{module}.NameServers", asking)
        yield server


def verdict(answer: httpx.Response) -> tuple[int, str]:
    """Return the status and, of a refusal, the error's name; a refusal must be flat."""
    if answer.status_code < 400:
        return answer.status_code, ""
    body = answer.json()
    assert set(body) == {"error", "message"}, body
    return answer.status_code, body["error"]
