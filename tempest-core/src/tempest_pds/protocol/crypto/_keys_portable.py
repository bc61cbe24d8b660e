"""Both curves over `cryptography`."""

from __future__ import annotations

from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tempest_pds.protocol.crypto.keys import ORDERS, Curve, PrivateKey, PublicKey
from tempest_pds.protocol.errors import InvalidEncoding

_CURVES: Final[dict[Curve, ec.EllipticCurve]] = {"k256": ec.SECP256K1(), "p256": ec.SECP256R1()}
_ECDSA: Final = ec.ECDSA(SHA256())


class PortablePublicKey(PublicKey):
    """A public key held by `cryptography`."""

    __slots__ = ("_key",)

    def __init__(self, curve: Curve, compressed: bytes, key: ec.EllipticCurvePublicKey) -> None:
        super().__init__(curve, compressed)
        self._key = key

    def _verify_low_s(self, message: bytes, r: int, s: int) -> bool:
        try:
            self._key.verify(encode_dss_signature(r, s), message, _ECDSA)
        except InvalidSignature:
            return False
        return True


class PortablePrivateKey(PrivateKey):
    """A secret key held by `cryptography`."""

    __slots__ = ("_key",)

    def __init__(self, raw: bytes, public: PublicKey, key: ec.EllipticCurvePrivateKey) -> None:
        super().__init__(raw, public)
        self._key = key

    def sign(self, message: bytes) -> bytes:
        """Return the low-S signature; half of what `cryptography` gives is not."""
        r, s = decode_dss_signature(self._key.sign(message, _ECDSA))
        order = ORDERS[self.curve]
        if s > order >> 1:
            s = order - s
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")


def private_key(raw: bytes, curve: Curve) -> PrivateKey:
    """Make a key of a scalar that is known to be in range."""
    key = ec.derive_private_key(int.from_bytes(raw, "big"), _CURVES[curve])
    public = key.public_key()
    compressed = public.public_bytes(Encoding.X962, PublicFormat.CompressedPoint)
    return PortablePrivateKey(raw, PortablePublicKey(curve, compressed, public), key)


def public_key(compressed: bytes, curve: Curve) -> PublicKey:
    """Make a key of 33 bytes with a valid head; raise InvalidEncoding for a point not on the curve."""
    try:
        key = ec.EllipticCurvePublicKey.from_encoded_point(_CURVES[curve], compressed)
    except ValueError as error:
        raise InvalidEncoding("a point is not on its curve") from error
    return PortablePublicKey(curve, compressed, key)
