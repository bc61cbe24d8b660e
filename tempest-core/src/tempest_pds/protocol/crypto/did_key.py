"""Public keys as text: multikeys, and DIDs of the method `key`.

A multikey is `z` and the base58btc of a two-byte prefix that names the curve and the 33 bytes of the compressed point;
did:key puts `did:key:` before it. https://atproto.com/specs/cryptography#public-key-encoding
"""

from __future__ import annotations

from typing import Final

from tempest_pds.protocol.crypto import base58
from tempest_pds.protocol.crypto.keys import MULTICODEC_PREFIXES, PublicKey, public_key
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


def format_multikey(key: PublicKey) -> str:
    """Return the multibase form of a key, `z…`."""
    return key.multikey
