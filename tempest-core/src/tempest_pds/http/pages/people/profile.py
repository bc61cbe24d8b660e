"""An account at a glance, and its handle."""

from __future__ import annotations

from typing import Final

from blacksheep import Response

from tempest_pds.http.methods.identity import UPDATES, UPDATES_PER_DAY
from tempest_pds.http.pages.people.own_paths import account_path
from tempest_pds.http.pages.people.page import PeoplePage, people_page
from tempest_pds.http.pages.people.problems import problem_with
from tempest_pds.http.pages.people.visit import Visit
from tempest_pds.protocol.errors import TempestError


@people_page("GET", "/account/*")
async def show_profile(visit: Visit) -> Response:
    """Show what the account is called, where its mail goes, and what can be changed."""
    return visit.page("people/profile.html", account=visit.account().account)


@people_page("GET", "/account/*/handle")
async def show_handle(visit: Visit) -> Response:
    """Ask for another handle."""
    visit.ask_first()
    return _handle_page(visit)


@people_page("POST", "/account/*/handle")
async def change_handle(visit: Visit) -> Response:
    """Give the account another handle: a name below a domain of this server, or a domain of its owner's.

    Anybody may take the name that is given up, and be taken for whom it was.
    """
    did = visit.require_recent().account.did
    visit.count(UPDATES_PER_DAY, UPDATES, key=did)
    form, domains = visit.form, visit.services.server.handle_domains
    if form.get("kind") == "own":
        handle = form.get("domain_name", "").strip().removeprefix("@").lower()
    else:
        domain = form.get("domain", "")
        handle = form.get("name", "").strip().removeprefix("@").lower()
        if domain in domains:
            handle = handle.removesuffix(domain) + domain
    try:
        await visit.services.identities.update_handle(did, handle, origin=visit.visitor)
    except TempestError as error:
        problem = problem_with(visit, error)
        if problem is None:
            raise
        if form.get("kind") == "own":
            problem = {"domain_name" if field == "name" else field: text for field, text in problem.items()}
        return _handle_page(visit, errors=problem, status=400)
    return visit.redirect(account_path(did), notice="Your handle is changed.")


def _handle_page(visit: Visit, *, errors: dict[str, str] | None = None, status: int = 200) -> Response:
    given = {name: visit.form.get(name, "")[:320] for name in ("name", "domain", "domain_name")}
    return visit.page(
        "people/handle.html",
        status=status,
        account=visit.account().account,
        domains=visit.services.server.handle_domains,
        given=given,
        errors=errors or {},
    )


PAGES: Final[tuple[PeoplePage, ...]] = (show_profile, show_handle, change_handle)
