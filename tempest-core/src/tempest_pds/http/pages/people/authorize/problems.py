"""Telling a person what is wrong with a request that cannot go back to its client."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from blacksheep import Response

from tempest_pds.http.pages.people.visit import Visit
from tempest_pds.protocol.oauth.errors import InvalidClientId, InvalidClientMetadata, InvalidRedirectUri, OAuthError


@dataclass(frozen=True, slots=True)
class _Problem:
    title: str
    what: str
    advice: str


_OVER: Final = _Problem(
    "This sign-in cannot go on",
    "It was answered already, it took too long, or it was begun in another browser. "
    "A browser that keeps no cookies cannot go on either.",
    "Please go back to the app, and begin to sign in again.",
)
_APP: Final = _Problem(
    "The app cannot be recognized",
    "The app that sent you here is not set up as it has to be, or its own server does not answer just now.",
    "Please go back to the app, and try again later. "
    "If it happens again, tell those who make the app what stands below.",
)
_REQUEST: Final = _Problem(
    "The app asked for something that it cannot have",
    "What the app sent along with you is not in order. Nothing was done with your account.",
    "Please go back to the app. If it happens again, tell those who make the app what stands below.",
)


def problem_page(visit: Visit, error: OAuthError, *, is_begun: bool) -> Response:
    """Show what happened, and what to do; `is_begun` for a request that was taken before."""
    if isinstance(error, (InvalidClientId, InvalidClientMetadata, InvalidRedirectUri)):
        problem = _APP
    else:
        problem = _OVER if is_begun else _REQUEST
    return visit.page(
        "people/authorize/problem.html",
        status=400,
        title=visit.texts(problem.title),
        what=visit.texts(problem.what),
        advice=visit.texts(problem.advice),
        detail=None if problem is _OVER else error.description,
    )
