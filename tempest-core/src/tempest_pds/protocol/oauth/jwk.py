"""Public keys of strangers, as JSON Web Keys, and the signatures made with them.

A DPoP proof brings its key along; a client lists its own in a key set. What is signed with them is signed by libraries
of all kinds, so more algorithms are accepted here than the two curves of the AT Protocol that `crypto.keys` knows.

A key decides which algorithms it is good for: its type and curve, then its `alg` if it has one. A token only picks
among them, so that no token turns a public RSA key into the secret of an HMAC, and `none` is never an algorithm.

The thumbprint names a key whatever else is written around it. It is a hash over text, so each number of a key must have
one spelling only: base64url without padding and spare bits, coordinates in full length, a modulus without zeros in
front. Anything else is refused here, or one key would have many names.

PyJWT does the signatures. It is imported with the first key, since many a server never sees one.

https://www.rfc-editor.org/rfc/rfc7517, https://www.rfc-editor.org/rfc/rfc7518#section-6,
https://www.rfc-editor.org/rfc/rfc7638, https://www.rfc-editor.org/rfc/rfc8037
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from json import JSONEncoder
from types import MappingProxyType
from typing import Any, Final

from tempest_pds.protocol.crypto.jwt import decode_base64url, encode_base64url
from tempest_pds.protocol.errors import InvalidSignature, InvalidSyntax
from tempest_pds.protocol.oauth.errors import InvalidJwk, UnknownJwk

RSA_ALGORITHMS: Final = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")
ACCEPTED_ALGORITHMS: Final = ("ES256", "ES256K", "ES384", "ES512", *RSA_ALGORITHMS, "EdDSA")
"""What the metadata of the server announces; ES256, which every client of the protocol must have, comes first."""

MIN_RSA_BITS: Final = 2048
MAX_RSA_BITS: Final = 8192
MAX_RSA_EXPONENT: Final = 2**32 - 1
"""Verifying takes time with the exponent's length; 65537 is what everybody uses."""
MAX_KEYS: Final = 100
"""More keys than a client can have a use for are not read."""
MAX_KID_LENGTH: Final = 512

_EC_CURVES: Final = {
    "P-256": ("ES256", 32),
    "secp256k1": ("ES256K", 32),
    "P-384": ("ES384", 48),
    "P-521": ("ES512", 66),
}
"""The curves, each with its algorithm and the bytes of a coordinate."""
_ED25519_LENGTH: Final = 32
_REQUIRED_MEMBERS: Final = {"EC": ("crv", "kty", "x", "y"), "RSA": ("e", "kty", "n"), "OKP": ("crv", "kty", "x")}
"""The members that a thumbprint is made of, in the order of RFC 7638."""
_PUBLIC_OPERATIONS: Final = ("verify", "encrypt", "wrapKey")
_SECRET_MEMBERS: Final = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv"})

_write_json = JSONEncoder(separators=(",", ":"), sort_keys=True).encode


@dataclass(frozen=True, slots=True)
class PublicJwk:
    """A public key that verifies signatures; equal when key, `kid` and algorithms are."""

    thumbprint: str
    """The SHA-256 of RFC 7638 in base64url: 43 characters. It is the `jkt` of tokens and sessions."""
    kid: str | None
    """The name that the key's owner gave it; only unique, if at all, among the owner's keys."""
    algorithms: tuple[str, ...]
    """What it may have signed with: one, or for an RSA key without `alg` six."""
    members: Mapping[str, str] = field(compare=False, repr=False)
    """The key itself, without anything around it."""
    _key: Any = field(compare=False, repr=False)

    @classmethod
    def parse(cls, value: object) -> PublicJwk:
        """Take the JSON of a public key for signatures; raise InvalidJwk for any other kind, and for a private key."""
        jwk = _object(value)
        if not _SECRET_MEMBERS.isdisjoint(jwk):
            raise InvalidJwk("a key has private members")
        kty = jwk.get("kty")
        if not isinstance(kty, str) or kty not in _REQUIRED_MEMBERS:
            raise InvalidJwk("the type of a key is not EC, RSA or OKP")
        _check_use(jwk)
        members = {name: _text_member(jwk, name) for name in _REQUIRED_MEMBERS[kty]}
        algorithms = _narrow(_READERS[kty](members), jwk)
        key = _load(members, algorithms[0])
        return cls(thumbprint_of(members), _read_kid(jwk), algorithms, MappingProxyType(members), key)

    def verify(self, algorithm: str, message: bytes, signature: bytes) -> None:
        """Check a signature of this key; raise InvalidSignature, also for an algorithm that is not the key's."""
        from jwt import get_algorithm_by_name

        if algorithm not in self.algorithms:
            raise InvalidSignature("a token is signed with an algorithm that its key is not for")
        if not get_algorithm_by_name(algorithm).verify(message, self._key, signature):
            raise InvalidSignature("the signature of a token does not verify")


