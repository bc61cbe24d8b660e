"""Signing in to /admin with the administrator's token, and signing out.

The login form is protected as every other: a nonce in a cookie, and a token in the form that fits it, so that no other
site can sign a browser in. Where a person goes after signing in is a path below /admin, whatever a link says.
"""

from __future__ import annotations

import re
import secrets
from typing import Final, Protocol

from blacksheep import Response

from tempest_pds.http.context import ServerInfo
from tempest_pds.http.errors import XrpcError
from tempest_pds.http.exchange import Exchange
from tempest_pds.http.pages.admin_sessions import AdminSession, AdminSessions
from tempest_pds.http.pages.admin_visit import see_other
from tempest_pds.http.pages.cookies import Cookie
from tempest_pds.http.pages.forms import is_same_origin, read_form
from tempest_pds.http.pages.rendering import PRIVATE, Templates
from tempest_pds.http.query_string import parse_query_string
from tempest_pds.services.errors import AuthenticationRequired

LOGIN: Final = "/admin/login"
LOGOUT: Final = "/admin/logout"
HOME: Final = "/admin"
# The hostname for which the server may make up secrets, and keeps them in files.
_TRIAL: Final = "localhost"
# Of a query, what our own links have: whatever else stands in an address is not to be written into a page.
# No part begins with a dot, however it is written: browsers take `%2e%2e` for the way up.
_SAFE_NEXT: Final = re.compile(
    r"/admin(?:/(?!\.|%2[Ee])[A-Za-z0-9:._~%-]+)*(?:\?(?:&?(?:q|after)=[A-Za-z0-9:._~%+-]*)*)?"
)
_MAX_NEXT: Final = 500


class Administrators(Protocol):
    """What checks the administrator's token, and counts failures."""

    async def administrator(self, client_ip: str, token: str | None) -> object:
        """Raise AuthenticationRequired for a wrong token, XrpcError after too many."""
        ...


class AdminLogin:
    """The login page and the cookie of a session."""

    def __init__(
        self, server: ServerInfo, administrators: Administrators, templates: Templates, sessions: AdminSessions
    ) -> None:
        secure = server.public_url.startswith("https://")
        self._server = server
        self._administrators = administrators
        self._templates = templates
        self._sessions = sessions
        self._cookie = Cookie("tempest-admin", HOME, secure)
        self._nonce = Cookie("tempest-admin-login", LOGIN, secure)

    def session(self, exchange: Exchange) -> AdminSession | None:
        """Find who has signed in."""
        return self._sessions.find(self._cookie.read(exchange.headers))

    def ask(self, exchange: Exchange) -> Response:
        """Send a browser to the login page, and from there back to where it was going."""
        query = exchange.scope["query_string"]
        target = exchange.scope["raw_path"] + (b"?" + query if query else b"")
        wanted = safe_next(target.decode("latin-1"))
        # Of the characters that a safe path has, these alone mean something in a query.
        escaped = wanted.replace("%", "%25").replace("&", "%26").replace("+", "%2B")
        return see_other(LOGIN if wanted == HOME else f"{LOGIN}?next={escaped}")

    async def show(self, exchange: Exchange) -> Response:
        """Show the form, or send on who has signed in already."""
        wanted = safe_next(dict(parse_query_string(exchange.scope["query_string"])).get("next", HOME))
        if self.session(exchange) is not None:
            return see_other(wanted)
        return self._form(exchange, wanted)

    async def sign_in(self, exchange: Exchange) -> Response:
        """Check the token, and begin a session."""
        form = await read_form(exchange)
        wanted = safe_next(form.get("next", HOME))
        if not is_same_origin(exchange.headers, self._server.public_url) or not self._sessions.accepts_login(
            self._nonce.read(exchange.headers), form.get("form_token", "")
        ):
            message = "This form is too old, or was not opened in this browser. Please try again."
            return self._form(exchange, wanted, status=403, message=message)
        try:
            await self._administrators.administrator(exchange.client_ip, form.get("token", "").strip())
        except AuthenticationRequired:
            return self._form(exchange, wanted, status=403, message="That is not the administrator’s token.")
        except XrpcError as error:
            message = "Too many attempts. Please wait some minutes."
            return self._form(exchange, wanted, status=error.status, message=message, headers=list(error.headers))
        self._sessions.end(self._cookie.read(exchange.headers))
        return see_other(wanted, self._cookie.set(self._sessions.begin()), self._nonce.clear())

    def sign_out(self, exchange: Exchange) -> Response:
        """End the session."""
        self._sessions.end(self._cookie.read(exchange.headers))
        return see_other(LOGIN, self._cookie.clear())

    def _form(
        self,
        exchange: Exchange,
        wanted: str,
        *,
        status: int = 200,
        message: str | None = None,
        headers: list[tuple[bytes, bytes]] | None = None,
    ) -> Response:
        # One nonce a browser, so that the form of another tab stays good.
        nonce = self._nonce.read(exchange.headers) or ""
        cookies = []
        if not re.fullmatch(r"[A-Za-z0-9_-]{43}", nonce):
            nonce = secrets.token_urlsafe(32)
            cookies = [self._nonce.set(nonce)]
        return self._templates.page(
            "admin/login.html",
            [*PRIVATE, *cookies, *(headers or [])],
            status=status,
            server=self._server,
            form_token=self._sessions.login_token(nonce),
            next=wanted,
            message=message,
            is_trial=self._server.hostname == _TRIAL,
        )


def safe_next(target: str) -> str:
    """Give a path to go to after signing in: the one asked for if it is a page below /admin, else /admin."""
    if len(target) > _MAX_NEXT or not _SAFE_NEXT.fullmatch(target) or target.startswith(LOGIN):
        return HOME
    return target
