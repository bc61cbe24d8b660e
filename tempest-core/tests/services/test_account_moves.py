"""Accounts that come from another server: born deactivated, activated when their DID points here."""

from typing import Any

import pytest
from account_world import MIGRANT, URL, World

from tempest_pds.protocol.crypto.keys import generate_k256
from tempest_pds.protocol.data_model.cid import CID
from tempest_pds.protocol.identity.did_document import DidDocument
from tempest_pds.protocol.identity.plc_operation import tombstone, update
from tempest_pds.protocol.syntax.did import Did
from tempest_pds.remote.errors import TimedOut
from tempest_pds.services.errors import (
    AccountNotFound,
    AuthenticationRequired,
    HandleNotFound,
    InvalidRequest,
    UnresolvableDid,
)
from tempest_pds.services.repo_errors import RepoBusy


async def test_an_account_that_moves_here_is_born_deactivated_and_unheard_of(world: World) -> None:
    reserved = await world.accounts.reserve_signing_key(MIGRANT)
    assert await world.accounts.reserve_signing_key(MIGRANT) == reserved
    session = await world.create("moved", MIGRANT, did=MIGRANT)
    assert (session.account.did, session.account.is_active) == (MIGRANT, False)
    assert world.log.take() == []
    assert world.keys.signing_key(MIGRANT).public.did_key == reserved
    with pytest.raises((InvalidRequest, UnresolvableDid)):
        await world.accounts.activate(MIGRANT)
    key = world.keys.signing_key(MIGRANT).public.did_key
    world.migrant_document = dict(
        DidDocument.parse({"id": MIGRANT, "alsoKnownAs": ["at://moved.test"]}).json,
        verificationMethod=[
            {
                "id": f"{MIGRANT}#atproto",
                "type": "Multikey",
                "controller": MIGRANT,
                "publicKeyMultibase": key.removeprefix("did:key:"),
            }
        ],
        service=[{"id": "#atproto_pds", "type": "AtprotoPersonalDataServer", "serviceEndpoint": URL}],
    )
    await world.accounts.activate(MIGRANT)
    assert [event.kind for event in world.log.take()] == ["account", "identity", "sync"]
    account = world.store.accounts.get(MIGRANT)
    assert account is not None
    assert account.is_active
    with pytest.raises(InvalidRequest, match="Repo already exists"):
        await world.create("again", MIGRANT, did=MIGRANT)


async def test_a_did_must_be_the_one_that_was_proven(world: World) -> None:
    with pytest.raises(AuthenticationRequired):
        await world.create("moved", Did.parse("did:web:other.example.com"), did=MIGRANT)


async def test_a_did_whose_account_is_still_being_deleted_waits(world: World) -> None:
    """Its files are being removed; those of a new account would go with them."""
    world.store.account_deletions.add(MIGRANT, "before.test", 1)
    with pytest.raises(InvalidRequest, match="still being deleted"):
        await world.create("moved", MIGRANT, did=MIGRANT)
    world.store.account_deletions.finish(MIGRANT)
    assert (await world.create("moved", MIGRANT, did=MIGRANT)).account.did == MIGRANT


async def test_activation_asks_for_a_did_that_points_here(world: World) -> None:
    did = (await world.create()).account.did
    last = await world.plc.last_operation(did)
    elsewhere = update(last, world.keys.rotation_key(), pds_url="https://other.example.com")
    await world.plc.submit(did, elsewhere)
    with pytest.raises(InvalidRequest, match="does not match PDS public url"):
        await world.accounts.activate(did)
    back = update(elsewhere, world.keys.rotation_key(), pds_url=URL, signing_key=generate_k256().public.did_key)
    await world.plc.submit(did, back)
    with pytest.raises(InvalidRequest, match="does not match expected signing key"):
        await world.accounts.activate(did)
    assert not (await world.accounts.check_status(did)).valid_did
    ended = tombstone(back, world.keys.rotation_key())
    await world.plc.submit(did, ended)
    with pytest.raises(UnresolvableDid, match="tombstoned"):
        await world.accounts.activate(did)


