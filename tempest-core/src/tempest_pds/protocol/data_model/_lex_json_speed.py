"""JSON text over orjson and cbrrr, of the `speed` extra."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, cast

import orjson
from cbrrr import _cbrrr

from tempest_pds.protocol.data_model import _lex_json_portable
from tempest_pds.protocol.data_model._dag_cbor_speed import may_leave_data_model
from tempest_pds.protocol.errors import InvalidEncoding

_decode_to_json: Final = cast(Callable[[bytes, Any, bool], tuple[Any, int]], _cbrrr.decode_dag_cbor)

_TAG: Final = b"\xd8\x2a"
_DAG_CBOR_LINK: Final = b"\xd8\x2a\x58\x25\x00\x01\x71\x12\x20"
_RAW_LINK: Final = b"\xd8\x2a\x58\x25\x00\x01\x55\x12\x20"


def parse(text: bytes | str) -> Any:
    """Parse JSON text as plain objects; raise InvalidEncoding."""
    try:
        return orjson.loads(text)
    except ValueError as error:
        raise InvalidEncoding(f"not JSON: {error}") from error


def dumps(value: Any) -> bytes:
    """Return the JSON text of a value."""
    try:
        return orjson.dumps(value, _lex_json_portable.special)
    except TypeError:
        # orjson wants exact types for the keys of a map. If that is not it, this says what is.
        return _lex_json_portable.dumps(value)


def cbor_to_json(block: bytes) -> bytes:
    """Return the JSON text of a DAG-CBOR block."""
    # cbrrr writes links and bytes in their JSON form as it reads them, and checks no CID on the way.
    links = block.count(_TAG)
    if (links and links != block.count(_DAG_CBOR_LINK) + block.count(_RAW_LINK)) or may_leave_data_model(block):
        return _lex_json_portable.cbor_to_json(block)
    try:
        value, length = _decode_to_json(block, None, True)
    except (ValueError, TypeError) as error:
        raise InvalidEncoding(str(error)) from error
    if length != len(block):
        raise InvalidEncoding("bytes follow the DAG-CBOR value")
    return orjson.dumps(value)
