"""DAG-CBOR without the `speed` extra: written by cbor2, read by hand.

cbor2's canonical form has DAG-CBOR's order of keys and its shortest heads. What it would encode beyond the data model
(floats, dates, sets, integers of any size) is refused before it sees the value. It reads leniently, and to check what
it has read costs more than to read the bytes once; so the reader is ours.
"""

from __future__ import annotations

from typing import Any, Final, cast

import cbor2

from tempest_pds.protocol.data_model.cid import CID
from tempest_pds.protocol.data_model.value import MAX_DEPTH, MAX_INTEGER, MIN_INTEGER, LexValue
from tempest_pds.protocol.errors import InvalidEncoding

_LINK_TAG: Final = 42
_LINK_HEAD: Final = b"\xd8\x2a\x58\x25\x00"
_LINK_LENGTH: Final = len(_LINK_HEAD) + 36


def encode(value: LexValue) -> bytes:
    """Encode a value; raise InvalidEncoding for what the data model does not hold."""
    _check(value)
    try:
        return cbor2.dumps(value, canonical=True, default=_write_link)
    except UnicodeEncodeError as error:
        raise InvalidEncoding("a string holds a lone surrogate") from error


def decode(data: bytes) -> LexValue:
    """Decode exactly one canonical value; raise InvalidEncoding."""
    try:
        value, end = _read(data, 0, 0)
    except IndexError:
        raise InvalidEncoding("DAG-CBOR ends in the middle of a value") from None
    if end != len(data):
        raise InvalidEncoding("bytes follow the DAG-CBOR value")
    return cast(LexValue, value)


def _write_link(encoder: cbor2.CBOREncoder, link: CID) -> None:
    """Write what cbor2 does not know; after `_check` that can only be a CID."""
    encoder.encode(cbor2.CBORTag(_LINK_TAG, b"\x00" + link.raw))


def _check(value: object) -> None:
    """Refuse a value that is not all of the data model, level by level: a cycle ends at the limit of depth."""
    level = [value]
    depth = 0
    while level:
        below: list[object] = []
        for item in level:
            if isinstance(item, str):
                continue
            if isinstance(item, dict):
                if depth == MAX_DEPTH:
                    raise InvalidEncoding("nested too deeply")
                for key in item:
                    if not isinstance(key, str):
                        raise InvalidEncoding(f"a key of a map is not a string: {type(key).__name__}")
                below.extend(item.values())
            elif isinstance(item, list):
                if depth == MAX_DEPTH:
                    raise InvalidEncoding("nested too deeply")
                below.extend(item)
            elif isinstance(item, int):
                if not MIN_INTEGER <= item <= MAX_INTEGER:
                    raise InvalidEncoding("an integer is beyond 64 bits")
            elif item is not None and not isinstance(item, (bytes, CID)):
                raise InvalidEncoding(f"the data model has no {type(item).__name__}")
        level = below
        depth += 1


def _argument(data: bytes, offset: int, extra: int) -> tuple[int, int]:
    """Read the number that follows a head whose low bits are `extra`, 24 or more; refuse its longer forms."""
    if extra == 24:
        number = data[offset]
        if number < 24:
            raise InvalidEncoding("a number is not in its shortest form")
        return number, offset + 1
    if extra > 27:
        raise InvalidEncoding("indefinite and reserved lengths are not DAG-CBOR")
    width = 1 << (extra - 24)
    end = offset + width
    if end > len(data):
        raise InvalidEncoding("DAG-CBOR ends in the middle of a value")
    number = int.from_bytes(data[offset:end], "big")
    if number >> (width * 4) == 0:
        raise InvalidEncoding("a number is not in its shortest form")
    return number, end


def _string(data: bytes, offset: int, length: int) -> tuple[str, int]:
    end = offset + length
    if end > len(data):
        raise InvalidEncoding("DAG-CBOR ends in the middle of a value")
    try:
        return data[offset:end].decode(), end
    except UnicodeDecodeError as error:
        raise InvalidEncoding("a string is not UTF-8") from error


def _read(data: bytes, offset: int, depth: int) -> tuple[Any, int]:
    head = data[offset]
    offset += 1
    major = head >> 5
    number = head & 31
    if major >= 6:
        return _read_special(data, offset, head)
    if number >= 24:
        number, offset = _argument(data, offset, number)
    if major == 3:
        return _string(data, offset, number)
    if major == 5:
        return _read_map(data, offset, depth, number)
    if major == 4:
        if depth == MAX_DEPTH:
            raise InvalidEncoding("nested too deeply")
        # Every item takes a byte: a count beyond what is left is a lie, found out before anything is allocated for it.
        if number > len(data) - offset:
            raise InvalidEncoding("DAG-CBOR ends in the middle of a value")
        items = []
        for _ in range(number):
            item, offset = _read(data, offset, depth + 1)
            items.append(item)
        return items, offset
    if major == 2:
        end = offset + number
        if end > len(data):
            raise InvalidEncoding("DAG-CBOR ends in the middle of a value")
        return bytes(data[offset:end]), end
    if number > MAX_INTEGER:
        raise InvalidEncoding("an integer is beyond 64 bits")
    return (number if major == 0 else -1 - number), offset


def _read_map(data: bytes, offset: int, depth: int, count: int) -> tuple[dict[str, Any], int]:
    if depth == MAX_DEPTH:
        raise InvalidEncoding("nested too deeply")
    if count > len(data) - offset:
        raise InvalidEncoding("DAG-CBOR ends in the middle of a value")
    result: dict[str, Any] = {}
    previous = b""
    for _ in range(count):
        start = offset
        head = data[offset]
        offset += 1
        length = head - 0x60
        if not 0 <= length < 24:
            if head >> 5 != 3:
                raise InvalidEncoding("a key of a map is not a string")
            length, offset = _argument(data, offset, head & 31)
        key, offset = _string(data, offset, length)
        encoded = data[start:offset]
        if encoded <= previous:
            raise InvalidEncoding("the keys of a map are not in order, or one is there twice")
        previous = encoded
        head = data[offset]
        if 0x60 <= head < 0x78:
            result[key], offset = _string(data, offset + 1, head - 0x60)
        else:
            result[key], offset = _read(data, offset, depth + 1)
    return result, offset


def _read_special(data: bytes, offset: int, head: int) -> tuple[Any, int]:
    """Read what is left: a link, the only tag there is, or one of the three simple values."""
    if head == 0xF5:
        return True, offset
    if head == 0xF4:
        return False, offset
    if head == 0xF6:
        return None, offset
    start = offset - 1
    end = start + _LINK_LENGTH
    if data[start : start + len(_LINK_HEAD)] == _LINK_HEAD and end <= len(data):
        return CID.decode(data[start + len(_LINK_HEAD) : end]), end
    if head == 0xD8:
        raise InvalidEncoding("a tag is not a link to a CIDv1 with SHA-256")
    raise InvalidEncoding("floats, undefined and other simple values are not in the data model")
