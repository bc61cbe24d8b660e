"""/account/<did>/confirm: who is signed in gives password and second factor once more, before what harms."""

from __future__ import annotations

from typing import Final

from blacksheep import Response

from tempest_pds.http.client_address import limit_key
from tempest_pds.http.methods.sessions import LOGINS, LOGINS_PER_DAY
from tempest_pds.http.pages.people.factor_step import ask_for_factor, given_factor, needed_again
from tempest_pds.http.pages.people.own_paths import account_path, own_path, with_query
from tempest_pds.http.pages.people.page import PeoplePage, people_page
from tempest_pds.http.pages.people.visit import Visit
from tempest_pds.services.errors import AuthenticationRequired, TooManyTries
from tempest_pds.services.sign_in import FactorNeeded


@people_page("GET", "/account/*/confirm")
async def show_confirmation(visit: Visit) -> Response:
    """Ask for the password."""
    return _page(visit, visit.query.get("next", ""))


@people_page("POST", "/account/*/confirm")
async def confirm(visit: Visit) -> Response:
    """Check the password, and ask for the second factor where there is one."""
    did = visit.account().account.did
    visit.count(LOGINS_PER_DAY, LOGINS, key=f"{did}-{limit_key(visit.client_ip)}")
    try:
        await visit.services.sign_in.confirm(did, visit.form.get("password", ""), visit.visitor)
    except FactorNeeded as needed:
        return _ask_for_factor(visit, needed)
    except AuthenticationRequired:
        message = visit.texts("That is not the password of this account.")
        return _page(visit, visit.form.get("next", ""), message, 403)
    return await _done(visit)


@people_page("POST", "/account/*/confirm/factor")
async def confirm_with_factor(visit: Visit) -> Response:
    """Check the second factor."""
    did = visit.account().account.did
    ticket = visit.form.get("ticket", "")
    visit.count(LOGINS_PER_DAY, LOGINS)
    try:
        await visit.services.sign_in.confirm_with_factor(did, ticket, given_factor(visit), visit.visitor)
    except AuthenticationRequired as error:
        needed, message = needed_again(visit, error)
        if needed is None:
            return _page(visit, visit.form.get("next", ""), message, 403)
        return _ask_for_factor(visit, needed, message, 429 if isinstance(error, TooManyTries) else 403)
    return await _done(visit)


async def _done(visit: Visit) -> Response:
    did = visit.account().account.did
    await visit.services.browsers.confirm(visit.secret, did, visit.began_at)
    return visit.redirect(own_path(visit.form.get("next", ""), account_path(did)))


def _ask_for_factor(visit: Visit, needed: FactorNeeded, message: str | None = None, status: int = 200) -> Response:
    did = visit.account().account.did
    wanted = own_path(visit.form.get("next", ""), account_path(did))
    return ask_for_factor(
        visit,
        needed,
        action=account_path(did, "confirm", "factor"),
        hidden={"next": wanted},
        message=message,
        status=status,
        start_over=with_query(account_path(did, "confirm"), {"next": wanted}),
    )


def _page(visit: Visit, wanted: str, message: str | None = None, status: int = 200) -> Response:
    account = visit.account().account
    return visit.page(
        "people/factors/confirm.html",
        status=status,
        account=account,
        next=own_path(wanted, account_path(account.did)),
        message=message,
    )


PAGES: Final[tuple[PeoplePage, ...]] = (show_confirmation, confirm, confirm_with_factor)
