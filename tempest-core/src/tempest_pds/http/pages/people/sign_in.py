"""Signing in to an account in this browser, with its password and its second factor."""

from __future__ import annotations

from typing import Final

from blacksheep import Response

from tempest_pds.http.client_address import limit_key
from tempest_pds.http.methods.sessions import LOGINS, LOGINS_PER_DAY
from tempest_pds.http.pages.people.factor_step import ask_for_factor, given_factor, needed_again
from tempest_pds.http.pages.people.own_paths import HOME, SIGN_IN, account_path, own_path
from tempest_pds.http.pages.people.page import PeoplePage, people_page
from tempest_pds.http.pages.people.visit import Visit
from tempest_pds.protocol.syntax.did import Did
from tempest_pds.services.errors import AccountTakedown, AuthenticationRequired, Forbidden
from tempest_pds.services.sign_in import FactorNeeded
from tempest_pds.stores.account.accounts import Account

_FACTOR: Final = "/account/sign-in/factor"
_MAX_COUNTED: Final = 320


@people_page("GET", SIGN_IN)
async def show_sign_in(visit: Visit) -> Response:
    """Ask for name and password."""
    wanted = visit.query.get("account", "")
    identifier = ""
    if Did.is_valid(wanted):
        found = visit.services.accounts.find(Did(wanted))
        # Anybody may ask: of an account that is not active the world is told no handle.
        identifier = found.handle if found is not None and found.is_active and found.handle is not None else wanted
    return _form(visit, identifier=identifier, wanted=visit.query.get("next", ""))


@people_page("POST", SIGN_IN)
async def sign_in(visit: Visit) -> Response:
    """Check name and password."""
    identifier = visit.form.get("identifier", "")
    try:
        name = full_name(visit, identifier)
        count_sign_in(visit, name)
        account = await visit.services.sign_in.with_password(name, visit.form.get("password", ""), visit.visitor)
    except FactorNeeded as needed:
        return ask_for_factor(visit, needed, action=_FACTOR, hidden=_carried(visit))
    except (AuthenticationRequired, Forbidden) as error:
        message = sign_in_problem(visit, error)
        return _form(visit, identifier=identifier, wanted=visit.form.get("next", ""), message=message, status=403)
    return await _enter(visit, account)


@people_page("POST", _FACTOR)
async def give_factor(visit: Visit) -> Response:
    """Check the second factor."""
    try:
        visit.count(LOGINS_PER_DAY, LOGINS)
        account = await visit.services.sign_in.with_factor(
            visit.form.get("ticket", ""), given_factor(visit), visit.visitor
        )
    except (AccountTakedown, Forbidden) as error:
        return _form(visit, wanted=visit.form.get("next", ""), message=sign_in_problem(visit, error), status=403)
    except AuthenticationRequired as error:
        needed, message = needed_again(visit, error)
        if needed is None:
            return _form(visit, wanted=visit.form.get("next", ""), message=message, status=403)
        return ask_for_factor(visit, needed, action=_FACTOR, hidden=_carried(visit), message=message, status=403)
    return await _enter(visit, account)


def full_name(visit: Visit, identifier: str) -> str:
    """Add this server's domain to a name without any, as the form for a new account asks for one."""
    name, domains = identifier.strip().removeprefix("@"), visit.services.server.handle_domains
    return identifier if not domains or not name.replace("-", "").isalnum() else f"{name}{domains[0]}"


def count_sign_in(visit: Visit, identifier: str) -> None:
    """Count an attempt together with those of createSession; raise Refusal after too many."""
    name = identifier.strip().removeprefix("@").lower()
    visit.count(LOGINS_PER_DAY, LOGINS, key=f"{name[:_MAX_COUNTED]}-{limit_key(visit.client_ip)}")


def sign_in_problem(visit: Visit, error: AuthenticationRequired | Forbidden) -> str:
    """Say why somebody was not let in."""
    if isinstance(error, AccountTakedown):
        return visit.texts("This account has been taken down by the moderators of this server.")
    if isinstance(error, AuthenticationRequired):
        return visit.texts("The name or the password is wrong.")
    # A plugin's words, of the operator's choice.
    return str(error)


async def _enter(visit: Visit, account: Account) -> Response:
    inside = await visit.sign_in(account, remember=visit.form.get("remember") == "yes")
    own = account_path(account.did)
    wanted = own_path(visit.form.get("next", ""), own)
    is_of_another = wanted.startswith(f"{HOME}/did:") and wanted.partition("?")[0].split("/")[2] != account.did
    return inside.redirect(own if is_of_another else wanted)


def _carried(visit: Visit) -> dict[str, str]:
    return {name: visit.form[name] for name in ("next", "remember") if visit.form.get(name)}


def _form(
    visit: Visit, *, identifier: str = "", wanted: str = "", message: str | None = None, status: int = 200
) -> Response:
    return visit.page(
        "people/sign_in.html",
        status=status,
        identifier=identifier[:_MAX_COUNTED],
        next=own_path(wanted, ""),
        remember=visit.form.get("remember") == "yes",
        message=message,
    )


PAGES: Final[tuple[PeoplePage, ...]] = (show_sign_in, sign_in, give_factor)
