"""Decentralised identifiers: `did:<method>:<identifier>`.

https://atproto.com/specs/did. Any method is well formed here; which methods a server accepts is its own affair.
"""

from __future__ import annotations

import re
from typing import Final, Self

from tempest_pds.protocol.errors import InvalidSyntax

MAX_LENGTH: Final = 2048

_DID: Final = re.compile(r"did:[a-z]+:[a-zA-Z0-9._:%-]+(?<![:%])")


class Did(str):
    """A syntactically valid DID, at most 2,048 characters of ASCII."""

    __slots__ = ()

    @staticmethod
    def is_valid(text: str) -> bool:
        """Tell whether `text` is a DID, without making one."""
        return len(text) <= MAX_LENGTH and _DID.fullmatch(text) is not None

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a DID; raise InvalidSyntax."""
        if not cls.is_valid(text):
            raise InvalidSyntax(f"not a DID: {text[:80]!r}")
        return cls(text)

    @property
    def method(self) -> str:
        """The method's name, `plc` or `web` on today's network."""
        return self.split(":", 2)[1]

    @property
    def identifier(self) -> str:
        """What follows the method."""
        return self.split(":", 2)[2]
