"""BlackSheep's application: one catch-all route below /xrpc/, a few pages, and a fallback for all the rest.

Annotations are real objects here: BlackSheep wraps every handler that it does not see to return a Response.
"""

import inspect
import os
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial

from blacksheep import Application, Request, Response, Router, WebSocket

from tempest_pds.http.access import Access
from tempest_pds.http.admin_routes import ADMIN_PREFIX, AdminRoute, AdminRouter
from tempest_pds.http.auth import Authenticator
from tempest_pds.http.context import Services
from tempest_pds.http.dispatch import Dispatcher
from tempest_pds.http.edge import Edge
from tempest_pds.http.errors import ErrorAnswer, XrpcError
from tempest_pds.http.exchange import exchange_of
from tempest_pds.http.long_tasks import LongTasks
from tempest_pds.http.method_access import METHOD_ACCESS
from tempest_pds.http.oauth.documents import OAuthDocuments
from tempest_pds.http.oauth.endpoints import OAuthEndpoints
from tempest_pds.http.pages.admin_actions import ACTIONS
from tempest_pds.http.pages.admin_pages import PAGES
from tempest_pds.http.pages.admin_sessions import AdminSessions
from tempest_pds.http.pages.admin_site import SITE, AdminSite
from tempest_pds.http.pages.metrics import Measurements, MetricsPage
from tempest_pds.http.pages.people.all_pages import PAGES as PEOPLE_PAGES
from tempest_pds.http.pages.people.site import PeopleSite, is_for_people
from tempest_pds.http.pages.rendering import Templates
from tempest_pds.http.pages.service import Directory, Page, ServicePages
from tempest_pds.http.plc_ledger_pages import Ledger, PlcLedgerPages
from tempest_pds.http.rate_limits import RateLimiter
from tempest_pds.http.responses import error_response
from tempest_pds.http.socket import SocketServer, deny
from tempest_pds.http.xrpc import Method
from tempest_pds.logs import RequestLog
from tempest_pds.protocol.lexicon.lexicons import Lexicons
from tempest_pds.telemetry import Instruments

_ADMIN = ADMIN_PREFIX.encode()


def build_application(
    dispatcher: Dispatcher,
    admin: AdminRouter,
    sockets: SocketServer,
    pages: Mapping[str, Page],
    admin_site: AdminSite,
    people_site: PeopleSite,
    endpoints: Mapping[str, Page],
    ledger: PlcLedgerPages | None = None,
) -> Application:
    """Make the application.

    Args:
        dispatcher: answers what is below /xrpc/.
        admin: answers what is below /xrpc/_admin/.
        sockets: answers WebSockets there.
        pages: handlers of GET and HEAD by exact path.
        admin_site: answers what is at /admin and below.
        people_site: answers what is below /account and /oauth/authorize.
        endpoints: of the OAuth provider: handlers of POST by exact path, who refuse other methods themselves.
        ledger: answers what a PLC directory is asked, where a ledger stands in for it.
    """
    with _without_app_variables(), _without_source_lines():
        router = Router()
        application = Application(router=router)
    application.show_error_details = False

    async def below_xrpc(request: Request) -> Response:
        if request.scope["raw_path"].startswith(_ADMIN):
            return await admin.handle(request)
        return await dispatcher.handle(request)

    def method_caller() -> Page:
        # One for each route: BlackSheep wraps a handler that stands in several, once for each of them.
        async def call_method(request: Request) -> Response:
            return await below_xrpc(request)

        return call_method

    async def serve_socket(websocket: WebSocket) -> None:
        await sockets.handle(websocket)

    async def anything_else(request: Request) -> Response:
        # BlackSheep sends WebSockets and unknown verbs here too.
        if isinstance(request, WebSocket):
            await deny(request, XrpcError(404, "NotFound", "Not Found"))
            return Response(404)
        path: bytes = request.scope["raw_path"]
        if path.startswith(b"/xrpc/"):
            return await below_xrpc(request)
        if path == SITE or path.startswith(SITE + b"/"):
            return await admin_site.handle(request)
        if is_for_people(path):
            return await people_site.handle(request)
        if ledger is not None and ledger.answers(path):
            return await ledger.handle(request)
        endpoint = endpoints.get(path.decode("latin-1"))
        if endpoint is not None:
            return await endpoint(request)
        if path.decode("latin-1") in pages:
            return error_response(
                ErrorAnswer(405, "InvalidRequest", "Method Not Allowed", ((b"allow", b"GET, HEAD, OPTIONS"),)), []
            )
        return error_response(ErrorAnswer(404, "NotFound", "Not Found"), [])

    for add in (router.add_get, router.add_head, router.add_post):
        add("/xrpc/*", method_caller())
    router.add_ws("/xrpc/*", serve_socket)
    for path, page in pages.items():
        router.add_get(path, _exact(path, page, anything_else))
        router.add_head(path, _exact(path, page, anything_else))
    for path, endpoint in endpoints.items():
        router.add_post(path, _exact(path, endpoint, anything_else))
    router.fallback = anything_else
    return application


