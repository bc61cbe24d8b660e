"""Accounts from sign-up to deactivation, with the real stores, key files and ledger in a folder."""

import json
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from tempest_pds.protocol.crypto import jwt
from tempest_pds.protocol.crypto.keys import generate_k256, generate_p256
from tempest_pds.protocol.data_model import car
from tempest_pds.protocol.data_model.cid import CID
from tempest_pds.protocol.identity.did_document import DidDocument
from tempest_pds.protocol.identity.plc_operation import update
from tempest_pds.protocol.syntax.did import Did
from tempest_pds.protocol.syntax.handle import Handle
from tempest_pds.protocol.syntax.tid import TidClock
from tempest_pds.remote.did_resolver import DidResolver
from tempest_pds.remote.errors import DidNotFound, OperationRefused, Unreachable
from tempest_pds.remote.handle_resolver import HandleResolver
from tempest_pds.remote.plc_ledger import PlcLedger
from tempest_pds.remote.safe_fetch import SafeFetch
from tempest_pds.repo.block_source import MemoryBlockSource
from tempest_pds.repo.verify import verify_repo
from tempest_pds.services.account_writer import AccountWriter
from tempest_pds.services.accounts import Accounts
from tempest_pds.services.announcer import Announcer
from tempest_pds.services.app_passwords import AppPasswords
from tempest_pds.services.credentials import Credentials, Scope
from tempest_pds.services.errors import (
    AccountNotFound,
    AccountTakedown,
    AuthenticationRequired,
    DuplicateCreate,
    ExpiredToken,
    HandleNotAvailable,
    HandleNotFound,
    InvalidHandle,
    InvalidInviteCode,
    InvalidPassword,
    InvalidRequest,
    UnresolvableDid,
    UnsupportedDomain,
)
from tempest_pds.services.event_frames import Event, encode_frame
from tempest_pds.services.handle_rules import HandleRules
from tempest_pds.services.hosted_documents import HostedDocuments
from tempest_pds.services.identities import Identities
from tempest_pds.services.invites import Invites
from tempest_pds.services.passwords import Passwords
from tempest_pds.services.sessions import Session, Sessions
from tempest_pds.services.sign_up import NewAccount, SignUp, SignUpRules
from tempest_pds.services.tokens import Tokens
from tempest_pds.stores.account.account_store import AccountStore
from tempest_pds.stores.actor.stores import ActorStores
from tempest_pds.stores.key_files import KeyFiles
from tempest_pds.stores.sequencer.store import EventRow, SequencerStore

SERVER = Did.parse("did:web:localhost")
URL = "http://localhost:4000"
PASSWORD = "correct horse battery"
MIGRANT = Did.parse("did:web:migrant.example.com")


class Clock:
    now = 1_700_000_000.0

    def __call__(self) -> float:
        return self.now


class Log:
    """Takes events as the commit log does."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.batches: list[int] = []
        self.down = False

    async def append(self, events: Sequence[Event]) -> None:
        if self.down:
            raise OSError("the disk is full")
        self.events += events
        self.batches.append(len(events))

    def take(self) -> list[Any]:
        events, self.events = self.events, []
        return events


class Hooks:
    """A plugin that writes down what it is told, and may refuse."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.refusal: str | None = None

    def notify(self, hook_name: str, **kwargs: object) -> None:
        self.told.append(f"{kwargs['handle']} {kwargs['change']}")

    def first_refusal(self, hook_name: str, **kwargs: object) -> str | None:
        assert set(kwargs) == {"handle", "email", "invite_code", "client_ip"}
        return self.refusal


