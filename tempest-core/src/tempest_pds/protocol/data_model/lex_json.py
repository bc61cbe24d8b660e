"""The data model's form in JSON, the form of the HTTP API: a link is `{"$link": "bafy…"}`, bytes are `{"$bytes": "…"}`.

Reading is strict: an object with one of these keys and anything else about it, a number that is no integer of 64 bits,
text that is not Unicode, and nesting deeper than `value.MAX_DEPTH` are refused. A number written with a fraction of
zero or an exponent is an integer, as it is to every JavaScript client. Base64 is read with and without padding, and
written without.

https://atproto.com/specs/data-model#json-representation
"""

from __future__ import annotations

from binascii import a2b_base64
from typing import Any, Final, cast

from tempest_pds.protocol.data_model._lex_json_portable import special
from tempest_pds.protocol.data_model.cid import CID
from tempest_pds.protocol.data_model.value import MAX_DEPTH, MAX_INTEGER, MIN_INTEGER, LexValue
from tempest_pds.protocol.errors import InvalidEncoding

try:
    from tempest_pds.protocol.data_model import _lex_json_speed as _text
except ImportError:
    from tempest_pds.protocol.data_model import _lex_json_portable as _text  # type: ignore[no-redef]

_MAX_SAFE_FLOAT: Final = (1 << 53) - 1
_PADDING: Final = ("", "===", "==", "=")


def loads(text: bytes | str) -> LexValue:
    """Read JSON text, bytes being UTF-8; raise InvalidEncoding."""
    return from_json(_text.parse(text))


def parse(text: bytes | str) -> Any:
    """Read JSON text as plain objects, of any content and depth; raise InvalidEncoding when it is no JSON."""
    return _text.parse(text)


def dumps(value: LexValue) -> bytes:
    """Return the JSON text of a value, links and bytes in their JSON form; raise InvalidEncoding."""
    return _text.dumps(value)


def cbor_to_json(block: bytes) -> bytes:
    """Return the JSON text of a DAG-CBOR block, as `dumps(dag_cbor.decode(block))` does; raise InvalidEncoding."""
    return _text.cbor_to_json(block)


def from_json(value: Any) -> LexValue:
    """Turn parsed JSON into a value of the data model, changing it in place; raise InvalidEncoding."""
    return cast(LexValue, _from_json(value, 0))


def to_json(value: LexValue) -> Any:
    """Return a copy of a value with its links and bytes in their JSON form."""
    kind = type(value)
    if kind is str or kind is int or kind is bool or value is None:
        return value
    if isinstance(value, dict):
        return {key: to_json(item) for key, item in value.items()}
    if isinstance(value, list):
        return [to_json(item) for item in value]
    if isinstance(value, str | int):
        return value
    return special(value)


def _from_json(value: Any, depth: int) -> Any:
    kind = type(value)
    if kind is str or value is None or kind is bool:
        return value
    if kind is dict:
        if depth == MAX_DEPTH:
            raise InvalidEncoding("nested too deeply")
        if "$link" in value:
            return _link(value)
        if "$bytes" in value:
            return _bytes(value)
        for key, item in value.items():
            kind = type(item)
            if kind is dict or kind is list or kind is float or kind is int:
                value[key] = _from_json(item, depth + 1)
        return value
    if kind is list:
        if depth == MAX_DEPTH:
            raise InvalidEncoding("nested too deeply")
        for index, item in enumerate(value):
            kind = type(item)
            if kind is dict or kind is list or kind is float or kind is int:
                value[index] = _from_json(item, depth + 1)
        return value
    if kind is int:
        if not MIN_INTEGER <= value <= MAX_INTEGER:
            raise InvalidEncoding("an integer is beyond 64 bits")
        return value
    if kind is float:
        if not value.is_integer() or abs(value) > _MAX_SAFE_FLOAT:
            raise InvalidEncoding("a number is not an integer")
        return int(value)
    raise InvalidEncoding(f"JSON has no {kind.__name__}")


def _link(value: dict[str, Any]) -> CID:
    text = value["$link"]
    if len(value) != 1 or not isinstance(text, str):
        raise InvalidEncoding("an object with $link is not a link")
    return CID.parse(text)


def _bytes(value: dict[str, Any]) -> bytes:
    text = value["$bytes"]
    if len(value) != 1 or not isinstance(text, str):
        raise InvalidEncoding("an object with $bytes is not bytes")
    try:
        return a2b_base64(text if text.endswith("=") else text + _PADDING[len(text) % 4], strict_mode=True)
    except ValueError as error:
        raise InvalidEncoding("$bytes is not base64") from error
