"""A forgotten password: a mail with a code, and a new password for who has the code."""

from __future__ import annotations

from typing import Any, Final

from blacksheep import Response

from tempest_pds.http.methods.email import RESET_REQUESTS, RESETS
from tempest_pds.http.pages.people.own_paths import RESET, SIGN_IN, own_path, with_query
from tempest_pds.http.pages.people.page import PeoplePage, people_page
from tempest_pds.http.pages.people.problems import problem_with
from tempest_pds.http.pages.people.visit import Visit
from tempest_pds.protocol.errors import TempestError

_CODE: Final = "/account/reset-password/code"
_TEMPLATE: Final = "people/reset_password.html"
_MAX_SHOWN: Final = 254


@people_page("GET", RESET)
async def show_request(visit: Visit) -> Response:
    """Ask for the e-mail address."""
    return visit.page(_TEMPLATE, errors={}, email="", next=own_path(visit.query.get("next", ""), ""))


@people_page("POST", RESET)
async def request_reset(visit: Visit) -> Response:
    """Have a code mailed, if the address is that of an account; nobody is told whether it is."""
    visit.count(*RESET_REQUESTS)
    wanted = own_path(visit.form.get("next", ""), "")
    email = visit.form.get("email", "")
    try:
        visit.services.password_reset.request(email)
    except TempestError as error:
        return _refused(visit, _TEMPLATE, error, email=email[:_MAX_SHOWN], next=wanted)
    return visit.redirect(
        _with_next(_CODE, wanted),
        notice="If that is the address of an account here, a mail with a code is on its way to it.",
    )


@people_page("GET", _CODE)
async def show_code(visit: Visit) -> Response:
    """Ask for the code and the new password."""
    return visit.page("people/reset_code.html", errors={}, code="", next=own_path(visit.query.get("next", ""), ""))


@people_page("POST", _CODE)
async def reset(visit: Visit) -> Response:
    """Set the new password."""
    visit.count(RESETS)
    code = visit.form.get("code", "").strip()
    wanted = own_path(visit.form.get("next", ""), "")
    try:
        await visit.services.password_reset.reset(code, visit.form.get("password", ""), visit.visitor)
    except TempestError as error:
        return _refused(visit, "people/reset_code.html", error, code=code[:100], next=wanted)
    return visit.redirect(wanted or SIGN_IN, notice="The password is changed. Sign in with the new one.")


def _with_next(path: str, wanted: str) -> str:
    return with_query(path, {"next": wanted} if wanted else {})


def _refused(visit: Visit, template: str, error: TempestError, **values: Any) -> Response:
    problem = problem_with(visit, error)
    if problem is None:
        raise error
    return visit.page(template, status=400, errors=problem, **values)


PAGES: Final[tuple[PeoplePage, ...]] = (show_request, request_reset, show_code, reset)
