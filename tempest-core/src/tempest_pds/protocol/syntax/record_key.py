"""Record keys: what names a record within its collection.

https://atproto.com/specs/record-key. A lexicon narrows them further: to a TID, an NSID or a literal.
"""

from __future__ import annotations

import re
from typing import Final, Self

from tempest_pds.protocol.errors import InvalidSyntax

MAX_LENGTH: Final = 512

_RECORD_KEY: Final = re.compile(r"[a-zA-Z0-9_~.:-]{1,512}")


class RecordKey(str):
    """A syntactically valid record key, 1 to 512 characters of ASCII."""

    __slots__ = ()

    @staticmethod
    def is_valid(text: str) -> bool:
        """Tell whether `text` is a record key, without making one."""
        # "." and ".." would mean something else in the path of a URI.
        return _RECORD_KEY.fullmatch(text) is not None and text not in {".", ".."}

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a record key; raise InvalidSyntax."""
        if not cls.is_valid(text):
            raise InvalidSyntax(f"not a record key: {text[:80]!r}")
        return cls(text)
