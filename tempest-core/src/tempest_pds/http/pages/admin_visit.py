"""One request of a person at /admin who has signed in."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from blacksheep import Response

from tempest_pds.http.audit import note_action
from tempest_pds.http.context import Services
from tempest_pds.http.errors import XrpcError
from tempest_pds.http.pages.admin_sessions import AdminSession
from tempest_pds.http.pages.rendering import PRIVATE, Templates
from tempest_pds.protocol.syntax.did import Did


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """What a page is given.

    Attributes:
        path: of the route.
        name: what stands for `*` in the path of the route, percent-decoded; empty otherwise.
        query: of the URL.
        form: what was submitted, already known to come from a page of this session; empty for GET.
    """

    services: Services
    session: AdminSession
    templates: Templates
    client_ip: str
    path: str
    name: str
    query: Mapping[str, str]
    form: Mapping[str, str]

    @property
    def did(self) -> Did:
        """The account that the path names; raises XrpcError when it is no DID."""
        if not Did.is_valid(self.name):
            raise no_such_account()
        return Did(self.name)

    def page(self, template: str, *, status: int = 200, **values: Any) -> Response:
        """Answer with a page."""
        return self.templates.page(
            template,
            PRIVATE,
            status=status,
            server=self.services.server,
            form_token=self.session.form_token,
            notice=self.session.take_notice(),
            **values,
        )

    def audit(self, subject: object, **detail: Any) -> None:
        """Note in the log what a form has done; see `http/audit.py`."""
        note_action(self.path, "admin", self.client_ip, subject, **detail)

    def done(self, notice: str, path: str) -> Response:
        """Send the browser on to a page of ours, which shows the notice: reloading it submits nothing again."""
        self.session.notice = notice
        return see_other(path)


def no_such_account() -> XrpcError:
    """Make the refusal of a page about an account that is not here."""
    return XrpcError(404, "NotFound", "There is no such account here.")


def see_other(path: str, *cookies: tuple[bytes, bytes]) -> Response:
    """Send a browser on to a path of this server."""
    return Response(303, [(b"location", path.encode("ascii")), *PRIVATE, *cookies])


@dataclass(frozen=True, slots=True)
class AdminPage:
    """A route below /admin; `*` in its path stands for one segment, and calling it calls its function."""

    http_method: Literal["GET", "POST"]
    path: str
    handler: Callable[[Visit], Awaitable[Response]]


def admin_page(
    http_method: Literal["GET", "POST"], path: str
) -> Callable[[Callable[[Visit], Awaitable[Response]]], AdminPage]:
    """Declare a page for those who have signed in. A POST comes with a form token that was checked."""

    def declare(handler: Callable[[Visit], Awaitable[Response]]) -> AdminPage:
        return AdminPage(http_method, path, handler)

    return declare
