"""Content identifiers: CIDv1 with SHA-256, of DAG-CBOR or raw bytes.

The data model blesses exactly these, so a CID is always 36 bytes: version, codec, hash function, hash length, digest.
https://atproto.com/specs/data-model#link-and-cid-formats
"""

from __future__ import annotations

from hashlib import sha256
from typing import Final

from tempest_pds.protocol.data_model import _base32
from tempest_pds.protocol.errors import InvalidEncoding

_DAG_CBOR_PREFIX: Final = b"\x01\x71\x12\x20"
_RAW_PREFIX: Final = b"\x01\x55\x12\x20"
CID_LENGTH: Final = 36


class CID:
    """An immutable content identifier; `raw` holds its 36 binary bytes."""

    __slots__ = ("raw",)

    raw: bytes

    def __init__(self, raw: bytes) -> None:
        """Wrap bytes already known to be a CID; use `decode` for bytes that come from outside."""
        self.raw = raw

    @classmethod
    def for_dag_cbor(cls, block: bytes) -> CID:
        """Hash an encoded DAG-CBOR block."""
        return cls(_DAG_CBOR_PREFIX + sha256(block).digest())

    @classmethod
    def for_raw(cls, data: bytes) -> CID:
        """Hash the bytes of a blob."""
        return cls(_RAW_PREFIX + sha256(data).digest())

    @classmethod
    def for_raw_digest(cls, digest: bytes) -> CID:
        """Name a blob by a SHA-256 digest computed elsewhere, as a streamed upload does."""
        return cls(_RAW_PREFIX + digest)

    @classmethod
    def decode(cls, raw: bytes) -> CID:
        """Read the binary form; raise InvalidEncoding for any CID the data model does not bless."""
        if len(raw) != CID_LENGTH or raw[:4] not in (_DAG_CBOR_PREFIX, _RAW_PREFIX):
            raise InvalidEncoding("not a CIDv1 of DAG-CBOR or raw bytes with SHA-256")
        return cls(bytes(raw))

    @classmethod
    def parse(cls, text: str) -> CID:
        """Read the base32 text form (`bafy…`, `bafk…`); raise InvalidEncoding."""
        if not text.startswith("b"):
            raise InvalidEncoding(f"not a CID: {text[:80]!r}")
        try:
            raw = _base32.decode_cid(text[1:])
        except ValueError:
            raise InvalidEncoding(f"not a CID: {text[:80]!r}") from None
        return cls.decode(raw)

    @property
    def is_dag_cbor(self) -> bool:
        """Whether the CID names a DAG-CBOR block, rather than raw bytes."""
        return self.raw[1] == 0x71

    @property
    def digest(self) -> bytes:
        """The 32 bytes of SHA-256."""
        return self.raw[4:]

    def verifies(self, block: bytes) -> bool:
        """Tell whether `block` hashes to this CID."""
        return sha256(block).digest() == self.raw[4:]

    def __bytes__(self) -> bytes:
        return self.raw

    def __str__(self) -> str:
        return "b" + _base32.encode(self.raw)

    def __repr__(self) -> str:
        return f"CID({str(self)!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, CID) and self.raw == other.raw

    def __lt__(self, other: CID) -> bool:
        return self.raw < other.raw

    def __hash__(self) -> int:
        return hash(self.raw)
