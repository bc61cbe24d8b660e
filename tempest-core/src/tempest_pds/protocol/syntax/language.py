"""Language tags: well-formed BCP 47.

The grammar is that of RFC 5646, section 2.1, walked subtag by subtag: each step takes what it can, and nothing is
ever given back, because the lengths and the first characters of the parts do not overlap. As the protocol's test
suite asks, the language itself is two or three lower-case letters, and no variant or extension may be repeated
(section 4.1). https://atproto.com/specs/lexicon#language
"""

from __future__ import annotations

import re
from typing import Final, Self

from tempest_pds.protocol.errors import InvalidSyntax

# Registered before the grammar existed, and valid exactly as written (RFC 5646, section 2.1: irregular and regular).
_GRANDFATHERED: Final = frozenset(
    {
        "en-GB-oed",
        "i-ami",
        "i-bnn",
        "i-default",
        "i-enochian",
        "i-hak",
        "i-klingon",
        "i-lux",
        "i-mingo",
        "i-navajo",
        "i-pwn",
        "i-tao",
        "i-tay",
        "i-tsu",
        "sgn-BE-FR",
        "sgn-BE-NL",
        "sgn-CH-DE",
        "art-lojban",
        "cel-gaulish",
        "no-bok",
        "no-nyn",
        "zh-guoyu",
        "zh-hakka",
        "zh-min",
        "zh-min-nan",
        "zh-xiang",
    }
)
_COMMON: Final = re.compile(r"[a-z]{2,3}(?:-[A-Z]{2})?")
_LANGUAGE: Final = re.compile(r"[a-z]{2,3}")
_EXTENDED_LANGUAGE: Final = re.compile(r"[A-Za-z]{3}")
_SCRIPT: Final = re.compile(r"[A-Za-z]{4}")
_REGION: Final = re.compile(r"[A-Za-z]{2}|[0-9]{3}")
_VARIANT: Final = re.compile(r"[A-Za-z0-9]{5,8}|[0-9][A-Za-z0-9]{3}")
_SINGLETON: Final = re.compile(r"[0-9A-WYZa-wyz]")
_EXTENSION: Final = re.compile(r"[A-Za-z0-9]{2,8}")
_PRIVATE: Final = re.compile(r"[A-Za-z0-9]{1,8}")


class Language(str):
    """A well-formed language tag, as it was given."""

    __slots__ = ()

    @staticmethod
    def is_valid(text: str) -> bool:
        """Tell whether `text` is a language tag, without making one."""
        return _COMMON.fullmatch(text) is not None or text in _GRANDFATHERED or _is_well_formed(text.split("-"))

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a language tag; raise InvalidSyntax."""
        if not cls.is_valid(text):
            raise InvalidSyntax(f"not a language tag: {text[:80]!r}")
        return cls(text)


def _is_well_formed(subtags: list[str]) -> bool:
    if subtags[0] in {"x", "X"}:
        return _is_private_use(subtags, 0)
    if not _LANGUAGE.fullmatch(subtags[0]):
        return False
    at = _skip(subtags, 1, _EXTENDED_LANGUAGE, at_most=3)
    at = _skip(subtags, at, _SCRIPT, at_most=1)
    at = _skip(subtags, at, _REGION, at_most=1)
    variants = _skip(subtags, at, _VARIANT, at_most=len(subtags))
    if _repeats(subtags[at:variants]):
        return False
    at = variants
    singletons: list[str] = []
    while at < len(subtags) and _SINGLETON.fullmatch(subtags[at]):
        singletons.append(subtags[at])
        end = _skip(subtags, at + 1, _EXTENSION, at_most=len(subtags))
        if end == at + 1:
            return False
        at = end
    if _repeats(singletons):
        return False
    return at == len(subtags) or (subtags[at] in {"x", "X"} and _is_private_use(subtags, at))


def _skip(subtags: list[str], at: int, pattern: re.Pattern[str], at_most: int) -> int:
    end = min(len(subtags), at + at_most)
    while at < end and pattern.fullmatch(subtags[at]):
        at += 1
    return at


def _repeats(subtags: list[str]) -> bool:
    return len({subtag.lower() for subtag in subtags}) < len(subtags)


def _is_private_use(subtags: list[str], at: int) -> bool:
    return len(subtags) > at + 1 and all(_PRIVATE.fullmatch(subtag) for subtag in subtags[at + 1 :])