@dataclass(frozen=True, slots=True)
class JwkSet:
    """The keys that a client signs with."""

    keys: tuple[PublicJwk, ...]

    @classmethod
    def parse(cls, value: object) -> JwkSet:
        """Take the JSON of a key set; raise InvalidJwk.

        Keys of other kinds and for other uses are passed over, as RFC 7517, section 5, wants it, for they are none of
        our business. A private or shared key is: whoever publishes it must learn that it is a secret no more. RSA keys
        of which only the primes are shown are passed over, too. They are no better, but the official client, which
        takes only `d` away, publishes them without its owner's doing, and its other keys are good.
        """
        entries = _object(value).get("keys")
        if not isinstance(entries, list):
            raise InvalidJwk("a key set has no list of keys")
        if len(entries) > MAX_KEYS:
            raise InvalidJwk("a key set has too many keys")
        keys = []
        for entry in entries:
            if isinstance(entry, dict) and ("d" in entry or "k" in entry):
                raise InvalidJwk("a key set holds a private key")
            try:
                keys.append(PublicJwk.parse(entry))
            except InvalidJwk:
                continue
        return cls(tuple(keys))

    def choose(self, kid: str, algorithm: str) -> PublicJwk:
        """Return the key that a token's header means; raise UnknownJwk when that is none, or more than one."""
        found = {key.thumbprint: key for key in self.keys if key.kid == kid and algorithm in key.algorithms}
        if not found:
            raise UnknownJwk("the client has no such key for that algorithm")
        if len(found) > 1:
            raise UnknownJwk("the client has several keys of that name")
        return next(iter(found.values()))

    def holds(self, kid: str, algorithm: str, thumbprint: str) -> bool:
        """Tell whether the key that a session is bound to is still the client's."""
        return any((key.kid, key.thumbprint) == (kid, thumbprint) and algorithm in key.algorithms for key in self.keys)


def thumbprint_of(members: Mapping[str, str]) -> str:
    """Return the thumbprint of a key whose members are those that RFC 7638 names for its type, and no others."""
    return encode_base64url(sha256(_write_json(members).encode("ascii")).digest())


def _object(value: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise InvalidJwk("a key or key set is not a JSON object")
    return value


def _text_member(jwk: Mapping[str, Any], name: str) -> str:
    text = jwk.get(name)
    if not isinstance(text, str):
        raise InvalidJwk(f"a key has no {name}")
    return text


def _read_kid(jwk: Mapping[str, Any]) -> str | None:
    if "kid" not in jwk:
        return None
    kid = jwk["kid"]
    if not isinstance(kid, str) or not 0 < len(kid) <= MAX_KID_LENGTH or not kid.isprintable():
        raise InvalidJwk("the kid of a key is not a short text")
    return kid


def _check_use(jwk: Mapping[str, Any]) -> None:
    if jwk.get("use", "sig") != "sig":
        raise InvalidJwk("a key is not for signatures")
    operations = jwk.get("key_ops", ["verify"])
    # The official client lists all that a public key can do. What only a private key does has no place there.
    if not isinstance(operations, list) or "verify" not in operations:
        raise InvalidJwk("a key is not to verify with")
    if any(operation not in _PUBLIC_OPERATIONS for operation in operations) or operations.count("verify") > 1:
        raise InvalidJwk("a key is to do what no public key does")


def _narrow(algorithms: tuple[str, ...], jwk: Mapping[str, Any]) -> tuple[str, ...]:
    if "alg" not in jwk:
        return algorithms
    alg = jwk["alg"]
    if alg not in algorithms:
        raise InvalidJwk("the algorithm of a key is not one of its type and curve")
    return (alg,)


def _read_ec(members: Mapping[str, str]) -> tuple[str, ...]:
    if members["crv"] not in _EC_CURVES:
        raise InvalidJwk("the curve of a key is not known")
    algorithm, length = _EC_CURVES[members["crv"]]
    for name in ("x", "y"):
        if len(_bytes_of(members, name)) != length:
            raise InvalidJwk("a coordinate of a key has not the length that its curve wants")
    return (algorithm,)


def _read_rsa(members: Mapping[str, str]) -> tuple[str, ...]:
    modulus, exponent = (_bytes_of(members, name) for name in ("n", "e"))
    if not modulus or not exponent or modulus[0] == 0 or exponent[0] == 0:
        raise InvalidJwk("a number of an RSA key is not in its shortest form")
    if not MIN_RSA_BITS <= int.from_bytes(modulus, "big").bit_length() <= MAX_RSA_BITS:
        raise InvalidJwk(f"an RSA key is shorter than {MIN_RSA_BITS} or longer than {MAX_RSA_BITS} bits")
    e = int.from_bytes(exponent, "big")
    if not 3 <= e <= MAX_RSA_EXPONENT or e % 2 == 0 or modulus[-1] % 2 == 0:
        raise InvalidJwk("the numbers of an RSA key are not those of a key")
    return RSA_ALGORITHMS


def _read_okp(members: Mapping[str, str]) -> tuple[str, ...]:
    if members["crv"] != "Ed25519":
        raise InvalidJwk("the curve of a key is not known")
    if len(_bytes_of(members, "x")) != _ED25519_LENGTH:
        raise InvalidJwk("a coordinate of a key has not the length that its curve wants")
    return ("EdDSA",)


_READERS: Final = {"EC": _read_ec, "RSA": _read_rsa, "OKP": _read_okp}


def _bytes_of(members: Mapping[str, str], name: str) -> bytes:
    # Before it is decoded: the longest number there is, a modulus, has 1366 characters.
    if len(members[name]) > 2 * MAX_RSA_BITS // 8:
        raise InvalidJwk("a number of a key is too long")
    try:
        return decode_base64url(members[name])
    except InvalidSyntax as error:
        raise InvalidJwk(f"the {name} of a key is not canonical base64url") from error


def _load(members: Mapping[str, str], algorithm: str) -> Any:
    from jwt import PyJWK, PyJWTError

    try:
        return PyJWK(dict(members), algorithm).key
    except (PyJWTError, ValueError) as error:
        # A point that is not on its curve.
        raise InvalidJwk("a key is not a key of its type and curve") from error
