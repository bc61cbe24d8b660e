"""Reading the parts of a Lexicon document, none of which is to be trusted: a broken one must say what is wrong with it.

https://atproto.com/specs/lexicon
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from tempest_pds.protocol.lexicon.errors import BrokenLexicon

Check = Callable[[Any], Any]
"""Takes a value and returns it, or a copy with defaults filled in; raises `failure.Failure`."""

Schema = dict[str, Any]
"""One definition, or a part of one, as the document has it."""

_T = TypeVar("_T")


def part(schema: Schema, key: str, kind: type[_T]) -> _T:
    """Return what must be there, of the type it must have; raise BrokenLexicon."""
    value = optional(schema, key, kind)
    if value is None:
        raise BrokenLexicon(f"{schema.get('type', 'the definition')!s}: {key} is missing")
    return value


def optional(schema: Schema, key: str, kind: type[_T]) -> _T | None:
    """Return what may be there, of the type it must have; raise BrokenLexicon."""
    value = schema.get(key)
    if value is None:
        return None
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise BrokenLexicon(f"{schema.get('type', 'the definition')!s}: {key} must be of type {kind.__name__}")
    return value


def strings(schema: Schema, key: str) -> list[str]:
    """Return a list of strings, empty where there is none; raise BrokenLexicon."""
    values = optional(schema, key, list) or []
    if not all(isinstance(value, str) for value in values):
        raise BrokenLexicon(f"{schema.get('type', 'the definition')!s}: {key} must hold strings")
    return values


def properties(schema: Schema) -> dict[str, Schema]:
    """Return the properties of an object or of parameters; raise BrokenLexicon where a required one is not defined."""
    found = optional(schema, "properties", dict) or {}
    for name, value in found.items():
        if not isinstance(value, dict):
            raise BrokenLexicon(f"the property {name} must be an object")
    for key in ("required", "nullable"):
        for name in strings(schema, key):
            if name not in found:
                raise BrokenLexicon(f"the {key} property {name} is not defined")
    return found
