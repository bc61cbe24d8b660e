"""From a DID to its document: did:plc by the directory, did:web by the host it names.

https://atproto.com/specs/did. A did:web with a path is not of this network, and one with a port is for development.
"""

import json
import time
from collections.abc import Callable
from typing import Any, Protocol

from tempest_pds.protocol.errors import InvalidSyntax, ProtocolError
from tempest_pds.protocol.identity.did_document import DidDocument
from tempest_pds.protocol.identity.did_plc import is_did_plc
from tempest_pds.protocol.identity.did_web import did_web_document_url, did_web_host
from tempest_pds.protocol.syntax.did import Did
from tempest_pds.protocol.syntax.handle import Handle
from tempest_pds.remote.cache import Cache
from tempest_pds.remote.errors import BadAnswer, DidDeactivated, DidNotFound
from tempest_pds.remote.safe_fetch import SafeFetch

STALE_SECONDS = 60 * 60.0
HARD_SECONDS = 24 * 60 * 60.0
_MAX_BYTES = 128 * 1024
_SECONDS = 5.0
# Anybody can make DIDs with documents as large as is read, so that it is their size that counts: 8 MB of JSON, or the
# documents of some 4,000 accounts.
_UNIT_BYTES = 2048
_CAPACITY = 4096


class DocumentSource(Protocol):
    """What knows the documents of did:plc: the directory, or the ledger that stands in for it."""

    async def document(self, did: Did) -> dict[str, Any]:
        """Give a DID's document.

        Raises:
            DidNotFound: the directory does not know it, or it was deactivated for good.
        """
        ...


class DidResolver:
    """Resolve DIDs, remembering the documents.

    Args:
        allow_private: let did:web name a port, and reach localhost over http: for development and tests.
        own: gives the document of a DID that this server itself answers for, None for any other; never remembered.
    """

    def __init__(
        self,
        fetch: SafeFetch,
        plc: DocumentSource,
        *,
        allow_private: bool = False,
        own: Callable[[Did], dict[str, Any] | None] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._fetch = fetch
        self._plc = plc
        self._allow_private = allow_private
        self._own = own
        self._cache: Cache[Did, DidDocument] = Cache(
            self._resolve, stale=STALE_SECONDS, hard=HARD_SECONDS, capacity=_CAPACITY, weigh=_weigh, clock=clock
        )

    async def resolve(self, did: Did, *, max_age: float | None = None) -> DidDocument:
        """Give a DID's document, at most `max_age` seconds old (0 asks in any case).

        Raises:
            DidNotFound: there is no such DID, or its method is not of this network; DidDeactivated, there was one.
            RemoteError: it could not be asked for, or what came is not a document of this DID.
        """
        own = None if self._own is None else self._own(did)
        if own is not None:
            return DidDocument.parse(own)
        return await self._cache.get(did, max_age=max_age)

    def knows(self, did: Did) -> bool:
        """Tell whether `resolve` would answer without asking anybody."""
        return (self._own is not None and self._own(did) is not None) or self._cache.knows(did)

    def forget(self, did: Did) -> None:
        """Drop what is remembered of a DID, after its document was changed from here."""
        self._cache.forget(did)

    async def close(self) -> None:
        """Stop what is under way."""
        await self._cache.close()

    async def _resolve(self, did: Did) -> DidDocument:
        match did.method:
            case "plc":
                if not is_did_plc(did):
                    raise DidNotFound(f"No DID of did:plc looks like {did[:80]}")
                found = await self._plc.document(did)
            case "web":
                found = await self._fetch_web(did)
            case _:
                raise DidNotFound(f"DIDs of the method {did.method} are not resolved")
        try:
            document = DidDocument.parse(found)
        except ProtocolError as error:
            raise BadAnswer(f"What was found for {did} is not a DID document") from error
        if document.did != did:
            raise BadAnswer(f"What was found for {did} is the document of {document.did}")
        return document

    async def _fetch_web(self, did: Did) -> dict[str, Any]:
        try:
            host, port = did_web_host(did)
            address = did_web_document_url(did)
        except InvalidSyntax as error:
            raise DidNotFound(str(error)) from error
        if not self._allow_private and (port is not None or not Handle.is_valid(host)):
            raise DidNotFound("A did:web that does not name a public host")
        answer = await self._fetch.fetch(
            "GET",
            address,
            headers={"Accept": "application/did+ld+json,application/json"},
            max_bytes=_MAX_BYTES,
            seconds=_SECONDS,
        )
        if answer.status == 410:
            raise DidDeactivated(f"{host} had a DID document, and says that it is gone")
        if answer.status == 404:
            raise DidNotFound(f"{host} has no DID document")
        if answer.status != 200:
            raise BadAnswer(f"{host} answered with status {answer.status}")
        found = answer.json()
        if not isinstance(found, dict):
            raise BadAnswer(f"What was found for {did} is not a DID document")
        return found


def _weigh(document: DidDocument) -> int:
    return 1 + len(json.dumps(document.json)) // _UNIT_BYTES
