"""/account: who is signed in in this browser, and the choice of the language."""

from __future__ import annotations

from typing import Final

from blacksheep import Response

from tempest_pds.http.pages.people.own_paths import HOME, SIGN_IN, own_path
from tempest_pds.http.pages.people.page import PeoplePage, people_page
from tempest_pds.http.pages.people.visit import Visit


@people_page("GET", HOME)
async def choose_account(visit: Visit) -> Response:
    """Show the accounts to choose from, or ask a stranger to sign in."""
    if not visit.accounts:
        return visit.redirect(SIGN_IN)
    return visit.page("people/home.html")


@people_page("POST", "/account/language", way_back=lambda form: form.get("next", HOME))
async def choose_language(visit: Visit) -> Response:
    """Remember the language that the person chose, and go back to the page."""
    visit.choose_language(visit.form.get("language", ""))
    return visit.redirect(own_path(visit.form.get("next", HOME)))


PAGES: Final[tuple[PeoplePage, ...]] = (choose_account, choose_language)
