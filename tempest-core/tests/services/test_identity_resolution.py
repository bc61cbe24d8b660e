"""Who is who, for accounts of this server and for all others."""

import asyncio
from typing import Any

import pytest
from account_world import URL, World

from tempest_pds.protocol.crypto.keys import generate_k256
from tempest_pds.protocol.identity.did_document import build_did_document
from tempest_pds.protocol.identity.plc_operation import did_for_genesis, genesis, tombstone, update
from tempest_pds.protocol.syntax.did import Did
from tempest_pds.protocol.syntax.handle import Handle
from tempest_pds.remote.did_resolver import DidResolver
from tempest_pds.remote.errors import DidNotFound as NoSuchDid
from tempest_pds.remote.errors import Unreachable
from tempest_pds.remote.handle_resolver import HandleResolver
from tempest_pds.services.errors import (
    DidDeactivated,
    DidNotFound,
    HandleNotFound,
    InvalidRequest,
    NotEnoughResources,
    UpstreamFailure,
)
from tempest_pds.services.handle_rules import HandleRules
from tempest_pds.services.identity_resolution import IdentityResolution
from tempest_pds.services.outside_questions import OutsideQuestions

CAROL = Did.parse("did:plc:cccccccccccccccccccccccc")


class Directory:
    """A PLC directory that may be down, or slow."""

    def __init__(self) -> None:
        self.documents: dict[Did, dict[str, Any]] = {}
        self.down = False
        self.asked = 0
        self.gate = asyncio.Event()
        self.gate.set()

    async def document(self, did: Did) -> dict[str, Any]:
        self.asked += 1
        await self.gate.wait()
        if self.down:
            raise Unreachable("plc.internal: look at TEMPEST_PLC_URL")
        if did not in self.documents:
            raise NoSuchDid("no")
        return self.documents[did]

    def name(self, did: Did, handle: str) -> None:
        key = generate_k256().public.did_key
        self.documents[did] = build_did_document(did, handle, key, "https://pds.example.net")


