"""DPoP proofs: a request shows that its sender holds the key that a token is bound to.

A proof is a token made for one request: `jwk` in its header is the public key, its claims name the request's method
(`htm`) and URI (`htu`), the moment (`iat`), itself (`jti`), the server's nonce, and with an access token the hash of
that (`ath`). A stolen token is of no use without the key, a stolen proof for no other request, nor a minute later.

What a proof says is judged in this order: everything but the nonce, then the nonce. So `UseDpopNonce` always means "the
same once more with the nonce that comes with this answer", and a client that gets it and obeys is let in. Whoever calls
has to ask before it consumes anything, a code above all, for the client will be back with it.

Two things are not here, since they need memory: that the `jti` is new, and that the thumbprint is the one a token is
bound to. A `jti` must be remembered, with the thumbprint, until `DpopProof.forget_after`.

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
from tempest_pds.protocol.oauth.signed_tokens import CLOCK_SKEW, check_times, read_jti, read_token

PROOF_SECONDS: Final = 10
"""For how long a proof is good, by a right clock."""
MAX_NONCE_LENGTH: Final = 256
_TYPES: Final = frozenset({"dpop+jwt"})


@dataclass(frozen=True, slots=True)
class DpopProof:
    """What a proof proves: its maker held this key."""

    thumbprint: str
    """Of the key: the `jkt` that tokens are bound to."""
    jti: str
    iat: int
    """In seconds since 1970, by the client's clock."""
    nonce: str | None
    """The nonce it came with; None where none was asked for."""

    @property
    def forget_after(self) -> int:
        """The second after which the proof is refused for its age, so that its `jti` need not be remembered."""
        return self.iat + PROOF_SECONDS + CLOCK_SKEW + 1


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
        issued = check_times(jwt.claims, now, PROOF_SECONDS)
    except (InvalidSignedToken, InvalidJwk, InvalidSignature) as error:
        raise InvalidDpopProof(f"DPoP proof: {error}") from error
    _check_request(jwt, method, uri)
    _check_access_token(jwt, access_token)
    return DpopProof(key.thumbprint, jti, issued, _check_nonce(jwt, nonces, now))


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


def _check_nonce(jwt: Jwt, nonces: DpopNonces | None, now: float) -> str | None:
    nonce = jwt.claims.get("nonce")
    if nonce is not None and not isinstance(nonce, str):
        raise InvalidDpopProof("DPoP proof: nonce is not a text")
    if nonces is None:
        return None
    if not nonce:
        raise UseDpopNonce("DPoP proof: a nonce is needed")
    if len(nonce) > MAX_NONCE_LENGTH or not nonces.accepts(nonce, now):
        raise UseDpopNonce("DPoP proof: the nonce is too old or unknown")
    return nonce
