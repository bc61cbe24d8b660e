"""A real uvicorn in this process, on a free port, around the HTTP layer with methods and services of a test.

BlackSheep's own TestClient behaves differently where it matters: streams, WebSockets, raw paths.
"""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import fields
from typing import Any

from tempest_pds.http.access import NONE, Access
from tempest_pds.http.admin_routes import AdminRoute
from tempest_pds.http.application import build_edge
from tempest_pds.http.auth import Authenticator
from tempest_pds.http.context import ServerInfo, Services
from tempest_pds.http.dpop_scheme import DpopScheme
from tempest_pds.http.edge import Edge
from tempest_pds.http.long_tasks import LongTasks
from tempest_pds.http.pages.admin_sessions import AdminSessions
from tempest_pds.http.pages.metrics import Measurements
from tempest_pds.http.rate_limits import RateLimiter
from tempest_pds.http.server import bind, make_server
from tempest_pds.http.xrpc import Method
from tempest_pds.logs import LogWriter, RequestLog
from tempest_pds.protocol.lexicon.lexicons import Lexicons
from tempest_pds.protocol.syntax.did import Did
from tempest_pds.protocol.syntax.handle import Handle
from tempest_pds.remote.plc_ledger import PlcLedger
from tempest_pds.services.admin_token import AdminToken
from tempest_pds.services.credentials import Credentials, Kind, Scope
from tempest_pds.services.errors import BadJwtSignature, ExpiredToken, InvalidToken, UntrustedIss
from tempest_pds.services.oauth.dpop import DpopProofs
from tempest_pds.services.oauth.tokens import AccessGrant
from tempest_pds.telemetry import Instruments

ALICE = Did("did:plc:ewvi7nxzyoun6zhxrhs64oiz")
ADMIN_TOKEN = "correct-horse-battery-staple"
CONTROL_TOKEN = "of-this-process-alone"
MODERATION = "did:web:mod.example.com"
LEXICONS = Lexicons()

SERVER = ServerInfo(
    version="1.2.3",
    hostname="pds.example.com",
    name="pds.example.com",
    public_url="https://pds.example.com",
    did="did:web:pds.example.com",
    handle_domains=(".pds.example.com",),
    invite_required=False,
    blob_max_bytes=1000,
)


class FakeSessions:
    """Tokens that say what they are: `access`, `app`, `takendown`, `expired`, `refresh`, `refresh-expired`."""

    def verify_access(self, token: str) -> Credentials:
        scopes = {"access": Scope.ACCESS, "app": Scope.APP_PASS, "takendown": Scope.TAKENDOWN}
        if token == "expired":
            raise ExpiredToken("Token has expired")
        if token not in scopes:
            raise InvalidToken("Token could not be verified")
        return Credentials(ALICE, scopes[token], Kind.ACCESS)

    def verify_refresh(self, token: str, *, allow_expired: bool = False) -> Credentials:
        if token == "refresh-expired" and not allow_expired:
            raise ExpiredToken("Token has expired")
        if not token.startswith("refresh"):
            raise InvalidToken("Token could not be verified")
        return Credentials(ALICE, Scope.REFRESH, Kind.REFRESH, "id")


class FakeAccessTokens:
    """There are none."""

    def verify_access(self, token: str) -> AccessGrant:
        raise InvalidToken("Token could not be verified")


class FakeServiceTokens:
    """A service token is `x.<claims>.y`, good when y is `good`; it speaks for ALICE."""

    async def verify(self, token: str, method: str, *, issuers: frozenset[str] | None = None) -> Did:
        if not token.endswith(".good"):
            raise BadJwtSignature("jwt signature does not match jwt issuer")
        if issuers is not None and not token.startswith("mod."):
            raise UntrustedIss("Untrusted issuer")
        return ALICE


class PlainPasswords:
    """Compares instead of hashing."""

    async def verify(self, stored: str | None, password: str) -> bool:
        return stored == password


class FakeDirectory:
    """One account, alice.pds.example.com, and a database that can be made to fail."""

    broken = False

    def did_of_handle(self, handle: Handle) -> Did | None:
        return ALICE if handle == "alice.pds.example.com" else None

    def hosted_did_document(self, did: Did) -> Mapping[str, Any] | None:
        return {"id": did} if did == "did:web:web.pds.example.com" else None

    def check(self) -> None:
        if self.broken:
            raise OSError("disk I/O error at /secret/path")


def bare_services(proxy: Any = None) -> Services:
    """Services of which the edge itself needs but the server's description and the proxy."""
    return Services(**{**dict.fromkeys(field.name for field in fields(Services)), "server": SERVER, "proxy": proxy})  # type: ignore[arg-type]


