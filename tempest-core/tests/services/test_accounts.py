"""Signing up, with the real stores, key files and ledger in a folder."""

import asyncio
import threading
from pathlib import Path
from typing import Any

import pytest
from account_world import MIGRANT, URL, World, access, refresh_credentials

from tempest_pds.protocol.crypto.keys import generate_p256
from tempest_pds.protocol.data_model import car
from tempest_pds.protocol.identity.did_document import DidDocument
from tempest_pds.protocol.identity.plc_operation import update
from tempest_pds.protocol.syntax.did import Did
from tempest_pds.remote.errors import DidNotFound, OperationRefused
from tempest_pds.repo.block_source import MemoryBlockSource
from tempest_pds.repo.verify import verify_repo
from tempest_pds.services.credentials import Scope
from tempest_pds.services.errors import (
    AuthenticationRequired,
    HandleNotAvailable,
    InvalidHandle,
    InvalidInviteCode,
    InvalidPassword,
    InvalidRequest,
    UnsupportedDomain,
)
from tempest_pds.services.event_frames import encode_frame
from tempest_pds.stores.sequencer.store import EventRow


async def test_a_new_account_has_a_did_that_points_here(world: World) -> None:
    session = await world.create()
    did = session.account.did
    assert did.startswith("did:plc:")
    document = DidDocument.parse(await world.plc.document(did))
    assert (document.handle, document.pds_endpoint) == ("alice.test", URL)
    assert document.signing_key == world.keys.signing_key(did).public.did_key
    assert session.did_doc == document.json
    await world.identities.check_points_here(did)


async def test_a_new_account_is_logged_in(world: World) -> None:
    session = await world.create()
    credentials = access(world, session)
    assert (credentials.did, credentials.scope) == (session.account.did, Scope.ACCESS)
    assert (await world.sessions.refresh(refresh_credentials(world, session))).account.handle == "alice.test"


async def test_a_new_account_has_a_signed_repository_over_the_empty_tree(world: World) -> None:
    did = (await world.create()).account.did
    with world.repositories.open(did) as store:
        root = store.root()
        assert root is not None
        assert store.get_block(root.commit) == root.commit_block
        assert store.get(root.data) is not None
    heads = world.store.repo_heads.get(did)
    assert heads == (root.commit, root.rev)


async def test_the_network_hears_identity_account_commit_sync_in_one_batch(world: World) -> None:
    did = (await world.create()).account.did
    events = world.log.take()
    assert [event.kind for event in events] == ["identity", "account", "commit", "sync"]
    assert world.log.batches == [4]
    identity, account, commit, sync = events
    assert (identity.handle, account.status, {event.did for event in events}) == ("alice.test", None, {did})
    body = commit.body()
    roots, blocks = car.decode(body["blocks"])
    assert roots == [body["commit"]]
    assert sync.commit == body["commit"]
    assert (body["since"], "prevData" in body, body["ops"]) == (None, False, [])
    key = world.keys.signing_key(did).public
    _, records = verify_repo(MemoryBlockSource(blocks), roots[0], did=did, key=key)
    assert list(records) == []
    assert world.hooks.told == ["alice.test created"]


async def test_events_that_were_not_told_before_a_crash_are_told_at_the_next_start(
    world: World, tmp_path: Path
) -> None:
    world.log.down = True
    with pytest.raises(OSError, match="disk"):
        await world.create()
    assert world.store.accounts.by_handle("alice.test") is not None
    world.log.down = False
    await world.announcer.announce_pending()
    assert [event.kind for event in world.log.take()] == ["identity", "account", "commit", "sync"]
    await world.announcer.announce_pending()
    assert world.log.take() == []


