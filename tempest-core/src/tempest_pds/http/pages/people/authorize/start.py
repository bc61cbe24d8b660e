"""GET /oauth/authorize: where an app sends a person, and where they come back to after signing in elsewhere."""

from __future__ import annotations

from blacksheep import Response

from tempest_pds.http.oauth.endpoints import PUSHES
from tempest_pds.http.pages.people.authorize.answers import carry
from tempest_pds.http.pages.people.authorize.flow import (
    AUTHORIZE,
    answered,
    authorize_page,
    follow,
    provider,
    step_path,
)
from tempest_pds.http.pages.people.authorize.problems import refused_page
from tempest_pds.http.pages.people.authorize.steps import Grant, Show, Step, first_step
from tempest_pds.http.pages.people.page import people_page
from tempest_pds.http.pages.people.visit import Visit
from tempest_pds.protocol.oauth.authorization_parameters import single_values
from tempest_pds.services.oauth.requests import AuthorizationResponse, OpenRequest


@people_page("GET", AUTHORIZE)
async def start(visit: Visit) -> Response:
    """Take a request, and go to the first page about it. Opening it again, as a reload does, is harmless."""
    return await answered(visit, _open(visit), _begin, is_begun=_was_pushed(visit), refused=_refused)


async def _open(visit: Visit) -> OpenRequest:
    if not _was_pushed(visit):
        # It costs what a pushed one costs: a row, and maybe the fetching of a client.
        visit.count(PUSHES)
    return await provider(visit).requests.open(single_values(visit.query_pairs), visit.browser)


def _refused(visit: Visit, response: AuthorizationResponse) -> Response:
    """Let the person decide whether to go where a request leads that is wrong from the start.

    Anybody can be a client, so a link to this page could lead anywhere, if nobody had to do anything on it:
    https://www.rfc-editor.org/rfc/rfc9700#section-4.11.2, which excepts `prompt=none`.
    """
    if visit.query.get("prompt") == "none":
        return carry(visit, response)
    return refused_page(visit, response, is_begun=_was_pushed(visit))


def _was_pushed(visit: Visit) -> bool:
    """Tell whether a request comes by its name; an empty one is none."""
    return bool(visit.query.get("request_uri"))


async def _begin(visit: Visit, request: OpenRequest) -> Response:
    return await follow(visit, request, first_step(request, visit.accounts, provider(visit).consents.granted))


@authorize_page("GET", "resume")
async def resume(visit: Visit, request: OpenRequest) -> Response:
    """Go on, now that other accounts may be signed in. Nothing is granted by looking at a page."""
    step = first_step(request, visit.accounts, provider(visit).consents.granted)
    if (step == Show(Step.SIGN_UP) and visit.accounts) or isinstance(step, Grant):
        return visit.redirect(step_path(request, Step.CHOOSE))
    return await follow(visit, request, step)
