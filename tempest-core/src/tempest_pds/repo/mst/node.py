"""One node of the tree in memory, and the strict codec of its block.

A block is DAG-CBOR of a fixed shape, so it is written and read by hand; keys of maps are in their canonical order:

    {"e": [{"k": bytes, "p": int, "t": CID | null, "v": CID}…], "l": CID | null}

`l` is the child before the first key. An entry is a key and the child after it: `p` bytes of the key before, then `k`;
`v` is the record, `t` the child. The first entry has p = 0.

Reading refuses every block that `encode` would not have written, so a block and its meaning are one to one.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from tempest_pds.protocol.data_model.cid import CID
from tempest_pds.repo.errors import InvalidNode

MAX_KEY_LENGTH: Final = 1024
EMPTY_BLOCK: Final = b"\xa2ae\x80al\xf6"
EMPTY_ROOT: Final = CID.for_dag_cbor(EMPTY_BLOCK)
"""The root of a tree without records."""

LINK: Final = b"\xd8\x2a\x58\x25\x00"
"""Tag 42 and the head of its 37 bytes: what stands before the 36 bytes of a CID."""

_KEY: Final = re.compile(rb"[a-zA-Z0-9_~\-:.]+/[a-zA-Z0-9_~\-:.]+")
_LINK_PREFIX: Final = LINK + b"\x01\x71\x12\x20"
_ENTRY_TO_CHILD: Final = b"at" + _LINK_PREFIX
_ENTRY_TO_VALUE: Final = b"at\xf6av" + _LINK_PREFIX
_VALUE: Final = b"av" + _LINK_PREFIX
_LAST_CHILD: Final = b"al" + _LINK_PREFIX


class Node:
    """A node of a tree.

    Trees share nodes, so whatever a reader can see of one never changes. `children` is the exception: a CID in it may
    be replaced by the node that it names, or the reverse, at any time.

    A node is *sealed* when its block is known. An unsealed node belongs to the one edit that makes it, and may change.

    Attributes:
        layer: the height of every key in it.
        keys: paths, rising.
        children: one more than keys; None where there is no child, the raw CID of a child that was not loaded.
        block: the encoded node; empty while unsealed.
        raw: the 36 bytes of the node's CID; empty while unsealed.
        values: raw CIDs of the records, while unsealed; a sealed node has them in its block alone, to save memory.
        base: of an unsealed node that differs from a sealed one in the CIDs of some children alone, that one.
    """

    __slots__ = ("base", "block", "children", "keys", "layer", "raw", "values")

    def __init__(
        self,
        layer: int,
        keys: tuple[bytes, ...],
        children: list[Node | bytes | None],
        *,
        block: bytes = b"",
        raw: bytes = b"",
        values: list[bytes] | None = None,
        base: Node | None = None,
    ) -> None:
        self.layer = layer
        self.keys = keys
        self.children = children
        self.block = block
        self.raw = raw
        self.values = values
        self.base = base

    @property
    def cid(self) -> CID:
        """The CID of a sealed node."""
        return CID(self.raw)

    def read_values(self) -> list[bytes]:
        """Return a new list of the records' raw CIDs, parallel to the keys."""
        if self.values is not None:
            return self.values.copy()
        block = self.block if self.base is None else self.base.block
        values: list[bytes] = []
        position = _after_list_head(block)
        for _ in self.keys:
            position = _value_end(block, position)
            values.append(block[position - 36 : position])
        return values

    def read_value(self, index: int) -> bytes:
        """Return the raw CID of the record at one key."""
        if self.values is not None:
            return self.values[index]
        block = self.block if self.base is None else self.base.block
        position = _after_list_head(block)
        for _ in range(index + 1):
            position = _value_end(block, position)
        return block[position - 36 : position]


def is_valid_key(key: bytes) -> bool:
    """Tell whether a tree can hold the path: two segments of the allowed characters, of at most 1024 bytes together."""
    return len(key) <= MAX_KEY_LENGTH and _KEY.fullmatch(key) is not None


def encode(keys: Sequence[bytes], values: Sequence[bytes], children: Sequence[bytes | None]) -> bytes:
    """Write a node; records and children by their raw CIDs, with None for a child that is not there."""
    parts = [b"\xa2ae", _head(0x80, len(keys))]
    previous = b""
    for index, key in enumerate(keys):
        shared = _shared_prefix(previous, key)
        rest = key[shared:]
        parts += (b"\xa4ak", _head(0x40, len(rest)), rest, b"ap", _head(0, shared))
        child = children[index + 1]
        if child is None:
            parts += (b"at\xf6av", LINK, values[index])
        else:
            parts += (b"at", LINK, child, b"av", LINK, values[index])
        previous = key
    first = children[0]
    parts.append(b"al\xf6" if first is None else b"al" + LINK + first)
    return b"".join(parts)


