"""How one setting is declared: as a dataclass field whose metadata holds its name, section and help.

The table that `tempest config` prints, `docs/settings.md` and the hunt for misspelt names are all read back from these
declarations, so a setting is written down once.
"""

from __future__ import annotations

import dataclasses
import types
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, get_args, get_origin, get_type_hints

from tempest_pds.protocol.errors import TempestError

TRUE_WORDS: Final = frozenset({"1", "true", "yes", "on"})
FALSE_WORDS: Final = frozenset({"0", "false", "no", "off"})
_METADATA_KEY: Final = "tempest.setting"


class SettingsError(TempestError):
    """Settings that the server cannot start with; the text is one line that says what to set."""


@dataclass(frozen=True, slots=True)
class Declaration:
    """What is known of a setting beside its type.

    Attributes:
        name: of the environment variable.
        help: one or two sentences for the operator.
        section: the heading it stands under in the documentation.
        secret: whether its value must never be shown.
        default_text: how the documentation describes a default that is worked out.
        minimum: the least value of a number.
    """

    name: str
    help: str
    section: str
    secret: bool = False
    default_text: str | None = None
    minimum: int | None = None


def setting(
    name: str,
    help: str,  # noqa: A002 - the word that click and argparse use
    *,
    section: str,
    default: object = dataclasses.MISSING,
    secret: bool = False,
    default_text: str | None = None,
    minimum: int | None = None,
) -> Any:
    """Declare a field of a settings dataclass; without a `default` the field is worked out while loading."""
    declaration = Declaration(name, help, section, secret, default_text, minimum)
    if isinstance(default, list):
        raise TypeError("a default must be immutable")
    if default is dataclasses.MISSING:
        return dataclasses.field(repr=not secret, metadata={_METADATA_KEY: declaration})
    return dataclasses.field(default=default, repr=not secret, metadata={_METADATA_KEY: declaration})


@dataclass(frozen=True, slots=True)
class SettingField:
    """A declared setting with the attribute and type it has in its dataclass."""

    attribute: str
    declaration: Declaration
    type: Any
    default: object

    @property
    def name(self) -> str:
        """The environment variable."""
        return self.declaration.name

    @property
    def type_text(self) -> str:
        """The type in words an operator understands."""
        if get_origin(self.type) is Literal:
            return " or ".join(f"`{word}`" for word in get_args(self.type))
        kind = _without_none(self.type)
        if get_origin(kind) is tuple:
            return "comma-separated list"
        return {bool: "true or false", int: "whole number", str: "text", Path: "path"}[kind]

    @property
    def default_text(self) -> str:
        """The default in words an operator understands."""
        if self.declaration.default_text is not None:
            return self.declaration.default_text
        if self.default is dataclasses.MISSING or self.default is None or self.default in ("", ()):
            return "none"
        return f"`{format_value(self.default)}`"

    def parse(self, text: str) -> object:
        """Turn the text of the variable into the field's value; raise SettingsError naming the variable."""
        try:
            value = _parse(self.type, text)
        except ValueError as error:
            # The text itself is not repeated: it may be a secret put into the wrong variable.
            raise SettingsError(f"{self.name} must be {error}") from None
        minimum = self.declaration.minimum
        if minimum is not None and isinstance(value, int) and value < minimum:
            raise SettingsError(f"{self.name} must be at least {minimum}")
        return value


def setting_fields(settings_class: type) -> Sequence[SettingField]:
    """Read the declarations back from a settings dataclass, in the order they are written."""
    hints = get_type_hints(settings_class)
    return [
        SettingField(field.name, field.metadata[_METADATA_KEY], hints[field.name], field.default)
        for field in dataclasses.fields(settings_class)
        if _METADATA_KEY in field.metadata
    ]


def read_values(fields: Sequence[SettingField], environ: Mapping[str, str]) -> dict[str, Any]:
    """Parse what the environment sets; an empty variable counts as not set, as compose files leave them so."""
    values: dict[str, Any] = {}
    problems: list[str] = []
    for field in fields:
        text = environ.get(field.name, "").strip()
        if not text:
            continue
        try:
            values[field.attribute] = field.parse(text)
        except SettingsError as error:
            problems.append(str(error))
    if problems:
        raise SettingsError("; ".join(problems))
    return values


def format_value(value: object) -> str:
    """Write a value the way its variable would be written."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, tuple):
        return ",".join(str(item) for item in value)
    return "" if value is None else str(value)


def _without_none(annotation: Any) -> Any:
    if get_origin(annotation) is types.UnionType:
        return next(argument for argument in get_args(annotation) if argument is not types.NoneType)
    return annotation


def _parse(annotation: Any, text: str) -> object:
    kind = _without_none(annotation)
    if get_origin(kind) is Literal:
        words = get_args(kind)
        if text.lower() not in words:
            raise ValueError(" or ".join(words))
        return text.lower()
    if get_origin(kind) is tuple:
        item: Callable[[str], object] = get_args(kind)[0]
        return tuple(item(part.strip()) for part in text.split(",") if part.strip())
    if kind is bool:
        if text.lower() in TRUE_WORDS:
            return True
        if text.lower() in FALSE_WORDS:
            return False
        raise ValueError("true or false")
    if kind is int:
        try:
            return int(text)
        except ValueError:
            raise ValueError("a whole number") from None
    return kind(text)
