"""The height of a path in the tree: pairs of leading zero bits of its SHA-256."""

from __future__ import annotations

from hashlib import sha256


def height(key: bytes) -> int:
    """Return the layer that a path belongs to, 0 for three paths in four."""
    digest = sha256(key).digest()
    if digest[0] >= 0x40:
        return 0
    return (256 - int.from_bytes(digest, "big").bit_length()) >> 1
