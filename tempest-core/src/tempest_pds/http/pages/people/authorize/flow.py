"""What every page of an authorization has in common: the request that it is about, and how it ends.

A page is told the request by its id, in its address or its form. What the browser is at work on is kept with the
request, so nothing is lost when the server restarts between two pages.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, Literal

from blacksheep import Response

from tempest_pds.http.pages.people.authorize.answers import carry, link_to
from tempest_pds.http.pages.people.authorize.app_view import AppView
from tempest_pds.http.pages.people.authorize.problems import problem_page
from tempest_pds.http.pages.people.authorize.steps import Deny, Grant, Show, next_step
from tempest_pds.http.pages.people.own_paths import with_query
from tempest_pds.http.pages.people.page import PeoplePage
from tempest_pds.http.pages.people.visit import Visit
from tempest_pds.http.pages.people.wording.entries import printable
from tempest_pds.protocol.oauth.errors import OAuthError
from tempest_pds.protocol.oauth.scope_set import ScopeSet
from tempest_pds.services.browsers import SignedIn
from tempest_pds.services.errors import Forbidden
from tempest_pds.services.oauth.provider import Provider
from tempest_pds.services.oauth.requests import AuthorizationResponse, OpenRequest, RequestRefused

AUTHORIZE: Final = "/oauth/authorize"

Handler = Callable[[Visit, OpenRequest], Awaitable[Response]]


def authorize_page(http_method: Literal["GET", "POST"], segment: str) -> Callable[[Handler], PeoplePage]:
    """Declare a page that goes on with a request."""

    def declare(handler: Handler) -> PeoplePage:
        async def resume(visit: Visit) -> Response:
            request_id = (visit.form if http_method == "POST" else visit.query).get("request", "")
            request = provider(visit).requests.resume(request_id, visit.browser)
            return await answered(visit, request, handler, is_begun=True)

        # For the page of the documentation that lists them.
        resume.__doc__ = handler.__doc__
        return PeoplePage(http_method, f"{AUTHORIZE}/{segment}", resume, _resumption)

    return declare


def _resumption(form: Mapping[str, str]) -> str:
    return with_query(f"{AUTHORIZE}/resume", {"request": form.get("request", "")})


async def answered(
    visit: Visit,
    request: Awaitable[OpenRequest],
    handler: Handler,
    *,
    is_begun: bool,
    refused: Callable[[Visit, AuthorizationResponse], Response] = carry,
) -> Response:
    """Answer for a request, be it with a refusal: to the client where it may hear of it, else to the person."""
    try:
        found = await request
        # The client's document may have been long in coming: who was thrown out meanwhile is not signed in any more.
        visit.accounts = visit.services.browsers.accounts(visit.secret)
        visit.prefer(" ".join(found.parameters.ui_locales) or None)
        return await handler(visit, found)
    except RequestRefused as error:
        return refused(visit, error.response)
    except OAuthError as error:
        return problem_page(visit, error, is_begun=is_begun)


def provider(visit: Visit) -> Provider:
    """Give the OAuth provider."""
    return visit.services.oauth


def step_path(request: OpenRequest, step: str, **more: str) -> str:
    """Write the path of a page about a request."""
    return with_query(f"{AUTHORIZE}/{step}", {"request": request.id, **more})


def show(visit: Visit, request: OpenRequest, template: str, *, status: int = 200, **values: Any) -> Response:
    """Answer with a page of the flow. Any form of one may lead to the client in the end."""
    return visit.page(
        f"people/authorize/{template}",
        status=status,
        form_targets=(request.parameters.reply.redirect_uri,),
        request_id=request.id,
        app=AppView.of(request),
        step_path=lambda step, **more: step_path(request, step, **more),
        **values,
    )


async def go_on(visit: Visit, request: OpenRequest, signed_in: SignedIn) -> Response:
    """Take a person on who has chosen an account, or has signed in to it."""
    return await follow(visit, request, next_step(request, signed_in, provider(visit).consents.granted))


async def follow(visit: Visit, request: OpenRequest, step: Show | Grant | Deny) -> Response:
    """Do what is next."""
    match step:
        case Show(step=page, did=None):
            return visit.redirect(step_path(request, page))
        case Show(step=page, did=did):
            return visit.redirect(step_path(request, page, account=str(did)))
        case Deny(error=error, description=description):
            return carry(visit, await provider(visit).requests.refuse(request, error, description))
        case Grant(signed_in=signed_in):
            return await grant(visit, request, signed_in, request.scopes, is_silent=request.parameters.prompt == "none")


async def grant(
    visit: Visit, request: OpenRequest, signed_in: SignedIn, scopes: ScopeSet, *, is_silent: bool = False
) -> Response:
    """Give the client what was allowed, unless a policy is against it: the person is told why, the client is not."""
    services = provider(visit)
    try:
        response = await services.grants.allow(request, signed_in.account, scopes, visit.visitor)
    except RequestRefused as error:
        return carry(visit, error.response)
    except OAuthError as error:
        return problem_page(visit, error, is_begun=True)
    except Forbidden as error:
        response = await services.requests.refuse(request, "access_denied", "The server does not allow this")
        if is_silent:
            return carry(visit, response)
        return show(
            visit,
            request,
            "refused.html",
            status=403,
            reason=printable(str(error), 500),
            link=link_to(response),
            address=response.reply.redirect_uri,
            values=response.values,
        )
    return carry(visit, response)


def signed_in_account(visit: Visit, did: str | None) -> SignedIn | None:
    """Find an account among those that are signed in in this browser."""
    return next((signed_in for signed_in in visit.accounts if signed_in.account.did == did), None)


async def deny(visit: Visit, request: OpenRequest) -> Response:
    """Take a person back to the app who does not want this."""
    return carry(visit, await provider(visit).requests.refuse(request, "access_denied", "The user refused"))