def _exact(path: str, page: Page, otherwise: Page) -> Page:
    raw_path = path.encode("ascii")

    async def serve(request: Request) -> Response:
        # BlackSheep's routes match in any case, percent-encoded, and with a slash at the end.
        if request.scope["raw_path"] != raw_path:
            return await otherwise(request)
        exchange_of(request).target = path
        return await page(request)

    return serve


@contextmanager
def _without_app_variables() -> Iterator[None]:
    """Keep BlackSheep from reading APP_* variables, which belong to whoever named them, not to this server."""
    hidden = {name: os.environ.pop(name) for name in list(os.environ) if name.startswith("APP_")}
    try:
        yield
    finally:
        os.environ.update(hidden)


@contextmanager
def _without_source_lines() -> Iterator[None]:
    """Keep BlackSheep, when it looks up who makes the application, from reading the source of all callers: 60 ms."""
    stack = inspect.stack
    inspect.stack = partial(stack, 0)
    try:
        yield
    finally:
        inspect.stack = stack


def build_edge(
    *,
    services: Services,
    methods: Mapping[str, Method],
    access: Mapping[str, Access] = METHOD_ACCESS,
    admin_routes: Mapping[str, AdminRoute],
    long_tasks: LongTasks,
    lexicons: Lexicons,
    authenticator: Authenticator,
    limiter: RateLimiter,
    directory: Directory,
    instruments: Instruments,
    plc_ledger: Ledger | None = None,
    measurements: Measurements | None = None,
    metrics_token: str | None = None,
    page_key: bytes | None = None,
    request_log: RequestLog | None = None,
    admin_sessions: AdminSessions | None = None,
    trusted_proxies: int = 0,
    json_max_bytes: int = 1_048_576,
    validate_responses: bool = False,
) -> tuple[Application, Edge]:
    """Assemble all of the HTTP layer: BlackSheep's application, to be started, and the ASGI app around it.

    Without `page_key` the forms of the pages for people are good until this process ends.
    """
    dispatcher = Dispatcher(
        services=services,
        methods=methods,
        access=access,
        lexicons=lexicons,
        authenticator=authenticator,
        limiter=limiter,
        json_max_bytes=json_max_bytes,
        validate_responses=validate_responses,
    )
    sockets = SocketServer(dispatcher, services, limiter, trusted_proxies=trusted_proxies)
    admin = AdminRouter(services, admin_routes, authenticator, limiter, long_tasks)
    templates = Templates()
    site = AdminSite(
        services=services,
        administrators=authenticator,
        templates=templates,
        pages=PAGES + ACTIONS,
        sessions=admin_sessions or AdminSessions(),
    )
    people = PeopleSite(
        services=services,
        templates=templates,
        limiter=limiter,
        pages=PEOPLE_PAGES,
        key=page_key or secrets.token_bytes(32),
    )
    pages = {
        **ServicePages(services.server, directory, templates).routes(),
        **people.routes(),
        **OAuthDocuments(services).routes(),
    }
    if measurements is not None:
        metrics = MetricsPage(measurements, services=services, authenticator=authenticator, token=metrics_token)
        pages.update(metrics.routes())
    endpoints = OAuthEndpoints(services, authenticator, limiter).routes()
    ledger = None if plc_ledger is None else PlcLedgerPages(plc_ledger)
    application = build_application(dispatcher, admin, sockets, pages, site, people, endpoints, ledger)
    edge = Edge(application, instruments=instruments, request_log=request_log, trusted_proxies=trusted_proxies)
    return application, edge