def replace_child(block: bytes, index: int, old: bytes, new: bytes) -> bytes:
    """Rewrite a node's block with another CID for the child at `index`, which stays where it is."""
    if index == 0:
        return block[:-36] + new
    # "at" and a tag cannot stand inside a key, and no two children are the same.
    return block.replace(b"at" + LINK + old, b"at" + LINK + new, 1)


def decode(block: bytes) -> tuple[list[bytes], list[bytes], list[bytes | None]]:
    """Read a node: its keys, the raw CIDs of its records and of its children. Raises InvalidNode.

    Whether the keys belong at their layer is for the caller to check.
    """
    try:
        return _decode(block)
    except IndexError as error:
        raise InvalidNode("a node is cut short") from error


def _decode(block: bytes) -> tuple[list[bytes], list[bytes], list[bytes | None]]:
    if block[:3] != b"\xa2ae":
        raise InvalidNode("a node is not a map of e and l")
    count, position = _read_head(block, 3, 0x80)
    keys: list[bytes] = []
    values: list[bytes] = []
    children: list[bytes | None] = [None]
    key = b""
    fullmatch = _KEY.fullmatch
    for _ in range(count):
        if block[position : position + 3] != b"\xa4ak":
            raise InvalidNode("an entry of a node is not a map of k, p, t and v")
        length, start = _read_head(block, position + 3, 0x40)
        end = start + length
        rest = block[start:end]
        if block[end : end + 2] != b"ap":
            raise InvalidNode("an entry of a node is not a map of k, p, t and v")
        shared, position = _read_head(block, end + 2, 0)
        previous = key
        key = previous[:shared] + rest
        # Of two keys with nothing in common after the prefix, the bytes that follow it tell which is first and whether
        # it is the longest prefix. An equal key has no rest, a key that the next one continues is all prefix.
        if shared > len(previous) or not rest or (shared < len(previous) and rest[0] <= previous[shared]):
            raise InvalidNode("keys of a node do not rise, or share more than they say")
        if len(key) > MAX_KEY_LENGTH or fullmatch(key) is None:
            raise InvalidNode("a key of a node is not a path")
        if block[position : position + 14] == _ENTRY_TO_VALUE:
            children.append(None)
            position += 46
        elif block[position : position + 11] == _ENTRY_TO_CHILD and block[position + 43 : position + 54] == _VALUE:
            children.append(block[position + 7 : position + 43])
            position += 86
        else:
            raise InvalidNode("an entry of a node has links that are not CIDs of DAG-CBOR")
        keys.append(key)
        values.append(block[position - 36 : position])
    if block[position : position + 11] == _LAST_CHILD:
        children[0] = block[position + 7 : position + 43]
        position += 43
    elif block[position:] == b"al\xf6":
        position += 3
    else:
        raise InvalidNode("a node does not end with its left child")
    if position != len(block):
        raise InvalidNode("a node is cut short, or longer than it says")
    return keys, values, children


def _shared_prefix(left: bytes, right: bytes) -> int:
    length = min(len(left), len(right))
    difference = int.from_bytes(left[:length], "big") ^ int.from_bytes(right[:length], "big")
    return length - ((difference.bit_length() + 7) >> 3)


def _head(kind: int, number: int) -> bytes:
    """Return the head of a CBOR item: `kind` is its major type in the upper three bits."""
    if number < 24:
        return bytes((kind | number,))
    if number < 0x100:
        return bytes((kind | 24, number))
    if number < 0x10000:
        return bytes((kind | 25, number >> 8, number & 0xFF))
    return bytes((kind | 26,)) + number.to_bytes(4, "big")


def _read_head(block: bytes, position: int, kind: int) -> tuple[int, int]:
    """Return the number in a head, and where the head ends; refuse other kinds and forms that are not the shortest."""
    number = block[position] - kind
    if 0 <= number < 24:
        return number, position + 1
    if number == 24 and block[position + 1] >= 24:
        return block[position + 1], position + 2
    if number == 25 and block[position + 1] > 0:
        return block[position + 1] << 8 | block[position + 2], position + 3
    if number == 26:
        number = int.from_bytes(block[position + 1 : position + 5], "big")
        if number > 0xFFFF:
            return number, position + 5
    raise InvalidNode("a number of a node is not in its shortest form")


def _after_list_head(block: bytes) -> int:
    return 4 + _HEAD_SIZES.get(block[3] & 0x1F, 0)


def _value_end(block: bytes, position: int) -> int:
    """Return where an entry ends that begins at `position`, in a block that was read before."""
    position += 3
    length = block[position] & 0x1F
    if length < 24:
        position += length + 1
    elif length == 24:
        position += block[position + 1] + 2
    else:
        position += (block[position + 1] << 8 | block[position + 2]) + 3
    position += 2
    position += 1 + _HEAD_SIZES.get(block[position] & 0x1F, 0)
    return position + (46 if block[position + 2] == 0xF6 else 86)


_HEAD_SIZES: Final = {24: 1, 25: 2, 26: 4}
