"""AT URIs: `at://<DID or handle>[/<collection>[/<record key>]][#<JSON pointer>]`.

https://atproto.com/specs/at-uri-scheme
"""

from __future__ import annotations

import re
from typing import Final, Self
from urllib.parse import unquote_to_bytes

from tempest_pds.protocol.errors import InvalidSyntax
from tempest_pds.protocol.syntax.at_identifier import is_at_identifier
from tempest_pds.protocol.syntax.did import Did
from tempest_pds.protocol.syntax.handle import Handle
from tempest_pds.protocol.syntax.nsid import Nsid
from tempest_pds.protocol.syntax.record_key import RecordKey

MAX_LENGTH: Final = 8192

_PARTS: Final = re.compile(r"at://([^/?#]+)(?:/([^/?#]+)(?:/([^/?#]+))?)?(?:#(.*))?", re.DOTALL)
_POINTER: Final = re.compile(r"/[a-zA-Z0-9._~:@!$&'()*+,;=%\[\]/-]*")
_BAD_ESCAPE: Final = re.compile(r"%(?![0-9a-fA-F]{2})")


def _is_pointer(fragment: str) -> bool:
    if _POINTER.fullmatch(fragment) is None:
        return False
    if "%" not in fragment:
        return True
    if _BAD_ESCAPE.search(fragment):
        return False
    try:
        unquote_to_bytes(fragment).decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


class AtUri(str):
    """A syntactically valid AT URI, at most 8,192 characters of ASCII, in the form it was given."""

    __slots__ = ()

    @staticmethod
    def is_valid(text: str) -> bool:
        """Tell whether `text` is an AT URI, without making one. A query or a trailing slash is not allowed."""
        if len(text) > MAX_LENGTH or (match := _PARTS.fullmatch(text)) is None:
            return False
        authority, collection, rkey, fragment = match.groups()
        return (
            is_at_identifier(authority)
            and (collection is None or Nsid.is_valid(collection))
            and (rkey is None or RecordKey.is_valid(rkey))
            and (fragment is None or _is_pointer(fragment))
        )

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read an AT URI; raise InvalidSyntax."""
        if not cls.is_valid(text):
            raise InvalidSyntax(f"not an AT URI: {text[:80]!r}")
        return cls(text)

    @classmethod
    def make(cls, authority: Did | Handle, collection: Nsid, rkey: RecordKey) -> Self:
        """Name a record by parts that are parsed already."""
        return cls(f"at://{authority}/{collection}/{rkey}")

    def _segments(self) -> list[str]:
        return self.partition("#")[0].split("/")

    @property
    def authority(self) -> Did | Handle:
        """The DID or handle of the account; a handle in lower case."""
        text = self._segments()[2]
        return Did(text) if text.startswith("did:") else Handle(text.lower())

    @property
    def collection(self) -> Nsid | None:
        """The collection, where the URI names one."""
        segments = self._segments()
        return Nsid(segments[3]) if len(segments) > 3 else None

    @property
    def rkey(self) -> RecordKey | None:
        """The record key, where the URI names a record."""
        segments = self._segments()
        return RecordKey(segments[4]) if len(segments) > 4 else None

    @property
    def fragment(self) -> str | None:
        """The JSON pointer behind `#`, still percent-encoded."""
        _, mark, fragment = self.partition("#")
        return fragment if mark else None
