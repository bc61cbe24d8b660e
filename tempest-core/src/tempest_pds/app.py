"""The composition root: everything is made here, in order, and handed to those who need it.

`Tempest` is the ASGI application. Its lifespan opens the data directory and the services, and closes them in reverse;
`open_services` is the one place where the fields of `Services` are filled.
"""

from __future__ import annotations

import gc
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass

import structlog

from tempest_pds.http.application import build_edge
from tempest_pds.http.auth import AdminTokens, Authenticator, ServiceTokens, SessionTokens
from tempest_pds.http.context import ServerInfo, Services
from tempest_pds.http.edge import Edge
from tempest_pds.http.exchange import Receive, Scope, Send
from tempest_pds.http.forwarding import Forwarding
from tempest_pds.http.methods import load_methods
from tempest_pds.http.pages.service import Directory
from tempest_pds.http.rate_limits import RateLimiter
from tempest_pds.logs import LogWriter, RequestLog
from tempest_pds.protocol.data_model.value import LexValue
from tempest_pds.protocol.lexicon.lexicons import Lexicons
from tempest_pds.protocol.syntax.did import Did
from tempest_pds.protocol.syntax.handle import Handle
from tempest_pds.remote.did_resolver import DidResolver
from tempest_pds.remote.plc_directory import Plc, PlcDirectory
from tempest_pds.remote.plc_ledger import PlcLedger
from tempest_pds.remote.safe_fetch import SafeFetch
from tempest_pds.services.account_writer import AccountWriter
from tempest_pds.services.admin_token import AdminToken
from tempest_pds.services.handle_rules import HandleRules
from tempest_pds.services.hosted_documents import HostedDocuments
from tempest_pds.services.hosting import Hosting
from tempest_pds.services.passwords import Passwords
from tempest_pds.services.proxy import Proxy, Service
from tempest_pds.services.service_auth import ServiceAuth
from tempest_pds.services.sessions import Sessions
from tempest_pds.services.tokens import Tokens
from tempest_pds.settings import Settings
from tempest_pds.stores.account.account_store import AccountStore
from tempest_pds.stores.data_directory import DataDirectory
from tempest_pds.stores.key_files import KeyFiles
from tempest_pds.telemetry import Instruments, software_version

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Opened:
    """What the HTTP layer needs of the rest."""

    services: Services
    sessions: SessionTokens
    service_tokens: ServiceTokens
    admin_tokens: AdminTokens
    hosting: Hosting
    directory: Directory


