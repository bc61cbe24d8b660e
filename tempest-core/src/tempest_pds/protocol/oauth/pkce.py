"""PKCE: only who asked for a code can use it, since only they know the verifier whose hash they sent along.

Of the two methods only S256 is taken. `plain`, which is what a missing method means, shows the verifier to everyone who
sees the request. https://www.rfc-editor.org/rfc/rfc7636
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from hashlib import sha256
from hmac import compare_digest
from typing import Final

from tempest_pds.protocol.crypto.jwt import decode_base64url, encode_base64url
from tempest_pds.protocol.errors import InvalidSyntax
from tempest_pds.protocol.oauth.errors import InvalidCodeChallenge, InvalidCodeVerifier

METHODS: Final = ("S256",)
"""What the metadata of the server announces."""
_CHALLENGE_LENGTH: Final = 43
_VERIFIER: Final = re.compile(r"[A-Za-z0-9._~-]{43,128}")


@dataclass(frozen=True, slots=True)
class CodeChallenge:
    """The SHA-256 of a verifier, in base64url."""

    value: str

    @classmethod
    def parse(cls, value: object, method: object) -> CodeChallenge:
        """Take `code_challenge` and `code_challenge_method` of a request; raise InvalidCodeChallenge."""
        if method not in METHODS:
            raise InvalidCodeChallenge("code_challenge_method must be S256")
        if not isinstance(value, str) or len(value) != _CHALLENGE_LENGTH:
            raise InvalidCodeChallenge(f"code_challenge must have {_CHALLENGE_LENGTH} characters")
        try:
            decode_base64url(value)
        except InvalidSyntax as error:
            raise InvalidCodeChallenge("code_challenge must be a SHA-256 in base64url") from error
        return cls(value)

    def check(self, verifier: object) -> None:
        """Check the `code_verifier` that comes with the code; raise InvalidCodeVerifier."""
        if not isinstance(verifier, str) or not _VERIFIER.fullmatch(verifier):
            raise InvalidCodeVerifier("code_verifier must be 43 to 128 letters, digits and -._~")
        if not compare_digest(make_challenge(verifier), self.value):
            raise InvalidCodeVerifier("code_verifier is not the one of this code")


def make_challenge(verifier: str) -> str:
    """Return the S256 challenge of a verifier."""
    return encode_base64url(sha256(verifier.encode("ascii")).digest())
