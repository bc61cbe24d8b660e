"""/oauth/authorize/sign-in: signing in on the way to an app, with password and second factor."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from blacksheep import Response

from tempest_pds.http.methods.sessions import LOGINS, LOGINS_PER_DAY
from tempest_pds.http.pages.people.authorize.flow import authorize_page, go_on, show, signed_in_account, step_path
from tempest_pds.http.pages.people.authorize.steps import Step
from tempest_pds.http.pages.people.factor_step import ask_for_factor, given_factor, needed_again
from tempest_pds.http.pages.people.sign_in import count_sign_in, full_name, sign_in_problem
from tempest_pds.http.pages.people.visit import Visit
from tempest_pds.services.errors import AccountTakedown, AuthenticationRequired, Forbidden
from tempest_pds.services.oauth.requests import OpenRequest
from tempest_pds.services.sign_in import FactorNeeded, Visitor
from tempest_pds.stores.account.accounts import Account

_FACTOR: Final = "factor"
_CARRIED: Final = ("request", "remember")
_MAX_SHOWN: Final = 320


@authorize_page("GET", Step.SIGN_IN)
async def show_sign_in(visit: Visit, request: OpenRequest) -> Response:
    """Ask for name and password: of the account that is meant, or that the app expects, unless another is wanted."""
    hint = request.parameters.login_hint
    if visit.query.get("other") == "yes":
        return _form(visit, request)
    signed_in = signed_in_account(visit, visit.query.get("account"))
    if signed_in is not None:
        account = signed_in.account
        return _form(visit, request, expected=account.handle or account.did, remember=signed_in.remembered)
    return _form(visit, request, expected=None if hint is None else str(hint))


@authorize_page("POST", Step.SIGN_IN)
async def sign_in(visit: Visit, request: OpenRequest) -> Response:
    """Check name and password."""
    name = full_name(visit, visit.form.get("identifier", ""))
    try:
        count_sign_in(visit, name)
        account = await visit.services.sign_in.with_password(
            name, visit.form.get("password", ""), _visitor(visit, request)
        )
    except FactorNeeded as needed:
        return _ask_for_factor(visit, request, needed)
    except (AuthenticationRequired, Forbidden) as error:
        return _refused(visit, request, sign_in_problem(visit, error))
    return await enter(visit, request, account, remember=visit.form.get("remember") == "yes")


@authorize_page("POST", _FACTOR)
async def give_factor(visit: Visit, request: OpenRequest) -> Response:
    """Check the second factor."""
    try:
        visit.count(LOGINS_PER_DAY, LOGINS)
        account = await visit.services.sign_in.with_factor(
            visit.form.get("ticket", ""), given_factor(visit), _visitor(visit, request)
        )
    except (AccountTakedown, Forbidden) as error:
        return _refused(visit, request, sign_in_problem(visit, error))
    except AuthenticationRequired as error:
        needed, message = needed_again(visit, error)
        if needed is None:
            return _refused(visit, request, message)
        return _ask_for_factor(visit, request, needed, message)
    return await enter(visit, request, account, remember=visit.form.get("remember") == "yes")


async def enter(visit: Visit, request: OpenRequest, account: Account, *, remember: bool) -> Response:
    """Sign an account in, and go on with it."""
    inside = await visit.sign_in(account, remember=remember)
    signed_in = signed_in_account(inside, account.did)
    if signed_in is None:
        return inside.redirect(step_path(request, "resume"))
    return await go_on(inside, request, signed_in)


def _visitor(visit: Visit, request: OpenRequest) -> Visitor:
    return replace(visit.visitor, surface="authorize", client_id=request.client.client_id)


def _ask_for_factor(visit: Visit, request: OpenRequest, needed: FactorNeeded, message: str | None = None) -> Response:
    return ask_for_factor(
        visit,
        needed,
        action=f"/oauth/authorize/{_FACTOR}",
        hidden={name: visit.form[name] for name in _CARRIED if visit.form.get(name)},
        form_targets=(request.parameters.reply.redirect_uri,),
        message=message,
        status=200 if message is None else 403,
        start_over=step_path(request, Step.SIGN_IN),
        request_id=request.id,
    )


def _refused(visit: Visit, request: OpenRequest, message: str) -> Response:
    """Show the form again, with what was wrong."""
    identifier = visit.form.get("identifier", "")
    fixed = visit.form.get("expected") == "yes"
    return _form(
        visit,
        request,
        expected=identifier if fixed and identifier else None,
        identifier=identifier,
        remember=visit.form.get("remember") == "yes",
        message=message,
        status=403,
    )


def _form(
    visit: Visit,
    request: OpenRequest,
    *,
    expected: str | None = None,
    identifier: str = "",
    remember: bool = False,
    message: str | None = None,
    status: int = 200,
) -> Response:
    return show(
        visit,
        request,
        "sign_in.html",
        status=status,
        expected=None if expected is None else expected[:_MAX_SHOWN],
        identifier=identifier[:_MAX_SHOWN],
        remember=remember,
        message=message,
        can_choose=bool(visit.accounts),
    )
