"""Operations and logs of did:plc."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tempest_pds.protocol.crypto.jwt import decode_base64url, encode_base64url
from tempest_pds.protocol.crypto.keys import ORDERS, private_key
from tempest_pds.protocol.errors import InvalidSignature, ProtocolError
from tempest_pds.protocol.identity.did_document import DidDocument
from tempest_pds.protocol.identity.plc_log import (
    LateRecovery,
    LogEntry,
    MisorderedOperation,
    last_for,
    next_entries,
    verify_audit_log,
    verify_log,
)
from tempest_pds.protocol.identity.plc_operation import (
    InvalidOperation,
    Operation,
    check_operation,
    did_for_genesis,
    genesis,
    normalize,
    operation_cid,
    sign,
    state_after,
    to_did_document,
    tombstone,
    update,
    verify_operation,
)
from tempest_pds.protocol.syntax.did import Did

STRONG, MIDDLE, WEAK = private_key(b"\x01" * 32), private_key(b"\x02" * 32, "p256"), private_key(b"\x03" * 32)
SIGNING, OTHER = private_key(b"\x04" * 32), private_key(b"\x05" * 32)
ROTATION_KEYS = [key.public.did_key for key in (STRONG, MIDDLE, WEAK)]
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def make_genesis(**changes: Any) -> Operation:
    arguments: dict[str, Any] = {
        "handle": "alice.test",
        "signing_key": SIGNING.public.did_key,
        "pds_url": "https://pds.test",
        "rotation_keys": ROTATION_KEYS,
        "signer": WEAK,
    }
    return genesis(**{**arguments, **changes})


GENESIS = make_genesis()
DID = did_for_genesis(GENESIS)
UPDATE = update(GENESIS, WEAK, handle="bob.test")


def log_of(*operations: Operation, did: Did = DID) -> list[LogEntry]:
    log: list[LogEntry] = []
    for number, operation in enumerate(operations):
        log = next_entries(did, log, operation, NOON + number * HOUR)
    return log


def test_a_genesis_operation_makes_the_did() -> None:
    assert DID.startswith("did:plc:")
    assert len(DID) == 32
    assert did_for_genesis(make_genesis(handle="bob.test")) != DID
    assert sorted(GENESIS) == ["alsoKnownAs", "prev", "rotationKeys", "services", "sig", "type", "verificationMethods"]
    assert verify_operation(GENESIS, ROTATION_KEYS) == WEAK.public.did_key


def test_a_genesis_operation_is_signed_by_its_own_rotation_key() -> None:
    with pytest.raises(InvalidOperation):
        make_genesis(signer=OTHER)


def test_a_log_ends_in_a_document() -> None:
    state = verify_log(DID, [GENESIS, UPDATE])
    assert state is not None
    document = DidDocument.parse(to_did_document(state))
    assert (document.did, document.handle) == (DID, "bob.test")
    assert document.signing_key == SIGNING.public.did_key
    assert document.pds_endpoint == "https://pds.test"


def test_an_update_changes_what_it_is_told() -> None:
    changed = update(
        GENESIS,
        STRONG,
        handle="bob.test",
        signing_key=OTHER.public.did_key,
        pds_url="https://other.test",
        rotation_keys=[STRONG.public.did_key],
    )
    state = verify_log(DID, [GENESIS, changed])
    assert state is not None
    assert state.also_known_as == ("at://bob.test",)
    assert state.verification_methods == {"atproto": OTHER.public.did_key}
    assert state.services == {"atproto_pds": ("AtprotoPersonalDataServer", "https://other.test")}
    assert state.rotation_keys == (STRONG.public.did_key,)
    assert state_after(DID, update(GENESIS, STRONG)) == state_after(DID, GENESIS)


def test_a_handle_takes_the_place_of_the_first_one() -> None:
    names = update(GENESIS, WEAK, also_known_as=["https://a.test", "at://a.test", "at://b.test"])
    assert update(names, WEAK, handle="c.test")["alsoKnownAs"] == ["https://a.test", "at://c.test", "at://b.test"]
    none = update(GENESIS, WEAK, also_known_as=["https://a.test"])
    assert update(none, WEAK, handle="c.test")["alsoKnownAs"] == ["at://c.test", "https://a.test"]


def test_an_update_replaces_whole_fields() -> None:
    changed = update(
        GENESIS, WEAK, verification_methods={}, services={"x": {"type": "X", "endpoint": "https://x.test"}}
    )
    assert changed["verificationMethods"] == {}
    assert changed["services"] == {"x": {"type": "X", "endpoint": "https://x.test"}}


def test_a_tombstone_ends_a_did() -> None:
    end = tombstone(UPDATE, WEAK)
    assert verify_log(DID, [GENESIS, UPDATE, end]) is None
    with pytest.raises(InvalidOperation):
        update(end, WEAK)
    with pytest.raises(InvalidOperation):
        tombstone(end, WEAK)
    after = sign({**UPDATE, "prev": str(operation_cid(end))}, WEAK)
    with pytest.raises(MisorderedOperation):
        verify_log(DID, [GENESIS, UPDATE, end, after])
    with pytest.raises(MisorderedOperation):
        next_entries(DID, log_of(GENESIS, UPDATE, end), after, NOON + 9 * HOUR)


def test_a_tombstone_can_be_undone() -> None:
    log = log_of(GENESIS, tombstone(GENESIS, WEAK), update(GENESIS, STRONG, handle="c.test"))
    state = verify_audit_log(DID, log)
    assert state is not None
    assert state.also_known_as == ("at://c.test",)


def test_the_old_form_of_genesis_is_read() -> None:
    old = sign(
        {
            "type": "create",
            "signingKey": SIGNING.public.did_key,
            "recoveryKey": STRONG.public.did_key,
            "handle": "alice.test",
            "service": "pds.test",
            "prev": None,
        },
        SIGNING,
    )
    did = did_for_genesis(old)
    following = update(old, STRONG, handle="bob.test")
    state = verify_log(did, [old])
    assert state is not None
    assert state.rotation_keys == (STRONG.public.did_key, SIGNING.public.did_key)
    assert state.also_known_as == ("at://alice.test",)
    assert state.services == {"atproto_pds": ("AtprotoPersonalDataServer", "https://pds.test")}
    assert verify_log(did, [old, following]) == state_after(did, following)
    with pytest.raises(MisorderedOperation):
        verify_log(did, [old, old])


def test_a_log_must_be_that_of_its_did() -> None:
    with pytest.raises(InvalidOperation):
        verify_log(Did("did:plc:" + "a" * 24), [GENESIS])
    with pytest.raises(InvalidOperation):
        next_entries(Did("did:plc:" + "a" * 24), [], GENESIS, NOON)
    with pytest.raises(InvalidOperation):
        verify_log(DID, [])
    with pytest.raises(InvalidOperation):
        verify_audit_log(DID, [])


def test_the_operations_of_a_log_are_in_order() -> None:
    second = update(UPDATE, WEAK, handle="c.test")
    for wrong in ([UPDATE], [UPDATE, GENESIS], [GENESIS, second], [GENESIS, GENESIS], [GENESIS, UPDATE, UPDATE]):
        with pytest.raises(MisorderedOperation):
            verify_log(DID, wrong)
    with pytest.raises(MisorderedOperation):
        next_entries(DID, [], UPDATE, NOON)
    with pytest.raises(MisorderedOperation):
        next_entries(DID, log_of(GENESIS), second, NOON)
    with pytest.raises(MisorderedOperation):
        next_entries(DID, log_of(GENESIS), sign({**UPDATE, "prev": "bafy"}, WEAK), NOON)
    with pytest.raises(MisorderedOperation):
        next_entries(DID, log_of(GENESIS), GENESIS, NOON)


def test_an_operation_is_signed_by_a_key_of_the_one_before() -> None:
    for signer in (OTHER, SIGNING):
        with pytest.raises(InvalidSignature):
            verify_log(DID, [GENESIS, update(GENESIS, signer)])
        with pytest.raises(InvalidSignature):
            next_entries(DID, log_of(GENESIS), update(GENESIS, signer), NOON)
    handed_over = update(GENESIS, WEAK, rotation_keys=[OTHER.public.did_key])
    assert verify_log(DID, [GENESIS, handed_over, update(handed_over, OTHER)]) is not None
    with pytest.raises(InvalidSignature):
        verify_log(DID, [GENESIS, handed_over, update(handed_over, WEAK)])


def test_signatures_have_one_form() -> None:
    signature = decode_base64url(UPDATE["sig"])
    high = signature[:32] + (ORDERS["k256"] - int.from_bytes(signature[32:], "big")).to_bytes(32, "big")
    for sig in (encode_base64url(high), UPDATE["sig"] + "==", "", "!", encode_base64url(signature[:-1])):
        with pytest.raises(InvalidSignature):
            verify_operation({**UPDATE, "sig": sig}, ROTATION_KEYS)


def test_any_change_of_an_operation_is_noticed() -> None:
    changes: list[tuple[str, Any]] = [
        ("alsoKnownAs", []),
        ("services", {}),
        ("prev", None),
        ("extra", 1),
        ("type", "x"),
    ]
    for field, value in changes:
        with pytest.raises(InvalidSignature):
            verify_operation({**UPDATE, field: value}, ROTATION_KEYS)


@pytest.mark.parametrize(
    "changes",
    [
        {"rotationKeys": []},
        {"rotationKeys": ROTATION_KEYS * 2},
        {"rotationKeys": ["did:key:z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doK"]},
        {"rotationKeys": "x"},
        {"verificationMethods": {"atproto": "zQ3shokFTS3brHcDQrn82RUDfCZESWL1ZdCEJwekUDPQiYBme"}},
        {"verificationMethods": {"atproto": 1}},
        {"alsoKnownAs": [1]},
        {"alsoKnownAs": None},
        {"services": {"atproto_pds": "https://pds.test"}},
        {"services": {"atproto_pds": {"type": "x"}}},
        {"prev": 1},
        {"type": "x"},
        {"type": None},
        {"sig": None},
        {"extra": 1.5},
        {"alsoKnownAs": ["at://" + "a" * 8000]},
    ],
)
def test_malformed_operations_are_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(InvalidOperation):
        check_operation({**GENESIS, **changes})
    for field in GENESIS:
        with pytest.raises(InvalidOperation):
            check_operation({name: value for name, value in GENESIS.items() if name != field})


@pytest.mark.parametrize("operation", [None, 1, "x", [], [1], {}, {"type": "create"}, {"type": {}}])
def test_what_is_no_operation_is_refused(operation: Any) -> None:
    with pytest.raises(InvalidOperation):
        check_operation(operation)
    with pytest.raises(ProtocolError):
        verify_log(DID, [operation])
    with pytest.raises(ProtocolError):
        verify_log(DID, [GENESIS, operation])
    with pytest.raises(ProtocolError):
        next_entries(DID, [], operation, NOON)


def test_a_verification_method_may_be_of_another_curve() -> None:
    key = "did:key:z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doK"
    state = verify_log(DID, [GENESIS, update(GENESIS, WEAK, verification_methods={"other": key})])
    assert state is not None
    document = to_did_document(state)
    assert document["verificationMethod"][0]["publicKeyMultibase"] == key.removeprefix("did:key:")


def test_a_stronger_key_undoes_what_a_weaker_did() -> None:
    second = update(UPDATE, WEAK, handle="c.test")
    recovery = update(GENESIS, MIDDLE, handle="mine.test")
    log = log_of(GENESIS, UPDATE, second, recovery)
    assert [entry.nullified for entry in log] == [False, True, True, False]
    state = verify_audit_log(DID, log)
    assert state is not None
    assert state.also_known_as == ("at://mine.test",)
    assert state == verify_log(DID, [entry.operation for entry in log if not entry.nullified])


def test_an_undoing_can_be_undone_by_a_yet_stronger_key() -> None:
    log = log_of(GENESIS, UPDATE, update(GENESIS, MIDDLE, handle="x.test"), update(GENESIS, STRONG, handle="y.test"))
    assert [entry.nullified for entry in log] == [False, True, True, False]


def test_what_was_undone_cannot_be_built_upon() -> None:
    log = log_of(GENESIS, UPDATE, update(GENESIS, MIDDLE, handle="mine.test"))
    with pytest.raises(MisorderedOperation):
        next_entries(DID, log, update(UPDATE, STRONG), NOON + 3 * HOUR)


@pytest.mark.parametrize("signer", [WEAK, MIDDLE])
def test_a_key_undoes_nothing_of_its_own_or_of_a_stronger(signer: Any) -> None:
    log = log_of(GENESIS, update(GENESIS, MIDDLE, handle="x.test"))
    with pytest.raises(InvalidSignature):
        next_entries(DID, log, update(GENESIS, signer, handle="y.test"), NOON + 2 * HOUR)


def test_an_operation_can_be_undone_for_72_hours() -> None:
    log = log_of(GENESIS, UPDATE)
    recovery = update(GENESIS, STRONG, handle="mine.test")
    came = log[1].created_at
    assert len(next_entries(DID, log, recovery, came + 72 * HOUR)) == 3
    with pytest.raises(LateRecovery):
        next_entries(DID, log, recovery, came + 72 * HOUR + timedelta(milliseconds=1))


def test_a_key_follows_what_is_in_force_or_what_was_before_the_doing_of_a_weaker_one() -> None:
    locked_out = update(GENESIS, WEAK, rotation_keys=[WEAK.public.did_key])
    log = log_of(GENESIS, locked_out, update(locked_out, WEAK, handle="theirs.test"))
    came = log[1].created_at
    names = [key.public.did_key for key in (STRONG, MIDDLE, WEAK)]
    assert [last_for(log, name, came + 72 * HOUR) for name in names] == [GENESIS, GENESIS, log[2].operation]
    assert last_for(log, names[0], came + 73 * HOUR) is None
    by_middle = log_of(GENESIS, update(GENESIS, MIDDLE, rotation_keys=[names[1]]))
    assert [last_for(by_middle, name, came) for name in (names[0], names[2])] == [GENESIS, None]
    ended = log_of(GENESIS, tombstone(GENESIS, WEAK))
    assert [last_for(ended, name, came) for name in (names[0], names[2])] == [GENESIS, None]
    recovery = update(GENESIS, STRONG, handle="mine.test")
    undone = next_entries(DID, log, recovery, came)
    assert [last_for(undone, name, came) for name in names] == [recovery] * 3


def test_a_log_that_lies_about_itself_is_refused() -> None:
    log = log_of(GENESIS, UPDATE, update(GENESIS, MIDDLE, handle="mine.test"))
    first, second, third = log
    for wrong in (
        [first, LogEntry(second.operation, second.cid, second.created_at), third],
        [first, second, LogEntry(third.operation, third.cid, third.created_at, nullified=True)],
        [first, second, LogEntry(third.operation, first.cid, third.created_at)],
        [first, second, LogEntry(third.operation, third.cid, first.created_at)],
        [first, second, LogEntry(third.operation, third.cid, third.created_at + 100 * HOUR)],
    ):
        with pytest.raises(InvalidOperation):
            verify_audit_log(DID, wrong)


def test_todays_form_is_not_changed() -> None:
    assert normalize(UPDATE) == UPDATE
    assert state_after(DID, tombstone(UPDATE, WEAK)) is None
