"""Keys on P-256 as JSON Web Keys: what this server signs its own tokens with (ES256).

A JWK has both coordinates of the point, and our keys have it compressed; the curve's equation gives the other one.
https://www.rfc-editor.org/rfc/rfc7518#section-6.2
"""

from __future__ import annotations

from typing import Final

from tempest_pds.protocol.crypto.jwt import decode_base64url, encode_base64url
from tempest_pds.protocol.crypto.keys import PrivateKey, PublicKey, private_key, public_key
from tempest_pds.protocol.errors import InvalidEncoding, InvalidSyntax
from tempest_pds.protocol.oauth.errors import InvalidJwk

_PRIME: Final = 2**256 - 2**224 + 2**192 + 2**96 - 1
_B: Final = 0x5AC635D8_AA3A93E7_B3EBBD55_769886BC_651D06B0_CC53B0F6_3BCE3C3E_27D2604B
_LENGTH: Final = 32


def public_members(key: PublicKey) -> dict[str, str]:
    """Return the members that make up a public key, and its thumbprint."""
    x = int.from_bytes(key.compressed[1:], "big")
    y = pow(pow(x, 3, _PRIME) - 3 * x + _B, (_PRIME + 1) // 4, _PRIME)
    if y & 1 != key.compressed[0] & 1:
        y = _PRIME - y
    return {"kty": "EC", "crv": "P-256", "x": _encode(x), "y": _encode(y)}


def read_public_members(jwk: dict[str, object]) -> PublicKey:
    """Read a public key; raise InvalidJwk."""
    if jwk.get("kty") != "EC" or jwk.get("crv") != "P-256":
        raise InvalidJwk("a key is not one on P-256")
    x, y = _decode(jwk, "x"), _decode(jwk, "y")
    try:
        key = public_key(bytes([2 + (y[-1] & 1)]) + x, "p256")
    except InvalidEncoding as error:
        raise InvalidJwk("a key is not a point of its curve") from error
    if public_members(key)["y"] != jwk["y"]:
        raise InvalidJwk("a key is not a point of its curve")
    return key


def private_member(key: PrivateKey) -> str:
    """Return the member that makes a public key a private one."""
    return encode_base64url(key.raw)


def read_private_member(jwk: dict[str, object], public: PublicKey) -> PrivateKey:
    """Read the private key that belongs to a public one; raise InvalidJwk."""
    try:
        key = private_key(_decode(jwk, "d"), "p256")
    except InvalidEncoding as error:
        raise InvalidJwk("a private key is not one of its curve") from error
    if key.public != public:
        raise InvalidJwk("a private key does not belong to its public key")
    return key


def _encode(coordinate: int) -> str:
    return encode_base64url(coordinate.to_bytes(_LENGTH, "big"))


def _decode(jwk: dict[str, object], name: str) -> bytes:
    value = jwk.get(name)
    try:
        number = decode_base64url(value) if isinstance(value, str) else b""
    except InvalidSyntax as error:
        raise InvalidJwk(f"the {name} of a key is not base64url") from error
    if len(number) != _LENGTH:
        raise InvalidJwk(f"the {name} of a key has not {_LENGTH} bytes")
    return number
