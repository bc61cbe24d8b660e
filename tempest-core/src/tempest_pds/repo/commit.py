"""The commit: the signed block at the root of a repository.

A DAG-CBOR map of fixed shape, written by hand; its keys in canonical order are did, rev, sig, data, prev, version. What
is signed is the same map without sig. `prev` is always null these days, and always there.

https://atproto.com/specs/repository#commit-objects
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from tempest_pds.protocol.crypto.keys import PrivateKey, PublicKey
from tempest_pds.protocol.data_model import dag_cbor
from tempest_pds.protocol.data_model.cid import CID
from tempest_pds.protocol.errors import InvalidEncoding, InvalidSyntax
from tempest_pds.protocol.syntax.did import Did
from tempest_pds.protocol.syntax.tid import Tid
from tempest_pds.repo.errors import InvalidRepo

VERSION: Final = 3
_FIELDS: Final = frozenset({"did", "rev", "sig", "data", "prev", "version"})
_LINK: Final = b"\xd8\x2a\x58\x25\x00"


@dataclass(frozen=True, slots=True)
class Commit:
    """A signed state of a repository.

    Attributes:
        rev: rises with each commit.
        data: the root of the tree.
        sig: 64 bytes, over the SHA-256 of `unsigned()`.
        prev: the commit before; null in all but old repositories.
    """

    did: Did
    rev: Tid
    data: CID
    sig: bytes
    prev: CID | None = None
    version: int = VERSION

    def unsigned(self) -> bytes:
        """Return the bytes that are signed."""
        return _encode(self.did, self.rev, None, self.data, self.prev)

    def encode(self) -> bytes:
        """Return the commit's block."""
        return _encode(self.did, self.rev, self.sig, self.data, self.prev)

    @property
    def cid(self) -> CID:
        """The CID of the commit's block."""
        return CID.for_dag_cbor(self.encode())

    def verify(self, key: PublicKey) -> bool:
        """Tell whether the signature is that key's, and in low-S form."""
        return key.verify(self.unsigned(), self.sig)


def sign_commit(did: Did, rev: Tid, data: CID, key: PrivateKey) -> Commit:
    """Sign a state of a repository."""
    return Commit(did, rev, data, key.sign(_encode(did, rev, None, data, None)))


def decode(block: bytes) -> Commit:
    """Read a commit's block; raise InvalidRepo for any other, and for one of another version than 3."""
    try:
        value = dag_cbor.decode(block)
    except InvalidEncoding as error:
        raise InvalidRepo(f"a commit is not valid DAG-CBOR: {error}") from error
    if not isinstance(value, dict) or value.get("version") != VERSION or value.keys() != _FIELDS:
        raise InvalidRepo("a block is not a commit of version 3")
    did, rev, data, prev, sig = (value[name] for name in ("did", "rev", "data", "prev", "sig"))
    if not (isinstance(did, str) and isinstance(rev, str) and isinstance(data, CID) and isinstance(sig, bytes)):
        raise InvalidRepo("a field of a commit is not of its type")
    if not data.is_dag_cbor or not (prev is None or isinstance(prev, CID)):
        raise InvalidRepo("a link of a commit is not one")
    try:
        return Commit(Did.parse(did), Tid.parse(rev), data, sig, prev)
    except InvalidSyntax as error:
        raise InvalidRepo(f"a commit names no account or revision: {error}") from error


def _encode(did: str, rev: str, sig: bytes | None, data: CID, prev: CID | None) -> bytes:
    parts = [b"\xa5cdid" if sig is None else b"\xa6cdid", _text(did), b"crev", _text(rev)]
    if sig is not None:
        parts += (b"csig", _head(0x40, len(sig)), sig)
    parts += (b"ddata", _LINK, data.raw, b"dprev")
    parts += (b"\xf6",) if prev is None else (_LINK, prev.raw)
    parts.append(b"gversion\x03")
    return b"".join(parts)


def _text(text: str) -> bytes:
    data = text.encode()
    return _head(0x60, len(data)) + data


def _head(kind: int, length: int) -> bytes:
    if length < 24:
        return bytes((kind | length,))
    if length < 0x100:
        return bytes((kind | 24, length))
    return bytes((kind | 25, length >> 8, length & 0xFF))
