"""Telling a person what is wrong with a request that cannot go back to its client, or not without being asked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from blacksheep import Response

from tempest_pds.http.pages.people.authorize.answers import link_to
from tempest_pds.http.pages.people.visit import Visit
from tempest_pds.protocol.oauth.errors import (
    TEMPORARILY_UNAVAILABLE,
    InvalidClientId,
    InvalidClientMetadata,
    InvalidRedirectUri,
    OAuthError,
)
from tempest_pds.services.oauth.requests import AuthorizationResponse

_OVER: Final = "over"
_APP: Final = "app"
_REQUEST: Final = "request"
_LATER: Final = "later"

PROBLEMS: Final[Mapping[str, Mapping[str, str]]] = {
    _OVER: {
        "title": "This sign-in cannot go on",
        "what": "It was answered already, it took too long, or it was begun in another browser. "
        "A browser that keeps no cookies cannot go on either.",
        "advice": "Please go back to the app, and begin to sign in again.",
    },
    _APP: {
        "title": "The app cannot be recognized",
        "what": "The app that sent you here is not set up as it has to be, or its own server does not answer just now.",
        "advice": "Please go back to the app, and try again later. "
        "If it happens again, tell those who make the app what stands below.",
    },
    _REQUEST: {
        "title": "The app asked for something that it cannot have",
        "what": "What the app sent along with you is not in order. Nothing was done with your account.",
        "advice": "Please go back to the app. If it happens again, tell those who make the app what stands below.",
    },
    _LATER: {
        "title": "This cannot go on just now",
        "what": "What the app asks for has to be looked up at the server of somebody else, which does not answer. "
        "Nothing was done with your account.",
        "advice": "Please go back to the app, and try again later. "
        "If it happens again, tell those who make the app what stands below.",
    },
}
"""What happened, and what to do; texts."""


def problem_page(visit: Visit, error: OAuthError, *, is_begun: bool) -> Response:
    """Show a problem; `is_begun` for a request that was taken before."""
    of_app = isinstance(error, (InvalidClientId, InvalidClientMetadata, InvalidRedirectUri))
    kind = _APP if of_app else _OVER if is_begun else _REQUEST
    return visit.page(
        "people/authorize/problem.html",
        status=400,
        detail=None if kind == _OVER else error.description,
        **{name: visit.texts(text) for name, text in PROBLEMS[kind].items()},
    )


def refused_page(visit: Visit, response: AuthorizationResponse, *, is_begun: bool) -> Response:
    """Show a problem, and the way back to the app, which is told of it there."""
    passes = response.values["error"] == TEMPORARILY_UNAVAILABLE
    kind = _LATER if passes else _OVER if is_begun else _REQUEST
    redirect = response.reply.redirect_uri
    url = redirect.url
    return visit.page(
        "people/authorize/problem.html",
        status=400,
        form_targets=(redirect,),
        detail=None if kind == _OVER else response.values.get("error_description"),
        destination=None if url is None or redirect.is_loopback else url.host,
        link=link_to(response),
        address=redirect,
        values=response.values,
        **{name: visit.texts(text) for name, text in PROBLEMS[kind].items()},
    )
