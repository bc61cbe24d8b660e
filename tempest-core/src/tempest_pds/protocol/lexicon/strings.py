"""Checks of strings: formats, lengths in UTF-8 bytes and in graphemes, enumerations.

Lengths are counted only where a cheaper bound cannot settle them: a code point has at most four bytes, and a grapheme
at least one code point. https://atproto.com/specs/lexicon#string
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from tempest_pds.protocol.lexicon.errors import BrokenLexicon
from tempest_pds.protocol.lexicon.failure import too_big, too_small, wrong_format, wrong_type, wrong_value
from tempest_pds.protocol.lexicon.schema import Check, Schema, optional, strings
from tempest_pds.protocol.syntax.at_identifier import is_at_identifier
from tempest_pds.protocol.syntax.at_uri import AtUri
from tempest_pds.protocol.syntax.cid_text import is_cid_text
from tempest_pds.protocol.syntax.datetime import Datetime
from tempest_pds.protocol.syntax.did import Did
from tempest_pds.protocol.syntax.handle import Handle
from tempest_pds.protocol.syntax.language import Language
from tempest_pds.protocol.syntax.nsid import Nsid
from tempest_pds.protocol.syntax.record_key import RecordKey
from tempest_pds.protocol.syntax.tid import Tid
from tempest_pds.protocol.syntax.uri import Uri

# The test of each format, and what a message calls it.
_FORMATS: Final[dict[str, tuple[Callable[[str], bool], str]]] = {
    "at-identifier": (is_at_identifier, "AT identifier"),
    "at-uri": (AtUri.is_valid, "at-uri"),
    "cid": (is_cid_text, "CID string"),
    "datetime": (Datetime.is_valid, "datetime"),
    "did": (Did.is_valid, "DID"),
    "handle": (Handle.is_valid, "handle"),
    "language": (Language.is_valid, "language"),
    "nsid": (Nsid.is_valid, "NSID"),
    "record-key": (RecordKey.is_valid, "record key"),
    "tid": (Tid.is_valid, "TID string"),
    "uri": (Uri.is_valid, "uri"),
}


def utf8_length(text: str) -> int:
    """Count the bytes of `text` in UTF-8; a lone surrogate counts three, as in JavaScript."""
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))


def grapheme_length(text: str) -> int:
    """Count what a reader takes for characters (extended grapheme clusters of Unicode)."""
    if text.isascii():
        return len(text) - text.count("\r\n")
    # Loaded by the first text that needs it: its library takes 10 ms and 1.5 MiB.
    from tempest_pds.protocol.lexicon.graphemes import count_graphemes

    return count_graphemes(text)


def compile_string(schema: Schema) -> Check:
    """Compile a `string`; `knownValues` only advise. A constant or an enumeration stands for all other rules."""
    constant = optional(schema, "const", str)
    if constant is not None:
        return _member([constant])
    allowed = strings(schema, "enum")
    if allowed:
        return _member(allowed)
    test = compile_format(schema)
    sizes = _compile_sizes(schema)
    if sizes is None:
        return test

    def check(value: Any) -> Any:
        if not isinstance(value, str):
            raise wrong_type(value, "string")
        sizes(value)
        return test(value)

    return check


def compile_format(schema: Schema) -> Check:
    """Compile the type and the format of a `string`, and nothing else."""
    name = optional(schema, "format", str)
    if name is None:
        return _any_string
    if name not in _FORMATS:
        raise BrokenLexicon(f"string: there is no format {name!r}")
    is_valid, what = _FORMATS[name]

    def check(value: Any) -> Any:
        if not isinstance(value, str):
            raise wrong_type(value, "string")
        if not is_valid(value):
            raise wrong_format(value, what)
        return value

    return check


def _any_string(value: Any) -> Any:
    if not isinstance(value, str):
        raise wrong_type(value, "string")
    return value


def _member(allowed: list[str]) -> Check:
    def check(value: Any) -> Any:
        if not isinstance(value, str) or value not in allowed:
            raise wrong_value(value, allowed)
        return value

    return check


def _compile_sizes(schema: Schema) -> Callable[[str], None] | None:
    min_bytes = optional(schema, "minLength", int)
    max_bytes = optional(schema, "maxLength", int)
    min_graphemes = optional(schema, "minGraphemes", int)
    max_graphemes = optional(schema, "maxGraphemes", int)
    if min_bytes is max_bytes is min_graphemes is max_graphemes is None:
        return None

    def check(value: str) -> None:
        points = len(value)
        if min_bytes is not None and points < min_bytes and (size := utf8_length(value)) < min_bytes:
            raise too_small("string", min_bytes, size)
        if max_bytes is not None and points * 4 > max_bytes and (size := utf8_length(value)) > max_bytes:
            raise too_big("string", max_bytes, size)
        if min_graphemes is not None and (size := grapheme_length(value)) < min_graphemes:
            raise too_small("grapheme", min_graphemes, size)
        if max_graphemes is not None and points > max_graphemes and (size := grapheme_length(value)) > max_graphemes:
            raise too_big("grapheme", max_graphemes, size)

    return check
