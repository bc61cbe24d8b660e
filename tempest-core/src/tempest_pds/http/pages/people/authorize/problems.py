"""Telling a person what is wrong with a request that cannot go back to its client."""

from __future__ import annotations

from typing import Final

from blacksheep import Response

from tempest_pds.http.pages.people.visit import Visit
from tempest_pds.protocol.oauth.errors import InvalidClientId, InvalidClientMetadata, InvalidRedirectUri, OAuthError

_OF_THE_APP: Final = "The app that sent you here is not set up as it has to be, or its own server does not answer."
_OF_THE_REQUEST: Final = "What the app asked for cannot be dealt with."
_GO_BACK: Final = "Please go back to the app, and begin to sign in again."
_TELL_THEM: Final = "Please go back to the app. If it happens again, tell those who make it what stands below."


def problem_page(visit: Visit, error: OAuthError) -> Response:
    """Show what happened, and what to do."""
    of_app = isinstance(error, (InvalidClientId, InvalidClientMetadata, InvalidRedirectUri))
    return visit.page(
        "people/authorize/problem.html",
        status=400,
        title=visit.texts("That did not work"),
        what=visit.texts(_OF_THE_APP if of_app else _OF_THE_REQUEST),
        advice=visit.texts(_TELL_THEM if of_app else _GO_BACK),
        detail=error.description,
    )
