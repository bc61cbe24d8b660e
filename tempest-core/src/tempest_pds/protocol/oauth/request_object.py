"""JAR: the parameters of an authorization request as the claims of a token that the client signed.

A token arrives in the parameter `request`. Only what it says counts then; parameters beside it are not read, but for
`client_id`, which tells whose keys to look for and must be the same inside. `none` is no signature, and proves as
little as plain parameters do: only a client whose document says `"request_object_signing_alg": "none"` may send it.

A request object must not look like a client assertion, which would be worth more: so one whose `sub` is the client is
refused (RFC 9101, section 10.8). Not here, since it needs memory: that the `jti` is new.

https://www.rfc-editor.org/rfc/rfc9101
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from tempest_pds.protocol.crypto.jwt import Jwt
from tempest_pds.protocol.errors import InvalidSignature
from tempest_pds.protocol.oauth.errors import InvalidRequestObject, InvalidSignedToken, UnknownJwk
from tempest_pds.protocol.oauth.jwk import JwkSet
from tempest_pds.protocol.oauth.signed_tokens import (
    CLOCK_SKEW,
    check_times,
    choose_key,
    is_only_audience,
    read_jti,
    read_token,
    read_unsecured_token,
)

REQUEST_OBJECT_SECONDS: Final = 59
"""For how long a request object is good, by a right clock."""
UNSECURED: Final = "none"
"""The `request_object_signing_alg` of a client that does not sign its request objects."""
_TYPES: Final = frozenset({"", "jwt", "oauth-authz-req+jwt"})
_OF_THE_TOKEN: Final = frozenset({"iss", "aud", "sub", "iat", "exp", "nbf", "jti"})
"""Claims that are about the token, and no parameters."""


@dataclass(frozen=True, slots=True)
class RequestObject:
    """The request that a client signed."""

    parameters: Mapping[str, Any]
    """As they stand there: JSON of any kind, for the reader of the request to judge; `client_id` is one of them."""
    jti: str
    iat: int
    """In seconds since 1970, by the client's clock."""

    @property
    def forget_after(self) -> int:
        """The second after which the object is refused for its age, so that its `jti` need not be remembered."""
        return self.iat + REQUEST_OBJECT_SECONDS + CLOCK_SKEW + 1


def check_request_object(
    request: str, *, client_id: str, issuer: str, keys: JwkSet, now: float, algorithm: str | None = None
) -> RequestObject:
    """Check the parameter `request`; raise InvalidRequestObject.

    `client_id` is that of the parameter beside it; `algorithm` is the client's own `request_object_signing_alg`.
    """
    unsecured = algorithm == UNSECURED
    try:
        if unsecured:
            jwt = read_unsecured_token(request, _TYPES)
        else:
            jwt = read_token(request, _TYPES)
            _, key = choose_key(jwt, keys)
            key.verify(jwt.alg, jwt.signing_input, jwt.signature)
        jti = read_jti(jwt.claims)
        issued = check_times(jwt.claims, now, REQUEST_OBJECT_SECONDS)
    except (InvalidSignedToken, UnknownJwk, InvalidSignature) as error:
        raise InvalidRequestObject(f"request: {error}") from error
    if algorithm not in (None, jwt.alg):
        raise InvalidRequestObject("request: alg is not the one of the client metadata")
    _check_parties(jwt, client_id, issuer, may_be_absent=unsecured)
    claims = jwt.claims
    if not {"request", "request_uri"}.isdisjoint(claims):
        raise InvalidRequestObject("request: a request object must not hold another")
    parameters = {name: value for name, value in claims.items() if name not in _OF_THE_TOKEN}
    return RequestObject(MappingProxyType(parameters), jti, issued)


def _check_parties(jwt: Jwt, client_id: str, issuer: str, *, may_be_absent: bool) -> None:
    """Check for whom and by whom an object is; one that is not signed may leave that open, as it proves neither."""
    claims = {"iss": client_id, "aud": issuer, **jwt.claims} if may_be_absent else jwt.claims
    if claims.get("iss") != client_id or claims.get("client_id") != client_id:
        raise InvalidRequestObject("request: iss and client_id must be the client_id")
    if not is_only_audience(claims, issuer):
        raise InvalidRequestObject("request: aud must be the issuer")
    if claims.get("sub") == client_id:
        raise InvalidRequestObject("request: a client assertion is not a request object")
