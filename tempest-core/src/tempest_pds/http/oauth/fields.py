"""The parameters that a client sends to the endpoints of the provider: a form, or as the reference takes it, JSON."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Final

from tempest_pds.http.errors import XrpcError
from tempest_pds.http.exchange import Exchange
from tempest_pds.http.query_string import parse_query_string
from tempest_pds.http.request_body import read_all
from tempest_pds.protocol.oauth.authorization_parameters import single_values

MAX_BYTES: Final = 65_536
"""The largest body: two signed tokens of the largest size, and what stands beside them."""
_FORM: Final = b"application/x-www-form-urlencoded"
_JSON: Final = re.compile(rb"application/(?:[a-z0-9.+-]+\+)?json")
_CHARSET: Final = re.compile(rb'charset\s*=\s*"?([^\s";]+)')


async def read_fields(exchange: Exchange) -> Mapping[str, object]:
    """Read the body of a request; raise XrpcError, or InvalidRequest where a name stands twice."""
    content_type = exchange.headers.get(b"content-type", b"").lower()
    kind = content_type.partition(b";")[0].strip()
    is_form = kind == _FORM
    if not is_form and not _JSON.fullmatch(kind):
        raise XrpcError(415, "UnsupportedMediaType", f"Unsupported content-type: {_shown(kind)}")
    charset = _CHARSET.search(content_type)
    if charset is not None and charset[1] not in (b"utf-8", b"utf8"):
        raise XrpcError(415, "UnsupportedMediaType", "Unsupported charset")
    body = await read_all(exchange, MAX_BYTES)
    return single_values(parse_query_string(body)) if is_form else _read_json(body)


def _read_json(body: bytes) -> Mapping[str, object]:
    try:
        fields = json.loads(body.decode())
        # Half of a surrogate pair is JSON, and a text that can be written nowhere.
        json.dumps(fields, ensure_ascii=False, allow_nan=False).encode()
    except (ValueError, RecursionError):
        raise XrpcError(400, "InvalidRequest", "Invalid JSON") from None
    if not isinstance(fields, dict):
        raise XrpcError(400, "InvalidRequest", "The body must be a JSON object")
    return fields


def _shown(kind: bytes) -> str:
    return kind[:80].decode("ascii", "replace") or "none"