class EdgeServer:
    """What a test talks to."""

    def __init__(self, port: int, log: io.StringIO, writer: LogWriter, directory: FakeDirectory) -> None:
        self.port = port
        self.url = f"http://127.0.0.1:{port}"
        self.directory = directory
        self._log = log
        self._writer = writer

    def log_text(self) -> str:
        self._writer.flush()
        return self._log.getvalue()

    async def raw(self, data: bytes, *, seconds: float = 5) -> bytes:
        """Send bytes as they are, and read until the server closes or says nothing more for a moment."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        answer = b""
        try:
            writer.write(data)
            await writer.drain()
            async with asyncio.timeout(seconds):
                while chunk := await reader.read(65536):
                    answer += chunk
                    head, _, body = answer.partition(b"\r\n\r\n")
                    length = next(
                        (int(line[15:]) for line in head.split(b"\r\n") if line.startswith(b"content-length:")), None
                    )
                    if length is not None and len(body) >= length:
                        break
        except (ConnectionResetError, BrokenPipeError):
            pass
        finally:
            writer.close()
        return answer


@asynccontextmanager
async def edge_server(
    methods: Iterable[Method],
    *,
    access: Mapping[str, Access] | None = None,
    limiter: RateLimiter | None = None,
    status: str | None = "active",
    trusted_proxies: int = 0,
    json_max_bytes: int = 10_000,
    proxy: Any = None,
    validate_responses: bool = True,
    admin_routes: Iterable[AdminRoute] = (),
    long_tasks: LongTasks | None = None,
    admin_sessions: AdminSessions | None = None,
    plc_ledger: PlcLedger | None = None,
    measurements: Measurements | None = None,
    metrics_token: str | None = None,
) -> AsyncIterator[EdgeServer]:
    """Serve methods; those that `access` does not name are open to everybody."""
    served = {method.nsid: method for method in methods}
    limiter = limiter or RateLimiter(enabled=False)
    log = io.StringIO()
    writer = LogWriter(log)
    directory = FakeDirectory()
    authenticator = Authenticator(
        sessions=FakeSessions(),
        service_tokens=FakeServiceTokens(),
        admin_tokens=AdminToken(PlainPasswords(), stored_hash=ADMIN_TOKEN, control_token=CONTROL_TOKEN),
        dpop=DpopScheme(DpopProofs(), FakeAccessTokens()),
        account_status=lambda _: status,
        sessions_ended_at=lambda _: None,
        limiter=limiter,
        moderation_did=MODERATION,
    )
    application, edge = build_edge(
        services=bare_services(proxy),
        methods=served,
        access={nsid: (access or {}).get(nsid, NONE) for nsid in served},
        lexicons=LEXICONS,
        authenticator=authenticator,
        admin_routes={route.path: route for route in admin_routes},
        long_tasks=long_tasks or LongTasks(),
        admin_sessions=admin_sessions,
        limiter=limiter,
        directory=directory,
        plc_ledger=plc_ledger,
        instruments=Instruments(),
        measurements=measurements,
        metrics_token=metrics_token,
        request_log=RequestLog(writer, "json"),
        trusted_proxies=trusted_proxies,
        json_max_bytes=json_max_bytes,
        validate_responses=validate_responses,
    )
    await application.start()
    async with serving(edge) as port:
        yield EdgeServer(port, log, writer, directory)


@asynccontextmanager
async def serving(app: Edge) -> AsyncIterator[int]:
    """Run uvicorn around an ASGI app that has been started already."""
    listener = bind("127.0.0.1", 0)
    server = make_server(app)
    server.config.lifespan = "off"

    async def look_often() -> None:
        while not await server.on_tick(0):  # noqa: ASYNC110 - uvicorn has a flag and no event
            await asyncio.sleep(0.005)

    async def shut_down(sockets: object = None) -> None:
        for listening in server.servers:
            listening.close()
        for connection in list(server.server_state.connections):
            connection.shutdown()

    # uvicorn looks ten times a second whether it is to stop, and then waits a tenth of a second: with hundreds of
    # servers that is minutes.
    server.main_loop = look_often  # type: ignore[method-assign]
    server.shutdown = shut_down  # type: ignore[method-assign]
    task = asyncio.create_task(server._serve(sockets=[listener]))
    while not server.started:
        if task.done():
            task.result()
        await asyncio.sleep(0.005)
    try:
        yield listener.getsockname()[1]
    finally:
        server.should_exit = True
        await task
        listener.close()
