"""One thing that an app may be allowed, as a person reads it."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from enum import IntEnum
from typing import Final, Protocol

# Letters of the Unicode tables that no font draws anything for.
_BLANK: Final = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0")
_MOST_MARKS: Final = 3


class Danger(IntEnum):
    """How much harm an app could do with it."""

    ORDINARY = 0
    CARE = 1
    HIGH = 2


class Texts(Protocol):
    """Gives texts in a person's language."""

    @property
    def language(self) -> str:
        """The language, as `lang` of HTML has it."""
        ...

    def __call__(self, source: str, /, **values: object) -> str:
        """Give the text whose English source is `source`, with `{names}` replaced."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One line of what an app asks for, in the language of the page.

    Attributes:
        group: the heading that it stands under; entries of a group follow each other.
        lines: what belongs to it, more closely.
        values: the scope values, in the client's spelling, that are granted or not together.
        fixed: whether it cannot be refused by itself.
        is_covered: whether all of it would be allowed by other entries as well.
        publisher: the domain whose owner wrote the title and `detail`, where that is a stranger; None for our words.
    """

    group: str
    title: str
    values: tuple[str, ...]
    lines: tuple[str, ...] = ()
    warning: str | None = None
    danger: Danger = Danger.ORDINARY
    fixed: bool = False
    is_covered: bool = False
    publisher: str | None = None
    detail: str | None = None

    @property
    def field(self) -> str:
        """The name of its checkbox, the same as long as the same values are asked for."""
        return "allow " + self.values[0]


def printable(text: str | None, limit: int) -> str:
    """Return a stranger's text in one line, without what is invisible or turns the writing round; it may be empty.

    Marks that are set over and under a letter are kept as far as a language needs them: a tower of them would cover
    what stands in the lines beside it.
    """
    kept, marks = [], _MOST_MARKS
    for letter in text or "":
        marks = marks + 1 if unicodedata.category(letter).startswith("M") else 0
        if marks <= _MOST_MARKS:
            kept.append(letter if letter.isprintable() and letter not in _BLANK else " ")
    line = " ".join("".join(kept).split())
    return line if len(line) <= limit else line[: limit - 1].rstrip() + "…"
