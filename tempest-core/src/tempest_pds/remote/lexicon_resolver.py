"""From an NSID to the Lexicon document that whoever controls its domain has published.

https://atproto.com/specs/lexicon#lexicon-publication-and-resolution. The TXT records of `_lexicon.` and the NSID's
authority name a DID, and the repository of that account has the document, in `com.atproto.lexicon.schema` under the
NSID. There is no climbing up: `_lexicon.feed.bsky.app` says nothing of what is below it, nor `_lexicon.bsky.app` above.

The document decides what an app may do in somebody's name, so nobody on the way is believed: the account's server
answers with a proof (`com.atproto.sync.getRecord`), which the key of the DID document must have signed.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, cast
from urllib.parse import urlencode

from tempest_pds.protocol.crypto.did_key import parse_did_key
from tempest_pds.protocol.data_model import dag_cbor, lex_json
from tempest_pds.protocol.data_model.cid import CID
from tempest_pds.protocol.identity.did_document import DidDocument
from tempest_pds.protocol.lexicon.documents import Document
from tempest_pds.protocol.lexicon.errors import BrokenLexicon
from tempest_pds.protocol.lexicon.published import SCHEMA_COLLECTION, read_published
from tempest_pds.protocol.syntax.did import Did
from tempest_pds.protocol.syntax.nsid import Nsid
from tempest_pds.remote.addresses import is_public_name
from tempest_pds.remote.cache import Cache
from tempest_pds.remote.did_resolver import DidResolver
from tempest_pds.remote.errors import BadAnswer, LexiconNotFound, NotFound, RemoteError
from tempest_pds.remote.safe_fetch import Fetched, SafeFetch
from tempest_pds.remote.txt_dids import TxtLookup, dids_in
from tempest_pds.repo.errors import InvalidRepo
from tempest_pds.repo.verify import verify_proof

STALE_SECONDS: Final = 10 * 60.0
HARD_SECONDS: Final = 24 * 60 * 60.0
MAX_BYTES: Final = 512 * 1024
_SECONDS: Final = 5.0
_FRESH_SECONDS: Final = 60.0
# Anybody can publish documents as large as is read, so that it is their size that counts: 4 MB, kept as their blocks.
_UNIT_BYTES: Final = 2048
_CAPACITY: Final = 2048
# What servers say of a repository or a record that they do not show.
_NOT_THERE: Final = frozenset(
    ("RecordNotFound", "RepoNotFound", "RepoTakendown", "RepoSuspended", "RepoDeactivated", "NotFound")
)

OwnProof = Callable[[Did, str, str], bytes | None]
"""Gives the proof of a path in a repository that is here, None when an account has its server, a URL, elsewhere."""


@dataclass(frozen=True, slots=True)
class PublishedLexicon:
    """A document, proven and valid: `block` is its record in DAG-CBOR, `did` the account that published it."""

    nsid: Nsid
    did: Did
    cid: CID
    block: bytes

    @property
    def uri(self) -> str:
        """The at:// URI of the record."""
        return f"at://{self.did}/{SCHEMA_COLLECTION}/{self.nsid}"

    @property
    def document(self) -> Document:
        """The document in its JSON form, read anew each time."""
        return cast("Document", _json_form(self.block))


