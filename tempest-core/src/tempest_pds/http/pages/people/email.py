"""The e-mail address of an account: confirmed with a code, and changed with one."""

from __future__ import annotations

from typing import Final

from blacksheep import Response

from tempest_pds.http.methods.email import CONFIRMATIONS, UPDATE_REQUESTS, UPDATES
from tempest_pds.http.pages.people.own_paths import account_path
from tempest_pds.http.pages.people.page import PeoplePage, people_page
from tempest_pds.http.pages.people.problems import problem_with
from tempest_pds.http.pages.people.visit import Visit
from tempest_pds.protocol.errors import TempestError

_SENT: Final = "A mail with a code is on its way to you."


@people_page("GET", "/account/*/email")
async def show_email(visit: Visit) -> Response:
    """Show the address, and what can be done with it."""
    return _page(visit)


@people_page("POST", "/account/*/email/code")
async def send_confirmation(visit: Visit) -> Response:
    """Mail the code that confirms the address."""
    did = visit.account().account.did
    visit.count(*CONFIRMATIONS, key=did)
    try:
        await visit.services.email_addresses.request_confirmation(did)
    except TempestError as error:
        return _refused(visit, error)
    return visit.redirect(account_path(did, "email"), notice=_SENT)


@people_page("POST", "/account/*/email/confirm")
async def confirm_email(visit: Visit) -> Response:
    """Confirm the address with the code."""
    account = visit.account().account
    try:
        await visit.services.email_addresses.confirm(
            account.did, account.email or "", visit.form.get("code", "").strip(), visit.visitor
        )
    except TempestError as error:
        return _refused(visit, error, {"code": "confirmation_code"})
    return visit.redirect(account_path(account.did), notice="Your e-mail address is confirmed.")


@people_page("POST", "/account/*/email/change-code")
async def send_change_code(visit: Visit) -> Response:
    """Mail the code that a change of a confirmed address takes."""
    did = visit.account().account.did
    visit.count(*UPDATE_REQUESTS, key=did)
    try:
        await visit.services.email_addresses.request_change(did)
    except TempestError as error:
        return _refused(visit, error)
    return visit.redirect(account_path(did, "email"), notice=_SENT)


@people_page("POST", "/account/*/email/change")
async def change_email(visit: Visit) -> Response:
    """Give the account another address: who reads its mail can set another password."""
    account = visit.require_recent().account
    visit.count(UPDATES, key=account.did)
    code = visit.form.get("code", "").strip() or None
    try:
        await visit.services.email_addresses.change(
            account.did, visit.form.get("email", "").strip(), code, visit.visitor
        )
    except TempestError as error:
        return _refused(visit, error)
    return visit.redirect(account_path(account.did, "email"), notice="Your e-mail address is changed.")


def _refused(visit: Visit, error: TempestError, renamed: dict[str, str] | None = None) -> Response:
    problem = problem_with(visit, error)
    if problem is None:
        raise error
    return _page(visit, {(renamed or {}).get(field, field): text for field, text in problem.items()}, 400)


def _page(visit: Visit, errors: dict[str, str] | None = None, status: int = 200) -> Response:
    return visit.page(
        "people/email.html",
        status=status,
        account=visit.account().account,
        email=visit.form.get("email", "")[:320],
        confirmation=None if visit.has_time_for_a_form else visit.confirmation_path(),
        errors=errors or {},
    )


PAGES: Final[tuple[PeoplePage, ...]] = (show_email, send_confirmation, confirm_email, send_change_code, change_email)
