"""Handles: resolved, changed and announced."""

import pytest
from account_world import World

from tempest_pds.protocol.crypto.keys import generate_k256
from tempest_pds.protocol.identity.did_document import DidDocument
from tempest_pds.protocol.identity.plc_operation import update
from tempest_pds.protocol.syntax.handle import Handle
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


async def test_a_did_that_this_server_cannot_change_keeps_its_handle(world: World) -> None:
    did = (await world.create()).account.did
    last = await world.plc.last_operation(did)
    own = generate_k256()
    taken = update(last, world.keys.rotation_key(), rotation_keys=[own.public.did_key])
    await world.plc.submit(did, taken)
    with pytest.raises(InvalidRequest, match="Server rotation key not included"):
        await world.identities.update_handle(did, "alicia.test")
    account = world.store.accounts.get(did)
    assert account is not None
    assert account.handle == "alice.test"
    await world.plc.submit(did, update(taken, own, handle="alicia.test"))
    await world.identities.update_handle(did, "alicia.test")