class World:
    """A whole server without its HTTP."""

    def __init__(self, folder: Path, **rules: Any) -> None:
        for name in ("repos", "keys"):
            (folder / name).mkdir(exist_ok=True)
        self.clock = Clock()
        self.txt: dict[str, list[str]] = {}
        self.store = AccountStore(folder / "account.sqlite", synchronous="OFF")
        self.sequencer = SequencerStore(folder / "sequencer.sqlite", synchronous="OFF")
        self.keys = KeyFiles(folder / "keys")
        self.repositories = ActorStores(folder / "repos")
        self.writer = AccountWriter()
        self.passwords = Passwords(memory_kib=64)
        self.fetch = SafeFetch()
        self.log = Log()
        self.hooks = Hooks()
        self.plc = PlcLedger(folder / "plc.jsonl")
        handle_rules = HandleRules([".test"])
        documents = HostedDocuments(self.store, self.keys, handle_rules, SERVER, URL)
        self.documents = documents
        self.dids = DidResolver(self.fetch, self.plc, own=self.own_document)
        self.migrant_document: dict[str, Any] | None = None
        handles = HandleResolver(self.fetch, look_up_txt=self.look_up_txt)
        tokens = Tokens(b"s" * 32, SERVER, self.clock)
        self.sessions = Sessions(self.store, self.writer, tokens, self.passwords, self.dids, self.clock)
        self.app_passwords = AppPasswords(self.store, self.writer)
        self.invites = Invites(self.store, self.writer, "pds.example.com")
        self.announcer = Announcer(self.store, self.writer, self.log, self.sequencer.has_commit)
        self.identities = Identities(
            store=self.store,
            writer=self.writer,
            keys=self.keys,
            plc=self.plc,
            dids=self.dids,
            handles=handles,
            rules=handle_rules,
            documents=documents,
            announcer=self.announcer,
            hooks=self.hooks,
            public_url=URL,
        )
        sign_up = SignUp(
            store=self.store,
            writer=self.writer,
            keys=self.keys,
            repositories=self.repositories,
            plc=self.plc,
            dids=self.dids,
            identities=self.identities,
            sessions=self.sessions,
            passwords=self.passwords,
            invites=self.invites,
            announcer=self.announcer,
            hooks=self.hooks,
            revs=TidClock(),
            rules=SignUpRules(public_url=URL, **rules),
        )
        self.accounts = Accounts(
            store=self.store,
            writer=self.writer,
            keys=self.keys,
            repositories=self.repositories,
            identities=self.identities,
            announcer=self.announcer,
            hooks=self.hooks,
            sign_up=sign_up,
        )

    async def look_up_txt(self, name: str) -> list[str]:
        if name not in self.txt:
            raise Unreachable("no name server in tests")
        return self.txt[name]

    def own_document(self, did: Did) -> dict[str, Any] | None:
        return self.migrant_document if did == MIGRANT else self.documents.document(did)

    async def create(self, name: str = "alice", requester: Did | None = None, **changed: Any) -> Session:
        given = {"handle": f"{name}.test", "email": f"{name}@example.com", "password": PASSWORD} | changed
        return await self.accounts.create(NewAccount.from_input(given), requester, "192.0.2.1")

    async def close(self) -> None:
        await self.fetch.close()
        self.passwords.close()
        self.writer.close()
        self.repositories.close()
        self.store.close()
        self.sequencer.close()


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    made = World(tmp_path)
    yield made
    await made.close()


def refresh_credentials(world: World, session: Session) -> Credentials:
    assert session.tokens is not None
    return world.sessions.verify_refresh(session.tokens.refresh_jwt)


def access(world: World, session: Session) -> Credentials:
    assert session.tokens is not None
    return world.sessions.verify_access(session.tokens.access_jwt)


# Sign-up


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
    prepared = commit.prepared
    roots, blocks = car.decode(prepared.car)
    assert roots == [prepared.commit]
    assert sync.commit == prepared.commit
    assert (prepared.since, prepared.prev_data, prepared.ops) == (None, None, [])
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


async def test_a_handle_and_an_address_are_given_out_once(world: World) -> None:
    await world.create()
    for handle in ("alice.test", "ALICE.test"):
        with pytest.raises(HandleNotAvailable, match=r"Handle already taken: alice\.test"):
            await world.create(email="b@example.com", handle=handle)
    with pytest.raises(InvalidRequest, match=r"Email already taken: alice@example\.com"):
        await world.create("bob", email="Alice@Example.com")


async def test_a_policy_may_refuse(world: World) -> None:
    world.hooks.refusal = "Not today"
    with pytest.raises(InvalidRequest, match="Not today"):
        await world.create()


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


