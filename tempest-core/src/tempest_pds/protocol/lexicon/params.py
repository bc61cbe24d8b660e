"""Query strings, read by the parameters that a method declares.

An empty value counts as absent, and what the method does not declare is dropped. A parameter given twice is an array,
whether or not the method wants one. https://atproto.com/specs/xrpc#lexicon-http-endpoints
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final

from tempest_pds.protocol.lexicon.containers import MISSING, compile_array, default_of
from tempest_pds.protocol.lexicon.errors import BrokenLexicon
from tempest_pds.protocol.lexicon.failure import Failure, describe, missing_key, wrong_type, wrong_value
from tempest_pds.protocol.lexicon.scalars import compile_boolean, compile_integer
from tempest_pds.protocol.lexicon.schema import Check, Schema, part, properties, strings
from tempest_pds.protocol.lexicon.strings import compile_string

_INTEGER: Final = re.compile(r"-?[0-9]+")
# Longer than any integer that is allowed, shorter than any that is slow to read.
_MAX_DIGITS: Final = 400


@dataclass(frozen=True, slots=True)
class _Param:
    read: Callable[[str], object]
    check: Check
    is_array: bool
    is_required: bool
    default: object


class ParamsSchema:
    """The parameters of one method."""

    __slots__ = ("_by_name",)

    def __init__(self, schema: Schema | None) -> None:
        """Compile the `params` of a method, None for a method that has none; raise BrokenLexicon."""
        required = set(strings(schema, "required")) if schema else set()
        self._by_name = {
            name: _compile_param(name, inner, name in required)
            for name, inner in (properties(schema) if schema else {}).items()
        }

    def parse(self, pairs: Iterable[tuple[str, str]]) -> dict[str, Any]:
        """Turn decoded pairs of a query string into values, defaults filled in; raise Failure."""
        given: dict[str, Any] = {}
        for name, text in pairs:
            param = self._by_name.get(name)
            if param is None or not text:
                continue
            value = _named(name, param.read, text)
            if name not in given:
                given[name] = [value] if param.is_array else value
            elif isinstance(given[name], list):
                given[name].append(value)
            else:
                given[name] = [given[name], value]
        params: dict[str, Any] = {}
        for name, param in self._by_name.items():
            if name in given:
                params[name] = _named(name, param.check, given[name])
            elif param.default is not MISSING:
                params[name] = param.default
            elif param.is_required:
                raise missing_key(name)
        return params


def _named(name: str, take: Callable[[Any], Any], value: object) -> Any:
    try:
        return take(value)
    except Failure as failure:
        failure.keys.append(name)
        raise


def _compile_param(name: str, schema: Schema, is_required: bool) -> _Param:
    is_array = schema.get("type") == "array"
    read, check = _compile_single(name, part(schema, "items", dict) if is_array else schema)
    return _Param(
        read,
        compile_array(schema, check) if is_array else check,
        is_array,
        is_required,
        default_of(schema),
    )


def _compile_single(name: str, schema: Schema) -> tuple[Callable[[str], object], Check]:
    match schema.get("type"):
        case "string":
            check, read = compile_string(schema), _read_string
        case "integer":
            check, read = compile_integer(schema), _read_integer
        case "boolean":
            check, read = compile_boolean(schema), _read_boolean
        case kind:
            raise BrokenLexicon(f"the parameter {name} cannot be of type {kind!r}")
    constant = schema.get("const")
    allowed = [constant] if constant is not None else schema.get("enum")
    return (_member_reader(allowed) if allowed else read), check


def _member_reader(allowed: list[Any]) -> Callable[[str], object]:
    # A fixed value must be written just as we would write it: `7`, never `07`.
    by_text = {describe(value) if isinstance(value, bool) else str(value): value for value in allowed}

    def read(text: str) -> object:
        if text not in by_text:
            raise wrong_value(text, allowed)
        return by_text[text]

    return read


def _read_string(text: str) -> object:
    return text


def _read_integer(text: str) -> object:
    if len(text) > _MAX_DIGITS or not _INTEGER.fullmatch(text):
        raise wrong_type(text, "integer")
    return int(text)


def _read_boolean(text: str) -> object:
    if text not in {"true", "false"}:
        raise wrong_type(text, "boolean")
    return text == "true"
