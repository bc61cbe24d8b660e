"""Lexicons that others publish, from their DNS to their repositories; DNS and web servers are stood in for."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from tests.support.lexicon_world import COLLECTION, DID, DOCUMENT, NSID, PERMISSIONS, World, proof

from tempest_pds.protocol.crypto.keys import generate_k256, generate_p256
from tempest_pds.protocol.data_model import dag_cbor
from tempest_pds.protocol.data_model.cid import CID
from tempest_pds.protocol.syntax.did import Did
from tempest_pds.protocol.syntax.nsid import Nsid
from tempest_pds.remote.errors import (
    AnswerTooLarge,
    BadAnswer,
    ForbiddenAddress,
    LexiconNotFound,
    RemoteError,
    TimedOut,
    Unreachable,
)
from tempest_pds.remote.lexicon_resolver import HARD_SECONDS, MAX_BYTES, STALE_SECONDS
from tempest_pds.remote.safe_fetch import Fetched

OTHER = Did.parse("did:plc:bbbbbbbbbbbbbbbbbbbbbbbb")


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