# Moving here


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
    own = generate_k256().public.did_key
    signing = world.keys.signing_key(did).public.did_key
    await world.plc.submit(did, update(back, world.keys.rotation_key(), signing_key=signing, rotation_keys=[own]))
    with pytest.raises(InvalidRequest, match="Server rotation key not included"):
        await world.accounts.activate(did)


async def test_deactivation_is_told_and_undone(world: World) -> None:
    did = (await world.create()).account.did
    world.log.take()
    await world.accounts.deactivate(did, "2030-01-01T00:00:00Z")
    account = world.store.accounts.get(did)
    assert account is not None
    assert (account.is_active, account.delete_after) == (False, 1_893_456_000_000_000)
    assert [(event.kind, event.status) for event in world.log.take()] == [("account", "deactivated")]
    with pytest.raises(HandleNotFound):
        await world.identities.resolve_handle("alice.test")
    await world.accounts.activate(did)
    kinds = [event.kind for event in world.log.take()]
    assert kinds == ["account", "identity", "sync"]
    with pytest.raises(InvalidRequest):
        await world.accounts.deactivate(did, "tomorrow")
    with pytest.raises(AccountNotFound):
        await world.accounts.deactivate(MIGRANT)


async def test_the_state_of_a_move_can_be_watched(world: World) -> None:
    did = (await world.create()).account.did
    report = await world.accounts.check_status(did)
    assert (report.activated, report.valid_did, report.records, report.blocks) == (True, True, 0, 2)
    assert (report.expected_blobs, report.imported_blobs) == (0, 0)
    assert isinstance(report.commit, CID)


# Sessions


@pytest.mark.parametrize(
    "identifier", ["alice.test", "ALICE.test", "@alice.test", "alice@example.com", "Alice@Example.COM", " alice.test "]
)
async def test_one_logs_in_by_handle_or_address_in_any_case(world: World, identifier: str) -> None:
    await world.create()
    session = await world.sessions.create(identifier, PASSWORD)
    assert session.account.handle == "alice.test"
    assert session.did_doc is not None


async def test_one_logs_in_by_did(world: World) -> None:
    did = (await world.create()).account.did
    assert (await world.sessions.create(did, PASSWORD)).account.did == did


@pytest.mark.parametrize(
    ("identifier", "password"),
    [
        ("alice.test", "wrong password"),
        ("bob.test", PASSWORD),
        ("x@y.com", PASSWORD),
        ("", ""),
        ("did:plc:x", PASSWORD),
        ("alice.test", "x" * 513),
    ],
)
async def test_what_was_wrong_with_a_login_is_not_told(world: World, identifier: str, password: str) -> None:
    await world.create()
    with pytest.raises(AuthenticationRequired) as caught:
        await world.sessions.create(identifier, password)
    assert type(caught.value) is AuthenticationRequired


async def test_a_deactivated_account_may_log_in(world: World) -> None:
    did = (await world.create()).account.did
    await world.accounts.deactivate(did)
    session = await world.sessions.create("alice.test", PASSWORD)
    assert (session.account.is_active, session.account.status) == (False, "deactivated")


async def test_an_account_that_was_taken_down_gets_a_narrow_session_only(world: World) -> None:
    did = (await world.create()).account.did
    app_password = (await world.app_passwords.create(did, "app")).password
    assert app_password is not None
    world.store.accounts.set_takedown(did, "ref")
    with pytest.raises(AccountTakedown):
        await world.sessions.create("alice.test", PASSWORD)
    with pytest.raises(AuthenticationRequired):
        await world.sessions.create("alice.test", app_password, allow_takendown=True)
    session = await world.sessions.create("alice.test", PASSWORD, allow_takendown=True)
    assert access(world, session).scope is Scope.TAKENDOWN
    with pytest.raises(AccountTakedown):
        await world.sessions.refresh(refresh_credentials(world, session))
    world.store.accounts.set_takedown(did, None)
    with pytest.raises(ExpiredToken):
        await world.sessions.refresh(refresh_credentials(world, session))


