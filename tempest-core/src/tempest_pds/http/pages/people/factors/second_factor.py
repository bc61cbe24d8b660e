"""/account/<did>/second-factor: what an account asks for beside the password, and its recovery codes."""

from __future__ import annotations

import re
from typing import Final

from blacksheep import Response

from tempest_pds.http.pages.people.own_paths import account_path
from tempest_pds.http.pages.people.page import PeoplePage, people_page
from tempest_pds.http.pages.people.visit import Visit
from tempest_pds.http.rate_limits import HOUR, Limit
from tempest_pds.protocol.crypto.jwt import encode_base64url
from tempest_pds.protocol.syntax.did import Did
from tempest_pds.services.errors import InvalidRequest
from tempest_pds.services.second_factor.enrolment import MOST_PASSKEYS
from tempest_pds.services.second_factor.recovery_codes import COUNT

_MOMENT: Final = re.compile(r"[0-9]{1,20}")
CHANGES: Final = Limit("second-factor-change", 60, HOUR)
"""Counted by account, together: each is noted among its security events."""


@people_page("GET", "/account/*/second-factor")
async def show_second_factor(visit: Visit) -> Response:
    """Show what there is, and what can be added."""
    return _overview(visit)


@people_page("POST", "/account/*/second-factor/codes")
async def make_codes(visit: Visit) -> Response:
    """Make new recovery codes, and show them this once."""
    did = require_recent(visit)
    # Of the codes that these end: the page that shows them may be loaded anew, which makes no others.
    made_at = visit.form.get("made", "")
    try:
        codes = await visit.services.enrolment.renew_codes(
            did, visit.visitor, int(made_at) if _MOMENT.fullmatch(made_at) else None
        )
    except InvalidRequest:
        return back_to_overview(visit)
    return _show_codes(visit, codes)


def back_to_overview(visit: Visit, notice: str | None = None) -> Response:
    """Send the browser to the page that shows what there is; it says enough when a wish comes too late."""
    return visit.redirect(account_path(visit.did, "second-factor"), notice)


def _overview(visit: Visit) -> Response:
    account = visit.account().account
    enrolment = visit.services.enrolment
    enrolled = enrolment.of(account.did)
    return visit.page(
        "people/factors/second_factor.html",
        account=account,
        enrolled=enrolled,
        passkeys=[(encode_base64url(passkey.credential_id), passkey) for passkey in enrolled.passkeys],
        passkeys_possible=enrolment.passkeys_possible,
        passkeys_full=len(enrolled.passkeys) >= MOST_PASSKEYS,
        codes_made=COUNT,
    )


def _show_codes(visit: Visit, codes: list[str]) -> Response:
    # Nothing keeps them, and the browser does not store the page.
    return visit.page("people/factors/codes.html", account=visit.account().account, codes=codes)


async def added(visit: Visit, codes: list[str], notice: str) -> Response:
    """Answer to a factor that was added, with the recovery codes that came with it."""
    did = visit.account().account.did
    # Who has just shown a new factor has given it.
    await visit.services.browsers.confirm(visit.secret, did)
    return _show_codes(visit, codes) if codes else back_to_overview(visit, notice)


def require_recent(visit: Visit) -> Did:
    """Give the account whose second factors are to be changed, by somebody who has just shown to be its owner."""
    did = visit.require_recent(account_path(visit.did, "second-factor")).account.did
    visit.count(CHANGES, key=did)
    return did


PAGES: Final[tuple[PeoplePage, ...]] = (show_second_factor, make_codes)
