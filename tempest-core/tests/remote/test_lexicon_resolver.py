"""Lexicons that others publish, from their DNS to their repositories; DNS and web servers are stood in for."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from tests.support.foreign_repo import Foreign

from tempest_pds.protocol.crypto.keys import PrivateKey, generate_k256, generate_p256
from tempest_pds.protocol.data_model import dag_cbor
from tempest_pds.protocol.data_model.cid import CID
from tempest_pds.protocol.identity.did_document import build_did_document
from tempest_pds.protocol.syntax.did import Did
from tempest_pds.protocol.syntax.nsid import Nsid
from tempest_pds.remote.did_resolver import DidResolver
from tempest_pds.remote.errors import (
    AnswerTooLarge,
    BadAnswer,
    DidNotFound,
    ForbiddenAddress,
    LexiconNotFound,
    RemoteError,
    TimedOut,
    Unreachable,
)
from tempest_pds.remote.lexicon_resolver import HARD_SECONDS, MAX_BYTES, STALE_SECONDS, LexiconResolver, OwnProof
from tempest_pds.remote.safe_fetch import Fetched, SafeFetch
from tempest_pds.repo.commit import sign_commit

NSID = Nsid.parse("com.example.calendar.basic")
DID = Did.parse("did:plc:aaaaaaaaaaaaaaaaaaaaaaaa")
OTHER = Did.parse("did:plc:bbbbbbbbbbbbbbbbbbbbbbbb")
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
        if isinstance(self.texts, Exception):
            raise self.texts
        return self.texts

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


@pytest.fixture
def world() -> World:
    return World()


async def test_a_lexicon_is_found_by_its_domain_and_proven_by_its_publishers_key(world: World) -> None:
    found = await world.resolver().resolve(NSID)
    assert (found.uri, found.document) == (f"at://{DID}/{COLLECTION}/{NSID}", DOCUMENT)
    assert found.cid == CID.for_dag_cbor(dag_cbor.encode(DOCUMENT))
    query = f"did=did%3Aplc%3A{DID[8:]}&collection={COLLECTION}&rkey={NSID}"
    assert world.asked == [
        "_lexicon.calendar.example.com.",
        DID,
        f"https://pds.example.com/xrpc/com.atproto.sync.getRecord?{query}",
    ]
    assert world.limits["max_bytes"] == MAX_BYTES


async def test_the_case_of_a_domain_does_not_count_and_that_of_a_name_does(world: World) -> None:
    resolver = world.resolver()
    await resolver.resolve(NSID)
    assert resolver.knows(Nsid.parse("com.EXAMPLE.Calendar.basic"))
    assert not resolver.knows(Nsid.parse("com.example.calendar.Basic"))


@pytest.mark.parametrize(
    "texts",
    [[], ["v=spf1"], [DID], [f"DID={DID}"], ["did=alice"], [f"did={DID}", f"did={OTHER}"]],
)
async def test_a_domain_that_names_no_account_or_several_has_no_lexicons(world: World, texts: list[str]) -> None:
    world.texts = texts
    with pytest.raises(LexiconNotFound):
        await world.resolver().resolve(NSID)
    # No other level of the domain is asked.
    assert world.asked == ["_lexicon.calendar.example.com."]


@pytest.mark.parametrize("nsid", ["test.alice.thing", "local.printer.thing", "localhost.some.thing"])
async def test_names_that_cannot_be_public_are_never_asked_for(world: World, nsid: str) -> None:
    with pytest.raises(LexiconNotFound):
        await world.resolver().resolve(Nsid.parse(nsid))
    assert world.asked == []


async def test_an_account_that_does_not_exist_publishes_nothing(world: World) -> None:
    world.no_such_did = True
    with pytest.raises(LexiconNotFound):
        await world.resolver().resolve(NSID)


def refusal(status: int, name: str) -> Fetched:
    return Fetched(status, {}, json.dumps({"error": name, "message": ""}).encode())


@pytest.mark.parametrize(
    "answer",
    [
        lambda world: world.found(path=f"{COLLECTION}/com.example.calendar.other"),
        lambda world: refusal(400, "RecordNotFound"),
        lambda world: refusal(400, "RepoDeactivated"),
        lambda world: refusal(404, "RepoNotFound"),
    ],
)
async def test_a_repository_that_is_proven_or_said_not_to_have_it_ends_the_search(
    world: World, answer: Callable[[World], Fetched]
) -> None:
    world.answer = answer(world)
    with pytest.raises(LexiconNotFound):
        await world.resolver().resolve(NSID)


@pytest.mark.parametrize(
    "record",
    [
        {**DOCUMENT, "$type": "com.example.other"},
        {**DOCUMENT, "lexicon": 2},
        {**DOCUMENT, "id": "com.example.calendar.other"},
        {**DOCUMENT, "defs": {}},
        {**DOCUMENT, "defs": {"main": {**PERMISSIONS, "permissions": [{"type": "permission"}]}}},
    ],
)
async def test_what_is_published_and_is_no_lexicon_of_that_name_is_none(world: World, record: Any) -> None:
    world.answer = world.found(record)
    with pytest.raises(LexiconNotFound):
        await world.resolver().resolve(NSID)


@pytest.mark.parametrize(
    "answer",
    [
        lambda world: world.found(key=generate_p256()),
        lambda world: world.found(did=OTHER),
        lambda world: Fetched(200, {}, world.found().body[:-1]),
        lambda world: Fetched(200, {}, b""),
        lambda world: Fetched(200, {}, json.dumps({"value": DOCUMENT}).encode()),
        lambda world: refusal(400, "InvalidRequest"),
        lambda world: Fetched(400, {}, b"["),
        lambda world: Fetched(301, {"location": "https://elsewhere.example.com"}, b""),
        lambda world: Fetched(500, {}, b""),
        lambda world: AnswerTooLarge("large"),
        lambda world: ForbiddenAddress("private"),
        lambda world: TimedOut("slow"),
        lambda world: Unreachable("gone"),
    ],
)
async def test_a_server_that_proves_nothing_is_neither_believed_nor_taken_to_have_said_no(
    world: World, answer: Callable[[World], Fetched | Exception]
) -> None:
    world.answer = answer(world)
    with pytest.raises(RemoteError) as caught:
        await world.resolver().resolve(NSID)
    assert not isinstance(caught.value, LexiconNotFound)


async def test_name_servers_that_do_not_answer_have_not_said_no(world: World) -> None:
    world.texts = Unreachable("no name server")
    with pytest.raises(Unreachable):
        await world.resolver().resolve(NSID)


async def test_an_account_that_has_moved_or_has_another_key_is_found_again(world: World) -> None:
    resolver = world.resolver()
    await resolver.resolve(NSID)
    world.now = STALE_SECONDS / 2
    world.answer = refusal(400, "RepoDeactivated")
    world.server, world.key = "https://new.example.com", generate_p256()
    other = {**DOCUMENT, "revision": 2}
    world.moved["https://new.example.com"] = world.found(other)
    assert (await resolver.resolve(NSID, max_age=0)).document == other


async def test_a_server_that_fails_does_not_have_the_directory_asked_again_and_again(world: World) -> None:
    resolver = world.resolver()
    await resolver.resolve(NSID)
    world.answer = world.found(key=generate_k256())
    for name in ("one", "two", "three"):
        with pytest.raises(BadAnswer):
            await resolver.resolve(Nsid.parse(f"com.example.calendar.{name}"))
    assert world.asked.count(DID) == 1


async def test_a_lexicon_outlives_an_outage_for_a_day(world: World) -> None:
    resolver = world.resolver()
    first = await resolver.resolve(NSID)
    world.texts = Unreachable("no name server")
    world.now = HARD_SECONDS - 1
    assert await resolver.resolve(NSID) == first
    world.now = HARD_SECONDS
    with pytest.raises(Unreachable):
        await resolver.resolve(NSID)
    await resolver.close()


async def test_an_account_of_this_server_is_not_asked_by_way_of_the_network(world: World) -> None:
    def own(did: Did, path: str, endpoint: str) -> bytes | None:
        assert path == f"{COLLECTION}/{NSID}"
        return proof(key=world.key) if (did, endpoint) == (DID, "https://pds.example.com") else None

    world.answer = Unreachable("no way round")
    assert (await world.resolver(own).resolve(NSID)).document == DOCUMENT
    world.server = "https://other.example.com"
    with pytest.raises(Unreachable):
        await world.resolver(own).resolve(NSID)
