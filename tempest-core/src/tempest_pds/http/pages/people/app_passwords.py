"""App passwords: for apps that are not to have the account's own, and cannot sign in by these pages."""

from __future__ import annotations

from typing import Final

from blacksheep import Response

from tempest_pds.http.pages.people.own_paths import account_path
from tempest_pds.http.pages.people.page import PeoplePage, people_page
from tempest_pds.http.pages.people.problems import problem_with
from tempest_pds.http.pages.people.visit import Visit
from tempest_pds.http.rate_limits import HOUR, Limit
from tempest_pds.protocol.errors import TempestError
from tempest_pds.services.app_passwords import AppPasswordView
from tempest_pds.services.errors import DuplicateCreate
from tempest_pds.services.timestamps import from_datetime

CREATIONS: Final = Limit("app-password", 30, HOUR)


@people_page("GET", "/account/*/app-passwords")
async def list_app_passwords(visit: Visit) -> Response:
    """List the app passwords, and offer to make one."""
    return _page(visit)


@people_page("POST", "/account/*/app-passwords")
async def make_app_password(visit: Visit) -> Response:
    """Make an app password, and show it: nothing keeps it, and the browser does not store the page."""
    did = visit.require_recent().account.did
    visit.count(CREATIONS, key=did)
    name = visit.form.get("name", "").strip()
    try:
        made = await visit.services.app_passwords.create(
            did, name, privileged=visit.form.get("privileged") == "yes", origin=visit.visitor
        )
    except DuplicateCreate:
        return _page(visit, errors={"name": visit.texts("You have an app password of that name.")}, status=400)
    except TempestError as error:
        problem = problem_with(visit, error)
        if problem is None:
            raise
        return _page(visit, errors=problem, status=400)
    return _page(visit, made=made)


@people_page("POST", "/account/*/app-passwords/revoke")
async def revoke_app_password(visit: Visit) -> Response:
    """Revoke an app password, and sign out the apps that use it."""
    did = visit.account().account.did
    await visit.services.app_passwords.revoke(did, visit.form.get("name", ""), visit.visitor)
    return visit.redirect(account_path(did, "app-passwords"), notice="The app password is revoked.")


def _page(
    visit: Visit, *, made: AppPasswordView | None = None, errors: dict[str, str] | None = None, status: int = 200
) -> Response:
    account = visit.account().account
    return visit.page(
        "people/app_passwords.html",
        status=status,
        account=account,
        passwords=[
            (view, from_datetime(view.created_at)) for view in visit.services.app_passwords.list_for(account.did)
        ],
        confirmation=None if visit.has_time_for_a_form else visit.confirmation_path(),
        made=made,
        name="" if made else visit.form.get("name", "")[:256],
        privileged=made is None and visit.form.get("privileged") == "yes",
        errors=errors or {},
    )


PAGES: Final[tuple[PeoplePage, ...]] = (list_app_passwords, make_app_password, revoke_app_password)
