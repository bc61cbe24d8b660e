import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tempest_pds.protocol.crypto.keys import generate_k256
from tempest_pds.protocol.identity.did_document import DidDocument
from tempest_pds.protocol.identity.plc_operation import (
    Operation,
    did_for_genesis,
    genesis,
    operation_cid,
    sign,
    tombstone,
    update,
)
from tempest_pds.remote.errors import DidNotFound, OperationRefused
from tempest_pds.remote.plc_ledger import LedgerDamaged, PlcLedger

RECOVERY = generate_k256()
SERVER = generate_k256()
SIGNING = generate_k256()
STRANGER = generate_k256()


def make_genesis(handle: str = "alice.test") -> Operation:
    return genesis(
        handle=handle,
        signing_key=SIGNING.public.did_key,
        pds_url="http://localhost:4000",
        rotation_keys=[RECOVERY.public.did_key, SERVER.public.did_key],
        signer=SERVER,
    )


def contents(path: Path) -> bytes:
    return path.read_bytes()


def replace(path: Path, data: bytes) -> None:
    path.write_bytes(data)


def mode(path: Path) -> int:
    return path.stat().st_mode


class Clock:
    now = datetime(2026, 1, 1, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "plc.jsonl"


@pytest.fixture
def ledger(path: Path, clock: Clock) -> PlcLedger:
    return PlcLedger(path, clock)


async def test_an_operation_counts_at_once_and_after_a_restart(ledger: PlcLedger, path: Path) -> None:
    first = make_genesis()
    did = did_for_genesis(first)
    await ledger.submit(did, first)
    second = update(first, SERVER, handle="bob.test")
    await ledger.submit(did, second)
    for book in (ledger, PlcLedger(path)):
        assert await book.last_operation(did) == second
        document = DidDocument.parse(await book.document(did))
        assert (document.handle, document.signing_key) == ("bob.test", SIGNING.public.did_key)
        assert document.pds_endpoint == "http://localhost:4000"
    assert mode(path) & 0o777 == 0o600
    assert [json.loads(line)["cid"] for line in contents(path).splitlines()] == [
        str(operation_cid(first)),
        str(operation_cid(second)),
    ]


async def test_an_unknown_did_is_not_found(ledger: PlcLedger) -> None:
    did = did_for_genesis(make_genesis())
    with pytest.raises(DidNotFound):
        await ledger.document(did)
    with pytest.raises(DidNotFound):
        await ledger.last_operation(did)


async def test_what_the_directory_would_refuse_is_refused(ledger: PlcLedger) -> None:
    first, other = make_genesis(), make_genesis("eve.test")
    did = did_for_genesis(first)
    with pytest.raises(OperationRefused):
        await ledger.submit(did_for_genesis(other), first)
    await ledger.submit(did, first)
    for operation in (
        other,
        sign(update(first, SERVER, handle="bob.test"), STRANGER),
        update(other, SERVER, handle="bob.test"),
        {**update(first, SERVER, handle="bob.test"), "sig": "AAAA"},
        {"type": "nonsense"},
    ):
        with pytest.raises(OperationRefused):
            await ledger.submit(did, operation)
    assert await ledger.last_operation(did) == first


async def test_a_stronger_key_undoes_within_72_hours_and_that_survives_a_restart(
    ledger: PlcLedger, path: Path, clock: Clock
) -> None:
    first = make_genesis()
    did = did_for_genesis(first)
    await ledger.submit(did, first)
    await ledger.submit(did, update(first, SERVER, handle="stolen.test"))
    clock.now += timedelta(hours=71)
    with pytest.raises(OperationRefused):
        await ledger.submit(did, update(first, SERVER, handle="again.test"))
    back = update(first, RECOVERY, handle="mine.test")
    await ledger.submit(did, back)
    assert await ledger.last_operation(did) == back
    reopened = PlcLedger(path, clock)
    assert await reopened.last_operation(did) == back
    after = update(back, SERVER, handle="later.test")
    await reopened.submit(did, after)
    assert await reopened.last_operation(did) == after
    clock.now += timedelta(hours=73)
    with pytest.raises(OperationRefused):
        await reopened.submit(did, update(back, RECOVERY, handle="late.test"))


async def test_nothing_follows_the_end_of_a_did(ledger: PlcLedger) -> None:
    first = make_genesis()
    did = did_for_genesis(first)
    await ledger.submit(did, first)
    await ledger.submit(did, tombstone(first, SERVER))
    with pytest.raises(DidNotFound):
        await ledger.document(did)


async def test_a_line_cut_short_by_a_crash_is_written_over(ledger: PlcLedger, path: Path) -> None:
    first, other = make_genesis(), make_genesis("bob.test")
    await ledger.submit(did_for_genesis(first), first)
    whole = contents(path)
    replace(path, whole + b'{"did":"did:plc:cut short')
    reopened = PlcLedger(path)
    assert await reopened.last_operation(did_for_genesis(first)) == first
    await reopened.submit(did_for_genesis(other), other)
    assert await PlcLedger(path).last_operation(did_for_genesis(other)) == other
    assert b"cut short" not in contents(path)


async def test_a_damaged_line_in_the_middle_is_not_passed_over(ledger: PlcLedger, path: Path) -> None:
    first = make_genesis()
    await ledger.submit(did_for_genesis(first), first)
    replace(path, b"?" + contents(path))
    with pytest.raises(LedgerDamaged):
        PlcLedger(path)


async def test_an_operation_that_is_in_force_is_taken_again_and_not_written_twice(tmp_path: Path) -> None:
    ledger = PlcLedger(tmp_path / "plc.jsonl")
    first = make_genesis()
    did = did_for_genesis(first)
    second = update(first, SERVER, handle="bob.test")
    for operation in (first, first, second, second):
        await ledger.submit(did, operation)
    assert len(contents(tmp_path / "plc.jsonl").splitlines()) == 2
    with pytest.raises(OperationRefused):
        await ledger.submit(did, first)
