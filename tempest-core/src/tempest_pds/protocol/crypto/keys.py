"""Signing keys on the two curves of the protocol: K-256 (secp256k1) and P-256.

A signature is the 64 bytes of r and s over the SHA-256 of a message. For each signature (r, s) there is a second valid
one, (r, -s); the protocol wants the one with the lower s, so that a signed object has one form and one CID. Signing
gives that form, and verifying refuses the other, DER, and any other length.

`cryptography` does both curves. Where coincurve is installed (the `speed` extra) it does K-256, ten times as fast.
Neither is imported before the first key is made.

https://atproto.com/specs/cryptography
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from functools import cache
from typing import Final, Literal, Protocol

from tempest_pds.protocol.crypto import base58
from tempest_pds.protocol.errors import InvalidEncoding

Curve = Literal["k256", "p256"]

RAW_KEY_LENGTH: Final = 32
COMPRESSED_POINT_LENGTH: Final = 33
SIGNATURE_LENGTH: Final = 64
ORDERS: Final[dict[Curve, int]] = {
    "k256": 0xFFFFFFFF_FFFFFFFF_FFFFFFFF_FFFFFFFE_BAAEDCE6_AF48A03B_BFD25E8C_D0364141,
    "p256": 0xFFFFFFFF_00000000_FFFFFFFF_FFFFFFFF_BCE6FAAD_A7179E84_F3B9CAC2_FC632551,
}
"""The order of each curve's group: r and s are from 1 to it, and s is low up to half of it."""
MULTICODEC_PREFIXES: Final[dict[Curve, bytes]] = {"k256": b"\xe7\x01", "p256": b"\x80\x24"}
JWT_ALGORITHMS: Final[dict[Curve, str]] = {"k256": "ES256K", "p256": "ES256"}


class PublicKey(ABC):
    """A point on one of the curves; equal when curve and point are."""

    __slots__ = ("compressed", "curve")

    compressed: bytes
    """The 33 bytes of the compressed point."""
    curve: Curve

    def __init__(self, curve: Curve, compressed: bytes) -> None:
        self.curve = curve
        self.compressed = compressed

    def verify(self, message: bytes, signature: bytes, *, allow_high_s: bool = False) -> bool:
        """Tell whether `signature` is this key's over `message`; anything but 64 bytes in low-S form is not.

        `allow_high_s` is for JSON Web Tokens: JOSE does not ask for low-S, and others' libraries do not give it.
        """
        if len(signature) != SIGNATURE_LENGTH:
            return False
        order = ORDERS[self.curve]
        r = int.from_bytes(signature[:32], "big")
        s = int.from_bytes(signature[32:], "big")
        if not (0 < r < order and 0 < s < order):
            return False
        if s > order >> 1:
            if not allow_high_s:
                return False
            s = order - s
        return self._verify_low_s(message, r, s)

    @abstractmethod
    def _verify_low_s(self, message: bytes, r: int, s: int) -> bool: ...

    @property
    def multikey(self) -> str:
        """The multibase form, as in a DID document's `publicKeyMultibase`: `zQ3s…` or `zDna…`."""
        return "z" + base58.encode(MULTICODEC_PREFIXES[self.curve] + self.compressed)

    @property
    def did_key(self) -> str:
        """The key as a DID: `did:key:zQ3s…` or `did:key:zDna…`."""
        return "did:key:" + self.multikey

    @property
    def jwt_alg(self) -> str:
        """The JOSE name of this key's signatures: ES256K or ES256."""
        return JWT_ALGORITHMS[self.curve]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PublicKey) and (self.curve, self.compressed) == (other.curve, other.compressed)

    def __hash__(self) -> int:
        return hash(self.compressed)

    def __repr__(self) -> str:
        return f"PublicKey({self.did_key!r})"


class PrivateKey(ABC):
    """A secret scalar; never shown by `repr`."""

    __slots__ = ("public", "raw")

    public: PublicKey
    raw: bytes
    """The secret: 32 bytes, big-endian."""

    def __init__(self, raw: bytes, public: PublicKey) -> None:
        self.raw = raw
        self.public = public

    @abstractmethod
    def sign(self, message: bytes) -> bytes:
        """Return the 64 bytes of the low-S signature over the SHA-256 of `message`."""

    @property
    def curve(self) -> Curve:
        """The curve: k256 or p256."""
        return self.public.curve

    @property
    def jwt_alg(self) -> str:
        """The JOSE name of this key's signatures: ES256K or ES256."""
        return self.public.jwt_alg

    def __repr__(self) -> str:
        return f"PrivateKey(public={self.public.did_key!r})"


class Backend(Protocol):
    """What a library that does one or both curves is wrapped into."""

    def private_key(self, raw: bytes, curve: Curve) -> PrivateKey:
        """Make a key of a scalar that is known to be in range."""
        ...

    def public_key(self, compressed: bytes, curve: Curve) -> PublicKey:
        """Make a key of 33 bytes with a valid head; raise InvalidEncoding for a point not on the curve."""
        ...


def generate_k256() -> PrivateKey:
    """Make a new K-256 key, the kind that repositories are signed with."""
    return _generate("k256")


def generate_p256() -> PrivateKey:
    """Make a new P-256 key."""
    return _generate("p256")


def private_key(raw: bytes, curve: Curve = "k256") -> PrivateKey:
    """Take 32 bytes as a secret key; raise InvalidEncoding for another length, zero, and what is beyond the order."""
    if len(raw) != RAW_KEY_LENGTH or not 0 < int.from_bytes(raw, "big") < ORDERS[curve]:
        raise InvalidEncoding(f"not a secret key of {curve}")
    return _backend(curve).private_key(bytes(raw), curve)


def public_key(compressed: bytes, curve: Curve) -> PublicKey:
    """Take the 33 bytes of a compressed point; raise InvalidEncoding for other forms, and points not on the curve."""
    if len(compressed) != COMPRESSED_POINT_LENGTH or compressed[0] not in (2, 3):
        raise InvalidEncoding("not a compressed point")
    return _backend(curve).public_key(bytes(compressed), curve)


def _generate(curve: Curve) -> PrivateKey:
    # Kept out of the start of the program, as are the libraries of the curves.
    from secrets import randbelow

    return private_key((1 + randbelow(ORDERS[curve] - 1)).to_bytes(RAW_KEY_LENGTH, "big"), curve)


@cache
def _backend(curve: Curve) -> Backend:
    if curve == "k256":
        try:
            from tempest_pds.protocol.crypto import _keys_speed
        except ImportError:
            pass
        else:
            return _keys_speed
    from tempest_pds.protocol.crypto import _keys_portable

    return _keys_portable
