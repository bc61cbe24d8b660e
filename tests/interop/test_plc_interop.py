"""Operations and logs of did:plc: the bytes and verdicts of `@did-plc/lib`."""

import random
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import RunNode

from tempest_pds.protocol.crypto.keys import PrivateKey, private_key
from tempest_pds.protocol.errors import ProtocolError
from tempest_pds.protocol.identity.plc_log import LogEntry, next_entries, verify_log
from tempest_pds.protocol.identity.plc_operation import (
    Operation,
    did_for_genesis,
    genesis,
    operation_cid,
    sign,
    tombstone,
    update,
)
from tempest_pds.protocol.syntax.did import Did

SCRIPT = Path(__file__).parent / "plc_verdicts.mjs"
REFUSED = "refused"
_CHANCE = random.Random(0)
KEYS = [private_key(_CHANCE.randbytes(32), "p256" if number % 3 == 2 else "k256") for number in range(6)]


def did_keys(keys: list[PrivateKey]) -> list[str]:
    return [key.public.did_key for key in keys]


def make_genesis(chance: random.Random, keys: list[PrivateKey]) -> Operation:
    if chance.random() < 0.2:
        unsigned = {
            "type": "create",
            "signingKey": keys[1].public.did_key,
            "recoveryKey": keys[0].public.did_key,
            "handle": chance.choice(["alice.test", "at://alice.test", "https://alice.test"]),
            "service": chance.choice(["pds.test", "https://pds.test", "http://pds.test"]),
            "prev": None,
        }
        return sign(unsigned, chance.choice(keys[:2]))
    return genesis(
        handle="alice.test",
        signing_key=KEYS[5].public.did_key,
        pds_url="https://pds.test",
        rotation_keys=did_keys(keys),
        signer=chance.choice(keys),
    )


def follow(chance: random.Random, last: Operation, signers: list[PrivateKey]) -> Operation:
    signer = chance.choice(signers)
    match chance.randrange(8):
        case 0:
            return tombstone(last, signer)
        case 1:
            return update(last, signer, signing_key=chance.choice(KEYS).public.did_key)
        case 2:
            return update(last, signer, pds_url=f"https://pds{chance.randrange(9)}.test")
        case 3:
            return update(last, signer, also_known_as=[])
        case 4:
            return update(last, signer, services={}, verification_methods={})
        case _:
            return update(last, signer, handle=f"name{chance.randrange(9)}.test")


def spoil(chance: random.Random, operation: Operation) -> Operation:
    spoiled = dict(operation)
    match chance.randrange(9):
        case 0:
            del spoiled[chance.choice(sorted(spoiled))]
        case 1:
            spoiled[chance.choice(sorted(spoiled))] = chance.choice([None, 1, "x", [], {}, ["x"], {"a": "b"}])
        case 2:
            spoiled["extra"] = "unsigned"
        case 3:
            return sign({**spoiled, "extra": "signed"}, chance.choice(KEYS))
        case 4:
            return sign({**spoiled, "rotationKeys": chance.choice([[], ["x"], did_keys(KEYS)])}, chance.choice(KEYS))
        case 5:
            return sign({**spoiled, "prev": str(operation_cid({"a": chance.randrange(99)}))}, chance.choice(KEYS))
        case 6:
            spoiled["sig"] = chance.choice(["", "AAAA", spoiled["sig"][:-4], "!" + spoiled["sig"][1:]])
        case 7:
            spoiled["type"] = chance.choice(["create", "plc_operation", "plc_tombstone", "plc_other"])
        case _:
            return sign(spoiled, chance.choice(KEYS))
    return spoiled


def make_log(chance: random.Random) -> tuple[Did, list[Operation]]:
    keys = KEYS[: chance.choice([2, 3])]
    operations = [make_genesis(chance, keys)]
    did = did_for_genesis(operations[0])
    while chance.random() < 0.7 and operations[-1]["type"] != "plc_tombstone":
        operations.append(follow(chance, operations[-1], keys))
    return did, operations


