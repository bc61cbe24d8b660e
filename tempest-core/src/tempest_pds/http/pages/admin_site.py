"""Everything below /admin: who may see it, and which page a path leads to.

Nothing here answers anybody who has not signed in, but the login page: a browser is sent there, a form is refused.
Neither tells whether a page exists.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final
from urllib.parse import unquote

import structlog
from blacksheep import Request, Response

from tempest_pds.http.context import Services
from tempest_pds.http.errors import ClientGone, ErrorAnswer, XrpcError, answer_to
from tempest_pds.http.exchange import Exchange, exchange_of
from tempest_pds.http.pages.admin_login import LOGIN, LOGOUT, Administrators, AdminLogin
from tempest_pds.http.pages.admin_sessions import AdminSession, AdminSessions
from tempest_pds.http.pages.admin_visit import AdminPage, Visit
from tempest_pds.http.pages.forms import is_same_origin, read_form
from tempest_pds.http.pages.rendering import PRIVATE, Templates
from tempest_pds.http.query_string import parse_query_string

SITE: Final = b"/admin"

_log = structlog.get_logger("tempest_pds.admin_site")


class AdminSite:
    """Answers what is below /admin.

    Args:
        pages: for those who have signed in.
    """

    def __init__(
        self,
        *,
        services: Services,
        administrators: Administrators,
        templates: Templates,
        pages: Sequence[AdminPage],
        sessions: AdminSessions,
    ) -> None:
        self._services = services
        self._templates = templates
        self._login = AdminLogin(services.server, administrators, templates, sessions)
        self._pages = [(page, page.path.split("/")) for page in pages]

    async def handle(self, request: Request) -> Response:
        """Answer one request."""
        exchange = exchange_of(request)
        exchange.target = "/admin/*"
        session: AdminSession | None = None
        try:
            path = exchange.scope["raw_path"].decode("latin-1")
            verb = "GET" if exchange.scope["method"] == "HEAD" else exchange.scope["method"]
            if path == LOGIN and verb in {"GET", "POST"}:
                exchange.target = LOGIN
                return await (self._login.show if verb == "GET" else self._login.sign_in)(exchange)
            session = self._login.session(exchange)
            if session is None:
                if verb == "GET":
                    return self._login.ask(exchange)
                raise XrpcError(403, "Forbidden", "Please sign in first.")
            return await self._serve(exchange, session, verb, path)
        except ClientGone:
            raise
        except Exception as error:  # noqa: BLE001 - the table of errors decides what each becomes
            answer = answer_to(error)
            if answer.unexpected:
                _log.error("unexpected error", target=exchange.target, exc_info=error)
            return self._refuse(answer, session)

    async def _serve(self, exchange: Exchange, session: AdminSession, verb: str, path: str) -> Response:
        form: dict[str, str] = {}
        if verb == "POST":
            form = await read_form(exchange)
            ours = is_same_origin(exchange.headers, self._services.server.public_url)
            if not ours or not session.accepts(form.pop("form_token", "")):
                raise XrpcError(
                    403, "Forbidden", "This form is too old, or is not one of this server’s. Go back, reload."
                )
        if path in {LOGIN, LOGOUT}:
            if verb == "POST" and path == LOGOUT:
                exchange.target = LOGOUT
                return self._login.sign_out(exchange)
            raise XrpcError(405, "InvalidRequest", "This address takes forms only.", ((b"allow", b"POST"),))
        page, name = self._find(verb, path)
        exchange.target = page.path
        visit = Visit(
            services=self._services,
            session=session,
            templates=self._templates,
            client_ip=exchange.client_ip,
            path=page.path,
            name=name,
            query=dict(parse_query_string(exchange.scope["query_string"])),
            form=form,
        )
        return await page.handler(visit)

    def _find(self, verb: str, path: str) -> tuple[AdminPage, str]:
        """Find a page and what stands for `*` in its path; raise XrpcError."""
        segments = path.split("/")
        other_verbs = []
        for page, pattern in self._pages:
            if len(pattern) != len(segments):
                continue
            if all(wanted in {"*", given} for wanted, given in zip(pattern, segments, strict=True)):
                if page.http_method == verb:
                    name = unquote(segments[pattern.index("*")]) if "*" in pattern else ""
                    return page, name
                other_verbs.append("GET, HEAD" if page.http_method == "GET" else page.http_method)
        if other_verbs:
            allow = ((b"allow", ", ".join(other_verbs).encode()),)
            raise XrpcError(405, "InvalidRequest", "This address cannot be asked this way.", allow)
        raise XrpcError(404, "NotFound", "There is no such page.")

    def _refuse(self, answer: ErrorAnswer, session: AdminSession | None) -> Response:
        return self._templates.page(
            "admin/problem.html",
            [*PRIVATE, *answer.headers],
            status=answer.status,
            server=self._services.server,
            form_token=None if session is None else session.form_token,
            notice=None,
            message=answer.message,
        )
