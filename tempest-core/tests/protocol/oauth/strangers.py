"""Somebody else's keys, and tokens that are signed with them by PyJWT: what a client would send."""

import functools
import json
from dataclasses import dataclass
from typing import Any

import jwt as pyjwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

from tempest_pds.protocol.oauth.jwk import ACCEPTED_ALGORITHMS

NOW = 1_800_000_000
CLIENT, ISSUER = "https://app.example/client.json", "https://pds.example"
CURVES: dict[str, type[ec.EllipticCurve]] = {
    "ES256": ec.SECP256R1,
    "ES256K": ec.SECP256K1,
    "ES384": ec.SECP384R1,
    "ES512": ec.SECP521R1,
}


@dataclass(frozen=True)
class Stranger:
    """A key pair and an algorithm that it signs with."""

    alg: str
    private: Any
    jwk: dict[str, Any]

    def sign(self, claims: dict[str, Any], header: dict[str, Any] | None = None) -> str:
        """Sign claims; `None` in the header or the claims takes a member away."""
        payload = json.dumps({name: value for name, value in claims.items() if value is not None}).encode()
        return pyjwt.PyJWS().encode(payload, self.private, self.alg, {"typ": None, **(header or {})})


@functools.cache
def rsa_key(bits: int = 2048) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, bits)


@functools.cache
def stranger(alg: str, number: int = 0) -> Stranger:
    """Make a key pair for an algorithm; the same for the same number. RSA keys are all one."""
    private: Any
    if alg in CURVES:
        private = ec.generate_private_key(CURVES[alg]())
        jwk = ECAlgorithm.to_jwk(private.public_key(), as_dict=True)
    elif alg == "EdDSA":
        private = ed25519.Ed25519PrivateKey.generate()
        jwk = OKPAlgorithm.to_jwk(private.public_key(), as_dict=True)
    else:
        assert alg in ACCEPTED_ALGORITHMS
        private = rsa_key()
        jwk = RSAAlgorithm.to_jwk(private.public_key(), as_dict=True)
    return Stranger(alg, private, {name: jwk[name] for name in ("kty", "crv", "x", "y", "n", "e") if name in jwk})
