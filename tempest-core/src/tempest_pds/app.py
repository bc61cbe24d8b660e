"""The server as an ASGI application: what `composition` opens, behind the HTTP edge."""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from contextlib import AsyncExitStack

from tempest_pds.composition.root import open_services
from tempest_pds.http.admin import load_admin_routes
from tempest_pds.http.application import build_edge
from tempest_pds.http.auth import Authenticator
from tempest_pds.http.dpop_scheme import DpopScheme
from tempest_pds.http.edge import Edge
from tempest_pds.http.exchange import Receive, Scope, Send
from tempest_pds.http.long_tasks import LongTasks
from tempest_pds.http.methods import load_methods
from tempest_pds.http.rate_limits import RateLimiter
from tempest_pds.logs import LogWriter, RequestLog
from tempest_pds.plugins import PluginManager
from tempest_pds.protocol.lexicon.lexicons import Lexicons
from tempest_pds.settings import Settings
from tempest_pds.stores.control_file import Control, ControlFile
from tempest_pds.telemetry import Instruments, software_version


class Tempest:
    """The server as an ASGI application; `edge` answers once the lifespan has started.

    Args:
        settings: checked already.
        environ: what plugins read their settings from.
        log_writer: where request lines go; None when requests are not logged.

    Attributes:
        control_token: as good as the administrator's own, for as long as this application lives.
    """

    def __init__(self, settings: Settings, environ: Mapping[str, str], log_writer: LogWriter | None = None) -> None:
        self.settings = settings
        self.control_token = secrets.token_urlsafe(32)
        self.startup_error: Exception | None = None
        self._environ = environ
        self._log_writer = log_writer
        self._stack = AsyncExitStack()
        self._edge: Edge | None = None
        self._plugins: PluginManager | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one connection scope, or run the lifespan."""
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
            return
        assert self._edge is not None, "requests come after the lifespan has started"
        await self._edge(scope, receive, send)

    async def start(self, *, serving: bool = True) -> None:
        """Open everything; whatever was opened is closed again when a step fails.

        Args:
            serving: whether a server starts, of which plugins are told, which sends mails and sweeps from time to time.
                A command that opens the application for itself does nothing of that.
        """
        settings = self.settings
        instruments = Instruments()
        async with AsyncExitStack() as stack:
            lexicons = Lexicons(settings.lexicon_paths)
            opened = await open_services(
                settings, self._environ, instruments, lexicons, stack, self.control_token, serving=serving
            )
            limiter = RateLimiter(
                enabled=settings.rate_limits_enabled,
                bypass_key=settings.rate_limit_bypass_key,
                bypass_addresses=frozenset(settings.rate_limit_bypass_ips),
                control_token=self.control_token,
            )
            authenticator = Authenticator(
                sessions=opened.sessions,
                service_tokens=opened.service_tokens,
                admin_tokens=opened.admin_tokens,
                dpop=DpopScheme(opened.proofs, opened.access_tokens),
                account_status=opened.hosting.status,
                sessions_ended_at=opened.hosting.sessions_ended_at,
                limiter=limiter,
                moderation_did=settings.mod_service_did,
            )
            request_log = None
            if self._log_writer is not None and settings.log_requests and settings.log_level in {"debug", "info"}:
                request_log = RequestLog(self._log_writer, settings.log_format)
                stack.callback(request_log.flush)
            long_tasks = LongTasks()
            stack.push_async_callback(long_tasks.close)
            application, edge = build_edge(
                services=opened.services,
                methods=load_methods(),
                admin_routes=load_admin_routes(),
                long_tasks=long_tasks,
                lexicons=lexicons,
                authenticator=authenticator,
                limiter=limiter,
                directory=opened.directory,
                plc_ledger=opened.plc_ledger,
                page_key=opened.page_key,
                instruments=instruments,
                measurements=opened.measurements,
                metrics_token=settings.metrics_token,
                request_log=request_log,
                trusted_proxies=settings.trusted_proxy_count,
                json_max_bytes=settings.json_max_bytes,
                validate_responses=settings.validate_responses,
            )
            await application.start()  # type: ignore[no-untyped-call]  # BlackSheep leaves it untyped
            stack.push_async_callback(application.stop)
            self._edge = edge
            self._stack = stack.pop_all()
        if not serving:
            return
        self._plugins = opened.plugins
        opened.plugins.notify(
            "server_started",
            hostname=settings.hostname,
            public_url=settings.public_url,
            version=software_version(),
        )

    def take_commands(self, url: str) -> None:
        """Let commands on this machine find the server, at a URL of this machine, until it stops."""
        file = ControlFile(self.settings.data_dir)
        self._stack.callback(file.remove)
        file.write(Control(url, self.control_token, os.getpid()))

    async def stop(self) -> None:
        """Close everything, in reverse."""
        if self._plugins is not None:
            self._plugins.notify("server_stopping", hostname=self.settings.hostname)
        await self._stack.aclose()

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        await receive()
        try:
            await self.start()
        except Exception as error:  # noqa: BLE001 - whoever runs the server says what is wrong
            self.startup_error = error
            await send({"type": "lifespan.startup.failed", "message": ""})
            return
        await send({"type": "lifespan.startup.complete"})
        await receive()
        try:
            await self.stop()
        finally:
            await send({"type": "lifespan.shutdown.complete"})


def build_app(settings: Settings, environ: Mapping[str, str], log_writer: LogWriter | None = None) -> Tempest:
    """Make the application; nothing is opened before its lifespan starts."""
    return Tempest(settings, environ, log_writer)
