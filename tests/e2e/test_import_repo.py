"""com.atproto.repo.importRepo over HTTP: what a server exported goes into it again, and rubbish does not."""

import urllib.error
import urllib.request

import pytest
from tests.support.account import Account, sign_up
from tests.support.process import ServerProcess
from tests.support.server import Tempest

from tempest_pds.protocol.crypto.keys import generate_k256
from tempest_pds.protocol.data_model import car, dag_cbor
from tempest_pds.protocol.data_model.cid import CID
from tempest_pds.protocol.data_model.value import LexValue
from tempest_pds.protocol.syntax.did import Did
from tempest_pds.protocol.syntax.tid import Tid, TidClock
from tempest_pds.repo.block_source import MemoryBlockSource
from tempest_pds.repo.commit import sign_commit
from tempest_pds.repo.mst.change import Change
from tempest_pds.repo.mst.tree import Tree

RECORDS = 10_000
# What the server may take for itself meanwhile: caches of the databases, but not the 8 MB of the file three times over.
GROWTH_MIB = 20


def import_repo(account: Account, data: bytes) -> tuple[int, bytes]:
    request = urllib.request.Request(
        f"{account.server.url}/xrpc/com.atproto.repo.importRepo",
        data=data,
        headers={"Authorization": f"Bearer {account.access}", "Content-Type": "application/vnd.ipld.car"},
    )
    try:
        with urllib.request.urlopen(request, timeout=120) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def export(account: Account) -> bytes:
    url = f"{account.server.url}/xrpc/com.atproto.sync.getRepo?did={account.did}"
    with urllib.request.urlopen(url, timeout=60) as answer:
        data: bytes = answer.read()
        return data


def texts(account: Account) -> list[str]:
    page = account.query(
        "com.atproto.repo.listRecords", repo=account.did, collection="app.bsky.feed.post", limit=100, reverse="true"
    )
    return [record["value"]["text"] for record in page["records"]]


def test_an_export_is_imported_again(pds: ServerProcess) -> None:
    account = sign_up(pds, "import")
    for number in range(5):
        account.post(str(number))
    exported = export(account)
    account.post("too much")
    before = account.query("com.atproto.sync.getLatestCommit", did=account.did)
    status, answer = import_repo(account, exported)
    assert status == 200, answer
    assert texts(account) == ["0", "1", "2", "3", "4"]
    after = account.query("com.atproto.sync.getLatestCommit", did=account.did)
    assert after["rev"] > before["rev"]
    account.post("goes on")
    assert texts(account)[-1] == "goes on"


@pytest.mark.parametrize("data", [b"", b"not a CAR", b"\xff" * 100], ids=["nothing", "text", "lengths without end"])
def test_rubbish_is_refused(tempest: Tempest, data: bytes) -> None:
    account = sign_up(tempest, "import")
    account.post("stays")
    status, answer = import_repo(account, data)
    assert (status, b"InvalidRequest" in answer) == (400, True), answer
    assert texts(account) == ["stays"]


def test_the_repository_of_another_account_is_refused(tempest: Tempest) -> None:
    account, other = sign_up(tempest, "import"), sign_up(tempest, "import")
    status, answer = import_repo(account, export(other))
    assert (status, b"InvalidRequest" in answer) == (400, True), answer


def test_a_large_repository_takes_no_memory_of_its_size(lone_tempest: Tempest) -> None:
    with lone_tempest:
        account = sign_up(lone_tempest, "import")
        data = _large_repo(Did(account.did))
        assert len(data) > 7_000_000
        # One import brings in the code that it needs.
        assert import_repo(account, export(account))[0] == 200
        before = lone_tempest.memory_mib()
        lone_tempest.reset_peak_memory()
        status, answer = import_repo(account, data)
        assert status == 200, answer
        assert lone_tempest.memory_mib("VmHWM") - before < GROWTH_MIB
        assert len(export(account)) > 7_000_000


def _large_repo(did: Did) -> bytes:
    clock = TidClock()
    records = {}
    for number in range(RECORDS):
        value: LexValue = {
            "$type": "app.bsky.feed.post",
            "text": f"{number} {'x' * 600}",
            "createdAt": "2026-01-01T00:00:00Z",
        }
        records[f"app.bsky.feed.post/{clock.next()}"] = dag_cbor.encode(value)
    cids = {path: CID.for_dag_cbor(block) for path, block in records.items()}
    change = Tree(MemoryBlockSource()).apply([Change(path, cid, None) for path, cid in cids.items()], prove=False)
    commit = sign_commit(did, Tid("3jzfcijpj2z2a"), change.tree.root, generate_k256())
    nodes = list(change.tree.nodes())
    blocks = [(commit.cid, commit.encode()), *nodes, *((cids[path], block) for path, block in records.items())]
    return car.encode(commit.cid, blocks)
