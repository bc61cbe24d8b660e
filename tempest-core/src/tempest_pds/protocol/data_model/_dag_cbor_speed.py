"""DAG-CBOR over cbrrr, of the `speed` extra.

cbrrr is strict about DAG-CBOR, and knows nothing of the data model on top of it: the blessed CIDs, the ban on floats,
the signed 64 bits of an integer, the depth. Walking the value again in Python would cost more than cbrrr itself, so the
encoded bytes are asked first, in C, whether they could hold anything of the kind. They rarely can.
"""

from __future__ import annotations

import re
from typing import Any, Final, cast

from cbrrr import _cbrrr

from tempest_pds.protocol.data_model.cid import CID
from tempest_pds.protocol.data_model.value import MAX_DEPTH, MAX_INTEGER, MIN_INTEGER, LexValue
from tempest_pds.protocol.errors import InvalidEncoding

_encode = _cbrrr.encode_dag_cbor
_decode = _cbrrr.decode_dag_cbor

_FLOAT_HEAD: Final = b"\xfb"
_find_wide_integer: Final = re.compile(rb"[\x1b\x3b][\x80-\xff]").search
_NOT_CONTAINER_HEADS: Final = bytes(byte for byte in range(256) if not 0x80 <= byte < 0xC0)


def encode(value: LexValue) -> bytes:
    """Encode a value; raise InvalidEncoding for what the data model does not hold."""
    try:
        data = _encode(value, CID, False)
    except (ValueError, TypeError, OverflowError):
        # cbrrr takes exact types only, and an identifier is a subclass of str. If that is not it, this says what is.
        from tempest_pds.protocol.data_model import _dag_cbor_portable  # and with it cbor2: seldom needed

        return _dag_cbor_portable.encode(value)
    check(value, data)
    return data


def decode(data: bytes) -> LexValue:
    """Decode exactly one canonical value; raise InvalidEncoding."""
    try:
        value, length = _decode(data, CID.decode, False)
    except (ValueError, TypeError, OverflowError) as error:
        raise InvalidEncoding(str(error)) from error
    if length != len(data):
        raise InvalidEncoding("bytes follow the DAG-CBOR value")
    check(value, data)
    return cast(LexValue, value)


def check(value: Any, data: bytes) -> None:
    """Refuse what DAG-CBOR allows and the data model does not, in a value whose encoding is `data`."""
    if may_leave_data_model(data):
        _walk(value)


def may_leave_data_model(data: bytes) -> bool:
    """Tell whether DAG-CBOR may hold a float, an integer of 65 bits or too deep a nesting; False is certain."""
    # UTF-8 has no byte 0xFB, so only a float or binary data brings one. An integer of nine bytes starts with 0x1B (a
    # control character) or 0x3B (a semicolon), and if it is too large the next byte has its high bit set. A list or a
    # map starts with a byte from 0x80 to 0xBF.
    return (
        _FLOAT_HEAD in data
        or ((b"\x3b" in data or b"\x1b" in data) and _find_wide_integer(data) is not None)
        or (len(data) > MAX_DEPTH and len(data.translate(None, _NOT_CONTAINER_HEADS)) > MAX_DEPTH)
    )


def _walk(value: Any) -> None:
    level = [value]
    depth = 0
    while level:
        below: list[Any] = []
        for item in level:
            kind = type(item)
            if kind is dict or kind is list:
                if depth == MAX_DEPTH:
                    raise InvalidEncoding("nested too deeply")
                below.extend(item.values() if kind is dict else item)
            elif kind is float:
                raise InvalidEncoding("the data model has no float")
            elif kind is int and not MIN_INTEGER <= item <= MAX_INTEGER:
                raise InvalidEncoding("an integer is beyond 64 bits")
        level = below
        depth += 1
