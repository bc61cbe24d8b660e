"""Handles: resolved, changed and announced."""

import asyncio
import json
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from account_world import MIGRANT, URL, World

from tempest_pds.protocol.crypto.keys import generate_k256
from tempest_pds.protocol.identity.did_document import DidDocument, build_did_document
from tempest_pds.protocol.identity.plc_operation import update
from tempest_pds.protocol.syntax.did import Did
from tempest_pds.protocol.syntax.handle import Handle
from tempest_pds.remote.safe_fetch import Fetched
from tempest_pds.services.errors import (
    HandleNotAvailable,
    HandleNotFound,
    InvalidHandle,
    InvalidRequest,
)


async def test_a_handle_here_is_resolved_here(world: World) -> None:
    did = (await world.create()).account.did
    assert await world.resolution.resolve_handle("Alice.test") == did
    for handle in ("bob.test", "nobody.example.com"):
        with pytest.raises(HandleNotFound):
            await world.resolution.resolve_handle(handle)
    with pytest.raises(InvalidHandle):
        await world.resolution.resolve_handle("not a handle")


async def test_a_handle_elsewhere_is_asked_for(world: World) -> None:
    world.txt["_atproto.carol.example.com."] = ["did=did:plc:cccccccccccccccccccccccc"]
    assert await world.resolution.resolve_handle("carol.example.com") == "did:plc:cccccccccccccccccccccccc"


async def test_a_new_handle_is_in_the_did_and_told(world: World) -> None:
    did = (await world.create()).account.did
    world.log.take()
    await world.identities.update_handle(did, "Alicia.test")
    assert DidDocument.parse(await world.plc.document(did)).handle == "alicia.test"
    assert (await world.dids.resolve(did)).handle == "alicia.test"
    assert [(event.kind, event.handle) for event in world.log.take()] == [("identity", "alicia.test")]
    assert await world.resolution.resolve_handle("alicia.test") == did
    with pytest.raises(HandleNotFound):
        await world.resolution.resolve_handle("alice.test")
    operations = len(world.plc._read(did))
    await world.identities.update_handle(did, "alicia.test")
    assert len(world.plc._read(did)) == operations
    assert len(world.log.take()) == 1


async def test_a_handle_of_ones_own_domain_must_lead_to_the_account(world: World) -> None:
    did = (await world.create()).account.did
    with pytest.raises(InvalidRequest, match="External handle did not resolve to DID"):
        await world.identities.update_handle(did, "alice.example.com")
    world.txt["_atproto.alice.example.com."] = ["did=did:plc:cccccccccccccccccccccccc"]
    with pytest.raises(InvalidRequest, match="External handle did not resolve to DID"):
        await world.identities.update_handle(did, "alice.example.com")
    world.txt["_atproto.alice.example.com."] = [f"did={did}"]
    await world.identities.update_handle(did, "alice.example.com")
    assert await world.resolution.resolve_handle("alice.example.com") == did


async def test_a_handle_that_is_taken_or_reserved_is_refused(world: World) -> None:
    did = (await world.create()).account.did
    await world.create("bob")
    world.store.reserved_handles.add(Handle.parse("king.test"), 0)
    for handle in ("bob.test", "BOB.test", "admin.test", "king.test"):
        with pytest.raises(HandleNotAvailable):
            await world.identities.update_handle(did, handle)
    with pytest.raises(InvalidHandle):
        await world.identities.update_handle(did, "a.b.test")


async def test_who_holds_the_keys_alone_puts_the_handle_into_the_did_first(world: World) -> None:
    did = (await world.create()).account.did
    last = await world.plc.last_operation(did)
    own = generate_k256()
    taken = update(last, world.keys.rotation_key(), rotation_keys=[own.public.did_key])
    await world.plc.submit(did, taken)
    with pytest.raises(InvalidRequest, match=r"Server rotation key not included.*at://alicia\.test"):
        await world.identities.update_handle(did, "alicia.test")
    assert handle_of(world, did) == "alice.test"
    world.log.take()
    # Other names may stand before it, and its case is nobody's business.
    named = update(taken, own, also_known_as=["https://alice.example.com", "at://Alicia.Test", "at://alice.test"])
    await world.plc.submit(did, named)
    await world.identities.update_handle(did, "alicia.test")
    assert handle_of(world, did) == "alicia.test"
    assert (await world.dids.resolve(did)).handle == "alicia.test"
    assert [(event.kind, event.handle) for event in world.log.take()] == [("identity", "alicia.test")]
    await world.identities.update_handle(did, "alicia.test")
    assert await world.plc.last_operation(did) == named


async def test_a_handle_that_is_given_up_is_free_at_once(world: World) -> None:
    alice = (await world.create()).account.did
    await world.identities.update_handle(alice, "alicia.test")
    bob = (await world.create("bob")).account.did
    await world.identities.update_handle(bob, "alice.test")
    assert await world.resolution.resolve_handle("alice.test") == bob
    with pytest.raises(HandleNotAvailable):
        await world.identities.update_handle(alice, "alice.test")


