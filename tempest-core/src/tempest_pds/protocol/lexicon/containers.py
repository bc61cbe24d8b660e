"""Checks of objects, arrays and unions.

Objects and unions are open: what the schema does not name passes. A definition that can be referred to also has a
name, and an object that bears another one in its `$type` is refused.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from tempest_pds.protocol.lexicon.failure import (
    Failure,
    missing_key,
    too_big,
    too_small,
    wrong_type,
    wrong_value,
)
from tempest_pds.protocol.lexicon.schema import Check, Schema, optional, properties, strings

MISSING: Final = object()

CompilePart = Callable[[Schema], Check]
"""Compiles what a container holds."""


def compile_object(schema: Schema, compile_part: CompilePart, *, with_defaults: bool, name: str | None = None) -> Check:
    """Compile an `object`; `name` is the `$type` it may bear. Defaults are filled into a copy, never into the value."""
    required = set(strings(schema, "required"))
    nullable = set(strings(schema, "nullable"))
    fields = [
        (
            key,
            compile_part(part),
            key in required,
            key in nullable,
            default_of(part) if with_defaults else MISSING,
        )
        for key, part in properties(schema).items()
    ]

    def check(value: Any) -> Any:
        if not isinstance(value, dict):
            raise wrong_type(value, "object")
        if name is not None and value.get("$type", name) != name:
            raise wrong_value(value["$type"], [name], "$type")
        result = value
        key = ""
        absent = None
        try:
            for key, check_part, is_required, is_nullable, default in fields:
                item = value.get(key, MISSING)
                if item is MISSING:
                    if default is not MISSING:
                        checked = default
                    elif is_required:
                        absent = key
                        break
                    else:
                        continue
                elif item is None and is_nullable:
                    continue
                else:
                    checked = check_part(item)
                if checked is not item:
                    if result is value:
                        result = dict(value)
                    result[key] = checked
        except Failure as failure:
            failure.keys.append(key)
            raise
        if absent is not None:
            raise missing_key(absent)
        return result

    return check


def default_of(schema: Schema) -> object:
    """Return the default of a property, or MISSING."""
    default = schema.get("default")
    return MISSING if default is None else default


def compile_array(schema: Schema, check_item: Check) -> Check:
    """Compile an `array`."""
    shortest = optional(schema, "minLength", int)
    longest = optional(schema, "maxLength", int)

    def check(value: Any) -> Any:
        if not isinstance(value, list):
            raise wrong_type(value, "array")
        if shortest is not None and len(value) < shortest:
            raise too_small("array", shortest, len(value))
        if longest is not None and len(value) > longest:
            raise too_big("array", longest, len(value))
        result = value
        index = 0
        try:
            for index, item in enumerate(value):
                checked = check_item(item)
                if checked is not item:
                    if result is value:
                        result = list(value)
                    result[index] = checked
        except Failure as failure:
            failure.keys.append(index)
            raise
        return result

    return check


def compile_union(variants: dict[str, Check], *, closed: bool) -> Check:
    """Compile a `union` of named objects, by the `$type` of each."""

    def check(value: Any) -> Any:
        if not isinstance(value, dict) or "$type" not in value:
            raise wrong_type(value, 'an object which includes the "$type" property')
        declared = value["$type"]
        if isinstance(declared, str):
            variant = variants.get(declared)
            if variant is not None:
                return variant(value)
        if closed:
            raise wrong_value(declared, list(variants), "$type")
        if not isinstance(declared, str):
            failure = wrong_type(declared, "string")
            failure.keys.append("$type")
            raise failure
        return value

    return check


def compile_record(schema: Schema, compile_part: CompilePart, *, with_defaults: bool, name: str) -> Check:
    """Compile the body of a `record`, which must bear its name."""
    check_body = compile_object(schema, compile_part, with_defaults=with_defaults)

    def check(value: Any) -> Any:
        checked = check_body(value)
        declared = value.get("$type", MISSING)
        if declared is MISSING:
            raise Failure(f'Expected "{name}" (got undefined)', "$type")
        if declared != name:
            raise wrong_value(declared, [name], "$type")
        return checked

    return check
