"""Checks of what is neither string nor container: integers, booleans, bytes, links, blobs.

https://atproto.com/specs/lexicon#lexicon-types
"""

from __future__ import annotations

from typing import Any, Final

from tempest_pds.protocol.data_model.cid import CID
from tempest_pds.protocol.lexicon.errors import BrokenLexicon
from tempest_pds.protocol.lexicon.failure import too_big, too_small, wrong_type, wrong_value
from tempest_pds.protocol.lexicon.schema import Check, Schema, optional, strings

MAX_SAFE_INTEGER: Final = (1 << 53) - 1
"""The greatest integer that every implementation can hold; the data model's own limit is beyond JavaScript's."""

_BLOB_KEYS: Final = {"$type", "ref", "mimeType", "size"}


def compile_integer(schema: Schema) -> Check:
    """Compile an `integer`. A constant or an enumeration stands for all other rules."""
    constant = optional(schema, "const", int)
    allowed = [constant] if constant is not None else optional(schema, "enum", list)
    if allowed:
        if not all(type(item) is int for item in allowed):
            raise BrokenLexicon("integer: enum must hold integers")
        return _integer_member(allowed)
    lowest = optional(schema, "minimum", int)
    highest = optional(schema, "maximum", int)

    def check(value: Any) -> Any:
        if not is_safe_integer(value):
            raise wrong_type(value, "integer")
        if lowest is not None and value < lowest:
            raise too_small("integer", lowest, value)
        if highest is not None and value > highest:
            raise too_big("integer", highest, value)
        return value

    return check


def is_safe_integer(value: Any) -> bool:
    """Tell whether `value` is an integer that JavaScript holds exactly. A boolean is none, whatever Python says."""
    return type(value) is int and -MAX_SAFE_INTEGER <= value <= MAX_SAFE_INTEGER


def _integer_member(allowed: list[int]) -> Check:
    def check(value: Any) -> Any:
        if type(value) is not int or value not in allowed:
            raise wrong_value(value, allowed)
        return value

    return check


def compile_boolean(schema: Schema) -> Check:
    """Compile a `boolean`."""
    constant = optional(schema, "const", bool)

    def check(value: Any) -> Any:
        if constant is not None and value is not constant:
            raise wrong_value(value, [constant])
        if value is not True and value is not False:
            raise wrong_type(value, "boolean")
        return value

    return check


def compile_bytes(schema: Schema) -> Check:
    """Compile `bytes`."""
    shortest = optional(schema, "minLength", int)
    longest = optional(schema, "maxLength", int)

    def check(value: Any) -> Any:
        if not isinstance(value, bytes):
            raise wrong_type(value, "bytes")
        if shortest is not None and len(value) < shortest:
            raise too_small("bytes", shortest, len(value))
        if longest is not None and len(value) > longest:
            raise too_big("bytes", longest, len(value))
        return value

    return check


def check_link(value: Any) -> Any:
    """Check a `cid-link`."""
    if not isinstance(value, CID):
        raise wrong_type(value, "cid")
    return value


def check_unknown(value: Any) -> Any:
    """Check an `unknown`: any object of the data model, and nothing but an object."""
    if not isinstance(value, dict):
        raise wrong_type(value, "object")
    return value


def is_blob_ref(value: Any) -> bool:
    """Tell whether `value` is a typed blob reference, complete and with nothing else in it."""
    if not isinstance(value, dict) or value.get("$type") != "blob" or value.keys() != _BLOB_KEYS:
        return False
    mime_type, size, ref = value["mimeType"], value["size"], value["ref"]
    return (
        isinstance(mime_type, str)
        and "/" in mime_type
        and is_safe_integer(size)
        and size >= 0
        and isinstance(ref, CID)
        and not ref.is_dag_cbor
    )


def matches_mime(mime_type: str, accept: list[str]) -> bool:
    """Tell whether a MIME type is in a list that may hold `*/*` and `image/*`."""
    return any(
        pattern in {"*/*", mime_type} or (pattern.endswith("/*") and mime_type.startswith(pattern[:-1]))
        for pattern in accept
    )


def compile_blob(schema: Schema) -> Check:
    """Compile a `blob`: the reference, and the MIME type and size that it claims. The old form is refused."""
    accept = strings(schema, "accept")
    max_size = optional(schema, "maxSize", int)

    def check(value: Any) -> Any:
        if not is_blob_ref(value):
            raise wrong_type(value, "blob")
        if accept and not matches_mime(value["mimeType"], accept):
            raise wrong_value(value["mimeType"], accept, "mimeType")
        if max_size is not None and value["size"] > max_size:
            raise too_big("blob", max_size, value["size"])
        return value

    return check
