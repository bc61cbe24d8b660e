"""The administrator's token: an argon2 hash in the settings, or, on localhost, a token kept in the data directory."""

from __future__ import annotations

import hashlib
import hmac
from typing import Protocol


class PasswordVerifier(Protocol):
    """What checks a password against its hash, away from the event loop."""

    async def verify(self, stored: str | None, password: str) -> bool:
        """Tell whether a password is the one that was hashed."""
        ...


class AdminToken:
    """Check what a caller claims to be the administrator's token.

    An argon2 hash takes some 25 ms of a core by design; a token that was right once is recognised by its digest.

    Args:
        passwords: runs argon2, bounded.
        stored_hash: from TEMPEST_ADMIN_TOKEN_HASH.
        token: the token itself, where one was made up for localhost.
        control_token: another that is accepted: what commands on this machine prove themselves with.
    """

    def __init__(
        self,
        passwords: PasswordVerifier,
        *,
        stored_hash: str | None,
        token: str | None = None,
        control_token: str | None = None,
    ) -> None:
        self._passwords = passwords
        self._stored_hash = stored_hash
        self._control_digest = None if control_token is None else _digest(control_token)
        self._known_digest = None if token is None or stored_hash is not None else _digest(token)

    async def verify(self, candidate: str) -> bool:
        """Tell whether this is the administrator's token."""
        digest = _digest(candidate)
        if self._control_digest is not None and hmac.compare_digest(digest, self._control_digest):
            return True
        if self._known_digest is not None and hmac.compare_digest(digest, self._known_digest):
            return True
        if self._stored_hash is None or not await self._passwords.verify(self._stored_hash, candidate):
            return False
        self._known_digest = digest
        return True


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
