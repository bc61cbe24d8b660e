"""Handles: domain names that people read.

https://atproto.com/specs/handle. They are equal without regard to case, so a parsed handle is always lower case.
"""

from __future__ import annotations

import re
from typing import Final, Self

from tempest_pds.protocol.errors import InvalidSyntax

MAX_LENGTH: Final = 253
INVALID_HANDLE: Final = "handle.invalid"
"""What stands in for a handle that no longer resolves to its account."""

_LABEL: Final = r"(?!-)[a-zA-Z0-9-]{1,63}(?<!-)"
_HANDLE: Final = re.compile(rf"(?:{_LABEL}\.)+(?![0-9]){_LABEL}")

# Names that never resolve on the public network. `.test` is not here: development uses it.
_DISALLOWED_TLDS: Final = frozenset({"local", "arpa", "invalid", "localhost", "internal", "example", "alt", "onion"})


class Handle(str):
    """A syntactically valid handle in lower case, at most 253 characters of ASCII."""

    __slots__ = ()

    @staticmethod
    def is_valid(text: str) -> bool:
        """Tell whether `text` is a handle in any case, without making one."""
        return len(text) <= MAX_LENGTH and _HANDLE.fullmatch(text) is not None

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a handle and fold it to lower case; raise InvalidSyntax."""
        if not cls.is_valid(text):
            raise InvalidSyntax(f"not a handle: {text[:80]!r}")
        return cls(text.lower())

    @property
    def tld(self) -> str:
        """The last label, without its dot."""
        return self.rsplit(".", 1)[1]

    @property
    def is_disallowed_tld(self) -> bool:
        """Whether the name can never be resolved, so that nobody may register it."""
        return self.tld in _DISALLOWED_TLDS
