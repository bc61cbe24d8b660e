"""JSON text over the standard library: for an installation without the `speed` extra."""

from __future__ import annotations

import re
from base64 import b64encode
from json import JSONDecoder, JSONEncoder
from typing import Any, Final

from tempest_pds.protocol.data_model import dag_cbor
from tempest_pds.protocol.data_model.cid import CID
from tempest_pds.protocol.errors import InvalidEncoding

_find_surrogate_escape: Final = re.compile(r"\\u[dD][89a-fA-F]").search


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def special(value: object) -> dict[str, str]:
    """Return the JSON form of a link or of bytes; raise TypeError for what is neither."""
    if isinstance(value, CID):
        return {"$link": str(value)}
    if isinstance(value, bytes):
        return {"$bytes": b64encode(value).rstrip(b"=").decode("ascii")}
    raise TypeError(f"the data model has no {type(value).__name__}")


_decode: Final = JSONDecoder(parse_constant=_refuse_constant).decode
_encode: Final = JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=special).encode


def parse(text: bytes | str) -> Any:
    """Parse JSON text as plain objects; raise InvalidEncoding."""
    try:
        if not isinstance(text, str):
            text = text.decode()
        value = _decode(text)
        if _find_surrogate_escape(text):
            _encode(value).encode()
    except (ValueError, RecursionError) as error:
        raise InvalidEncoding(f"not JSON: {error}") from error
    return value


def dumps(value: Any) -> bytes:
    """Return the JSON text of a value."""
    try:
        return _encode(value).encode()
    except (ValueError, TypeError, RecursionError) as error:
        raise InvalidEncoding(f"a value has no form in JSON: {error}") from error


def cbor_to_json(block: bytes) -> bytes:
    """Return the JSON text of a DAG-CBOR block."""
    return dumps(dag_cbor.decode(block))
