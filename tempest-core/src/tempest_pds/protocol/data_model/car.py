"""CAR v1: a header that names the roots, then blocks, each after its CID; every part after its length.

    varint | DAG-CBOR {"roots": [CID…], "version": 1}
    varint | CID (36 bytes) | block        and so on

A CAR comes from strangers, and may be larger than memory. So the readers check every length against a limit before they
wait for that many bytes, hold one block at a time, refuse CIDs that the data model does not bless, and hash every block
against its CID: what they hand out is what its CID names.

https://ipld.io/specs/transport/car/carv1/, https://atproto.com/specs/repository#car-file-serialization
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from hashlib import sha256
from typing import Final

from tempest_pds.protocol.data_model import dag_cbor
from tempest_pds.protocol.data_model.cid import CID, CID_LENGTH
from tempest_pds.protocol.errors import InvalidEncoding

MAX_HEADER_SIZE: Final = 4096
MAX_BLOCK_SIZE: Final = 2_000_000
"""The default limit of one block, in bytes: twice what a record may take."""

_MAX_VARINT_LENGTH: Final = 4
_COMPACT_AFTER: Final = 1 << 16


def encode_header(root: CID | None) -> bytes:
    """Return the header of a CAR with one root, or with none."""
    header = dag_cbor.encode({"roots": [] if root is None else [root], "version": 1})
    return encode_varint(len(header)) + header


def encode_block(cid: CID, block: bytes) -> bytes:
    """Return one block with its CID and length."""
    return encode_varint(CID_LENGTH + len(block)) + cid.raw + block


def encode(root: CID | None, blocks: Iterable[tuple[CID, bytes]]) -> bytes:
    """Return a whole CAR; a large one is sent as its header and pages of `encode_rows` instead."""
    parts = [encode_header(root)]
    for cid, block in blocks:
        parts += (encode_varint(CID_LENGTH + len(block)), cid.raw, block)
    return b"".join(parts)


class _Lengths(dict[int, bytes]):
    """The length prefix of a section, by the size of its block: an export asks for the same few over and over."""

    def __missing__(self, size: int) -> bytes:
        if len(self) > _MAX_LENGTHS:
            self.clear()
        prefix = self[size] = encode_varint(CID_LENGTH + size)
        return prefix


_MAX_LENGTHS: Final = 8_192
_LENGTHS: Final = _Lengths()


def encode_rows(rows: Iterable[tuple[bytes, bytes]]) -> bytes:
    """Return the sections of many blocks, each given after its binary CID: what makes a large export quick."""
    lengths = _LENGTHS
    return b"".join([part for raw, block in rows for part in (lengths[len(block)], raw, block)])


def encode_varint(number: int) -> bytes:
    """Return an unsigned LEB128 number."""
    if number < 0x80:
        return bytes((number,))
    if number < 0x4000:
        return bytes((number & 0x7F | 0x80, number >> 7))
    data = bytearray()
    while number >= 0x80:
        data.append(number & 0x7F | 0x80)
        number >>= 7
    data.append(number)
    return bytes(data)


class CarReader:
    """A CAR read as it arrives: `feed` chunks, take `roots` and `blocks`, then `finish`.

    Memory holds one chunk and at most one block, whatever the CAR says about itself. All methods raise InvalidEncoding.
    """

    __slots__ = ("_buffer", "_max_block_size", "_offset", "roots")

    roots: list[CID] | None
    """The roots, as soon as the header is there."""

    def __init__(self, *, max_block_size: int = MAX_BLOCK_SIZE) -> None:
        self._buffer = bytearray()
        self._offset = 0
        self._max_block_size = max_block_size
        self.roots = None

    def feed(self, chunk: bytes) -> None:
        """Take the next bytes; read what `blocks` has before feeding more, or they pile up."""
        if self._offset >= _COMPACT_AFTER or self._offset == len(self._buffer):
            del self._buffer[: self._offset]
            self._offset = 0
        self._buffer += chunk
        if self.roots is None:
            section = self._section(MAX_HEADER_SIZE, "header")
            if section is not None:
                self.roots = _read_header(section)

    def blocks(self) -> Iterator[tuple[CID, bytes]]:
        """Yield the blocks that are complete by now, each verified against its CID."""
        if self.roots is None:
            return
        while (section := self._section(CID_LENGTH + self._max_block_size, "block")) is not None:
            yield _read_block(section)

    def finish(self) -> list[CID]:
        """Return the roots once all is fed; refuse a CAR that ends early."""
        if self.roots is None:
            raise InvalidEncoding("a CAR ends before its header does")
        if self._offset != len(self._buffer):
            raise InvalidEncoding("a CAR ends in the middle of a block")
        return self.roots

    def _section(self, limit: int, what: str) -> bytes | None:
        prefix = _read_varint(self._buffer, self._offset)
        if prefix is None:
            return None
        length, start = prefix
        if length > limit:
            raise InvalidEncoding(f"a {what} of a CAR is larger than {limit} bytes")
        end = start + length
        if end > len(self._buffer):
            return None
        self._offset = end
        with memoryview(self._buffer) as view:
            return bytes(view[start:end])


def iter_blocks(data: bytes, *, max_block_size: int = MAX_BLOCK_SIZE) -> tuple[list[CID], Iterator[tuple[CID, bytes]]]:
    """Read a CAR that is in memory; return its roots, and its verified blocks one by one. Raises InvalidEncoding."""
    prefix = _read_varint(data, 0)
    if prefix is None:
        raise InvalidEncoding("a CAR ends before its header does")
    length, start = prefix
    if length > MAX_HEADER_SIZE or start + length > len(data):
        raise InvalidEncoding("the header of a CAR is too large or cut short")
    roots = _read_header(data[start : start + length])
    return roots, _iter_sections(data, start + length, CID_LENGTH + max_block_size)


def _iter_sections(data: bytes, offset: int, limit: int) -> Iterator[tuple[CID, bytes]]:
    size = len(data)
    while offset < size:
        prefix = _read_varint(data, offset)
        if prefix is None:
            raise InvalidEncoding("a CAR ends in the middle of a block")
        length, start = prefix
        offset = start + length
        if length > limit or offset > size:
            raise InvalidEncoding("a block of a CAR is too large or cut short")
        yield _read_block(data[start:offset])


def decode(data: bytes, *, max_block_size: int = MAX_BLOCK_SIZE) -> tuple[list[CID], dict[CID, bytes]]:
    """Read a whole CAR that is in memory: its roots, and its verified blocks in their order. Raises InvalidEncoding."""
    roots, blocks = iter_blocks(data, max_block_size=max_block_size)
    return roots, dict(blocks)


def _read_varint(data: bytes | bytearray, offset: int) -> tuple[int, int] | None:
    """Return the number and where it ends, or None when it is not all there; refuse long and non-minimal ones."""
    number = 0
    for index, byte in enumerate(data[offset : offset + _MAX_VARINT_LENGTH]):
        number |= (byte & 0x7F) << (7 * index)
        if byte < 0x80:
            if byte == 0 and index > 0:
                raise InvalidEncoding("a length of a CAR is not in its shortest form")
            return number, offset + index + 1
    if len(data) - offset >= _MAX_VARINT_LENGTH:
        raise InvalidEncoding("a length of a CAR is too large")
    return None


def _read_header(section: bytes) -> list[CID]:
    header = dag_cbor.decode(section)
    if not isinstance(header, dict) or type(header.get("version")) is not int or header["version"] != 1:
        raise InvalidEncoding("the header of a CAR is not that of version 1")
    roots = header.get("roots")
    if not isinstance(roots, list):
        raise InvalidEncoding("the header of a CAR names no roots")
    cids = [root for root in roots if isinstance(root, CID)]
    if len(cids) != len(roots):
        raise InvalidEncoding("a root of a CAR is not a CID")
    return cids


def _read_block(section: bytes) -> tuple[CID, bytes]:
    if len(section) < CID_LENGTH:
        raise InvalidEncoding("a block of a CAR has no room for its CID")
    cid = CID.decode(section[:CID_LENGTH])
    block = section[CID_LENGTH:]
    if sha256(block).digest() != cid.raw[4:]:
        raise InvalidEncoding(f"a block does not hash to its CID, {cid}")
    return cid, block
