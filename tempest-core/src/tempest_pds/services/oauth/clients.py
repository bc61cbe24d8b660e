"""Clients: whose document was fetched, checked, and is remembered for a while.

It is remembered across a restart where a code or a session rests on it: that the client's host is out just then must
not end what its person has begun. It is not believed for longer by that, nor against what the host says.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any, Final

from tempest_pds.protocol.errors import ProtocolError
from tempest_pds.protocol.oauth.client_id import DiscoverableClientId, parse_client_id
from tempest_pds.protocol.oauth.client_metadata import ClientMetadata
from tempest_pds.protocol.oauth.errors import ClientUnavailable, InvalidClientMetadata, OAuthError
from tempest_pds.protocol.oauth.jwk import JwkSet
from tempest_pds.protocol.oauth.loopback_client import loopback_client_metadata
from tempest_pds.remote.client_documents import ClientDocuments, Published
from tempest_pds.remote.errors import Busy, NotFound, OutOfOrder, RemoteError, TimedOut, Unreachable
from tempest_pds.services.account_writer import AccountWriter
from tempest_pds.services.timestamps import SECOND
from tempest_pds.stores.account.account_store import AccountStore
from tempest_pds.stores.account.oauth_client_documents import ClientDocument

_SHOWN: Final = 200


@dataclass(frozen=True, slots=True)
class Client:
    """A client that may ask for something.

    Attributes:
        keys: what it signs with, from its document or from `jwks_uri`; None where neither has any.
        is_trusted: whether the operator names it as one of their own.
        documents: what all this was read from, for what rests on it to be kept with; none of a loopback client.
    """

    metadata: ClientMetadata
    keys: JwkSet | None = None
    is_trusted: bool = False
    documents: tuple[ClientDocument, ...] = ()

    @property
    def client_id(self) -> str:
        """The client's id, as it writes it."""
        return str(self.metadata.client_id)


class Clients:
    """Find clients by their ids.

    Args:
        trusted: the ids of clients of the operator's own.
        store: what is kept of those that codes and sessions rest on; without it nothing is.
    """

    def __init__(
        self,
        documents: ClientDocuments,
        *,
        trusted: Collection[str] = (),
        store: AccountStore | None = None,
        writer: AccountWriter | None = None,
    ) -> None:
        self._documents = documents
        self._trusted = frozenset(trusted)
        self._store = store
        self._writer = writer

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
        if not self._documents.remembers_metadata(parsed):
            self._recall(parsed, lambda *kept: self._documents.recall_metadata(parsed, *kept))
        async with self._asking(parsed, f'Unable to obtain client metadata for "{client_id[:_SHOWN]}"'):
            said = await self._documents.metadata(parsed, max_age=max_age)
        metadata, keys, published = said.value, said.value.jwks, [_document(client_id, said)]
        uri = metadata.jwks_uri
        if uri is not None:
            if not self._documents.remembers_keys(uri):
                self._recall(uri, lambda *kept: self._documents.recall_keys(uri, *kept))
            async with self._asking(uri, f'Unable to obtain jwks from "{uri[:_SHOWN]}" for "{client_id[:_SHOWN]}"'):
                found = await self._documents.keys(uri, max_age=max_age)
            keys = found.value
            published.append(_document(uri, found))
        return Client(metadata, keys, client_id in self._trusted, tuple(published))

    def _recall(self, url: str, recall: Callable[[bytes, float], None]) -> None:
        """Remember what a URL had published before the start."""
        kept = None if self._store is None else self._store.oauth_client_documents.get(url)
        if kept is not None:
            # Rules may have become stricter with the version that was started.
            with suppress(ProtocolError, ValueError):
                recall(kept.document, kept.heard_at / SECOND)

    @asynccontextmanager
    async def _asking(self, url: str, what: str) -> AsyncIterator[None]:
        """Refuse, by what a question comes to, and believe a host that says that there is nothing of the kind."""
        try:
            yield
        except OAuthError:
            await self._forget(url)
            raise
        except RemoteError as error:
            if isinstance(error, NotFound):
                await self._forget(url)
            passes = isinstance(error, (Unreachable, TimedOut, Busy, OutOfOrder))
            raise (ClientUnavailable if passes else InvalidClientMetadata)(f"{what}: {error}") from error

    async def _forget(self, url: str) -> None:
        if self._store is not None and self._writer is not None and self._store.oauth_client_documents.get(url):
            await self._writer.run(self._store.oauth_client_documents.delete, url)


def _document(url: str, said: Published[Any]) -> ClientDocument:
    return ClientDocument(url, said.body, int(said.heard_at * SECOND))
