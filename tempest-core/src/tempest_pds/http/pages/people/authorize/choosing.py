"""/oauth/authorize/choose: which account an app is to get."""

from __future__ import annotations

from blacksheep import Response

from tempest_pds.http.pages.people.authorize.flow import authorize_page, deny, go_on, show, signed_in_account, step_path
from tempest_pds.http.pages.people.authorize.steps import Step, fits_hint
from tempest_pds.http.pages.people.visit import Visit
from tempest_pds.services.oauth.requests import OpenRequest


@authorize_page("GET", Step.CHOOSE)
async def show_choice(visit: Visit, request: OpenRequest) -> Response:
    """Show the accounts that are signed in, the expected one first."""
    if not visit.accounts:
        return visit.redirect(step_path(request, Step.SIGN_IN))
    choices = sorted(visit.accounts, key=lambda signed_in: not fits_hint(request, signed_in))
    return show(visit, request, "choose.html", choices=choices)


@authorize_page("POST", Step.CHOOSE)
async def choose(visit: Visit, request: OpenRequest) -> Response:
    """Take the account that was chosen; one that was signed out meanwhile is signed in again."""
    signed_in = signed_in_account(visit, visit.form.get("account"))
    if signed_in is None:
        return visit.redirect(step_path(request, Step.SIGN_IN))
    return await go_on(visit, request, signed_in)


@authorize_page("POST", "cancel")
async def cancel(visit: Visit, request: OpenRequest) -> Response:
    """Go back to the app with nothing granted."""
    return await deny(visit, request)
