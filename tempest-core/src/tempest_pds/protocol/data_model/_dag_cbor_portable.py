"""DAG-CBOR in pure Python: the codec of an installation without the `speed` extra.

By hand rather than over a CBOR library, because those accept what DAG-CBOR forbids, and checking their result costs
more than reading the bytes once.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final, cast

from tempest_pds.protocol.data_model.cid import CID
from tempest_pds.protocol.data_model.value import MAX_DEPTH, MAX_INTEGER, MIN_INTEGER, LexValue
from tempest_pds.protocol.errors import InvalidEncoding

_LINK_HEAD: Final = b"\xd8\x2a\x58\x25\x00"
_LINK_LENGTH: Final = len(_LINK_HEAD) + 36
_CACHED_KEY_LENGTH: Final = 40


def encode(value: LexValue) -> bytes:
    """Encode a value; raise InvalidEncoding for what the data model does not hold."""
    parts: list[bytes] = []
    _write(value, parts, 0)
    return b"".join(parts)


def decode(data: bytes) -> LexValue:
    """Decode exactly one canonical value; raise InvalidEncoding."""
    try:
        value, end = _read(data, 0, 0)
    except IndexError:
        raise InvalidEncoding("DAG-CBOR ends in the middle of a value") from None
    if end != len(data):
        raise InvalidEncoding("bytes follow the DAG-CBOR value")
    return cast(LexValue, value)


def _head(major: int, number: int) -> bytes:
    if number < 24:
        return bytes((major | number,))
    if number < 0x100:
        return bytes((major | 24, number))
    if number < 0x10000:
        return bytes((major | 25,)) + number.to_bytes(2, "big")
    if number < 0x100000000:
        return bytes((major | 26,)) + number.to_bytes(4, "big")
    return bytes((major | 27,)) + number.to_bytes(8, "big")


_HEADS: Final = {major: tuple(_head(major, number) for number in range(256)) for major in range(0, 0xC0, 0x20)}
_TEXT_HEADS: Final = _HEADS[0x60]
_MAP_HEADS: Final = _HEADS[0xA0]


def _text(text: str) -> bytes:
    try:
        data = text.encode()
    except UnicodeEncodeError as error:
        raise InvalidEncoding("a string holds a lone surrogate") from error
    length = len(data)
    return (_TEXT_HEADS[length] if length < 256 else _head(0x60, length)) + data


_cached_text = lru_cache(maxsize=2048)(_text)


def _key(key: object) -> bytes:
    if not isinstance(key, str):
        raise InvalidEncoding(f"a key of a map is not a string: {type(key).__name__}")
    # The cache is bounded in entries, so only short keys go in: strangers choose them.
    return _cached_text(key) if len(key) <= _CACHED_KEY_LENGTH else _text(key)


def _write(value: object, parts: list[bytes], depth: int) -> None:
    if isinstance(value, str):
        parts.append(_text(value))
    elif isinstance(value, dict):
        if depth == MAX_DEPTH:
            raise InvalidEncoding("nested too deeply")
        length = len(value)
        parts.append(_MAP_HEADS[length] if length < 256 else _head(0xA0, length))
        # A head grows with the length it tells, so encoded keys sort bytewise into DAG-CBOR's order, the shorter first.
        for key, item in sorted([(_key(key), item) for key, item in value.items()], key=_first):
            parts.append(key)
            if type(item) is str:
                parts.append(_text(item))
            else:
                _write(item, parts, depth + 1)
    elif isinstance(value, list):
        if depth == MAX_DEPTH:
            raise InvalidEncoding("nested too deeply")
        parts.append(_head(0x80, len(value)))
        for item in value:
            _write(item, parts, depth + 1)
    elif value is True:
        parts.append(b"\xf5")
    elif value is False:
        parts.append(b"\xf4")
    elif value is None:
        parts.append(b"\xf6")
    elif isinstance(value, int):
        if not MIN_INTEGER <= value <= MAX_INTEGER:
            raise InvalidEncoding("an integer is beyond 64 bits")
        parts.append(_head(0x00, value) if value >= 0 else _head(0x20, -1 - value))
    elif isinstance(value, CID):
        parts.append(_LINK_HEAD + value.raw)
    elif isinstance(value, bytes):
        parts.append(_head(0x40, len(value)))
        parts.append(value)
    else:
        raise InvalidEncoding(f"the data model has no {type(value).__name__}")


def _first(pair: tuple[bytes, object]) -> bytes:
    return pair[0]


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
