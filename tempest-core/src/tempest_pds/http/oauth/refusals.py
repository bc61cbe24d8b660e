"""The one table from errors to the answers of the provider's endpoints: RFC 6749, section 5.2.

Nearly all are 400. What is to be had in a while is 503: clients keep what they have, and come again. `invalid_client`
is 401 where the client tried the Authorization header, which this server knows no way to take, and RFC 6749 then wants
it; the reference answers 400, and browsers can do nothing with the other.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Final

from tempest_pds.http.errors import Header, answer_to
from tempest_pds.protocol.oauth.errors import (
    TEMPORARILY_UNAVAILABLE,
    ClientUnavailable,
    InvalidClientAssertion,
    OAuthError,
)

_BY_STATUS: Final = {429: TEMPORARILY_UNAVAILABLE, 503: TEMPORARILY_UNAVAILABLE}
_RETRY: Final[Header] = (b"retry-after", b"30")
_BASIC: Final[Header] = (b"www-authenticate", b'Basic realm="OAuth clients"')


@dataclass(frozen=True, slots=True)
class Refused:
    """What a request is answered with; `unexpected` is our fault, and belongs into the log."""

    status: int
    error: str
    description: str
    headers: tuple[Header, ...] = ()
    unexpected: bool = False

    def body(self) -> bytes:
        """Encode the error."""
        return json.dumps({"error": self.error, "error_description": self.description}).encode()


def refused(error: Exception, request_headers: dict[bytes, bytes]) -> Refused:
    """Look up what an error is answered with."""
    if isinstance(error, OAuthError):
        if isinstance(error, InvalidClientAssertion) and b"authorization" in request_headers:
            return Refused(401, error.code, error.description, (_BASIC,))
        if isinstance(error, ClientUnavailable):
            return Refused(503, error.code, error.description, (_RETRY,))
        return Refused(400, error.code, error.description)
    answer = answer_to(error)
    name = _BY_STATUS.get(answer.status) or ("server_error" if answer.status >= 500 else "invalid_request")
    return Refused(answer.status, name, answer.message, tuple(answer.headers), unexpected=answer.unexpected)
