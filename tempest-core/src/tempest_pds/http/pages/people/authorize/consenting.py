"""/oauth/authorize/consent: what an app may do with an account, asked of its owner.

The choice of the language is part of the form here, so that it keeps the ticks.
"""

from __future__ import annotations

from collections.abc import Container
from itertools import groupby
from typing import Final

from blacksheep import Response

from tempest_pds.http.pages.people.authorize.flow import (
    authorize_page,
    deny,
    grant,
    show,
    signed_in_account,
    step_path,
)
from tempest_pds.http.pages.people.authorize.steps import Step, fits_hint, is_active, needs_login
from tempest_pds.http.pages.people.visit import Visit
from tempest_pds.http.pages.people.wording.entries import printable
from tempest_pds.http.pages.people.wording.permissions import describe
from tempest_pds.services.browsers import SignedIn
from tempest_pds.services.oauth.requests import OpenRequest

_UNKNOWN_LENGTH: Final = 200


@authorize_page("GET", Step.CONSENT)
async def ask(visit: Visit, request: OpenRequest) -> Response:
    """Show what the app asks for."""
    return _show(visit, request, visit.query.get("account"))


@authorize_page("POST", Step.CONSENT)
async def answer(visit: Visit, request: OpenRequest) -> Response:
    """Grant what is ticked, or nothing."""
    if "language" in visit.form:
        visit.choose_language(visit.form["language"])
        return _show(visit, request, visit.form.get("account"), visit.form)
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


def _show(visit: Visit, request: OpenRequest, did: str | None, ticked: Container[str] | None = None) -> Response:
    """Ask about an account; what is ticked is all, unless fields are given."""
    signed_in = _account(visit, request, did)
    if signed_in is None:
        return visit.redirect(step_path(request, "resume"))
    if not is_active(signed_in):
        return show(visit, request, "inactive.html", account=signed_in.account)
    entries = describe(request.scopes, visit.texts, request.permission_sets)
    return show(
        visit,
        request,
        "consent.html",
        account=signed_in.account,
        expected=None if fits_hint(request, signed_in) else request.parameters.login_hint,
        groups=[(group, list(members)) for group, members in groupby(entries, key=lambda entry: entry.group)],
        unticked=set() if ticked is None else {entry.field for entry in entries if entry.field not in ticked},
        can_untick=not all(entry.fixed for entry in entries),
        scopes=[scope.spelling for scope in request.scopes],
        unknown=[printable(spelling, _UNKNOWN_LENGTH) for spelling in request.scopes.unknown],
    )


def _account(visit: Visit, request: OpenRequest, did: str | None) -> SignedIn | None:
    """Find the account that is asked about, if it is signed in as freshly as the client wants it."""
    signed_in = signed_in_account(visit, did)
    return None if signed_in is None or needs_login(request, signed_in) else signed_in
