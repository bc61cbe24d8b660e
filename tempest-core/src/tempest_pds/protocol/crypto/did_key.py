"""Public keys as text: multikeys, and DIDs of the method `key`.

A multikey is `z` and the base58btc of a two-byte prefix that names the curve and the 33 bytes of the compressed point;
did:key puts `did:key:` before it. https://atproto.com/specs/cryptography#public-key-encoding
"""

from __future__ import annotations

from typing import Final

from tempest_pds.protocol.crypto import base58
from tempest_pds.protocol.crypto.keys import MULTICODEC_PREFIXES, Curve, PublicKey, public_key
from tempest_pds.protocol.errors import InvalidEncoding, InvalidSyntax

DID_KEY_PREFIX: Final = "did:key:"


def parse_did_key(text: str) -> PublicKey:
    """Read `did:key:z…`; raise InvalidSyntax, also for curves other than the two and points not on them."""
    if not text.startswith(DID_KEY_PREFIX):
        raise InvalidSyntax(f"not a did:key: {text[:80]!r}")
    return parse_multikey(text[len(DID_KEY_PREFIX) :])


def parse_multikey(text: str) -> PublicKey:
    """Read `z…`; raise InvalidSyntax, also for curves other than the two and points not on them."""
    if not text.startswith("z"):
        raise InvalidSyntax(f"not a multikey in base58btc: {text[:80]!r}")
    try:
        data = base58.decode(text[1:])
        for curve, prefix in MULTICODEC_PREFIXES.items():
            if data.startswith(prefix):
                return public_key(data[len(prefix) :], curve)
    except InvalidEncoding as error:
        raise InvalidSyntax(f"not a multikey: {text[:80]!r}: {error}") from error
    raise InvalidSyntax(f"not a multikey of K-256 or P-256: {text[:80]!r}")


def parse_legacy_key(text: str, curve: Curve) -> PublicKey:
    """Read the multibase form of old DID documents: `z` and a point, compressed or not, without a prefix.

    Raises InvalidSyntax. https://atproto.com/specs/did#legacy-representation
    """
    if not text.startswith("z"):
        raise InvalidSyntax(f"not a key in base58btc: {text[:80]!r}")
    try:
        data = base58.decode(text[1:])
        if len(data) == 65 and data[0] == 4:
            if not _is_on_curve(int.from_bytes(data[1:33], "big"), int.from_bytes(data[33:], "big"), curve):
                raise InvalidSyntax(f"not a point on its curve: {text[:80]!r}")
            data = bytes((2 + (data[64] & 1),)) + data[1:33]
        return public_key(data, curve)
    except InvalidEncoding as error:
        raise InvalidSyntax(f"not a key: {text[:80]!r}: {error}") from error


_FIELDS: Final[dict[Curve, tuple[int, int, int]]] = {
    "k256": (2**256 - 2**32 - 977, 0, 7),
    "p256": (
        2**256 - 2**224 + 2**192 + 2**96 - 1,
        -3,
        0x5AC635D8_AA3A93E7_B3EBBD55_769886BC_651D06B0_CC53B0F6_3BCE3C3E_27D2604B,
    ),
}
"""For each curve y² = x³ + ax + b the prime of its field, a and b."""


def _is_on_curve(x: int, y: int, curve: Curve) -> bool:
    prime, a, b = _FIELDS[curve]
    return x < prime and y < prime and (y * y - x * x * x - a * x - b) % prime == 0


def format_multikey(key: PublicKey) -> str:
    """Return the multibase form of a key, `z…`."""
    return key.multikey
