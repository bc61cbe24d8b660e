from datetime import UTC, datetime
from pathlib import Path

import httpx
from edge_server import edge_server

from tempest_pds.protocol.crypto.keys import generate_k256
from tempest_pds.protocol.identity.plc_operation import did_for_genesis, genesis, tombstone, update
from tempest_pds.remote.plc_ledger import PlcLedger

STRONG, WEAK = generate_k256(), generate_k256()
FIRST = genesis(
    handle="alice.test",
    signing_key=WEAK.public.did_key,
    pds_url="http://localhost:4000",
    rotation_keys=[STRONG.public.did_key, WEAK.public.did_key],
    signer=WEAK,
)
DID = did_for_genesis(FIRST)


async def test_what_was_undone_is_in_the_audit_alone(tmp_path: Path) -> None:
    ledger = PlcLedger(tmp_path / "ledger", lambda: datetime(2026, 1, 1, 12, 0, 0, 123_456, tzinfo=UTC))
    stolen, back = update(FIRST, WEAK, handle="stolen.test"), update(FIRST, STRONG, handle="mine.test")
    for operation in (FIRST, stolen, back):
        await ledger.submit(DID, operation)
    async with edge_server([], plc_ledger=ledger) as server, httpx.AsyncClient(base_url=server.url) as http:
        audit = (await http.get(f"/{DID}/log/audit")).json()
        assert [(entry["operation"], entry["nullified"]) for entry in audit] == [
            (FIRST, False),
            (stolen, True),
            (back, False),
        ]
        assert {entry["createdAt"] for entry in audit} == {"2026-01-01T12:00:00.123Z"}
        assert (await http.get(f"/{DID}/log")).json() == [FIRST, back]
        assert (await http.get(f"/{DID}/log/last")).json() == back
        assert (await http.get(f"/{DID}/data")).json()["alsoKnownAs"] == ["at://mine.test"]


async def test_a_did_that_has_ended_has_a_log_and_no_document(tmp_path: Path) -> None:
    ledger = PlcLedger(tmp_path / "ledger")
    end = tombstone(FIRST, WEAK)
    for operation in (FIRST, end):
        await ledger.submit(DID, operation)
    async with edge_server([], plc_ledger=ledger) as server, httpx.AsyncClient(base_url=server.url) as http:
        for path in (f"/{DID}", f"/{DID}/data"):
            answer = await http.get(path)
            assert (answer.status_code, answer.json()["message"]) == (404, f"DID not available: {DID}")
        assert (await http.get(f"/{DID}/log")).json() == [FIRST, end]


async def test_a_server_with_the_public_directory_is_none_itself() -> None:
    async with edge_server([]) as server, httpx.AsyncClient(base_url=server.url) as http:
        answer = await http.get(f"/{DID}")
    assert (answer.status_code, answer.json()["message"]) == (404, "Not Found")
