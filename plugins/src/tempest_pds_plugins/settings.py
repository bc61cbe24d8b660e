"""The settings of an adapter: declared once, as a frozen dataclass, and read from the environment.

    @dataclass(frozen=True)
    class Settings:
        bucket: str = setting("TEMPEST_BLOB_ACME_BUCKET", help="the bucket that holds the blobs")
        secret_key: str = setting("TEMPEST_BLOB_ACME_SECRET_KEY", help="the key to write it with", secret=True)
        timeout: float = setting("TEMPEST_BLOB_ACME_TIMEOUT", default=30.0, help="seconds to wait for an answer")

    settings = read(Settings, environment)

A setting without a default must be set. An empty value counts as not set, as in a compose file's ``NAME=``. A field's
type is one of `str`, `int`, `float`, `bool`, `Path`, `tuple[str, ...]` (items between commas), or one of these with
``| None``. What is wrong is told in one line that names every setting concerned, and never shows the value of a
secret.
"""

import dataclasses
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from tempest_pds_plugins.errors import InvalidSettings

S = TypeVar("S")

_METADATA = "tempest_pds_plugins.setting"
_BOOLEANS = {"true": True, "1": True, "yes": True, "on": True, "false": False, "0": False, "no": False, "off": False}


@dataclass(frozen=True, slots=True)
class Setting:
    """One declared setting, for listings: `default` is None where a value must be given, else as one would write it."""

    name: str
    kind: str
    default: str | None
    secret: bool
    help: str


@dataclass(frozen=True, slots=True)
class _Declaration:
    name: str
    help: str
    secret: bool


def setting(
    name: str,
    *,
    help: str,  # noqa: A002 - as click calls it
    default: Any = dataclasses.MISSING,
    secret: bool = False,
) -> Any:
    """Declare a field of a settings dataclass. A secret field stays out of its `repr`."""
    return dataclasses.field(
        default=default, kw_only=True, repr=not secret, metadata={_METADATA: _Declaration(name, help, secret)}
    )


def declared(cls: type) -> tuple[Setting, ...]:
    """Return the settings that a dataclass declares, in order."""
    return tuple(
        Setting(
            declaration.name,
            _kind(annotation),
            None if field.default is dataclasses.MISSING else _written(field.default),
            declaration.secret,
            declaration.help,
        )
        for field, declaration, annotation in _fields(cls)
    )


def read(cls: type[S], environment: Mapping[str, str]) -> S:
    """Make the dataclass from the environment. Raises `InvalidSettings`, with all that is wrong in one line."""
    values: dict[str, object] = {}
    problems: list[str] = []
    for field, declaration, annotation in _fields(cls):
        text = environment.get(declaration.name, "").strip()
        if not text:
            if field.default is dataclasses.MISSING:
                problems.append(f"set {declaration.name} ({declaration.help})")
            continue
        try:
            values[field.name] = _parser(annotation)(text)
        except ValueError:
            # The exception is dropped on purpose: Python's own messages quote the value.
            shown = "" if declaration.secret else f", not {text[:80]!r}"
            problems.append(f"set {declaration.name} to {_article(_kind(annotation))}{shown} ({declaration.help})")
    if problems:
        raise InvalidSettings("; ".join(problems))
    try:
        return cls(**values)
    except InvalidSettings:
        raise
    except ValueError as error:
        # A dataclass may check its fields against each other in __post_init__; its own words are the message.
        raise InvalidSettings(str(error)) from None


def _fields(cls: type) -> list[tuple[dataclasses.Field[Any], _Declaration, Any]]:
    if not dataclasses.is_dataclass(cls):
        raise TypeError(f"{cls.__name__} is not a dataclass")
    annotations = typing.get_type_hints(cls)
    return [
        (field, field.metadata[_METADATA], _without_none(annotations[field.name]))
        for field in dataclasses.fields(cls)
        if _METADATA in field.metadata
    ]


def _without_none(annotation: Any) -> Any:
    if isinstance(annotation, types.UnionType) or typing.get_origin(annotation) is typing.Union:
        kept = [option for option in typing.get_args(annotation) if option is not type(None)]
        if len(kept) == 1:
            return kept[0]
    return annotation


def _parser(annotation: Any) -> Callable[[str], object]:
    if annotation is bool:
        return _boolean
    if annotation == tuple[str, ...]:
        return lambda text: tuple(item.strip() for item in text.split(",") if item.strip())
    if annotation in (str, int, float, Path):
        return typing.cast("Callable[[str], object]", annotation)
    raise TypeError(f"a setting cannot be of type {annotation!r}")


def _boolean(text: str) -> bool:
    try:
        return _BOOLEANS[text.lower()]
    except KeyError:
        raise ValueError("neither true nor false") from None


def _kind(annotation: Any) -> str:
    if annotation == tuple[str, ...]:
        return "list"
    return {str: "text", int: "whole number", float: "number", bool: "true or false", Path: "path"}[annotation]


def _article(kind: str) -> str:
    return kind if kind == "true or false" else f"a {kind}"


def _written(default: object) -> str:
    if default is None:
        return ""
    if isinstance(default, bool):
        return str(default).lower()
    if isinstance(default, tuple):
        return ",".join(str(item) for item in default)
    return str(default)
