"""The owner's operations on his DID, over the real stores and the ledger: signed, refused, published, told."""

import asyncio
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from account_world import MIGRANT, URL, World

from tempest_pds.protocol.crypto.keys import generate_k256, generate_p256
from tempest_pds.protocol.data_model.cid import CID
from tempest_pds.protocol.identity.did_document import DidDocument
from tempest_pds.protocol.identity.plc_operation import InvalidOperation, Operation, sign, tombstone, update
from tempest_pds.protocol.syntax.did import Did
from tempest_pds.protocol.syntax.handle import Handle
from tempest_pds.remote.errors import BadAnswer, TimedOut, Unreachable
from tempest_pds.services.email_codes import EmailCodes
from tempest_pds.services.errors import ExpiredToken, InvalidRequest, InvalidToken
from tempest_pds.services.mail_texts import MailTexts
from tempest_pds.services.plc_operations import PlcChanges, PlcOperations
from tempest_pds_plugins.mailer import Mail

OPERATOR = generate_p256().public.did_key


class Letterbox:
    """Takes the mails, and keeps the codes in them."""

    def __init__(self) -> None:
        self.codes: list[str] = []

    def add(self, mail: Mail, lifetime_seconds: float) -> None:
        found = re.search(r"[A-Z2-7]{5}-[A-Z2-7]{5}", mail.text)
        assert found is not None
        self.codes.append(found[0])

    def stir(self) -> None:
        pass


