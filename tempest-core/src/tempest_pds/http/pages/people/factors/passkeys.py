"""/account/<did>/second-factor/passkey: passkeys come to an account, get names, and leave it."""

from __future__ import annotations

from typing import Final

from blacksheep import Response

from tempest_pds.http.pages.people.factors.second_factor import added, back_to_overview, require_recent
from tempest_pds.http.pages.people.page import PeoplePage, people_page
from tempest_pds.http.pages.people.refusals import NO_SUCH_PAGE, Refusal
from tempest_pds.http.pages.people.visit import Visit
from tempest_pds.protocol.crypto.jwt import decode_base64url
from tempest_pds.protocol.errors import InvalidSyntax
from tempest_pds.services.errors import AuthenticationRequired, InvalidRequest


@people_page("GET", "/account/*/second-factor/passkey")
async def show_passkey(visit: Visit) -> Response:
    """Ask for a name, and have the browser ask for a passkey."""
    return _page(visit)


@people_page("POST", "/account/*/second-factor/passkey")
async def add_passkey(visit: Visit) -> Response:
    """Add what the browser was given."""
    did = require_recent(visit)
    form = visit.form
    try:
        codes = await visit.services.enrolment.add_passkey(
            did, form.get("ticket", ""), form.get("name", ""), form.get("passkey", ""), visit.visitor
        )
    except (InvalidRequest, AuthenticationRequired):
        return _page(visit, visit.texts("The passkey was not set up. Please try again."), 400)
    return await added(visit, codes, notice="The passkey is set up.")


@people_page("POST", "/account/*/second-factor/passkey/*/name")
async def rename_passkey(visit: Visit) -> Response:
    """Give a passkey another name."""
    did = require_recent(visit)
    try:
        await visit.services.enrolment.rename_passkey(did, _credential_id(visit), visit.form.get("name", ""))
    except InvalidRequest:
        return back_to_overview(visit)
    return back_to_overview(visit, notice="The passkey has a new name.")


@people_page("POST", "/account/*/second-factor/passkey/*/remove")
async def remove_passkey(visit: Visit) -> Response:
    """Remove a passkey."""
    did = require_recent(visit)
    await visit.services.enrolment.remove_passkey(did, _credential_id(visit), visit.visitor)
    return back_to_overview(visit, notice="The passkey is removed.")


def _credential_id(visit: Visit) -> bytes:
    try:
        return decode_base64url(visit.names[1])
    except InvalidSyntax as error:
        raise Refusal(404, NO_SUCH_PAGE) from error


def _page(visit: Visit, message: str | None = None, status: int = 200) -> Response:
    account = visit.require_recent().account
    enrolment = visit.services.enrolment
    if not enrolment.passkeys_possible:
        return back_to_overview(visit)
    return visit.page(
        "people/factors/passkey.html",
        status=status,
        script="people/factors/new_passkey.js",
        account=account,
        begun=enrolment.begin_passkey(account.did, visit.visitor),
        name=visit.form.get("name", "")[:64],
        message=message,
    )


PAGES: Final[tuple[PeoplePage, ...]] = (show_passkey, add_passkey, rename_passkey, remove_passkey)