async def test_app_passwords_open_sessions_of_their_own_scope_until_revoked(world: World) -> None:
    did = (await world.create()).account.did
    plain = await world.app_passwords.create(did, "plain")
    privileged = await world.app_passwords.create(did, "privileged", privileged=True)
    with pytest.raises(DuplicateCreate):
        await world.app_passwords.create(did, "plain")
    assert [row.name for row in world.app_passwords.list_for(did)] == ["privileged", "plain"]
    assert all(row.password is None for row in world.app_passwords.list_for(did))
    assert plain.password is not None
    assert privileged.password is not None
    first = await world.sessions.create("alice.test", plain.password)
    second = await world.sessions.create("alice.test", privileged.password)
    assert access(world, first).scope is Scope.APP_PASS
    assert access(world, second).scope is Scope.APP_PASS_PRIVILEGED
    again = await world.sessions.refresh(refresh_credentials(world, second))
    assert access(world, again).scope is Scope.APP_PASS_PRIVILEGED
    await world.app_passwords.revoke(did, "plain")
    with pytest.raises(ExpiredToken):
        await world.sessions.refresh(refresh_credentials(world, first))
    with pytest.raises(AuthenticationRequired):
        await world.sessions.create("alice.test", plain.password)
    await world.sessions.create("alice.test", privileged.password)


async def test_a_refresh_token_used_twice_within_two_hours_leads_to_the_same_successor(world: World) -> None:
    credentials = refresh_credentials(world, await world.create())
    first = await world.sessions.refresh(credentials)
    world.clock.now += 7199
    second = await world.sessions.refresh(credentials)
    assert first.tokens is not None
    assert second.tokens is not None
    assert first.tokens.refresh_jwt == second.tokens.refresh_jwt
    assert first.tokens.access_jwt != second.tokens.access_jwt
    world.clock.now += 1
    with pytest.raises(ExpiredToken):
        await world.sessions.refresh(credentials)
    third = await world.sessions.refresh(refresh_credentials(world, first))
    assert third.tokens is not None
    assert third.tokens.refresh_jwt != first.tokens.refresh_jwt


async def test_logging_out_ends_the_session_and_no_other(world: World) -> None:
    await world.create()
    one = await world.sessions.create("alice.test", PASSWORD)
    other = await world.sessions.create("alice.test", PASSWORD)
    for _ in range(2):
        await world.sessions.delete(refresh_credentials(world, one))
    with pytest.raises(ExpiredToken):
        await world.sessions.refresh(refresh_credentials(world, one))
    await world.sessions.refresh(refresh_credentials(world, other))


async def test_a_session_can_be_looked_at(world: World) -> None:
    made = await world.create()
    session = await world.sessions.get(access(world, made))
    assert (session.handle, session.tokens, session.did_doc) == ("alice.test", None, made.did_doc)


async def test_tokens_tell_nothing_but_what_they_must(world: World) -> None:
    session = await world.create()
    assert session.tokens is not None
    for token in (session.tokens.access_jwt, session.tokens.refresh_jwt):
        assert "alice" not in json.dumps(jwt.decode_unverified(token).claims)


# Handles


async def test_a_handle_here_is_resolved_here(world: World) -> None:
    did = (await world.create()).account.did
    assert await world.identities.resolve_handle("Alice.test") == did
    for handle in ("bob.test", "nobody.example.com"):
        with pytest.raises(HandleNotFound):
            await world.identities.resolve_handle(handle)
    with pytest.raises(InvalidHandle):
        await world.identities.resolve_handle("not a handle")


async def test_a_handle_elsewhere_is_asked_for(world: World) -> None:
    world.txt["_atproto.carol.example.com."] = ["did=did:plc:cccccccccccccccccccccccc"]
    assert await world.identities.resolve_handle("carol.example.com") == "did:plc:cccccccccccccccccccccccc"


async def test_a_new_handle_is_in_the_did_and_told(world: World) -> None:
    did = (await world.create()).account.did
    world.log.take()
    await world.identities.update_handle(did, "Alicia.test")
    assert DidDocument.parse(await world.plc.document(did)).handle == "alicia.test"
    assert (await world.dids.resolve(did)).handle == "alicia.test"
    assert [(event.kind, event.handle) for event in world.log.take()] == [("identity", "alicia.test")]
    assert await world.identities.resolve_handle("alicia.test") == did
    with pytest.raises(HandleNotFound):
        await world.identities.resolve_handle("alice.test")
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
    assert await world.identities.resolve_handle("alice.example.com") == did


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
