"""CIDs as text in the lexicon's `cid` format.

The data model blesses few CIDs, and `data_model.cid.CID` reads exactly those. A string that only claims to hold a CID
may name any: version 1 of any codec and hash in base32, or version 0, the bare base58 multihash of old IPFS.
https://atproto.com/specs/data-model#link-and-cid-formats
"""

from __future__ import annotations

import re
from base64 import b32decode, b32encode
from typing import Final

# A blessed CID in full: nearly every CID that goes by. The last character carries two bits that must be zero.
_BLESSED: Final = re.compile(r"baf[yk]rei[a-h][a-z2-7]{50}[aeimquy4]")
_BASE32: Final = re.compile(r"b([a-z2-7]*)=*")
_BASE58: Final = {c: i for i, c in enumerate("123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz")}
# Base58 costs the square of its length, and no hash in use makes a longer CID.
_MAX_BASE58_LENGTH: Final = 512


def is_cid_text(text: str) -> bool:
    """Tell whether `text` is a CID in its canonical text form."""
    if _BLESSED.fullmatch(text):
        return True
    if text.startswith("Q"):
        multihash = _decode_base58(text)
        return multihash is not None and multihash[:1] == b"\x12" and _is_multihash(multihash, 0)
    match = _BASE32.fullmatch(text)
    raw = None if match is None else _decode_base32(match[1])
    if raw is None:
        return False
    version, offset = _varint(raw, 0)
    _, offset = _varint(raw, offset)
    return version == 1 and _is_multihash(raw, offset)


def _varint(raw: bytes, offset: int) -> tuple[int, int]:
    """Read a variable-length number; answer an offset beyond the end when it is cut short."""
    value = shift = 0
    while offset < len(raw):
        byte = raw[offset]
        offset += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, offset
        shift += 7
        if shift > 63:
            break
    return -1, len(raw) + 1


def _is_multihash(raw: bytes, offset: int) -> bool:
    _, offset = _varint(raw, offset)
    size, offset = _varint(raw, offset)
    return size >= 0 and offset + size == len(raw)


def _decode_base32(digits: str) -> bytes | None:
    try:
        raw = b32decode(digits.upper() + "=" * (-len(digits) % 8))
    except ValueError:
        return None
    # The decoder of the standard library overlooks bits left over in the last digit.
    return raw if b32encode(raw).decode("ascii").rstrip("=").lower() == digits else None


def _decode_base58(text: str) -> bytes | None:
    if len(text) > _MAX_BASE58_LENGTH:
        return None
    number = 0
    for character in text:
        digit = _BASE58.get(character)
        if digit is None:
            return None
        number = number * 58 + digit
    return number.to_bytes((number.bit_length() + 7) // 8, "big")
