"""Clients: whose document was fetched, checked, and is remembered for a while."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from tempest_pds.protocol.oauth.client_id import DiscoverableClientId, parse_client_id
from tempest_pds.protocol.oauth.client_metadata import ClientMetadata
from tempest_pds.protocol.oauth.errors import ClientUnavailable, InvalidClientMetadata
from tempest_pds.protocol.oauth.jwk import JwkSet
from tempest_pds.protocol.oauth.loopback_client import loopback_client_metadata
from tempest_pds.remote.client_documents import ClientDocuments
from tempest_pds.remote.errors import Busy, OutOfOrder, RemoteError, TimedOut, Unreachable

_SHOWN: Final = 200


@dataclass(frozen=True, slots=True)
class Client:
    """A client that may ask for something.

    Attributes:
        keys: what it signs with, from its document or from `jwks_uri`; None where neither has any.
        is_trusted: whether the operator names it as one of their own.
    """

    metadata: ClientMetadata
    keys: JwkSet | None = None
    is_trusted: bool = False

    @property
    def client_id(self) -> str:
        """The client's id, as it writes it."""
        return str(self.metadata.client_id)


class Clients:
    """Find clients by their ids.

    Args:
        trusted: the ids of clients of the operator's own.
    """

    def __init__(self, documents: ClientDocuments, *, trusted: Collection[str] = ()) -> None:
        self._documents = documents
        self._trusted = frozenset(trusted)

    async def get(self, client_id: str, *, max_age: float | None = None) -> Client:
        """Find a client, by documents of at most `max_age` seconds where that is given.

        Raises:
            InvalidClientId: no client has such an id.
            ClientUnavailable: its document or its keys cannot be had now.
            InvalidClientMetadata: they are not there, or break a rule.
            InvalidRedirectUri: its document names one that it may not have.
        """
        parsed = parse_client_id(client_id)
        if not isinstance(parsed, DiscoverableClientId):
            return Client(loopback_client_metadata(parsed))
        try:
            metadata = await self._documents.metadata(parsed, max_age=max_age)
        except RemoteError as error:
            what = f'Unable to obtain client metadata for "{client_id[:_SHOWN]}"'
            raise _refusal(what, error) from error
        keys = metadata.jwks
        if metadata.jwks_uri is not None:
            try:
                keys = await self._documents.keys(metadata.jwks_uri, max_age=max_age)
            except RemoteError as error:
                what = f'Unable to obtain jwks from "{metadata.jwks_uri[:_SHOWN]}" for "{client_id[:_SHOWN]}"'
                raise _refusal(what, error) from error
        return Client(metadata, keys, client_id in self._trusted)


def _refusal(what: str, error: RemoteError) -> InvalidClientMetadata:
    """Tell whether it is worth to come again."""
    passes = isinstance(error, (Unreachable, TimedOut, Busy, OutOfOrder))
    return (ClientUnavailable if passes else InvalidClientMetadata)(f"{what}: {error}")
