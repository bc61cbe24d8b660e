"""Refresh tokens, which are derived and not stored.

A token says which session it belongs to and of which *generation* it is, and carries a MAC of both under a key that is
not in the database. The session's row counts generations. So

* whoever reads the database, or a backup of it, can make no token;
* two refreshes at the same time come to the same successor, without anything being kept for the second;
* that a token was ever good is known by looking at it, however old it is: an old one that comes again is no mistake of
  a client but a replay, and needs no memory of all that were used.

The random id of the session is what makes a token hard to guess for those who hold others; the MAC does for all else.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from hmac import compare_digest, digest
from typing import Final

from tempest_pds.protocol.crypto.jwt import decode_base64url, encode_base64url
from tempest_pds.protocol.errors import InvalidSyntax

PREFIX: Final = "ref-"
_ID_LENGTH: Final = 16
_COUNT_LENGTH: Final = 6
_MAC_LENGTH: Final = 32
_LENGTH: Final = _ID_LENGTH + _COUNT_LENGTH + _MAC_LENGTH
_PURPOSE: Final = b"OAuth refresh tokens"


@dataclass(frozen=True, slots=True)
class RefreshTokens:
    """The tokens that one key makes; `of_secret` derives it from a secret that has other uses too."""

    key: bytes = field(repr=False)

    @classmethod
    def of_secret(cls, secret: bytes) -> RefreshTokens:
        """Use a key that is derived from a secret."""
        return cls(digest(secret, _PURPOSE, "sha256"))

    def make(self, session_id: str, generation: int) -> str:
        """Make the one token of a generation of a session."""
        named = decode_base64url(session_id) + generation.to_bytes(_COUNT_LENGTH, "big")
        return PREFIX + encode_base64url(named + self._mac(named))

    def read(self, text: str) -> tuple[str, int] | None:
        """Tell the session and the generation of a token; None when it was not made with this key."""
        try:
            data = decode_base64url(text.removeprefix(PREFIX))
        except (InvalidSyntax, UnicodeEncodeError):
            return None
        if not text.startswith(PREFIX) or len(data) != _LENGTH:
            return None
        named, mac = data[:-_MAC_LENGTH], data[-_MAC_LENGTH:]
        if not compare_digest(mac, self._mac(named)):
            return None
        return encode_base64url(named[:_ID_LENGTH]), int.from_bytes(named[_ID_LENGTH:], "big")

    def _mac(self, named: bytes) -> bytes:
        return digest(self.key, named, "sha256")


def new_session_id() -> str:
    """Make the id of a session: 128 random bits."""
    return encode_base64url(secrets.token_bytes(_ID_LENGTH))
