"""The keys that access tokens are signed with."""

from __future__ import annotations

from collections.abc import Mapping


class SigningKeys:
    """Sign and verify tokens of this server."""

    def sign(self, claims: Mapping[str, object], *, typ: str) -> str:
        """Make a JWT."""
        raise NotImplementedError

    def verify(self, token: str, *, typ: str) -> dict[str, object]:
        """Check type, algorithm and signature of a JWT; raise InvalidToken."""
        raise NotImplementedError

    def public_jwks(self) -> dict[str, object]:
        """Give the public halves, as a JWK set."""
        raise NotImplementedError