class LexiconResolver:
    """Resolve NSIDs, remembering the documents.

    Args:
        own: looks into the repositories of this server, which need not be able to reach itself.
    """

    def __init__(
        self,
        fetch: SafeFetch,
        dids: DidResolver,
        *,
        look_up_txt: TxtLookup,
        own: OwnProof | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._fetch = fetch
        self._dids = dids
        self._look_up_txt = look_up_txt
        self._own = own
        self._cache: Cache[Nsid, PublishedLexicon] = Cache(
            self._resolve, stale=STALE_SECONDS, hard=HARD_SECONDS, capacity=_CAPACITY, weigh=_weigh, clock=clock
        )

    async def resolve(self, nsid: Nsid, *, max_age: float | None = None) -> PublishedLexicon:
        """Give the document of an NSID, at most `max_age` seconds old (0 asks in any case).

        Raises:
            LexiconNotFound: the domain names no account or several, the account has no such record, or what it has is
                not a Lexicon document of this name.
            RemoteError: somebody on the way could not be asked, or gave no proof.
        """
        return await self._cache.get(_canonical(nsid), max_age=max_age)

    def knows(self, nsid: Nsid) -> bool:
        """Tell whether `resolve` would answer without asking anybody."""
        return self._cache.knows(_canonical(nsid))

    def is_asked(self, nsid: Nsid) -> bool:
        """Tell whether somebody is being asked already."""
        return self._cache.is_asked(_canonical(nsid))

    async def close(self) -> None:
        """Stop what is under way."""
        await self._cache.close()

    async def _resolve(self, nsid: Nsid) -> PublishedLexicon:
        did = await self._publisher(nsid)
        remembered = self._dids.knows(did)
        document = await self._document(did)
        try:
            return await self._read(nsid, document)
        except RemoteError:
            if not remembered:
                raise
            # The account may have moved since, or its key have changed.
            newer = await self._document(did, max_age=_FRESH_SECONDS)
            if (newer.pds_endpoint, newer.signing_key) == (document.pds_endpoint, document.signing_key):
                raise
        return await self._read(nsid, newer)

    async def _document(self, did: Did, *, max_age: float | None = None) -> DidDocument:
        try:
            return await self._dids.resolve(did, max_age=max_age)
        except NotFound as error:
            raise LexiconNotFound(f"There is no {did}, which is to publish it") from error

    async def _read(self, nsid: Nsid, document: DidDocument) -> PublishedLexicon:
        did, endpoint, key = document.did, document.pds_endpoint, document.signing_key
        if endpoint is None or key is None:
            raise LexiconNotFound(f"The DID document of {did} names no server, or no key")
        path = f"{SCHEMA_COLLECTION}/{nsid}"
        proof = None if self._own is None else self._own(did, path, endpoint)
        if proof is None:
            proof = await self._fetch_proof(nsid, did, endpoint)
        # A large document takes a while, the more so without the compiled codecs.
        return await asyncio.to_thread(_check, nsid, did, key, path, proof)

    async def _publisher(self, nsid: Nsid) -> Did:
        authority = nsid.authority
        if not is_public_name(authority):
            raise LexiconNotFound(f"No public name ends like {authority}")
        dids = dids_in(await self._look_up_txt(f"_lexicon.{authority}."))
        if len(dids) != 1:
            how_many = f"{len(dids)} DIDs" if dids else "no DID"
            raise LexiconNotFound(f"The TXT records of _lexicon.{authority} name {how_many}")
        return dids.pop()

    async def _fetch_proof(self, nsid: Nsid, did: Did, endpoint: str) -> bytes:
        query = urlencode({"did": did, "collection": SCHEMA_COLLECTION, "rkey": nsid})
        answer = await self._fetch.fetch(
            "GET",
            f"{endpoint.rstrip('/')}/xrpc/com.atproto.sync.getRecord?{query}",
            headers={"Accept": "application/vnd.ipld.car"},
            max_bytes=MAX_BYTES,
            seconds=_SECONDS,
        )
        if answer.status == 200:
            return answer.body
        if answer.status in (400, 404) and _error_name(answer) in _NOT_THERE:
            raise LexiconNotFound(f"The server of {did} has no lexicon {nsid}")
        raise BadAnswer(f"The server of {did} answered with status {answer.status}")


def _canonical(nsid: Nsid) -> Nsid:
    """Spell the domain in lower case, as it is compared; the name's case counts."""
    domain, _, name = nsid.rpartition(".")
    return Nsid(f"{domain.lower()}.{name}")


def _check(nsid: Nsid, did: Did, key: str, path: str, proof: bytes) -> PublishedLexicon:
    try:
        cid, block = verify_proof(proof, path, did=did, key=parse_did_key(key))
    except InvalidRepo as error:
        raise BadAnswer(f"The server of {did} does not prove what it has for {nsid}") from error
    if cid is None or block is None:
        raise LexiconNotFound(f"The repository of {did} has no lexicon {nsid}")
    try:
        read_published(nsid, _json_form(block))
    except BrokenLexicon as error:
        raise LexiconNotFound(f"What is published for {nsid} is not a valid lexicon: {error}") from error
    return PublishedLexicon(nsid, did, cid, block)


def _json_form(block: bytes) -> object:
    return lex_json.to_json(dag_cbor.decode(block))


def _error_name(answer: Fetched) -> str | None:
    try:
        found = json.loads(answer.body)
    except (ValueError, RecursionError):
        return None
    name = found.get("error") if isinstance(found, dict) else None
    return name if isinstance(name, str) else None


def _weigh(lexicon: PublishedLexicon) -> int:
    return 1 + len(lexicon.block) // _UNIT_BYTES
