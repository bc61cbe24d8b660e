"""Clients: whose document was fetched, checked, and is remembered for a while."""

from __future__ import annotations

from dataclasses import dataclass

from tempest_pds.protocol.oauth.client_metadata import ClientMetadata
from tempest_pds.protocol.oauth.jwk import JwkSet


@dataclass(frozen=True, slots=True)
class Client:
    """A client that may ask for something.

    Attributes:
        keys: those that a confidential client proves itself with; None for a public one.
        is_trusted: whether the operator names it as one of his own.
    """

    metadata: ClientMetadata
    keys: JwkSet | None = None
    is_trusted: bool = False

    @property
    def client_id(self) -> str:
        """The client's id, as it writes it."""
        return str(self.metadata.client_id)


class Clients:
    """Find clients by their ids."""

    async def get(self, client_id: str) -> Client:
        """Find a client; raise InvalidClientId or InvalidClientMetadata."""
        raise NotImplementedError
