"""The tokens that were taken already, of those that are good for one use.

A name is kept as 16 bytes of a hash until its token is refused for its age. How many are kept is bounded; when there is
no room for another, that is said, and nothing is forgotten in its favour. Nor does a clock that is set back open a gap:
what may have been forgotten is never called new.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import Final

from tempest_pds.protocol.errors import TempestError

_GRAIN_SECONDS: Final = 30
_DIGEST_LENGTH: Final = 16


class TokenSpent(TempestError):
    """The token was taken before."""


class CannotTell(TempestError):
    """Whether the token was taken before is not known: there is no room to remember it, or it may be forgotten."""


class SpentTokens:
    """Remember which tokens were taken.

    Args:
        capacity: how many are remembered at most; one takes some 100 bytes.
    """

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._count = 0
        self._forgotten_until = 0
        # By the second after which they may be forgotten.
        self._buckets: dict[int, set[bytes]] = {}

    def spend(self, name: str, forget_after: int, now: float) -> None:
        """Take a token that is refused for its age from the second `forget_after` on; raise TokenSpent or CannotTell.

        Args:
            name: the same for the same token, and for no other that is good.
        """
        self._forget(now)
        bucket = -(-forget_after // _GRAIN_SECONDS) * _GRAIN_SECONDS
        digest = blake2b(name.encode(), digest_size=_DIGEST_LENGTH).digest()
        if any(digest in names for names in self._buckets.values()):
            raise TokenSpent("a token was used before")
        if bucket <= self._forgotten_until or self._count >= self._capacity:
            raise CannotTell("a token that may have been used before")
        self._buckets.setdefault(bucket, set()).add(digest)
        self._count += 1

    def _forget(self, now: float) -> None:
        for bucket in [bucket for bucket in self._buckets if bucket <= now]:
            self._count -= len(self._buckets.pop(bucket))
            self._forgotten_until = max(self._forgotten_until, bucket)
