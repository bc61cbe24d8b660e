"""What is common to the tokens that clients sign: DPoP proofs, client assertions and request objects.

All of them are made when they are needed and are good for a minute or two, so `iat` must be there, and `exp` and `nbf`
are believed where they are. The client's clock may be off by `CLOCK_SKEW` seconds in either direction; many are. It may
be off by more only where a nonce of this server shows the time instead (`check_own_times`).

One key may sign several kinds of tokens, and one kind must not pass for another: `typ`, where it is given, must be that
of the kind. https://www.rfc-editor.org/rfc/rfc8725#section-3.11
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from json import JSONEncoder
from typing import Any, Final

from tempest_pds.protocol.crypto.jwt import Jwt, decode_unverified
from tempest_pds.protocol.errors import InvalidSyntax
from tempest_pds.protocol.oauth.errors import InvalidSignedToken
from tempest_pds.protocol.oauth.jwk import ACCEPTED_ALGORITHMS, MAX_KID_LENGTH, JwkSet, PublicJwk

CLOCK_SKEW: Final = 30
"""By how many seconds a client's clock may be off."""
MAX_JTI_LENGTH: Final = 256

_write_json = JSONEncoder(ensure_ascii=False).encode


def read_token(token: object, types: Collection[str]) -> Jwt:
    """Take a token apart, of which nothing is verified yet; raise InvalidSignedToken.

    `types` are the values of `typ` that are taken, in lower case and without `application/`; `""` for none at all.
    """
    jwt = _take_apart(token, types)
    if jwt.alg not in ACCEPTED_ALGORITHMS:
        raise InvalidSignedToken("a token is signed with an algorithm that is not accepted")
    return jwt


def read_unsecured_token(token: object, types: Collection[str]) -> Jwt:
    """Take a token apart that says of itself that nobody signed it; raise InvalidSignedToken."""
    jwt = _take_apart(token, types)
    if jwt.alg != "none" or jwt.signature:
        raise InvalidSignedToken("alg is not none, or there is a signature all the same")
    return jwt


def _take_apart(token: object, types: Collection[str]) -> Jwt:
    if not isinstance(token, str):
        raise InvalidSignedToken("not a token")
    try:
        jwt = decode_unverified(token)
        # Half of a surrogate pair is JSON, and a text that can be written nowhere.
        _write_json([jwt.header, jwt.claims]).encode()
    except (InvalidSyntax, UnicodeEncodeError) as error:
        raise InvalidSignedToken("not a well-formed token") from error
    typ = jwt.header.get("typ", "")
    if not isinstance(typ, str) or typ.lower().removeprefix("application/") not in types:
        raise InvalidSignedToken("the typ of a token is another")
    return jwt


def choose_key(jwt: Jwt, keys: JwkSet) -> tuple[str, PublicJwk]:
    """Return the `kid` of a token's header and the key that it means; raise InvalidSignedToken or UnknownJwk."""
    kid = jwt.header.get("kid")
    if not isinstance(kid, str) or not 0 < len(kid) <= MAX_KID_LENGTH:
        raise InvalidSignedToken("the header of a token has no kid")
    return kid, keys.choose(kid, jwt.alg)


def check_times(claims: Mapping[str, Any], now: float, max_age: int) -> int:
    """Check that a token was made at most `max_age` seconds ago, and return its `iat`; raise InvalidSignedToken."""
    issued = _issued(claims)
    if issued > now + CLOCK_SKEW:
        raise InvalidSignedToken("a token was made in the future: is the clock right?")
    if issued < now - max_age - CLOCK_SKEW:
        raise InvalidSignedToken("a token is too old: is the clock right?")
    _check_limits(claims, now)
    return int(issued)


def check_own_times(claims: Mapping[str, Any]) -> None:
    """Check the times of a token whose age something else shows, whatever its clock says; raise InvalidSignedToken.

    It is only for when it was made that `exp` and `nbf` can be asked about, for they are by the same clock.
    """
    _check_limits(claims, _issued(claims))


def _issued(claims: Mapping[str, Any]) -> int | float:
    issued = _time(claims, "iat")
    if issued is None:
        raise InvalidSignedToken("a token has no iat")
    return issued


def _check_limits(claims: Mapping[str, Any], now: float) -> None:
    expires, starts = _time(claims, "exp"), _time(claims, "nbf")
    if expires is not None and expires <= now - CLOCK_SKEW:
        raise InvalidSignedToken("a token has expired: is the clock right?")
    if starts is not None and starts > now + CLOCK_SKEW:
        raise InvalidSignedToken("a token is not good yet: is the clock right?")


def read_jti(claims: Mapping[str, Any]) -> str:
    """Return the name by which a token is known when it comes again; raise InvalidSignedToken."""
    jti = claims.get("jti")
    if not isinstance(jti, str) or not 0 < len(jti) <= MAX_JTI_LENGTH:
        raise InvalidSignedToken(f"a token has no jti of up to {MAX_JTI_LENGTH} characters")
    return jti


def is_only_audience(claims: Mapping[str, Any], audience: str) -> bool:
    """Tell whether a token is for `audience` and for nobody else, who could hand it on."""
    return claims.get("aud") in (audience, [audience])


def _time(claims: Mapping[str, Any], name: str) -> int | float | None:
    value = claims.get(name)
    if value is None:
        return None
    if isinstance(value, float) and not math.isfinite(value):
        raise InvalidSignedToken(f"the {name} of a token is not a time")
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InvalidSignedToken(f"the {name} of a token is not a time")
    return value