async def test_two_who_want_one_handle_at_the_same_time_do_not_both_get_it_into_their_dids(world: World) -> None:
    dids = [(await world.create(name)).account.did for name in ("alice", "bob")]
    updates = [world.identities.update_handle(did, "carol.test") for did in dids]
    answers = await asyncio.gather(*updates, world.create("carol"), return_exceptions=True)
    assert sorted(isinstance(answer, HandleNotAvailable) for answer in answers) == [False, True, True]
    owner = await world.resolution.resolve_handle("carol.test")
    for did, name in zip(dids, ("alice.test", "bob.test"), strict=True):
        assert (await world.dids.resolve(did)).handle == ("carol.test" if did == owner else name)


async def test_a_client_that_goes_away_does_not_leave_a_handle_half_changed(world: World) -> None:
    did = (await world.create()).account.did
    world.log.take()
    published = asyncio.Event()
    submit = world.plc.submit

    async def submit_and_tell(*operation: Any) -> None:
        await submit(*operation)
        published.set()

    with mock.patch.object(world.plc, "submit", submit_and_tell):
        asking = asyncio.create_task(world.identities.update_handle(did, "alicia.test"))
        await published.wait()
        asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert handle_of(world, did) == "alicia.test"
    assert [event.handle for event in world.log.take()] == ["alicia.test"]


async def test_a_domain_that_names_another_account_takes_its_handle_along(world: World) -> None:
    alice, bob = [(await world.create(name)).account.did for name in ("alice", "bob")]
    world.txt["_atproto.example.com."] = [f"did={alice}"]
    await world.identities.update_handle(alice, "example.com")
    with pytest.raises(InvalidRequest, match="External handle did not resolve to DID"):
        await world.identities.update_handle(bob, "example.com")
    world.txt["_atproto.example.com."] = [f"did={bob}"]
    world.log.take()
    world.hooks.told.clear()
    await world.identities.update_handle(bob, "example.com")
    assert (handle_of(world, alice), handle_of(world, bob)) == (None, "example.com")
    assert [(event.did, event.handle) for event in world.log.take()] == [(alice, None), (bob, "example.com")]
    assert world.hooks.told == ["None handle", "example.com handle"]
    await world.identities.update_handle(alice, "alice.test")
    assert handle_of(world, alice) == "alice.test"


async def test_the_name_in_a_did_web_stays_with_its_account(tmp_path: Path) -> None:
    world = World(tmp_path, did_method="web")
    alice, bob = [(await world.create(name)).account.did for name in ("alice", "bob")]
    await world.identities.update_handle(alice, "alicia.test")
    with pytest.raises(HandleNotAvailable):
        await world.identities.update_handle(bob, "alice.test")
    await world.identities.update_handle(alice, "alice.test")
    await world.close()


async def test_a_name_that_the_administrator_gave_away_can_be_announced_again(world: World) -> None:
    did = (await world.create()).account.did
    await world.identities.update_handle(did, "admin.test", allow_reserved=True)
    world.log.take()
    await world.identities.update_handle(did, "Admin.test")
    assert [event.handle for event in world.log.take()] == ["admin.test"]


async def test_a_did_web_from_elsewhere_names_its_handle_first(world: World) -> None:
    session = await world.create("migrant", MIGRANT, did=MIGRANT)
    did = session.account.did
    key = world.keys.signing_key(did).public.did_key
    world.migrant_document = None
    documents: dict[str, dict[str, Any]] = {"now": build_did_document(did, "migrant.test", key, URL)}

    async def fetch(method: str, url: str, **_: object) -> Fetched:
        assert url == "https://migrant.example.com/.well-known/did.json"
        if not documents:
            return Fetched(404, {}, b"")
        return Fetched(200, {}, json.dumps(documents["now"]).encode())

    with mock.patch.object(world.fetch, "fetch", fetch):
        with pytest.raises(InvalidRequest, match="DID is not properly configured for handle"):
            await world.identities.update_handle(did, "wanderer.test")
        documents["now"] = build_did_document(did, "wanderer.test", key, URL)
        world.log.take()
        await world.identities.update_handle(did, "wanderer.test")
        assert [event.handle for event in world.log.take()] == ["wanderer.test"]
        assert handle_of(world, did) == "wanderer.test"
        documents.clear()
        with pytest.raises(InvalidRequest, match="it has no document"):
            await world.identities.update_handle(did, "wanderer.test")


async def test_a_handle_that_was_published_and_not_noted_is_mended_by_asking_again(world: World) -> None:
    did = (await world.create()).account.did
    full = mock.patch.object(world.identities, "_store_handle", side_effect=OSError("the disk is full"))
    with full, pytest.raises(OSError, match="the disk is full"):
        await world.identities.update_handle(did, "alicia.test")
    assert handle_of(world, did) == "alice.test"
    world.log.take()
    await world.identities.update_handle(did, "alicia.test")
    assert (handle_of(world, did), len(world.log.take())) == ("alicia.test", 1)


def handle_of(world: World, did: Did) -> str | None:
    """Return the handle that this server has an account under."""
    account = world.store.accounts.get(did)
    assert account is not None
    return account.handle
