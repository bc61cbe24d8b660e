"""DPoP proofs, each taken once.

The secret of the nonces is made at random when the process starts, and kept nowhere. Which proofs were taken is known
to this process alone, so a proof that an earlier one took must be no good any more: its nonce is not of this secret. It
is answered with `use_dpop_nonce`, as is every first proof after a restart, and each client comes back at once with the
new nonce. There is no second instance that would have to know the secret: one process owns the data directory.

The same cure serves when there is no room to remember another proof, or when the clock was set back beyond what is
remembered: a new secret makes all that was, and all that need not be remembered any longer, invalid together. So memory
is bounded, no proof is ever taken twice, and nobody is shut out; a flood costs its neighbours one more round trip.

https://www.rfc-editor.org/rfc/rfc9449#section-11.1
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from tempest_pds.protocol.oauth.dpop_nonce import SECRET_LENGTH, DpopNonces
from tempest_pds.protocol.oauth.dpop_proof import check_dpop_proof
from tempest_pds.protocol.oauth.errors import InvalidDpopProof, UseDpopNonce
from tempest_pds.services.oauth.spent_tokens import CannotTell, SpentTokens, TokenSpent

CAPACITY: Final = 250_000
"""How many proofs are remembered: those of three minutes at 1,400 requests a second, in 25 MB."""


@dataclass(frozen=True, slots=True)
class Proof:
    """The thumbprint of the key that was proven to be held."""

    thumbprint: str


class DpopProofs:
    """Check proofs, and give out nonces.

    Args:
        clock: the time in seconds since 1970.
    """

    def __init__(self, *, capacity: int = CAPACITY, clock: Callable[[], float] = time.time) -> None:
        self._capacity = capacity
        self._clock = clock
        self._begin()

    def nonce(self) -> str:
        """Give the nonce that is to be used from now on; it goes with every answer to a request with a proof."""
        return self._nonces.issue(self._clock())

    def check(
        self, headers: Sequence[bytes] | None, *, method: str, uri: str, access_token: str | None = None
    ) -> Proof | None:
        """Check the DPoP headers of a request, None when there is none; raise InvalidDpopProof or UseDpopNonce.

        A proof that is good is spent by this. So this is asked first, before a code, an assertion or anything else is.

        Args:
            uri: of the request, as the client sees it.
            access_token: what the request is authorised with, if it is: the proof must be for it.
        """
        if not headers:
            return None
        if len(headers) > 1:
            raise InvalidDpopProof("DPoP proof: more than one DPoP header")
        now = self._clock()
        proof = check_dpop_proof(
            headers[0].decode("latin-1"),
            method=method,
            uri=uri,
            now=now,
            nonces=self._nonces,
            access_token=access_token,
        )
        try:
            self._spent.spend(f"{proof.thumbprint} {proof.jti}", proof.forget_after, now)
        except TokenSpent as error:
            raise InvalidDpopProof("DPoP proof: jti was used before") from error
        except CannotTell as error:
            self._begin()
            raise UseDpopNonce("DPoP proof: the nonce is too old or unknown") from error
        return Proof(proof.thumbprint)

    def _begin(self) -> None:
        self._nonces = DpopNonces(secrets.token_bytes(SECRET_LENGTH))
        self._spent = SpentTokens(self._capacity)
