"""Taking a person back to the app, with its answer: as a query, as a fragment, or as a form that is posted.

https://openid.net/specs/oauth-v2-multiple-response-types-1_0.html#ResponseModes,
https://openid.net/specs/oauth-v2-form-post-response-mode-1_0.html
"""

from __future__ import annotations

from urllib.parse import urlencode

from blacksheep import Response

from tempest_pds.http.pages.people.visit import Visit
from tempest_pds.services.oauth.requests import AuthorizationResponse


def carry(visit: Visit, response: AuthorizationResponse) -> Response:
    """Send the browser to the client with an answer."""
    link = link_to(response)
    if link is not None:
        return visit.leave(link)
    address = response.reply.redirect_uri
    return visit.page(
        "people/authorize/form_post.html",
        form_targets=(address,),
        script="people/authorize/form_post.js",
        address=address,
        values=response.values,
    )


def link_to(response: AuthorizationResponse) -> str | None:
    """Write an answer as an address; None when it has to be a form."""
    address, answer = response.reply.redirect_uri, urlencode(response.values)
    match response.reply.response_mode:
        case "query":
            return f"{address}{'&' if '?' in address else '?'}{answer}"
        case "fragment":
            return f"{address}#{answer}"
    return None