class Outside:
    """What a server knows that has no accounts: the identities of others."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.plc = Directory()
        self.fetch = world.fetch
        self.dids = DidResolver(self.fetch, self.plc)
        self.handles = HandleResolver(self.fetch, look_up_txt=world.look_up_txt)
        self.resolution = IdentityResolution(world.store, self.dids, self.handles, HandleRules([".test"]))

    def lead(self, handle: str, did: str) -> None:
        self.world.txt[f"_atproto.{handle}."] = [f"did={did}"]


@pytest.fixture
def outside(world: World) -> Outside:
    made = Outside(world)
    made.plc.name(CAROL, "carol.example.com")
    made.lead("carol.example.com", CAROL)
    return made


async def test_an_account_here_is_known_by_did_and_by_handle(world: World) -> None:
    did = (await world.create()).account.did
    document = await world.plc.document(did)
    assert await world.resolution.resolve_did(did) == document
    for identifier in (did, "alice.test", "Alice.TEST"):
        identity = await world.resolution.resolve_identity(identifier)
        assert (identity.did, identity.handle, identity.document) == (did, "alice.test", document)
        assert await world.resolution.refresh(identifier) == identity


async def test_an_account_that_is_not_active_has_no_handle(world: World) -> None:
    did = (await world.create()).account.did
    await world.accounts.deactivate(did)
    assert (await world.resolution.resolve_identity(did)).handle == "handle.invalid"
    with pytest.raises(HandleNotFound):
        await world.resolution.resolve_identity("alice.test")


async def test_the_domain_of_an_account_here_says_where_its_handle_leads(world: World) -> None:
    did = (await world.create()).account.did
    world.txt["_atproto.alice.example.com."] = [f"did={did}"]
    await world.identities.update_handle(did, "alice.example.com")
    assert (await world.resolution.resolve_identity(did)).handle == "alice.example.com"
    world.txt["_atproto.alice.example.com."] = [f"did={CAROL}"]
    assert (await world.resolution.resolve_identity(did)).handle == "alice.example.com"
    assert (await world.resolution.refresh(did)).handle == "handle.invalid"
    assert (await world.resolution.resolve_identity(did)).handle == "handle.invalid"


async def test_the_identity_of_somebody_else_is_verified_both_ways(outside: Outside) -> None:
    for identifier in (CAROL, "carol.example.com"):
        identity = await outside.resolution.resolve_identity(identifier)
        assert (identity.did, identity.handle) == (CAROL, "carol.example.com")
    assert await outside.resolution.resolve_did(CAROL) == outside.plc.documents[CAROL]
    assert outside.plc.asked == 1


async def test_a_handle_that_names_somebody_who_does_not_name_it_shows_whom_it_names(outside: Outside) -> None:
    outside.lead("mallory.example.com", CAROL)
    identity = await outside.resolution.resolve_identity("mallory.example.com")
    assert (identity.did, identity.handle) == (CAROL, "carol.example.com")


@pytest.mark.parametrize("leads_to", ["did:plc:mmmmmmmmmmmmmmmmmmmmmmmm", None])
async def test_a_handle_that_does_not_lead_back_is_invalid(outside: Outside, leads_to: str | None) -> None:
    outside.world.txt["_atproto.carol.example.com."] = [] if leads_to is None else [f"did={leads_to}"]
    assert (await outside.resolution.resolve_identity(CAROL)).handle == "handle.invalid"


async def test_a_document_may_name_a_handle_of_this_servers_that_nobody_has(outside: Outside) -> None:
    outside.plc.name(CAROL, "carol.test")
    assert (await outside.resolution.resolve_identity(CAROL)).handle == "handle.invalid"
    outside.plc.documents[CAROL]["alsoKnownAs"] = []
    assert (await outside.resolution.refresh(CAROL)).handle == "handle.invalid"


async def test_a_refresh_sees_at_once_what_has_changed(outside: Outside) -> None:
    await outside.resolution.resolve_identity(CAROL)
    outside.plc.name(CAROL, "caroline.example.com")
    outside.lead("caroline.example.com", CAROL)
    assert (await outside.resolution.resolve_identity(CAROL)).handle == "carol.example.com"
    assert (await outside.resolution.refresh("carol.example.com")).handle == "caroline.example.com"
    assert (await outside.dids.resolve(CAROL)).handle == "caroline.example.com"
    outside.lead("caroline.example.com", "did:plc:mmmmmmmmmmmmmmmmmmmmmmmm")
    assert (await outside.resolution.resolve_identity(CAROL)).handle == "caroline.example.com"
    assert (await outside.resolution.refresh(CAROL)).handle == "handle.invalid"


async def test_no_stranger_makes_the_server_forget_whom_it_knows_during_an_outage(outside: Outside) -> None:
    known = await outside.resolution.resolve_identity("carol.example.com")
    outside.plc.down = True
    del outside.world.txt["_atproto.carol.example.com."]
    for identifier in (CAROL, "carol.example.com"):
        with pytest.raises(UpstreamFailure):
            await outside.resolution.refresh(identifier)
    assert await outside.resolution.resolve_identity("carol.example.com") == known


@pytest.mark.parametrize("identifier", ["nobody.test", "test.test", "nobody.example.com"])
async def test_a_handle_that_leads_nowhere_is_told(outside: Outside, identifier: str) -> None:
    outside.world.txt["_atproto.nobody.example.com."] = ["did=did:plc:one", "did=did:plc:two"]
    for ask in (outside.resolution.resolve_identity, outside.resolution.refresh):
        with pytest.raises(HandleNotFound):
            await ask(identifier)


@pytest.mark.parametrize("did", ["did:plc:dddddddddddddddddddddddd", "did:plc:short", "did:example:1", "did:web:a:b"])
async def test_a_did_that_does_not_exist_is_told(outside: Outside, did: str) -> None:
    with pytest.raises(DidNotFound):
        await outside.resolution.resolve_did(Did.parse(did))
    for ask in (outside.resolution.resolve_identity, outside.resolution.refresh):
        with pytest.raises(DidNotFound):
            await ask(did)


async def test_a_did_that_was_ended_is_told(world: World) -> None:
    key = generate_k256()
    made = genesis(
        handle="gone.example.com",
        signing_key=key.public.did_key,
        pds_url=URL,
        rotation_keys=[key.public.did_key],
        signer=key,
    )
    did = did_for_genesis(made)
    await world.plc.submit(did, made)
    await world.plc.submit(did, tombstone(made, key))
    with pytest.raises(DidDeactivated):
        await world.resolution.resolve_did(did)
    with pytest.raises(DidDeactivated):
        await world.resolution.refresh(did)


async def test_what_goes_wrong_out_there_is_not_told(outside: Outside) -> None:
    outside.plc.down = True
    for did in (CAROL, Did.parse("did:web:intranet.example.com")):
        with pytest.raises(UpstreamFailure, match=r"^Unable to resolve DID, try again later$"):
            await outside.resolution.resolve_did(did)
    with pytest.raises(UpstreamFailure, match=r"^Unable to resolve handle, try again later$"):
        await outside.resolution.resolve_identity("printer.example.com")
    with pytest.raises(HandleNotFound, match=r"^Unable to resolve handle$"):
        await outside.resolution.resolve_handle("printer.example.com")


async def test_strangers_have_only_so_many_questions_under_way(
    outside: Outside, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outside.resolution, "_outside", OutsideQuestions(3, "identities"))
    await outside.resolution.resolve_identity(CAROL)
    outside.plc.gate.clear()
    dids = [Did.parse(f"did:plc:{letter * 24}") for letter in "efgh"]
    for did in dids:
        outside.plc.name(did, "x.example.com")
    asking = [asyncio.create_task(outside.resolution.resolve_did(did)) for did in dids[:3]]
    await asyncio.sleep(0)
    with pytest.raises(NotEnoughResources):
        await outside.resolution.resolve_did(dids[3])
    # What is known needs nobody to be asked, and an account here is always answered for.
    assert (await outside.resolution.resolve_identity("carol.example.com")).did == CAROL
    outside.plc.gate.set()
    await asyncio.gather(*asking)
    assert await outside.resolution.resolve_did(dids[3]) == outside.plc.documents[dids[3]]


async def test_a_did_web_of_this_server_is_answered_without_asking_anybody(tmp_path: Any) -> None:
    world = World(tmp_path, did_method="web")
    did = (await world.create()).account.did
    assert did == "did:web:alice.test"
    identity = await world.resolution.refresh(did)
    assert (identity.handle, identity.document["alsoKnownAs"]) == ("alice.test", ["at://alice.test"])
    await world.identities.update_handle(did, "alicia.test")
    assert (await world.resolution.resolve_identity(did)).handle == "alicia.test"
    await world.close()


async def test_the_handle_that_a_document_names_is_refreshed_along_with_the_one_it_had_here(world: World) -> None:
    did = (await world.create()).account.did
    world.txt["_atproto.alice.example.com."] = [f"did={did}"]
    await world.identities.update_handle(did, "alice.example.com")
    last = await world.plc.last_operation(did)
    await world.plc.submit(did, update(last, world.keys.rotation_key(), handle="alice.example.net"))
    world.txt["_atproto.alice.example.net."] = [f"did={did}"]
    world.txt["_atproto.alice.example.com."] = [f"did={CAROL}"]
    assert (await world.resolution.refresh(did)).handle == "alice.example.net"
    with pytest.raises(DidNotFound):
        await world.resolution.resolve_identity("alice.example.com")
    # Only the owner changes what this server says of an account.
    account = world.store.accounts.get(did)
    assert account is not None
    assert account.handle == "alice.example.com"
    with pytest.raises(InvalidRequest):
        await world.identities.update_handle(did, "alice.example.com")
    await world.identities.update_handle(did, "alice.example.net")
    assert world.store.accounts.by_handle(Handle("alice.example.net")) is not None