async def test_a_commit_that_the_log_has_is_not_told_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The process died after the log took the events, and before the outbox was told."""
    monkeypatch.setattr(world.store.pending_events, "delete_through", lambda last_id: (_ for _ in ()).throw(OSError()))
    with pytest.raises(OSError):  # noqa: PT011 - its text does not matter
        await world.create()
    first = world.log.take()
    monkeypatch.undo()
    rows = [
        EventRow(seq, event.did, event.kind, event.rev, seq, encode_frame(event, seq, "2026-01-01T00:00:00.000Z"))
        for seq, event in enumerate(first, 1)
    ]
    world.sequencer.append(rows)
    await world.announcer.announce_pending()
    assert [event.kind for event in world.log.take()] == ["identity", "account", "sync"]


@pytest.mark.parametrize(
    ("changed", "error"),
    [
        ({"handle": "al.test"}, InvalidHandle),
        ({"handle": "admin.test"}, HandleNotAvailable),
        ({"handle": "alice.example.com"}, UnsupportedDomain),
        ({"email": None}, InvalidRequest),
        ({"email": "nonsense"}, InvalidRequest),
        ({"password": None}, InvalidPassword),
        ({"password": "short"}, InvalidPassword),
        ({"password": "x" * 257}, InvalidPassword),
        ({"inviteCode": "pds-example-com-aaaaa-aaaaa"}, InvalidInviteCode),
        ({"plcOp": {}}, InvalidRequest),
        ({"recoveryKey": "did:key:nonsense"}, InvalidRequest),
        ({"did": "did:plc:aaaaaaaaaaaaaaaaaaaaaaaa"}, AuthenticationRequired),
    ],
)
async def test_a_request_against_the_rules_leaves_nothing_behind(
    world: World, changed: dict[str, Any], error: type[Exception]
) -> None:
    with pytest.raises(error):
        await world.create(**changed)
    assert world.store.accounts.count() == 0
    assert list(world.repositories.dids()) == []
    assert world.log.take() == []


async def test_a_handle_is_given_out_once_and_an_address_as_often_as_it_is_given(world: World) -> None:
    await world.create()
    for handle in ("alice.test", "ALICE.test"):
        with pytest.raises(HandleNotAvailable, match=r"Handle already taken: alice\.test"):
            await world.create(email="b@example.com", handle=handle)
    bob = (await world.create("bob", email="Alice@Example.com")).account
    assert (bob.email, bob.email_confirmed) == ("alice@example.com", False)


async def test_a_policy_may_refuse(world: World) -> None:
    world.hooks.refusal = "Not today"
    with pytest.raises(InvalidRequest, match="Not today"):
        await world.create()
    given = {"handle": "alice.test", "email": "alice@example.com", "invite_code": None, "client_ip": "192.0.2.1"}
    assert world.hooks.asked == [("check_sign_up", given)]


async def test_a_recovery_key_stands_above_the_server(world: World) -> None:
    mine = generate_p256()
    did = (await world.create(recoveryKey=mine.public.did_key)).account.did
    last = await world.plc.last_operation(did)
    assert last["rotationKeys"] == [mine.public.did_key, world.keys.rotation_key().public.did_key]
    await world.plc.submit(did, update(last, mine, handle="elsewhere.example.com"))


async def test_an_attempt_whose_did_is_not_taken_leaves_nothing_behind(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(did: Did, operation: object) -> None:
        raise OperationRefused("no")

    monkeypatch.setattr(world.plc, "submit", refuse)
    with pytest.raises(OperationRefused):
        await world.create()
    assert world.store.accounts.count() == 0
    assert list(world.repositories.dids()) == []
    monkeypatch.undo()
    await world.create()


async def test_a_did_made_for_an_attempt_that_failed_is_ended(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []

    def fail(account: Any) -> None:
        made.append(account.did)
        raise OSError("the disk is full")

    monkeypatch.setattr(world.store.accounts, "create", fail)
    with pytest.raises(OSError, match="disk"):
        await world.create()
    with pytest.raises(DidNotFound):
        await world.plc.document(Did(made[0]))
    assert list(world.repositories.dids()) == []


async def test_an_invite_code_is_good_for_as_many_accounts_as_it_says(tmp_path: Path) -> None:
    world = World(tmp_path, invite_required=True)
    code = (await world.invites.create(1))[0].codes[0]
    assert code.startswith("pds-example-com-")
    with pytest.raises(InvalidInviteCode):
        await world.create()
    await world.create(inviteCode=code)
    with pytest.raises(InvalidInviteCode):
        await world.create("bob", inviteCode=code)
    await world.close()


async def test_invite_codes_of_an_account_are_listed_with_their_uses(world: World) -> None:
    alice = (await world.create()).account.did
    used, unused = (await world.invites.create(1, count=2, accounts=[alice]))[0].codes
    bob = (await world.create("bob", inviteCode=used)).account.did
    listed = {code.code: [use.used_by for use in code.uses] for code in world.invites.list_for(alice)}
    assert listed == {used: [bob], unused: []}
    assert [code.code for code in world.invites.list_for(alice, include_used=False)] == [unused]
    with pytest.raises(InvalidRequest):
        await world.invites.create(0)


async def test_a_did_web_account_is_answered_for_here(tmp_path: Path) -> None:
    world = World(tmp_path, did_method="web")
    session = await world.create()
    did = session.account.did
    assert did == "did:web:alice.test"
    await world.identities.check_points_here(did)
    await world.accounts.deactivate(did)
    await world.accounts.activate(did)
    await world.identities.update_handle(did, "alicia.test")
    assert (await world.dids.resolve(did)).handle == "alicia.test"
    await world.close()


async def test_the_did_of_an_account_that_is_there_is_not_ended_whoever_goes_away(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    create, begun, go_on = world.store.accounts.create, threading.Event(), threading.Event()

    def slow(account: Any) -> None:
        begun.set()
        go_on.wait(10)
        create(account)

    monkeypatch.setattr(world.store.accounts, "create", slow)
    request = asyncio.create_task(world.create())
    await asyncio.to_thread(begun.wait, 10)
    request.cancel()
    await asyncio.sleep(0)
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await request
    account = world.store.accounts.by_handle("alice.test")
    assert account is not None
    await world.identities.check_points_here(account.did)


async def test_one_did_moves_in_once_however_many_attempts_come_at_a_time(world: World) -> None:
    arrivals = [world.create(name, MIGRANT, did=MIGRANT) for name in ("one", "two", "three")]
    made = await asyncio.gather(*arrivals, return_exceptions=True)
    assert sum(isinstance(error, InvalidRequest) for error in made) == 2
    with world.repositories.open(MIGRANT) as repository:
        root = repository.root()
    assert root is not None
    assert world.store.repo_heads.get(MIGRANT) == (root.commit, root.rev)
