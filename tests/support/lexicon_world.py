"""An account that publishes lexicons, from its DNS to its repository; name servers and web servers are stood in for."""

import asyncio
from typing import Any

from tests.support.foreign_repo import Foreign

from tempest_pds.protocol.crypto.keys import PrivateKey, generate_k256
from tempest_pds.protocol.identity.did_document import build_did_document
from tempest_pds.protocol.syntax.did import Did
from tempest_pds.protocol.syntax.nsid import Nsid
from tempest_pds.remote.did_resolver import DidResolver
from tempest_pds.remote.errors import DidNotFound
from tempest_pds.remote.lexicon_resolver import LexiconResolver, OwnProof
from tempest_pds.remote.safe_fetch import Fetched, SafeFetch
from tempest_pds.repo.commit import sign_commit

NSID = Nsid.parse("com.example.calendar.basic")
DID = Did.parse("did:plc:aaaaaaaaaaaaaaaaaaaaaaaa")
COLLECTION = "com.atproto.lexicon.schema"
PERMISSIONS = {
    "type": "permission-set",
    "title": "Calendar",
    "title:lang": {"de": "Kalender"},
    "permissions": [{"type": "permission", "resource": "repo", "collection": ["com.example.calendar.event"]}],
}
DOCUMENT: dict[str, Any] = {"$type": COLLECTION, "lexicon": 1, "id": str(NSID), "defs": {"main": PERMISSIONS}}


def proof(
    record: Any = DOCUMENT,
    *,
    key: PrivateKey,
    did: Did = DID,
    path: str = f"{COLLECTION}/{NSID}",
) -> bytes:
    """Return the CAR of a repository that holds one record."""
    repo = Foreign({path: record}, did)
    return repo.under(sign_commit(did, repo.commit.rev, repo.data, key))


class World(SafeFetch):
    """DNS, a directory and a server, as a test wants them."""

    def __init__(self) -> None:
        super().__init__()
        self.key = generate_k256()
        self.texts: list[str] | Exception = ["v=spf1 -all", f"did={DID}"]
        self.server = "https://pds.example.com"
        self.answer: Fetched | Exception = self.found()
        self.moved: dict[str, Fetched] = {}
        self.no_such_did = False
        self.name_server_waits_for: asyncio.Event | None = None
        self._looked_up = asyncio.Semaphore(0)
        self.now = 0.0
        self.asked: list[str] = []
        self.limits: dict[str, Any] = {}

    def found(self, record: Any = DOCUMENT, **more: Any) -> Fetched:
        return Fetched(200, {}, proof(record, **{"key": self.key, **more}))

    async def document(self, did: Did) -> dict[str, Any]:
        self.asked.append(did)
        if self.no_such_did:
            raise DidNotFound("no such DID")
        return build_did_document(did, "example.com", self.key.public.did_key, self.server)

    async def look_up(self, name: str) -> list[str]:
        self.asked.append(name)
        self._looked_up.release()
        if self.name_server_waits_for is not None:
            await self.name_server_waits_for.wait()
        if isinstance(self.texts, Exception):
            raise self.texts
        return self.texts

    async def has_looked_up(self, count: int) -> None:
        """Wait until so many names more were asked for."""
        for _ in range(count):
            await self._looked_up.acquire()

    async def fetch(self, method: str, url: str, **limits: Any) -> Fetched:
        self.asked.append(url)
        self.limits = limits
        answer = self.moved.get(url.partition("/xrpc/")[0], self.answer)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def resolver(self, own: OwnProof | None = None) -> LexiconResolver:
        def clock() -> float:
            return self.now

        dids = DidResolver(self, self, clock=clock)
        return LexiconResolver(self, dids, look_up_txt=self.look_up, own=own, clock=clock)
