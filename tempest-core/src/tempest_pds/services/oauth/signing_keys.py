"""The keys that access tokens are signed with: ES256, so that whoever holds the public halves can check a token.

One key signs. When another takes its place it still verifies, until the last token that it signed is over; then it is
dropped, and the next write of the file leaves it out. So a rotation is noticed by nobody.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from tempest_pds.protocol.crypto import jwt
from tempest_pds.protocol.errors import InvalidSignature, InvalidSyntax
from tempest_pds.protocol.oauth.p256_jwk import public_members
from tempest_pds.services.errors import InvalidToken
from tempest_pds.services.finishing import finish, in_thread
from tempest_pds.stores.oauth_key_file import OAuthKey, OAuthKeyFile

MAX_TOKEN_SECONDS: Final = 60 * 60
"""The longest life that a token may be signed for."""


@dataclass(frozen=True, slots=True)
class KeyReport:
    """What the administrator is told of a key. Times are seconds since 1970.

    Attributes:
        ends: when the key is dropped; None for the one that signs.
    """

    kid: str
    created: int
    ends: int | None


class SigningKeys:
    """Sign and verify tokens of this server.

    Args:
        clock: the time in seconds since 1970.
    """

    def __init__(self, file: OAuthKeyFile, *, clock: Callable[[], float] = time.time) -> None:
        """Read the keys, or make the first one; raise OAuthKeysBroken."""
        self._file = file
        self._clock = clock
        self._rotating = asyncio.Lock()
        keys = file.read()
        if not keys:
            keys = [OAuthKey.make(int(clock()))]
            file.write(keys)
        self._take(keys)

    def sign(self, claims: Mapping[str, object], *, typ: str) -> str:
        """Make a JWT, which must not live longer than `MAX_TOKEN_SECONDS`."""
        signing = self._keys[self._signing]
        assert signing.private is not None, "the key that signs has its private half"
        return jwt.encode({"typ": typ, "kid": self._signing}, claims, signing.private)

    def verify(self, token: str, *, typ: str) -> dict[str, Any]:
        """Check type, algorithm and signature of a JWT, nothing else, and give its claims; raise InvalidToken."""
        try:
            parsed = jwt.decode_unverified(token)
            key = self._key(parsed.header.get("kid"))
            if key is None or parsed.header.get("typ") != typ:
                raise InvalidToken("Token could not be verified")
            jwt.verify_with_key(parsed, key.public)
        except (InvalidSyntax, InvalidSignature) as error:
            raise InvalidToken("Token could not be verified") from error
        return parsed.claims

    def verifies(self, kid: str) -> bool:
        """Tell whether tokens that are signed with a key are still believed."""
        return self._key(kid) is not None

    def public_jwks(self) -> dict[str, object]:
        """Give the public halves of all keys that verify, as a JWK set."""
        return {
            "keys": [
                {**public_members(key.public), "kid": kid, "alg": "ES256", "use": "sig"}
                for kid, key in self._keys.items()
                if not self._is_over(key)
            ]
        }

    def report(self) -> list[KeyReport]:
        """Tell of all keys that verify, the one that signs last."""
        return [
            KeyReport(kid, key.created, None if key.retired is None else key.retired + MAX_TOKEN_SECONDS)
            for kid, key in self._keys.items()
            if not self._is_over(key)
        ]

    async def rotate(self, *, at_once: bool = False) -> str:
        """Have a new key sign from now on, and give its kid.

        Args:
            at_once: drop the former keys now, for they may be known to others. Access tokens in use are then refused,
                and apps refresh them.
        """
        return await finish(self._rotate(at_once))

    async def _rotate(self, at_once: bool) -> str:
        async with self._rotating:
            now = int(self._clock())
            former = [] if at_once else [key for key in self._keys.values() if not self._is_over(key)]
            keys = [key if key.private is None else key.retire(now) for key in former]
            keys.append(await in_thread(OAuthKey.make, now))
            await in_thread(self._file.write, keys)
            self._take(keys)
            return self._signing

    def _take(self, keys: list[OAuthKey]) -> None:
        self._keys = {key.kid: key for key in keys}
        self._signing = keys[-1].kid

    def _key(self, kid: object) -> OAuthKey | None:
        key = self._keys.get(kid) if isinstance(kid, str) else None
        return None if key is None or self._is_over(key) else key

    def _is_over(self, key: OAuthKey) -> bool:
        return key.retired is not None and self._clock() >= key.retired + MAX_TOKEN_SECONDS