async def test_who_keeps_the_rotation_keys_to_himself_is_activated(world: World) -> None:
    did = (await world.create()).account.did
    last = await world.plc.last_operation(did)
    own = generate_k256().public.did_key
    await world.plc.submit(did, update(last, world.keys.rotation_key(), rotation_keys=[own]))
    await world.accounts.deactivate(did)
    assert (await world.accounts.check_status(did)).valid_did
    await world.accounts.activate(did)
    account = world.store.accounts.get(did)
    assert account is not None
    assert account.is_active


async def test_a_directory_that_cannot_be_asked_is_no_fault_of_the_did(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    did = (await world.create()).account.did
    await world.accounts.deactivate(did)

    async def fail(did: Did) -> dict[str, Any]:
        raise TimedOut("too slow")

    with monkeypatch.context() as patched:
        patched.setattr(world.plc, "last_operation", fail)
        with pytest.raises(TimedOut):
            await world.accounts.activate(did)
        assert not (await world.accounts.check_status(did)).valid_did
    await world.accounts.activate(did)


async def test_deactivation_is_told_and_undone(world: World) -> None:
    did = (await world.create()).account.did
    world.log.take()
    await world.accounts.deactivate(did, "2099-01-01T00:00:00Z")
    account = world.store.accounts.get(did)
    assert account is not None
    assert (account.is_active, account.delete_after) == (False, 4_070_908_800_000_000)
    assert [(event.kind, event.status) for event in world.log.take()] == [("account", "deactivated")]
    with pytest.raises(HandleNotFound):
        await world.resolution.resolve_handle("alice.test")
    await world.accounts.activate(did)
    kinds = [event.kind for event in world.log.take()]
    assert kinds == ["account", "identity", "sync"]
    with pytest.raises(InvalidRequest):
        await world.accounts.deactivate(did, "tomorrow")
    with pytest.raises(AccountNotFound):
        await world.accounts.deactivate(MIGRANT)


async def test_what_happens_to_an_account_while_its_did_is_looked_at_counts(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether it may be activated is decided by the row as it is in the end."""
    alice, bob = (await world.create()).account.did, (await world.create("bob")).account.did
    for did in (alice, bob):
        await world.accounts.deactivate(did)
    world.log.take()

    async def decide(did: Did) -> None:
        if did == alice:
            world.store.accounts.set_takedown(alice, "reason")
        else:
            world.store.accounts.delete(bob)

    monkeypatch.setattr(world.identities, "check_points_here", decide)
    for did in (alice, bob):
        with pytest.raises(AccountNotFound):
            await world.accounts.activate(did)
    account = world.store.accounts.get(alice)
    assert account is not None
    assert account.is_deactivated
    assert world.log.take() == []


async def test_an_account_that_is_gone_is_not_deactivated_and_not_told_of(world: World) -> None:
    did = (await world.create()).account.did
    world.log.take()
    world.store.accounts.delete(did)
    with pytest.raises(AccountNotFound):
        await world.accounts.deactivate(did)
    assert world.log.take() == []


async def test_a_handle_that_comes_too_late_for_its_account_is_not_told(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    did = (await world.create()).account.did
    world.log.take()

    async def delete_meanwhile(did: Did, handle: object) -> None:
        world.store.accounts.delete(did)

    monkeypatch.setattr(world.identities, "_publish_handle", delete_meanwhile)
    with pytest.raises(InvalidRequest, match="Account not found"):
        await world.identities.update_handle(did, "other.test")
    assert world.log.take() == []


async def test_an_account_is_not_activated_while_its_repository_is_replaced(world: World) -> None:
    did = (await world.create()).account.did
    await world.accounts.deactivate(did)
    async with world.accounts._writers.locked_out(did):
        with pytest.raises(RepoBusy):
            await world.accounts.activate(did)
    await world.accounts.activate(did)


async def test_the_state_of_a_move_can_be_watched(world: World) -> None:
    did = (await world.create()).account.did
    report = await world.accounts.check_status(did)
    assert (report.activated, report.valid_did, report.records, report.blocks) == (True, True, 0, 2)
    assert (report.expected_blobs, report.imported_blobs) == (0, 0)
    assert isinstance(report.commit, CID)
