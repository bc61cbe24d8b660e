"""A filter for hosted handles: slurs against groups of people, words that are there to insult and for nothing else.

A handle under the server's domain speaks in the operator's name, so the plainest insults are not given out. It is no
moderation: the list is short on purpose, whoever wants to insult will find another word, and for the rest the operator
has reserved names, plugins that are asked before a sign-up, and takedowns. What keeps innocent words out of it:

* A slur counts as a word: the whole name, or a part between hyphens, with a plural and with numbers around it. Cocoons,
  spices and Pakistan are not looked into. Only the three that no other word has in it, but for those that are excepted
  here, count within longer words.
* Those that are names of people as well count alone only: who is called Coon, or Kike for Enrique, has another name to
  put beside it. Words that are more of a name, or of an everyday word, than an insult are not in the list.
* Digits stand for the letters they look like, and a letter may be drawn out; that is all the guessing there is.
"""

from __future__ import annotations

import re
from typing import Final

_WITHIN: Final = ("nigger", "nigga", "faggot")
_AS_A_WORD: Final = (
    *("chink", "gook", "jigaboo", "kikes", "niglet", "nignog", "pickaninny", "raghead", "spic", "towelhead", "trannie"),
    *("tranny", "wetback"),
)
_ALONE: Final = ("coon", "kike")
_INNOCENT: Final = re.compile(r"snigger|niggard|spic-(?:and|n)-span")

_LOOKALIKES: Final = {"a": "4", "b": "8", "e": "3", "g": "69", "i": "1", "o": "0", "s": "5", "t": "7"}


def _spelt(words: tuple[str, ...]) -> str:
    """Return a pattern of words in any spelling: letters twice in a row stay at least two, so that con is not coon."""
    return "|".join(
        "".join(
            f"[{run[0]}{_LOOKALIKES.get(run[0], '')}]{{{len(run[0] + run[1])},}}"
            for run in re.findall(r"(.)(\1*)", word)
        )
        for word in words
    )


_WITHIN_PATTERN: Final = re.compile(_spelt(_WITHIN))
_WORD_PATTERN: Final = re.compile(rf"[0-9]*(?:{_spelt(_AS_A_WORD)})s?[0-9]*")
_ALONE_PATTERN: Final = re.compile(rf"[0-9]*(?:{_spelt(_ALONE)})s?[0-9]*")


def has_slur(name: str) -> bool:
    """Tell whether a name, the part of a handle in front of its domain, in lower case, is a slur or has one in it."""
    parts = _INNOCENT.sub("-", name).split("-")
    together = "".join(parts)
    if all(len(part) <= 1 for part in parts):
        parts = [together]
    return (
        any(_WITHIN_PATTERN.search(part) for part in parts)
        or _WITHIN_PATTERN.fullmatch(together) is not None
        or any(_WORD_PATTERN.fullmatch(part) for part in parts)
        or (len(parts) == 1 and _ALONE_PATTERN.fullmatch(together) is not None)
    )
