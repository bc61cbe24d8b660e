"""The languages of the pages for people, and the words in each.

A text is its own name: what stands in templates and in Python is English, and the catalogues, JSON files below
`texts/<language>/`, give the others for it. Each part of the site has a file of its own there; all of a language are
read when somebody first wants it. `{name}` in a text stands for a value. A text is worded so that no number in it
changes its grammar ("Apps: 3").

Which language it is, is decided by what the person chose here, then by what the client asks for (`ui_locales`), then by
what the browser asks for (`Accept-Language`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from markupsafe import Markup

LANGUAGES: Final[Mapping[str, str]] = {"en": "English", "de": "Deutsch", "fr": "Français"}
"""Each language by its tag, in its own name. The keys are what the server's metadata says as `ui_locales_supported`."""

DEFAULT: Final = "en"
MOMENT: Final = "{day} {month} {year}, {time} UTC"
MONTHS: Final[Mapping[int, str]] = {
    1: "January",
    2: "February",
    3: "March",
    4: "April",
    5: "May",
    6: "June",
    7: "July",
    8: "August",
    9: "September",
    10: "October",
    11: "November",
    12: "December",
}
_PACKAGE: Final = "tempest_pds.http.pages.people"
_MAX_HEADER: Final = 200
# French has a space there, at which no line may end.
_BEFORE_A_SIGN: Final = re.compile(r" (?=[:;!?\u00bb])|(?<=\u00ab) ")
_QUALITY: Final = re.compile(r"\s*([A-Za-z]{1,8})(?:-[A-Za-z0-9-]*)?\s*(?:;\s*q=([01](?:\.[0-9]{0,3})?))?\s*")


class Texts:
    """The words of one language; calling it gives a text."""

    def __init__(self, language: str) -> None:
        self.language = language
        self._words = catalogue(language)

    def __call__(self, text: str, /, **values: object) -> str:
        """Give a text in this language, with the values put in; markup among them makes markup of it."""
        translated = self._words.get(text, text)
        if not values:
            return translated
        if any(hasattr(value, "__html__") for value in values.values()):
            return _marked_up(translated).format(**values)
        return translated.format(**values)

    def moment(self, microseconds: int) -> str:
        """Write a time to the minute: `14 November 2023, 22:15 UTC`."""
        at = datetime.fromtimestamp(microseconds // 1_000_000, UTC)
        return self(MOMENT, day=at.day, month=self(MONTHS[at.month]), year=at.year, time=f"{at:%H:%M}")


@cache
def catalogue(language: str) -> Mapping[str, str]:
    """Read the words of a language; English has none, as its texts are the names."""
    words: dict[str, str] = {}
    if language != DEFAULT:
        for part in sorted(files(_PACKAGE).joinpath("texts", language).iterdir(), key=lambda part: part.name):
            if part.name.endswith(".json"):
                words.update(json.loads(part.read_text(encoding="utf-8")))
    return {text: _BEFORE_A_SIGN.sub("\N{NO-BREAK SPACE}", said) for text, said in words.items()}


def best_language(chosen: str | None, ui_locales: str | None, accept_language: str | None) -> str:
    """Pick one of LANGUAGES.

    Args:
        chosen: by the person.
        ui_locales: tags by preference, with spaces between: OpenID Connect Core 3.1.2.1.
        accept_language: a header of the browser.
    """
    if chosen is not None and chosen in LANGUAGES:
        return chosen
    for tag in (ui_locales or "")[:_MAX_HEADER].split():
        if (language := tag.partition("-")[0].lower()) in LANGUAGES:
            return language
    best, best_quality = DEFAULT, 0.0
    for part in (accept_language or "")[:_MAX_HEADER].split(","):
        found = _QUALITY.fullmatch(part)
        if found and found[1].lower() in LANGUAGES and (quality := float(found[2] or 1)) > best_quality:
            best, best_quality = found[1].lower(), quality
    return best


def _marked_up(text: str) -> Markup:
    from markupsafe import escape

    return escape(text)
