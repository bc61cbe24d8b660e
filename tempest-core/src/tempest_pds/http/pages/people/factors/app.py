"""/account/<did>/second-factor/app: an authenticator app comes to an account, and leaves it."""

from __future__ import annotations

import io
from typing import Final

from blacksheep import Response

from tempest_pds.http.pages.people.factors.second_factor import added, back_to_overview, require_recent
from tempest_pds.http.pages.people.page import PeoplePage, people_page
from tempest_pds.http.pages.people.visit import Visit
from tempest_pds.services.errors import InvalidRequest, InvalidToken


@people_page("GET", "/account/*/second-factor/app")
async def show_app(visit: Visit) -> Response:
    """Show what the app is to be given, and ask for its first code."""
    return await _page(visit)


@people_page("POST", "/account/*/second-factor/app")
async def add_app(visit: Visit) -> Response:
    """Add the app that shows the code."""
    did = require_recent(visit)
    try:
        codes = await visit.services.enrolment.confirm_app(did, visit.form.get("code", ""), visit.visitor)
    except InvalidToken:
        message = visit.texts("That code is not right. Look at the app again, and at the clock of your phone.")
        return await _page(visit, message, 400)
    except InvalidRequest:
        return back_to_overview(visit)
    return await added(visit, codes, notice="The authenticator app is set up.")


@people_page("POST", "/account/*/second-factor/app/remove")
async def remove_app(visit: Visit) -> Response:
    """Remove the app."""
    did = require_recent(visit)
    await visit.services.enrolment.remove_app(did, visit.visitor)
    return back_to_overview(visit, notice="The authenticator app is removed.")


async def _page(visit: Visit, error: str | None = None, status: int = 200) -> Response:
    from markupsafe import Markup

    account = visit.require_recent().account
    try:
        new = await visit.services.enrolment.begin_app(account.did, visit.visitor)
    except InvalidRequest:
        return back_to_overview(visit)
    return visit.page(
        "people/factors/app.html",
        status=status,
        account=account,
        secret=" ".join(new.secret[start : start + 4] for start in range(0, len(new.secret), 4)),
        uri=new.uri,
        # Drawn from modules of the code alone: no text of anybody's is in it.
        qr_code=Markup(_qr_code(new.uri)),  # noqa: S704
        error=error,
    )


def _qr_code(text: str) -> str:
    """Draw a QR code as SVG, black on white whatever the page's colours: cameras read it so."""
    import segno

    drawn = io.BytesIO()
    segno.make(text, error="m", micro=False).save(
        drawn,
        kind="svg",
        xmldecl=False,
        svgns=False,
        nl=False,
        omitsize=True,
        border=4,
        dark="#000",
        light="#fff",
        svgclass="qr",
        lineclass=None,
    )
    return drawn.getvalue().decode("ascii")


PAGES: Final[tuple[PeoplePage, ...]] = (show_app, add_app, remove_app)
