"""Nonces that show a DPoP proof to be new, and that nobody has to remember.

Time is cut into turns of a minute. The nonce of a turn is the HMAC of its number, so that all instances of a server and
the same server after a restart agree on it, as long as they share the secret. What is handed out is the nonce of the
next turn; the previous, the current and the next are accepted: each is good for two to three minutes, as often as the
client likes. That a proof is not used twice is seen by its `jti`. A nonce good for one use only would break clients
with several tabs or processes, each of which learns a nonce and uses it when it pleases.

https://www.rfc-editor.org/rfc/rfc9449#section-8
"""

from __future__ import annotations

from dataclasses import dataclass, field
from hmac import compare_digest, digest
from typing import Final

from tempest_pds.protocol.crypto.jwt import encode_base64url

SECRET_LENGTH: Final = 32
TURN_SECONDS: Final = 60


@dataclass(frozen=True, slots=True)
class DpopNonces:
    """The nonces of one secret, which is for nothing else."""

    secret: bytes = field(repr=False)

    def __post_init__(self) -> None:
        if len(self.secret) != SECRET_LENGTH:
            raise ValueError(f"the secret of the nonces must have {SECRET_LENGTH} bytes")

    def issue(self, now: float) -> str:
        """Return the nonce to hand out; `now` in seconds since 1970."""
        return self._nonce(_turn(now) + 1)

    def end_of(self, nonce: str, now: float) -> int | None:
        """Return the second from which a nonce is good no more; None where it is not good now."""
        if not nonce.isascii():
            return None
        current = _turn(now)
        for turn in (current + 1, current, current - 1):
            if compare_digest(nonce, self._nonce(turn)):
                return (turn + 2) * TURN_SECONDS
        return None

    def _nonce(self, turn: int) -> str:
        return encode_base64url(digest(self.secret, turn.to_bytes(8, "big"), "sha256"))


def _turn(now: float) -> int:
    return int(now // TURN_SECONDS)
