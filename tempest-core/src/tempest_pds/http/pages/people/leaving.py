"""Deactivating an account, activating it again, and deleting it."""

from __future__ import annotations

from typing import Final

from blacksheep import Response

from tempest_pds.http.client_address import limit_key
from tempest_pds.http.methods.accounts import (
    ACTIVATIONS,
    DEACTIVATIONS,
    DELETION_CODES,
    DELETION_CODES_PER_DAY,
    DELETIONS,
)
from tempest_pds.http.methods.sessions import LOGINS, LOGINS_PER_DAY
from tempest_pds.http.pages.people.own_paths import HOME, account_path
from tempest_pds.http.pages.people.page import PeoplePage, people_page
from tempest_pds.http.pages.people.problems import problem_with
from tempest_pds.http.pages.people.visit import Visit
from tempest_pds.protocol.errors import TempestError
from tempest_pds.services.errors import AuthenticationRequired


@people_page("GET", "/account/*/deactivate")
async def show_deactivation(visit: Visit) -> Response:
    """Say what deactivating does."""
    return visit.page("people/deactivate.html", account=visit.ask_first().account, errors={})


@people_page("POST", "/account/*/deactivate")
async def deactivate(visit: Visit) -> Response:
    """Deactivate the account."""
    did = visit.require_recent().account.did
    visit.count(DEACTIVATIONS, key=did)
    await visit.services.accounts.deactivate(did, origin=visit.visitor)
    return visit.redirect(account_path(did), notice="Your account is deactivated. You can activate it again here.")


@people_page("POST", "/account/*/activate")
async def activate(visit: Visit) -> Response:
    """Activate the account."""
    account = visit.account().account
    visit.count(ACTIVATIONS, key=account.did)
    try:
        await visit.services.accounts.activate(account.did, visit.visitor)
    except TempestError as error:
        problem = problem_with(visit, error)
        if problem is None:
            raise
        return visit.page("people/deactivate.html", status=400, account=account, errors=problem)
    return visit.redirect(account_path(account.did), notice="Your account is active again.")


@people_page("GET", "/account/*/delete")
async def show_deletion(visit: Visit) -> Response:
    """Say what deleting does, and ask for what it takes."""
    visit.ask_first()
    return _deletion_page(visit)


@people_page("POST", "/account/*/delete/code")
async def send_deletion_code(visit: Visit) -> Response:
    """Mail the code that a deletion takes."""
    did = visit.account().account.did
    visit.count(DELETION_CODES_PER_DAY, DELETION_CODES, key=did)
    try:
        await visit.services.owner_deletion.request(did, visit.visitor)
    except TempestError as error:
        return _refused(visit, error)
    return visit.redirect(account_path(did, "delete"), notice="A mail with a code is on its way to you.")


@people_page("POST", "/account/*/delete")
async def delete(visit: Visit) -> Response:
    """Delete the account, for good."""
    did = visit.require_recent().account.did
    visit.count(DELETIONS)
    # It tells whether a password is right.
    visit.count(LOGINS_PER_DAY, LOGINS, key=f"{did}-{limit_key(visit.client_ip)}")
    if visit.form.get("sure") != "yes":
        return _deletion_page(visit, {"form": visit.texts("Nothing was deleted. Tick the box if you mean it.")}, 400)
    try:
        await visit.services.owner_deletion.delete(
            did,
            visit.form.get("password", ""),
            visit.form.get("code", "").strip(),
            visit.visitor,
            factor_given=True,
        )
    except AuthenticationRequired:
        return _deletion_page(visit, {"password": visit.texts("That is not the password of this account.")}, 403)
    except TempestError as error:
        return _refused(visit, error)
    return visit.redirect(HOME, notice="The account is deleted.")


def _refused(visit: Visit, error: TempestError) -> Response:
    problem = problem_with(visit, error)
    if problem is None:
        raise error
    return _deletion_page(visit, problem, 400)


def _deletion_page(visit: Visit, errors: dict[str, str] | None = None, status: int = 200) -> Response:
    return visit.page(
        "people/delete.html",
        status=status,
        account=visit.account().account,
        code=visit.form.get("code", "")[:100],
        sure=visit.form.get("sure") == "yes",
        errors=errors or {},
    )


PAGES: Final[tuple[PeoplePage, ...]] = (
    show_deactivation,
    deactivate,
    activate,
    show_deletion,
    send_deletion_code,
    delete,
)