def test_operations_have_the_same_bytes(run_node: RunNode) -> None:
    """Signatures included: on K-256 both are deterministic."""
    chance = random.Random(1)
    pytest.importorskip("coincurve")
    cases: list[dict[str, Any]] = []
    for _ in range(50):
        signer, signing = private_key(chance.randbytes(32)), private_key(chance.randbytes(32))
        handle = f"a{chance.randrange(99)}.test"
        first = {"handle": handle, "pds": "https://a.test", "signingKey": signing.public.did_key}
        second = {"handle": "b.test", "pds": "https://b.test", "signingKey": signer.public.did_key}
        second["end"] = str(operation_cid(second))
        recovery = [*did_keys(KEYS[: chance.randrange(3)]), signer.public.did_key]
        cases.append({"do": "make", "signer": signer.raw.hex(), "recovery": recovery, "changes": [first, second]})
    for case, verdict in zip(cases, run_node(SCRIPT, cases), strict=True):
        signer = private_key(bytes.fromhex(case["signer"]))
        one, two = case["changes"]
        operation = genesis(
            handle=one["handle"],
            signing_key=one["signingKey"],
            pds_url=one["pds"],
            rotation_keys=case["recovery"],
            signer=signer,
        )
        handled = update(operation, signer, handle=two["handle"])
        moved = update(handled, signer, pds_url=two["pds"])
        keyed = update(moved, signer, signing_key=two["signingKey"])
        assert verdict["ok"]["operations"] == [operation, handled, moved, keyed]
        assert verdict["ok"]["did"] == did_for_genesis(operation)
        assert verdict["ok"]["ended"] == sign({"type": "plc_tombstone", "prev": two["end"]}, signer)


def test_logs_are_judged_alike(run_node: RunNode) -> None:
    chance = random.Random(2)
    cases: list[dict[str, Any]] = []
    for _ in range(350):
        did, operations = make_log(chance)
        if chance.random() < 0.6:
            position = chance.randrange(len(operations))
            match chance.randrange(4):
                case 0 if len(operations) > 1:
                    del operations[position]
                case 1:
                    operations.insert(position, operations[position])
                case _:
                    operations[position] = spoil(chance, operations[position])
                    if position == 0 and chance.random() < 0.7:
                        did = did_for_genesis(operations[0])
        cases.append({"do": "log", "did": did, "operations": operations})
    taken = 0
    for case, verdict in zip(cases, run_node(SCRIPT, cases), strict=True):
        try:
            state = verify_log(Did(case["did"]), case["operations"])
        except ProtocolError:
            found: Any = REFUSED
        else:
            taken += 1
            found = state and {
                "did": state.did,
                "rotationKeys": list(state.rotation_keys),
                "verificationMethods": state.verification_methods,
                "alsoKnownAs": list(state.also_known_as),
                "services": {
                    name: {"type": kind, "endpoint": endpoint} for name, (kind, endpoint) in state.services.items()
                },
            }
        assert verdict.get("ok", REFUSED) == found, (case, verdict)
    assert 100 < taken < 300


def test_next_operations_are_judged_alike(run_node: RunNode) -> None:
    """Forks above all: who may undo what, and for how long."""
    chance = random.Random(3)
    now = datetime.now(UTC)
    cases: list[dict[str, Any]] = []
    logs: list[list[LogEntry]] = []
    for _ in range(500):
        did, operations = make_log(chance)
        ages = sorted((chance.choice([1, 30, 71, 73, 200]) for _ in operations), reverse=True)
        followed = chance.choice([operation for operation in operations if operation["type"] != "plc_tombstone"])
        proposed = follow(chance, followed, KEYS[: chance.choice([3, 4])])
        if chance.random() < 0.2:
            proposed = spoil(chance, proposed)
        entries = [
            {"operation": operation, "cid": str(operation_cid(operation)), "age": age}
            for operation, age in zip(operations, ages, strict=True)
        ]
        logs.append(
            [
                LogEntry(operation, operation_cid(operation), now - timedelta(hours=age))
                for operation, age in zip(operations, ages, strict=True)
            ]
        )
        cases.append({"do": "next", "did": did, "entries": entries, "operation": proposed})
    taken = undone = 0
    for case, log, verdict in zip(cases, logs, run_node(SCRIPT, cases), strict=True):
        try:
            following = next_entries(Did(case["did"]), log, case["operation"], now)
        except ProtocolError:
            found: Any = REFUSED
        else:
            found = [str(entry.cid) for entry in following if entry.nullified]
            taken += 1
            undone += bool(found)
        assert verdict.get("ok", REFUSED) == found, (case, verdict)
    assert 100 < taken < 400
    assert undone > 15