class Scene:
    """An account with its operations."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.letterbox = Letterbox()
        self.now = 1_000_000_000_000
        codes = EmailCodes(
            store=world.store,
            writer=world.writer,
            outbox=self.letterbox,
            texts=MailTexts("pds.test"),
            now=lambda: self.now,
        )
        self.operations = PlcOperations(
            store=world.store,
            writer=world.writer,
            keys=world.keys,
            plc=world.plc,
            dids=world.dids,
            email_codes=codes,
            announcer=world.announcer,
            hooks=world.hooks,
            events=world.events,
            public_url=URL,
            operator_key=OPERATOR,
        )
        self.did = Did("")

    async def begin(self) -> "Scene":
        self.did = (await self.world.create()).account.did
        self.world.log.take()
        self.world.hooks.told.clear()
        return self

    async def code(self) -> str:
        await self.operations.request_signature(self.did)
        return self.letterbox.codes[-1]

    async def sign(self, **changes: Any) -> Operation:
        return await self.operations.sign(self.did, await self.code(), PlcChanges(**changes))

    async def last(self) -> Operation:
        return await self.world.plc.last_operation(self.did)

    def told(self) -> list[tuple[str, Any]]:
        return [(event.kind, event.handle) for event in self.world.log.take()]


@pytest.fixture
async def scene(world: World) -> Scene:
    return await Scene(world).begin()


async def test_the_recommended_is_what_the_account_needs_to_live_here(scene: Scene) -> None:
    recommended = scene.operations.recommend(scene.did)
    assert recommended.rotation_keys == [OPERATOR, scene.world.keys.rotation_key().public.did_key]
    assert recommended.also_known_as == ["at://alice.test"]
    assert recommended.verification_methods == {"atproto": scene.world.keys.signing_key(scene.did).public.did_key}
    assert recommended.services == {"atproto_pds": {"type": "AtprotoPersonalDataServer", "endpoint": URL}}


async def test_a_did_web_that_was_brought_along_is_told_the_same(scene: Scene) -> None:
    await scene.world.create("moved", MIGRANT, did=MIGRANT)
    recommended = scene.operations.recommend(MIGRANT)
    assert recommended.also_known_as == ["at://moved.test"]
    assert recommended.verification_methods == {"atproto": scene.world.keys.signing_key(MIGRANT).public.did_key}
    for asked in (
        scene.operations.request_signature(MIGRANT),
        scene.operations.sign(MIGRANT, "AAAAA-AAAAA", PlcChanges()),
        scene.operations.submit(MIGRANT, {}),
    ):
        with pytest.raises(InvalidRequest, match="Only a did:plc"):
            await asked


async def test_what_is_not_given_is_kept(scene: Scene) -> None:
    before = await scene.last()
    same = await scene.sign()
    fields = ("rotationKeys", "alsoKnownAs", "verificationMethods", "services")
    assert {name: same[name] for name in fields} == {name: before[name] for name in fields}
    assert same["prev"] is not None
    assert await scene.last() == before, "signing publishes nothing"
    changed = await scene.sign(
        rotation_keys=[OPERATOR],
        also_known_as=["at://elsewhere.test"],
        verification_methods={"atproto": OPERATOR},
        services={"x": {"type": "X", "endpoint": "https://x.test"}},
    )
    assert (changed["rotationKeys"], changed["alsoKnownAs"]) == ([OPERATOR], ["at://elsewhere.test"])
    assert (changed["verificationMethods"], list(changed["services"])) == ({"atproto": OPERATOR}, ["x"])
    await scene.world.plc.submit(scene.did, changed)


async def test_a_code_signs_once(scene: Scene) -> None:
    code = await scene.code()
    await scene.operations.sign(scene.did, code.lower(), PlcChanges())
    with pytest.raises(InvalidToken):
        await scene.operations.sign(scene.did, code, PlcChanges())
    code = await scene.code()
    signed = await asyncio.gather(
        *(scene.operations.sign(scene.did, code, PlcChanges()) for _ in range(5)), return_exceptions=True
    )
    assert sorted(type(each).__name__ for each in signed) == ["InvalidToken"] * 4 + ["dict"]


async def test_without_a_good_code_nothing_is_signed(scene: Scene) -> None:
    for missing in (None, ""):
        with pytest.raises(InvalidRequest, match="email confirmation token required to sign PLC operations"):
            await scene.operations.sign(scene.did, missing, PlcChanges())
    with pytest.raises(InvalidToken):
        await scene.operations.sign(scene.did, "AAAAA-AAAAA", PlcChanges())
    bob = (await scene.world.create("bob")).account.did
    code = await scene.code()
    with pytest.raises(InvalidToken):
        await scene.operations.sign(bob, code, PlcChanges())
    scene.now += 16 * 60 * 1_000_000
    with pytest.raises(ExpiredToken):
        await scene.operations.sign(scene.did, code, PlcChanges())


@pytest.mark.parametrize(
    "changes",
    [
        {"rotation_keys": []},
        {"rotation_keys": ["did:key:nonsense"]},
        {"rotation_keys": [OPERATOR] * 6},
        {"services": {"atproto_pds": "https://pds.test"}},
        {"services": {"atproto_pds": {"type": "AtprotoPersonalDataServer"}}},
        {"verification_methods": {"atproto": 7}},
        {"verification_methods": {"atproto": "zQ3"}},
        {"also_known_as": ["at://" + "x" * 8_000]},
    ],
)
async def test_a_mistake_does_not_use_up_the_code(scene: Scene, changes: dict[str, Any]) -> None:
    code = await scene.code()
    with pytest.raises(InvalidOperation):
        await scene.operations.sign(scene.did, code, PlcChanges(**changes))
    await scene.operations.sign(scene.did, code, PlcChanges())


@pytest.mark.parametrize("trouble", [TimedOut("slow"), Unreachable("down"), BadAnswer("rubbish")])
async def test_a_directory_in_trouble_does_not_use_up_the_code(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, trouble: Exception
) -> None:
    code = await scene.code()

    async def fail(did: Did) -> Operation:
        raise trouble

    with monkeypatch.context() as patched:
        patched.setattr(scene.world.plc, "last_operation", fail)
        with pytest.raises(type(trouble)):
            await scene.operations.sign(scene.did, code, PlcChanges())
    await scene.operations.sign(scene.did, code, PlcChanges())


async def test_a_server_without_its_key_in_the_did_says_so(scene: Scene) -> None:
    own = generate_k256()
    alone = update(await scene.last(), scene.world.keys.rotation_key(), rotation_keys=[own.public.did_key])
    await scene.world.plc.submit(scene.did, alone)
    code = await scene.code()
    with pytest.raises(InvalidRequest, match="Server rotation key not included in PLC DID data"):
        await scene.operations.sign(scene.did, code, PlcChanges())
    await scene.world.plc.submit(scene.did, tombstone(alone, own))
    with pytest.raises(InvalidRequest, match="Did is tombstoned"):
        await scene.operations.sign(scene.did, code, PlcChanges())


async def test_what_is_submitted_is_in_force_and_told(scene: Scene) -> None:
    document = await scene.world.dids.resolve(scene.did)
    own = generate_p256().public.did_key
    recommended = scene.operations.recommend(scene.did)
    signed = await scene.sign(
        rotation_keys=[own, *recommended.rotation_keys], also_known_as=["at://alice.test", "https://alice.example.com"]
    )
    await scene.operations.submit(scene.did, signed)
    assert await scene.last() == signed
    assert scene.told() == [("identity", "alice.test")]
    assert scene.world.hooks.told == ["alice.test identity"]
    changed = await scene.world.dids.resolve(scene.did)
    assert (len(document.also_known_as), len(changed.also_known_as)) == (1, 2)
    await scene.operations.submit(scene.did, signed)
    assert scene.told() == [("identity", "alice.test")], "a second attempt tells what the first could not"


async def test_a_deactivated_account_submits_before_it_is_activated(scene: Scene) -> None:
    signed = await scene.sign()
    await scene.world.accounts.deactivate(scene.did)
    scene.world.log.take()
    await scene.operations.submit(scene.did, signed)
    assert await scene.last() == signed


@pytest.mark.parametrize("operation", [{}, {"type": "plc_operation"}, {"type": "nonsense"}])
async def test_what_is_no_operation_is_refused(scene: Scene, operation: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequest, match="Invalid operation"):
        await scene.operations.submit(scene.did, operation)


async def test_the_end_of_a_did_is_not_submitted_here(scene: Scene) -> None:
    ended = tombstone(await scene.last(), scene.world.keys.rotation_key())
    old = {
        "type": "create",
        "signingKey": OPERATOR,
        "recoveryKey": OPERATOR,
        "handle": "alice.test",
        "service": URL,
        "prev": None,
        "sig": "AA",
    }
    for operation in (ended, old):
        with pytest.raises(InvalidRequest, match="Invalid operation"):
            await scene.operations.submit(scene.did, operation)


async def test_what_the_directory_refuses_is_the_callers_fault_and_changes_nothing(scene: Scene) -> None:
    signed = await scene.sign()
    stranger = generate_k256()
    before = await scene.last()
    for operation in (sign(signed, stranger), {**signed, "prev": None}, {**signed, "sig": "AAAA"}):
        with pytest.raises(InvalidRequest):
            await scene.operations.submit(scene.did, operation)
    bob = (await scene.world.create("bob")).account.did
    scene.world.log.take()
    with pytest.raises(InvalidRequest):
        await scene.operations.submit(bob, signed)
    assert await scene.last() == before
    assert scene.told() == []


async def test_an_operation_whose_fate_is_not_known_tells_nothing(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    signed = await scene.sign()

    async def fail(did: Did, operation: Operation) -> None:
        raise TimedOut("slow")

    with monkeypatch.context() as patched:
        patched.setattr(scene.world.plc, "submit", fail)
        with pytest.raises(TimedOut):
            await scene.operations.submit(scene.did, signed)
    assert scene.told() == []
    await scene.operations.submit(scene.did, signed)
    assert scene.told() == [("identity", "alice.test")]


async def test_an_owner_who_goes_away_meanwhile_is_told_of_all_the_same(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    signed = await scene.sign()
    taken, gone = asyncio.Event(), asyncio.Event()
    submit = scene.world.plc.submit

    async def slow(did: Did, operation: Operation) -> None:
        await submit(did, operation)
        taken.set()
        await gone.wait()

    monkeypatch.setattr(scene.world.plc, "submit", slow)
    request = asyncio.ensure_future(scene.operations.submit(scene.did, signed))
    await taken.wait()
    request.cancel()
    await asyncio.sleep(0)
    gone.set()
    with pytest.raises(asyncio.CancelledError):
        await request
    assert scene.told() == [("identity", "alice.test")]


async def test_what_became_of_the_account_while_the_directory_was_asked_counts(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    signed = await scene.sign()
    accounts, submit = scene.world.store.accounts, scene.world.plc.submit
    meanwhile: list[Callable[[], bool]] = [
        lambda: accounts.set_handle(scene.did, Handle("alicia.test")),
        lambda: accounts.delete(scene.did),
    ]

    async def slow(did: Did, operation: Operation) -> None:
        await submit(did, operation)
        await scene.world.writer.run(meanwhile.pop(0))

    monkeypatch.setattr(scene.world.plc, "submit", slow)
    await scene.operations.submit(scene.did, signed)
    assert scene.told() == [("identity", "alicia.test")]
    again = await scene.sign(also_known_as=["at://alicia.test"])
    with pytest.raises(InvalidRequest, match="account not found"):
        await scene.operations.submit(scene.did, again)
    assert scene.told() == [], "nothing is told behind the end of an account"


async def test_an_operation_is_of_plain_json(scene: Scene) -> None:
    signed, key = await scene.sign(), scene.world.keys.rotation_key()
    for value in (b"bytes", CID.for_dag_cbor(b"link"), [{"deep": b"bytes"}]):
        with pytest.raises(InvalidRequest, match="Invalid operation"):
            await scene.operations.submit(scene.did, sign({**signed, "more": value}, key))


async def test_an_owner_takes_his_keys_to_himself_and_lives_on_here(scene: Scene) -> None:
    own, server = generate_p256(), scene.world.keys.rotation_key().public.did_key
    joined = await scene.sign(rotation_keys=[own.public.did_key, server])
    await scene.operations.submit(scene.did, joined)
    by_server = await scene.sign(rotation_keys=[own.public.did_key])
    with pytest.raises(InvalidRequest, match="Rotation keys do not include server's rotation key"):
        await scene.operations.submit(scene.did, by_server)
    alone = update(joined, own, rotation_keys=[own.public.did_key])
    await scene.operations.submit(scene.did, alone)
    assert (await scene.last())["rotationKeys"] == [own.public.did_key]
    await scene.world.accounts.deactivate(scene.did)
    await scene.world.accounts.activate(scene.did)
    renamed = update(alone, own, handle="alicia.test")
    with pytest.raises(InvalidRequest, match="Incorrect handle"):
        await scene.operations.submit(scene.did, renamed)
    await scene.world.plc.submit(scene.did, renamed)
    await scene.world.identities.update_handle(scene.did, "alicia.test")
    assert DidDocument.parse(await scene.world.plc.document(scene.did)).handle == "alicia.test"
    back = update(renamed, own, rotation_keys=[own.public.did_key, server])
    await scene.operations.submit(scene.did, back)
    await scene.sign()


async def test_the_owners_key_stands_first_in_a_new_did_then_the_operators_then_the_servers(tmp_path: Path) -> None:
    world = World(tmp_path, operator_key=OPERATOR)
    own = generate_k256().public.did_key
    did = (await world.create(recoveryKey=own)).account.did
    server = world.keys.rotation_key().public.did_key
    assert (await world.plc.last_operation(did))["rotationKeys"] == [own, OPERATOR, server]
    await world.close()
