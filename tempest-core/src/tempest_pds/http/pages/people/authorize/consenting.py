"""/oauth/authorize/consent: what an app may do with an account, asked of its owner."""

from __future__ import annotations

from itertools import groupby

from blacksheep import Response

from tempest_pds.http.pages.people.authorize.answers import carry
from tempest_pds.http.pages.people.authorize.flow import (
    authorize_page,
    deny,
    grant,
    provider,
    show,
    signed_in_account,
    step_path,
)
from tempest_pds.http.pages.people.authorize.steps import Step, fits_hint, is_active, needs_login
from tempest_pds.http.pages.people.authorize.wording import describe
from tempest_pds.http.pages.people.visit import Visit
from tempest_pds.protocol.oauth.errors import InvalidScope
from tempest_pds.services.browsers import SignedIn
from tempest_pds.services.oauth.requests import OpenRequest


@authorize_page("GET", Step.CONSENT)
async def ask(visit: Visit, request: OpenRequest) -> Response:
    """Show what the app asks for."""
    signed_in = _account(visit, request, visit.query.get("account"))
    if signed_in is None:
        return visit.redirect(step_path(request, "resume"))
    if not is_active(signed_in):
        return show(visit, request, "inactive.html", account=signed_in.account)
    try:
        sets = await provider(visit).permission_sets.find(request.scopes) if request.scopes.includes else {}
    except InvalidScope as error:
        return carry(visit, await provider(visit).requests.refuse(request, error.code, error.description))
    entries = describe(request.scopes, visit.texts, sets)
    return show(
        visit,
        request,
        "consent.html",
        account=signed_in.account,
        expected=None if fits_hint(request, signed_in) else request.parameters.login_hint,
        groups=[(group, list(members)) for group, members in groupby(entries, key=lambda entry: entry.group)],
        scopes=[scope.spelling for scope in request.scopes],
    )


@authorize_page("POST", Step.CONSENT)
async def answer(visit: Visit, request: OpenRequest) -> Response:
    """Grant what is ticked, or nothing."""
    if visit.form.get("decision") != "allow":
        return await deny(visit, request)
    signed_in = _account(visit, request, visit.form.get("account"))
    if signed_in is None or not is_active(signed_in):
        return visit.redirect(step_path(request, "resume"))
    ticked = [
        value
        for entry in describe(request.scopes, visit.texts)
        if entry.fixed or entry.field in visit.form
        for value in entry.values
    ]
    return await grant(visit, request, signed_in, request.scopes.narrowed(ticked))


def _account(visit: Visit, request: OpenRequest, did: str | None) -> SignedIn | None:
    """Find the account that is asked about, if it is signed in as freshly as the client wants it."""
    signed_in = signed_in_account(visit, did)
    return None if signed_in is None or needs_login(request, signed_in) else signed_in
