"""`private_key_jwt`: a confidential client proves to be itself with a token that it signs for this server.

The result names the key that did it, for the session is bound to that key, and to no other of the client's: when a
refresh comes signed with another key, or the key is gone from the client's document (`JwkSet.holds`), the session ends.

An assertion is made for one request and is good for a minute: `iat` says since when, and must be there. `exp`, which
RFC 7523 wants, is believed when it is there; old clients of the protocol do not send it, and it could only make the
minute shorter.

The key that clients prove themselves with lies in a backend. The key of DPoP lies with each user's session, perhaps in
a browser, and must not be the same. A backend that signs for a frontend can say in `cnf.jkt` which DPoP key it means
(proposal 0010 of the protocol); then it must be that.

Not here, since it needs memory: that the `jti` is new. https://www.rfc-editor.org/rfc/rfc7523#section-3
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from tempest_pds.protocol.errors import InvalidSignature
from tempest_pds.protocol.oauth.errors import InvalidClientAssertion, InvalidSignedToken, UnknownJwk
from tempest_pds.protocol.oauth.jwk import JwkSet
from tempest_pds.protocol.oauth.signed_tokens import (
    CLOCK_SKEW,
    check_times,
    choose_key,
    is_only_audience,
    read_jti,
    read_token,
)

ASSERTION_TYPE: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
ASSERTION_SECONDS: Final = 60
"""For how long an assertion is good, by a right clock."""
_TYPES: Final = frozenset({"", "jwt", "client-authentication+jwt"})


@dataclass(frozen=True, slots=True)
class ClientAssertion:
    """The key that a client proved itself with: `kid`, `alg` and `thumbprint` bind its session."""

    kid: str
    alg: str
    thumbprint: str
    jti: str
    iat: int
    """In seconds since 1970, by the client's clock."""
    dpop_thumbprint: str | None
    """The DPoP key that the client vouches for in `cnf.jkt`; a request without a proof must be bound to it."""

    @property
    def forget_after(self) -> int:
        """The second after which the assertion is refused for its age, so that its `jti` need not be remembered."""
        return self.iat + ASSERTION_SECONDS + CLOCK_SKEW + 1


def check_client_assertion(
    assertion: str,
    *,
    client_id: str,
    issuer: str,
    keys: JwkSet,
    now: float,
    dpop_thumbprint: str | None,
    algorithm: str | None = None,
) -> ClientAssertion:
    """Check `client_assertion` of a request; raise InvalidClientAssertion.

    `dpop_thumbprint` is that of the request's proof, if it has one; `algorithm` is the client's own
    `token_endpoint_auth_signing_alg`.
    """
    try:
        jwt = read_token(assertion, _TYPES)
        kid, key = choose_key(jwt, keys)
        key.verify(jwt.alg, jwt.signing_input, jwt.signature)
        jti = read_jti(jwt.claims)
        issued = check_times(jwt.claims, now, ASSERTION_SECONDS)
        confirmed = _read_confirmed_key(jwt.claims)
    except (InvalidSignedToken, UnknownJwk, InvalidSignature) as error:
        raise InvalidClientAssertion(f"client_assertion: {error}") from error
    if algorithm not in (None, jwt.alg):
        raise InvalidClientAssertion("client_assertion: alg is not the one of the client metadata")
    if jwt.claims.get("iss") != client_id or jwt.claims.get("sub") != client_id:
        raise InvalidClientAssertion("client_assertion: iss and sub must be the client_id")
    if not is_only_audience(jwt.claims, issuer):
        raise InvalidClientAssertion("client_assertion: aud must be the issuer")
    if key.thumbprint in (dpop_thumbprint, confirmed):
        raise InvalidClientAssertion("client_assertion: signed with the key of DPoP")
    if dpop_thumbprint is not None and confirmed not in (None, dpop_thumbprint):
        raise InvalidClientAssertion("client_assertion: cnf.jkt is another key than that of the DPoP proof")
    return ClientAssertion(kid, jwt.alg, key.thumbprint, jti, issued, confirmed)


def _read_confirmed_key(claims: dict[str, Any]) -> str | None:
    confirmation = claims.get("cnf")
    if confirmation is None:
        return None
    thumbprint = confirmation.get("jkt") if isinstance(confirmation, dict) else None
    if not isinstance(thumbprint, str):
        # Another way of confirmation than the one that is understood: to pass it over would weaken what was signed.
        raise InvalidSignedToken("cnf has no jkt")
    return thumbprint
