"""/oauth/authorize/sign-up: opening an account on the way to an app."""

from __future__ import annotations

from collections.abc import Mapping

from blacksheep import Response

from tempest_pds.http.pages.people.authorize.flow import authorize_page, show
from tempest_pds.http.pages.people.authorize.signing_in import enter
from tempest_pds.http.pages.people.authorize.steps import Step
from tempest_pds.http.pages.people.sign_up import make_account, sign_up_fields, sign_up_problems
from tempest_pds.http.pages.people.visit import Visit
from tempest_pds.protocol.errors import TempestError
from tempest_pds.services.oauth.requests import OpenRequest


@authorize_page("GET", Step.SIGN_UP)
async def show_sign_up(visit: Visit, request: OpenRequest) -> Response:
    """Ask for what an account takes."""
    return _form(visit, request)


@authorize_page("POST", Step.SIGN_UP)
async def sign_up(visit: Visit, request: OpenRequest) -> Response:
    """Make the account, sign it in, and go on with it."""
    try:
        account = await make_account(visit)
    except TempestError as error:
        problem = await sign_up_problems(visit, error)
        if problem is None:
            raise
        return _form(visit, request, problem)
    return await enter(visit, request, account, remember=False)


def _form(visit: Visit, request: OpenRequest, errors: Mapping[str, str] | None = None) -> Response:
    fields = sign_up_fields(visit, next="", errors=errors)
    return show(visit, request, "sign_up.html", status=400 if errors else 200, **fields)
