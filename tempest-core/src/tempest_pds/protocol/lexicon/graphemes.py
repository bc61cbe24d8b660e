"""What a reader takes for characters: extended grapheme clusters. https://www.unicode.org/reports/tr29/"""

from __future__ import annotations

from typing import Final

import regex

_GRAPHEME: Final = regex.compile(r"\X")
# Unicode joins consonants of Indic scripts over a virama (rule GB9c). Versions of `\X` also join a consonant to a
# virama that follows none; these are the places where they do, the end of each stray run of marks.
_LINKER: Final = regex.compile(r"\p{InCB=Linker}")
_STRAY_JOIN: Final = regex.compile(
    r"(?<![\p{InCB=Consonant}\p{InCB=Extend}\p{InCB=Linker}])"
    r"\p{InCB=Extend}*+\p{InCB=Linker}[\p{InCB=Extend}\p{InCB=Linker}]*+\p{InCB=Consonant}"
)
_JOINS_STRAYS: Final = len(_GRAPHEME.findall("\u094d\u0915")) == 1


def count_graphemes(text: str) -> int:
    """Count the extended grapheme clusters of a text."""
    count = len(_GRAPHEME.findall(text))
    return count + len(_STRAY_JOIN.findall(text)) if _JOINS_STRAYS and _LINKER.search(text) else count
