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
from tempest_pds.protocol.lexicon.failure import Failure, missing_key, wrong_type, wrong_value
from tempest_pds.protocol.lexicon.scalars import compile_boolean, compile_integer
from tempest_pds.protocol.lexicon.schema import Check, Schema, optional, part, properties, strings
from tempest_pds.protocol.lexicon.strings import compile_string

_INTEGER: Final = re.compile(r"-?[0-9]+")
# Longer than any integer that is allowed, shorter than any that is slow to read.
_MAX_DIGITS: Final = 400


@dataclass(frozen=True, slots=True)
class _Param:
    name: str
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
            value = param.read(text)
            if name not in given:
                given[name] = [value] if param.is_array else value
            elif isinstance(given[name], list):
                given[name].append(value)
            else:
                given[name] = [given[name], value]
        params: dict[str, Any] = {}
        for name, param in self._by_name.items():
            if name in given:
                params[name] = _checked(param, given[name])
            elif param.default is not MISSING:
                params[name] = param.default
            elif param.is_required:
                raise missing_key(name)
        return params


def _checked(param: _Param, value: object) -> Any:
    try:
        return param.check(value)
    except Failure as failure:
        failure.keys.append(param.name)
        raise


def _compile_param(name: str, schema: Schema, is_required: bool) -> _Param:
    is_array = schema.get("type") == "array"
    single = part(schema, "items", dict) if is_array else schema
    read, check = _compile_single(name, single)
    return _Param(
        name,
        read,
        compile_array(schema, check) if is_array else check,
        is_array,
        is_required,
        default_of(schema),
    )


def _compile_single(name: str, schema: Schema) -> tuple[Callable[[str], object], Check]:
    match schema.get("type"):
        case "string":
            return str, compile_string(schema)
        case "integer":
            return _integer_reader(name, schema), compile_integer(schema)
        case "boolean":
            return _boolean_reader(name), compile_boolean(schema)
        case kind:
            raise BrokenLexicon(f"the parameter {name} cannot be of type {kind!r}")


def _integer_reader(name: str, schema: Schema) -> Callable[[str], object]:
    constant = optional(schema, "const", int)
    allowed = [constant] if constant is not None else optional(schema, "enum", list)
    # A fixed value must be written the way we would write it, as in the reference.
    fixed = {str(value): value for value in allowed or ()}

    def read(text: str) -> object:
        if fixed:
            if text not in fixed:
                raise wrong_value(text, list(fixed.values()), name)
            return fixed[text]
        if len(text) > _MAX_DIGITS or not _INTEGER.fullmatch(text):
            failure = wrong_type(text, "integer")
            failure.keys.append(name)
            raise failure
        return int(text)

    return read


def _boolean_reader(name: str) -> Callable[[str], object]:
    def read(text: str) -> object:
        if text not in {"true", "false"}:
            failure = wrong_type(text, "boolean")
            failure.keys.append(name)
            raise failure
        return text == "true"

    return read
