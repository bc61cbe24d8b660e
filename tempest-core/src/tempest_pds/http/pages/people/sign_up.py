"""Opening an account."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from blacksheep import Response

from tempest_pds.http.methods.accounts import SIGN_UPS
from tempest_pds.http.pages.people.own_paths import account_path, own_path
from tempest_pds.http.pages.people.page import PeoplePage, people_page
from tempest_pds.http.pages.people.problems import problem_with
from tempest_pds.http.pages.people.visit import Visit
from tempest_pds.protocol.errors import TempestError
from tempest_pds.services.credentials import Credentials, Kind, Scope
from tempest_pds.services.new_account import NewAccount
from tempest_pds.stores.account.accounts import Account

_PATH: Final = "/account/sign-up"


@people_page("GET", _PATH)
async def show_sign_up(visit: Visit) -> Response:
    """Ask for what an account takes."""
    return visit.page("people/sign_up.html", **sign_up_fields(visit, next=visit.query.get("next", "")))


@people_page("POST", _PATH)
async def sign_up(visit: Visit) -> Response:
    """Make the account, and sign it in."""
    try:
        account = await make_account(visit)
    except TempestError as error:
        problem = await sign_up_problems(visit, error)
        if problem is None:
            raise
        fields = sign_up_fields(visit, next=visit.form.get("next", ""), errors=problem)
        return visit.page("people/sign_up.html", status=400, **fields)
    inside = await visit.sign_in(account, remember=False)
    wanted = own_path(visit.form.get("next", ""), account_path(account.did))
    return inside.redirect(wanted, notice="Your account is ready.")


async def make_account(visit: Visit) -> Account:
    """Make an account of what the form of `sign_up_fields` brought; raises what `Accounts.create` does, and Refusal."""
    visit.count(SIGN_UPS)
    session = await visit.services.accounts.create(_new_account(visit), None, visit.visitor)
    if session.tokens is not None:
        # It is for a client of the API, and there is none.
        identifier = session.tokens.refresh.identifier
        await visit.services.sessions.delete(Credentials(session.account.did, Scope.REFRESH, Kind.REFRESH, identifier))
    return session.account


async def sign_up_problems(visit: Visit, error: TempestError) -> dict[str, str] | None:
    """Say, by field, all that is wrong with a form that `make_account` has refused; None for what is no refusal."""
    problems = problem_with(visit, error)
    if problems is None:
        return None
    for mistake in await visit.services.accounts.sign_up_mistakes(_new_account(visit)):
        problems = (problem_with(visit, mistake) or {}) | problems
    return problems


def _new_account(visit: Visit) -> NewAccount:
    form, server = visit.form, visit.services.server
    domain = form.get("domain", "")
    if domain not in server.handle_domains:
        domain = server.handle_domains[0] if server.handle_domains else ""
    name = form.get("name", "").strip().removeprefix("@").lower().removesuffix(domain)
    return NewAccount(
        handle=f"{name}{domain}",
        email=form.get("email", "").strip(),
        password=form.get("password", ""),
        invite_code=form.get("invite_code", "").strip() or None,
    )


def sign_up_fields(visit: Visit, *, next: str, errors: Mapping[str, str] | None = None) -> dict[str, Any]:  # noqa: A002 - the form's own name
    """Give what the macro `sign_up_form` shows; errors by field, and under `form` what concerns none of them."""
    form, server = visit.form, visit.services.server
    return {
        "given": {name: form.get(name, "")[:320] for name in ("name", "domain", "email", "invite_code")},
        "domains": server.handle_domains,
        "errors": errors or {},
        "next": own_path(next, ""),
    }


PAGES: Final[tuple[PeoplePage, ...]] = (show_sign_up, sign_up)
