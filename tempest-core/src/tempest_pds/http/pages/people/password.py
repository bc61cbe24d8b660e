"""Another password for who is signed in, and has given the present one just now."""

from __future__ import annotations

from typing import Final

from blacksheep import Response

from tempest_pds.http.pages.people.own_paths import SIGN_IN, account_path
from tempest_pds.http.pages.people.page import PeoplePage, people_page
from tempest_pds.http.pages.people.problems import problem_with
from tempest_pds.http.pages.people.visit import Visit
from tempest_pds.http.rate_limits import HOUR, Limit
from tempest_pds.protocol.errors import TempestError
from tempest_pds.services.errors import AuthenticationRequired

CHANGES: Final = Limit("password-change", 10, HOUR)


@people_page("GET", "/account/*/password")
async def show_password(visit: Visit) -> Response:
    """Ask for the new password."""
    return visit.page("people/password.html", account=visit.ask_first().account, errors={})


@people_page("POST", "/account/*/password")
async def change_password(visit: Visit) -> Response:
    """Set the new password, which signs the account out everywhere but here."""
    signed_in = visit.require_recent()
    account = signed_in.account
    visit.count(CHANGES, key=account.did)
    try:
        changed = await visit.services.password_change.change(account, visit.form.get("password", ""), visit.visitor)
    except AuthenticationRequired:
        return visit.redirect(SIGN_IN)
    except TempestError as error:
        problem = problem_with(visit, error)
        if problem is None:
            raise
        return visit.page("people/password.html", status=400, account=account, errors=problem)
    # Password and factor were given when they were: a new password makes them no younger.
    inside = await visit.sign_in(changed, remember=signed_in.remembered, proven_at=signed_in.confirmed_at)
    return inside.redirect(account_path(account.did), notice="Your password is changed.")


PAGES: Final[tuple[PeoplePage, ...]] = (show_password, change_password)