class Tempest:
    """The server as an ASGI application; `edge` answers once the lifespan has started.

    Args:
        settings: checked already.
        environ: what plugins read their settings from.
        log_writer: where request lines go; None when requests are not logged.
    """

    def __init__(self, settings: Settings, environ: Mapping[str, str], log_writer: LogWriter | None = None) -> None:
        self.settings = settings
        self.startup_error: Exception | None = None
        self._environ = environ
        self._log_writer = log_writer
        self._stack = AsyncExitStack()
        self._edge: Edge | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one connection scope, or run the lifespan."""
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
            return
        assert self._edge is not None, "requests come after the lifespan has started"
        await self._edge(scope, receive, send)

    async def start(self) -> None:
        """Open everything; whatever was opened is closed again when a step fails."""
        settings = self.settings
        instruments = Instruments()
        async with AsyncExitStack() as stack:
            lexicons = Lexicons(settings.lexicon_paths)
            opened = await open_services(settings, self._environ, instruments, lexicons, stack)
            limiter = RateLimiter(
                enabled=settings.rate_limits_enabled,
                bypass_key=settings.rate_limit_bypass_key,
                bypass_addresses=frozenset(settings.rate_limit_bypass_ips),
            )
            authenticator = Authenticator(
                sessions=opened.sessions,
                service_tokens=opened.service_tokens,
                admin_tokens=opened.admin_tokens,
                account_status=opened.hosting.status,
                limiter=limiter,
                moderation_did=settings.mod_service_did,
            )
            request_log = None
            if self._log_writer is not None and settings.log_requests and settings.log_level in {"debug", "info"}:
                request_log = RequestLog(self._log_writer, settings.log_format)
                stack.callback(request_log.flush)
            application, edge = build_edge(
                services=opened.services,
                methods=load_methods(),
                lexicons=lexicons,
                authenticator=authenticator,
                limiter=limiter,
                directory=opened.directory,
                instruments=instruments,
                request_log=request_log,
                trusted_proxies=settings.trusted_proxy_count,
                json_max_bytes=settings.json_max_bytes,
                validate_responses=settings.validate_responses,
            )
            await application.start()  # type: ignore[no-untyped-call]  # BlackSheep leaves it untyped
            stack.push_async_callback(application.stop)
            self._edge = edge
            self._stack = stack.pop_all()
        # What lives from here on lives for good: the collector need not look at it again.
        gc.collect()
        gc.freeze()

    async def stop(self) -> None:
        """Close everything, in reverse."""
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


def server_info(settings: Settings) -> ServerInfo:
    """Tell what the server says of itself."""
    return ServerInfo(
        version=software_version(),
        hostname=settings.hostname,
        public_url=settings.public_url,
        did=settings.service_did,
        handle_domains=settings.handle_domains,
        invite_required=settings.invite_required,
        blob_max_bytes=settings.blob_max_bytes,
        repo_import_enabled=settings.repo_import_enabled,
        repo_import_max_bytes=settings.repo_import_max_bytes,
        contact_email=settings.contact_email,
        privacy_policy_url=settings.privacy_policy_url,
        terms_of_service_url=settings.terms_of_service_url,
    )


async def open_services(
    settings: Settings,
    environ: Mapping[str, str],
    instruments: Instruments,
    lexicons: Lexicons,
    stack: AsyncExitStack,
) -> Opened:
    """Open the data directory and all services; `stack` closes them in reverse."""
    own_did = Did.parse(settings.service_did)
    data = DataDirectory(settings.data_dir)
    stack.enter_context(data.lock())
    keys = KeyFiles(data.keys)

    accounts = AccountStore(data.accounts)
    stack.callback(accounts.close)
    writer = AccountWriter()
    stack.callback(writer.close)
    passwords = Passwords()
    stack.callback(passwords.close)
    hosting = Hosting(accounts.accounts)

    strangers = SafeFetch(allow_private=not settings.ssrf_protection)
    stack.push_async_callback(strangers.close)
    configured = SafeFetch(allow_private=True)
    stack.push_async_callback(configured.close)
    plc: Plc
    if settings.plc_url is None:
        plc = PlcLedger(data.root / "plc_ledger.jsonl")
        _log.warning("a ledger in the data directory stands in for the PLC directory; nobody else can see it")
    else:
        plc = PlcDirectory(configured, settings.plc_url)
    dids = DidResolver(strangers, plc, allow_private=not settings.ssrf_protection)
    stack.push_async_callback(dids.close)

    tokens = Tokens(_token_secret(settings, keys), own_did)
    service_auth = ServiceAuth(keys, dids, own_did)
    proxy = Proxy(
        strangers,
        configured,
        dids,
        service_auth,
        app_view=Service(Did.parse(settings.appview_did), settings.appview_url),
        reports=Service(Did.parse(settings.report_service_did), settings.report_service_url),
        moderation=Service(Did.parse(settings.mod_service_did), settings.mod_service_url),
    )
    stack.push_async_callback(proxy.close)
    documents = HostedDocuments(accounts, keys, HandleRules(settings.handle_domains), own_did, settings.public_url)
    sessions = Sessions(accounts, writer, tokens, passwords, dids)
    services = Services(
        server=server_info(settings),
        lexicons=lexicons,
        hosting=hosting,
        sessions=sessions,
        service_auth=service_auth,
        proxy=Forwarding(proxy),
    )
    return Opened(
        services=services,
        sessions=sessions,
        service_tokens=service_auth,
        admin_tokens=_admin_token(settings, keys, passwords),
        hosting=hosting,
        directory=_HostedDirectory(accounts, documents),
    )


def _token_secret(settings: Settings, keys: KeyFiles) -> bytes:
    if settings.secret_key_base is not None:
        return settings.secret_key_base.encode()
    return keys.load_or_create("secret_key_base")


def _admin_token(settings: Settings, keys: KeyFiles, passwords: Passwords) -> AdminToken:
    if settings.admin_token_hash is not None:
        return AdminToken(passwords, stored_hash=settings.admin_token_hash)
    return AdminToken(passwords, stored_hash=None, token=keys.load_or_create("admin_token").hex())


class _HostedDirectory:
    """What the small pages ask of the accounts."""

    def __init__(self, store: AccountStore, documents: HostedDocuments) -> None:
        self._store = store
        self._documents = documents

    def did_of_handle(self, handle: Handle) -> Did | None:
        """Give the account of a handle that is hosted here."""
        account = self._store.accounts.by_handle(handle)
        return None if account is None else account.did

    def hosted_did_document(self, did: Did) -> Mapping[str, LexValue] | None:
        """Give the document of a did:web that this server answers for."""
        return self._documents.document(did)

    def check(self) -> None:
        """Raise when the database does not answer."""
        self._store.accounts.count()
