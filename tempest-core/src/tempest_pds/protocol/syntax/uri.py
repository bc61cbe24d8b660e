"""URIs in the wide sense of the lexicon's `uri` format: a scheme, a colon, and something without spaces.

https://atproto.com/specs/lexicon#uri
"""

from __future__ import annotations

import re
from typing import Final, Self

from tempest_pds.protocol.errors import InvalidSyntax

# White space as ECMAScript sees it: Python's own `\s` also counts the four separators below U+0020 and U+0085, and
# not U+FEFF.
_SPACE: Final = r"\t\n\v\f\r \u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ufeff"
_URI: Final = re.compile(rf"[A-Za-z0-9_]+:(?://)?[^/{_SPACE}][^{_SPACE}]*")


class Uri(str):
    """A string of the lexicon format `uri`."""

    __slots__ = ()

    @staticmethod
    def is_valid(text: str) -> bool:
        """Tell whether `text` is a URI, without making one."""
        return _URI.fullmatch(text) is not None

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a URI; raise InvalidSyntax."""
        if not cls.is_valid(text):
            raise InvalidSyntax(f"not a URI: {text[:80]!r}")
        return cls(text)
