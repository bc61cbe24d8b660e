"""K-256 over coincurve (libsecp256k1), of the `speed` extra."""

from __future__ import annotations

import coincurve

from tempest_pds.protocol.crypto.keys import Curve, PrivateKey, PublicKey
from tempest_pds.protocol.errors import InvalidEncoding


class SpeedPublicKey(PublicKey):
    """A public key held by coincurve."""

    __slots__ = ("_key",)

    def __init__(self, compressed: bytes, key: coincurve.PublicKey) -> None:
        super().__init__("k256", compressed)
        self._key = key

    def _verify_low_s(self, message: bytes, r: int, s: int) -> bool:
        r_part, s_part = _der_integer(r), _der_integer(s)
        return self._key.verify(bytes((0x30, len(r_part) + len(s_part))) + r_part + s_part, message)


def _der_integer(number: int) -> bytes:
    # One bit more than the number has, for the sign: coincurve takes no signature but in DER.
    data = number.to_bytes(number.bit_length() // 8 + 1, "big")
    return bytes((0x02, len(data))) + data


class SpeedPrivateKey(PrivateKey):
    """A secret key held by coincurve."""

    __slots__ = ("_key",)

    def __init__(self, raw: bytes, public: PublicKey, key: coincurve.PrivateKey) -> None:
        super().__init__(raw, public)
        self._key = key

    def sign(self, message: bytes) -> bytes:
        """Return the low-S signature, the only form that libsecp256k1 gives."""
        return self._key.sign_recoverable(message)[:64]


def private_key(raw: bytes, curve: Curve) -> PrivateKey:
    """Make a key of a scalar that is known to be in range."""
    assert curve == "k256"
    key = coincurve.PrivateKey(raw)
    return SpeedPrivateKey(raw, SpeedPublicKey(key.public_key.format(), key.public_key), key)


def public_key(compressed: bytes, curve: Curve) -> PublicKey:
    """Make a key of 33 bytes with a valid head; raise InvalidEncoding for a point not on the curve."""
    assert curve == "k256"
    try:
        key = coincurve.PublicKey(compressed)
    except ValueError as error:
        raise InvalidEncoding("a point is not on its curve") from error
    return SpeedPublicKey(compressed, key)
