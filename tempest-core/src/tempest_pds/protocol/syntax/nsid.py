"""Namespaced identifiers: a domain name turned around, and a name: `app.bsky.feed.post`.

https://atproto.com/specs/nsid
"""

from __future__ import annotations

import re
from typing import Final, Self

from tempest_pds.protocol.errors import InvalidSyntax

MAX_LENGTH: Final = 317

_LABEL: Final = r"(?!-)[a-zA-Z0-9-]{1,63}(?<!-)"
_NSID: Final = re.compile(rf"(?![0-9]){_LABEL}(?:\.{_LABEL})+\.[a-zA-Z][a-zA-Z0-9]{{0,62}}")


class Nsid(str):
    """A syntactically valid NSID, at most 317 characters of ASCII; case is kept."""

    __slots__ = ()

    @staticmethod
    def is_valid(text: str) -> bool:
        """Tell whether `text` is an NSID, without making one."""
        return len(text) <= MAX_LENGTH and _NSID.fullmatch(text) is not None

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read an NSID; raise InvalidSyntax."""
        if not cls.is_valid(text):
            raise InvalidSyntax(f"not an NSID: {text[:80]!r}")
        return cls(text)

    @property
    def authority(self) -> str:
        """The domain name that controls the namespace, the right way round: `feed.bsky.app`."""
        return ".".join(reversed(self.split(".")[:-1]))

    @property
    def name(self) -> str:
        """The last segment: `post`."""
        return self.rsplit(".", 1)[1]
