"""DPoP proofs: a request shows that its sender holds the key that a token is bound to.

A proof is a token made for one request: `jwk` in its header is the public key, its claims name the request's method
(`htm`) and URI (`htu`), the moment (`iat`), itself (`jti`), the server's nonce, and with an access token the hash of
that (`ath`). A stolen token is of no use without the key, a stolen proof for no other request, nor a few minutes later.

How old a proof is, `iat` tells by the client's clock, or the nonce by the server's (RFC 9449, section 4.3, step 11).
Where nonces are asked for, the nonce alone decides, since the clocks of phones are off by minutes; `iat` must be there,
and may say anything. Where they are not, the clock must be right, but for `CLOCK_SKEW`.

What a proof says is judged in this order: everything but the nonce, then the nonce. So `UseDpopNonce` always means "the
same once more with the nonce that comes with this answer", and a client that gets it and obeys is let in. Whoever calls
has to ask before it consumes anything, a code above all, for the client will be back with it.

Two things are not here, since they need memory: that the `jti` is new, and that the thumbprint is the one a token is
bound to. A `jti` must be remembered, with the thumbprint, until `DpopProof.forget_after`. An endpoint asks for nonces
always or never, else a proof could outlive that.

https://www.rfc-editor.org/rfc/rfc9449
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from hmac import compare_digest
from typing import Final

from tempest_pds.protocol.crypto.jwt import Jwt, encode_base64url
from tempest_pds.protocol.errors import InvalidSignature, InvalidSyntax
from tempest_pds.protocol.oauth.dpop_nonce import DpopNonces
from tempest_pds.protocol.oauth.errors import InvalidDpopProof, InvalidJwk, InvalidSignedToken, UseDpopNonce
from tempest_pds.protocol.oauth.http_uri import normalize_http_uri
from tempest_pds.protocol.oauth.jwk import PublicJwk
from tempest_pds.protocol.oauth.signed_tokens import CLOCK_SKEW, check_own_times, check_times, read_jti, read_token

MAX_NONCE_LENGTH: Final = 256
_TYPES: Final = frozenset({"dpop+jwt"})


@dataclass(frozen=True, slots=True)
class DpopProof:
    """What a proof proves: its maker held this key."""

    thumbprint: str
    """Of the key: the `jkt` that tokens are bound to."""
    jti: str
    forget_after: int
    """The second from which the proof is refused for its age, so that its `jti` need not be remembered."""
    nonce: str | None = None
    """The nonce it came with; None where none was asked for."""


def check_dpop_proof(
    proof: str, *, method: str, uri: str, now: float, nonces: DpopNonces | None, access_token: str | None = None
) -> DpopProof:
    """Check the `DPoP` header of a request; raise InvalidDpopProof, or UseDpopNonce.

    `uri` is the request's as the client sees it, with or without a query. Without `nonces` none is asked for. With
    `access_token` the proof must be for it, and without must be for none.
    """
    try:
        jwt = read_token(proof, _TYPES)
        key = PublicJwk.parse(jwt.header.get("jwk"))
        key.verify(jwt.alg, jwt.signing_input, jwt.signature)
        jti = read_jti(jwt.claims)
        if nonces is None:
            forget_after = check_times(jwt.claims, now, 0) + CLOCK_SKEW + 1
        else:
            check_own_times(jwt.claims)
    except (InvalidSignedToken, InvalidJwk, InvalidSignature) as error:
        raise InvalidDpopProof(f"DPoP proof: {error}") from error
    _check_request(jwt, method, uri)
    _check_access_token(jwt, access_token)
    nonce = _read_nonce(jwt)
    if nonces is None:
        return DpopProof(key.thumbprint, jti, forget_after)
    return DpopProof(key.thumbprint, jti, _check_nonce(nonce, nonces, now), nonce)


def hash_access_token(access_token: str) -> str:
    """Return what `ath` must be for an access token."""
    # surrogateescape: a header's bytes beyond ASCII must not make an error of their own.
    return encode_base64url(sha256(access_token.encode(errors="surrogateescape")).digest())


def _check_request(jwt: Jwt, method: str, uri: str) -> None:
    if jwt.claims.get("htm") != method:
        raise InvalidDpopProof("DPoP proof: htm is not the method of the request")
    htu = jwt.claims.get("htu")
    if not isinstance(htu, str):
        raise InvalidDpopProof("DPoP proof: no htu")
    try:
        # The query that `htu` must not have is passed over, as old clients send it.
        same = normalize_http_uri(htu) == normalize_http_uri(uri)
    except InvalidSyntax as error:
        raise InvalidDpopProof("DPoP proof: htu is not an absolute http or https URI") from error
    if not same:
        raise InvalidDpopProof("DPoP proof: htu is not the URI of the request")


def _check_access_token(jwt: Jwt, access_token: str | None) -> None:
    ath = jwt.claims.get("ath")
    if access_token is None:
        if ath is not None:
            raise InvalidDpopProof("DPoP proof: ath without an access token")
    elif not isinstance(ath, str) or not compare_digest(ath.encode(), hash_access_token(access_token).encode()):
        raise InvalidDpopProof("DPoP proof: ath is not the hash of the access token")


def _read_nonce(jwt: Jwt) -> str | None:
    nonce = jwt.claims.get("nonce")
    if nonce is not None and not isinstance(nonce, str):
        raise InvalidDpopProof("DPoP proof: nonce is not a text")
    return nonce


def _check_nonce(nonce: str | None, nonces: DpopNonces, now: float) -> int:
    if not nonce:
        raise UseDpopNonce("DPoP proof: a nonce is needed")
    end = None if len(nonce) > MAX_NONCE_LENGTH else nonces.end_of(nonce, now)
    if end is None:
        raise UseDpopNonce("DPoP proof: the nonce is too old or unknown")
    return end
