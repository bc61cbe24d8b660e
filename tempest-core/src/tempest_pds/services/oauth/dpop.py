"""DPoP proofs, each taken once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Proof:
    """The thumbprint of the key that was proven to be held."""

    thumbprint: str


class DpopProofs:
    """Check proofs, and give out nonces."""

    def nonce(self) -> str:
        """Give the nonce that is to be used from now on."""
        raise NotImplementedError

    def check(
        self, headers: Sequence[bytes], *, method: str, uri: str, access_token: str | None = None
    ) -> Proof | None:
        """Check the DPoP headers of a request, None when there is none; raise InvalidDpopProof or UseDpopNonce."""
        raise NotImplementedError
