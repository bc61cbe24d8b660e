"""The pages for people, below /account and /oauth/authorize: which page a path leads to, and whose forms are taken.

A browser is known by one cookie of 256 random bits, set by the first page that is looked at, and by no answer to a
form. It is `Lax`, as apps on other sites send people to /oauth/authorize. A form is taken when the browser says that it
was submitted on this site, and when it carries the token that fits the cookie.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping, Sequence
from typing import Final
from urllib.parse import unquote

import structlog
from blacksheep import Request, Response

from tempest_pds.http.context import Services
from tempest_pds.http.errors import ClientGone, answer_to
from tempest_pds.http.exchange import Exchange, exchange_of
from tempest_pds.http.pages.cookies import Cookie
from tempest_pds.http.pages.forms import is_same_origin, read_form
from tempest_pds.http.pages.people.languages import DEFAULT, Texts
from tempest_pds.http.pages.people.own_paths import HOME, RESET, own_path
from tempest_pds.http.pages.people.page import PeoplePage
from tempest_pds.http.pages.people.refusals import FORM_TOO_OLD, NO_SUCH_PAGE, NOT_THIS_WAY, GoElsewhere, Refusal
from tempest_pds.http.pages.people.seals import Seals
from tempest_pds.http.pages.people.visit import Doorway, Visit
from tempest_pds.http.pages.rendering import PRIVATE, Templates
from tempest_pds.http.pages.service import Page
from tempest_pds.http.query_string import parse_query_string
from tempest_pds.http.rate_limits import GLOBAL, RateLimiter

SITES: Final = (b"/account", b"/oauth/authorize")
COOKIE: Final = "tempest-browser"

_SECRET: Final = re.compile(r"[A-Za-z0-9_-]{43}")
_MAX_USER_AGENT: Final = 300
# Of what went wrong a person is told the kind, in words of ours; the details are for programs.
_MESSAGES: Final = {
    403: "This is not allowed.",
    404: NO_SUCH_PAGE,
    413: "That is too much text.",
    500: "Something went wrong here. It is not your fault; please try again later.",
    502: "Another server that this needs does not answer. Please try again later.",
    503: "This server is very busy. Please try again in a moment.",
}
_OTHERWISE: Final = "This cannot be done as it was asked."

_log = structlog.get_logger("tempest_pds.people_site")


def is_for_people(raw_path: bytes) -> bool:
    """Tell whether a path is answered by the pages for people."""
    return any(raw_path == site or raw_path.startswith(site + b"/") for site in SITES)


class PeopleSite:
    """Answers what is for people.

    Args:
        key: known to this server alone, and the same after a restart.
    """

    def __init__(
        self,
        *,
        services: Services,
        templates: Templates,
        limiter: RateLimiter,
        pages: Sequence[PeoplePage],
        key: bytes,
    ) -> None:
        secure = services.server.public_url.startswith("https://")
        self._doorway = Doorway(
            services=services,
            templates=templates,
            limiter=limiter,
            seals=Seals(key),
            browser_cookie=Cookie(COOKIE, "/", secure, "Lax"),
            notice_cookie=Cookie("tempest-notice", "/", secure, "Lax"),
            language_cookie=Cookie("tempest-language", "/", secure, "Lax"),
        )
        # What is spelt out goes before what stands for anything.
        self._pages = sorted(
            ((page, page.path.split("/")) for page in pages), key=lambda found: [name == "*" for name in found[1]]
        )

    def routes(self) -> Mapping[str, Page]:
        """Give the handlers of what stands elsewhere, by path."""
        return {"/.well-known/change-password": self.change_password}

    async def change_password(self, request: Request) -> Response:
        """Lead a password manager to where a password is set: https://w3c.github.io/webappsec-change-password-url/."""
        return Response(303, [(b"location", RESET.encode()), *PRIVATE])

    async def handle(self, request: Request) -> Response:
        """Answer one request."""
        exchange = exchange_of(request)
        exchange.target = "/account/*"
        visit = self._stranger(exchange)
        try:
            page, visit.names = self._find(exchange)
            exchange.target = page.path
            visit.count(GLOBAL)
            await self._recognise(visit, exchange)
            if page.http_method == "POST":
                visit.here = self._in_front(visit.here)
                visit.form = await self._read_form(visit, exchange, page)
                # It may have taken long to come: who was thrown out meanwhile is not signed in any more.
                visit.accounts = self._doorway.services.browsers.accounts(visit.secret)
            return await page.handler(visit)
        except ClientGone:
            raise
        except GoElsewhere as error:
            return visit.redirect(error.path)
        except Exception as error:  # noqa: BLE001 - the table of errors decides what each becomes
            answer = answer_to(error)
            if answer.unexpected:
                _log.error("unexpected error", target=exchange.target, exc_info=error)
            visit.headers.extend(answer.headers)
            message = answer.message if isinstance(error, Refusal) else _MESSAGES.get(answer.status, _OTHERWISE)
            return visit.page(
                "people/problem.html",
                status=answer.status,
                message=visit.texts(message),
                # What is not there would be found no better.
                way_back=None if answer.status in {404, 405} else visit.here,
                pages_at=self._pages_at(exchange) if message == FORM_TOO_OLD else None,
            )

    def _pages_at(self, exchange: Exchange) -> str | None:
        """Tell where the pages are when the browser has come by another name, under which it may keep no cookies."""
        public_url = self._doorway.services.server.public_url
        host = exchange.headers.get(b"host", b"").decode("latin-1").lower()
        return None if host == public_url.partition("://")[2] else public_url + HOME

    def _stranger(self, exchange: Exchange) -> Visit:
        """Make the visit of somebody who is not recognised yet; this cannot fail."""
        doorway, headers = self._doorway, exchange.headers
        path = exchange.scope["raw_path"].decode("latin-1")
        query = exchange.scope["query_string"].decode("latin-1")
        secret = doorway.browser_cookie.read(headers) or ""
        fresh = []
        if not _SECRET.fullmatch(secret):
            secret = secrets.token_urlsafe(32)
            # A form that another site submits comes without the cookie, which a new one would replace: its person would
            # be signed out everywhere.
            fresh = [doorway.browser_cookie.set(secret)] if exchange.scope["method"] in {"GET", "HEAD"} else []
        visit = Visit(
            doorway=doorway,
            client_ip=exchange.client_ip,
            user_agent=headers.get(b"user-agent", b"").decode("latin-1")[:_MAX_USER_AGENT] or None,
            request_headers=headers,
            path=path,
            here=own_path(f"{path}?{query}" if query else path, own_path(path)),
            names=(),
            query={},
            form={},
            secret=secret,
            accounts=[],
            texts=Texts(DEFAULT),
            headers=fresh,
        )
        visit.prefer(None)
        return visit

    async def _recognise(self, visit: Visit, exchange: Exchange) -> None:
        visit.query_pairs = parse_query_string(exchange.scope["query_string"])
        visit.query = dict(visit.query_pairs)
        visit.prefer(visit.query.get("ui_locales"))
        if not visit.headers:
            browsers = self._doorway.services.browsers
            # An account's own pages name it in the path, those of an authorization in the query.
            did = visit.names[0] if visit.names else visit.query.get("account")
            visit.accounts = await browsers.seen(visit.secret, visit.client_ip, visit.user_agent, did)

    async def _read_form(self, visit: Visit, exchange: Exchange, page: PeoplePage) -> dict[str, str]:
        if not is_same_origin(exchange.headers, self._doorway.services.server.public_url):
            raise Refusal(403, FORM_TOO_OLD)
        form = await read_form(exchange)
        if page.way_back is not None:
            visit.here = own_path(page.way_back(form), visit.here)
        if not self._doorway.seals.accepts(form.pop("form_token", ""), visit.secret):
            raise Refusal(403, FORM_TOO_OLD)
        return form

    def _in_front(self, here: str) -> str:
        """Give the page whose form leads to a path: this one, or the next above that can be looked at."""
        segments = here.partition("?")[0].split("/")
        for length in range(len(segments), 1, -1):
            if any(page.http_method == "GET" for page in self._at(segments[:length])[1]):
                return here if length == len(segments) else "/".join(segments[:length])
        return here

    def _at(self, segments: list[str]) -> tuple[list[str], list[PeoplePage]]:
        """Give the pattern that fits a path best, and its pages."""
        fitting = [(page, pattern) for page, pattern in self._pages if _fits(pattern, segments)]
        pattern = fitting[0][1] if fitting else []
        return pattern, [page for page, other in fitting if other == pattern]

    def _find(self, exchange: Exchange) -> tuple[PeoplePage, list[str]]:
        """Find a page and what stands for each `*` in its path; raise Refusal."""
        verb = "GET" if exchange.scope["method"] == "HEAD" else exchange.scope["method"]
        segments = exchange.scope["raw_path"].decode("latin-1").split("/")
        pattern, pages = self._at(segments)
        if not pages:
            raise Refusal(404, NO_SUCH_PAGE)
        for page in pages:
            if page.http_method == verb:
                pairs = zip(pattern, segments, strict=True)
                return page, [unquote(given) for wanted, given in pairs if wanted == "*"]
        allowed = ["GET, HEAD" if page.http_method == "GET" else page.http_method for page in pages]
        raise Refusal(405, NOT_THIS_WAY, [(b"allow", ", ".join(sorted(allowed)).encode())])


def _fits(pattern: list[str], segments: list[str]) -> bool:
    return len(pattern) == len(segments) and all(
        wanted in {"*", given} for wanted, given in zip(pattern, segments, strict=True)
    )
