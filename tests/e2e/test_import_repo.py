"""com.atproto.repo.importRepo over HTTP: what a server exported goes into it again, however large it is."""

import time
import urllib.error
import urllib.request

import pytest
from tests.support.account import Account, sign_up
from tests.support.backups import upload
from tests.support.foreign_repo import large_repo
from tests.support.process import ServerProcess
from tests.support.server import Tempest
from tests.support.steady_writer import SteadyWriter

from tempest_pds.protocol.syntax.did import Did

RECORDS = 50_000
PICTURES = 20
# 200 MB is what was asked for. The caches of the databases take a few of these, and the file alone would be 40.
GROWTH_MIB = 35


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


def test_a_repository_of_50_000_records_takes_no_memory_of_its_size(
    lone_tempest: Tempest, capsys: pytest.CaptureFixture[str]
) -> None:
    """From the first byte to the activation and out again, and others write meanwhile."""
    with lone_tempest:
        account, writer = sign_up(lone_tempest, "import"), SteadyWriter(sign_up(lone_tempest, "writer"), seed=1)
        pictures = [upload(account, f"a picture {number}".encode()) for number in range(PICTURES)]
        data = large_repo(Did(account.did), RECORDS, pictures)
        assert len(data) > 40_000_000
        # One import brings in the code that it needs, and so do activation and the other calls.
        _move_in(account, export(account))
        writer.start()
        _wait_for_writes(writer, 20)
        at_rest = lone_tempest.memory_mib()
        lone_tempest.reset_peak_memory()
        written = len(writer.revs)
        _move_in(account, data)
        assert len(writer.revs) > written, "nobody wrote meanwhile"
        assert len(export(account)) > 40_000_000
        growth = lone_tempest.memory_mib("VmHWM") - at_rest
        writer.stop()
        with capsys.disabled():
            print(f"\n{RECORDS} records, {len(data) >> 20} MiB: {growth:.0f} MiB above {at_rest:.0f} MiB at rest")
        assert growth < GROWTH_MIB
        assert writer.failure is None


def _move_in(account: Account, data: bytes) -> None:
    """Import, as a migration does: into an account that is not active, which is activated then."""
    account.procedure("com.atproto.server.deactivateAccount")
    status, answer = import_repo(account, data)
    assert status == 200, answer
    cursor: dict[str, str] = {}
    missing = 0
    while (page := account.query("com.atproto.repo.listMissingBlobs", limit=1000, **cursor))["blobs"]:
        missing += len(page["blobs"])
        cursor = {"cursor": page["cursor"]}
    state = account.query("com.atproto.server.checkAccountStatus")
    assert state["expectedBlobs"] - state["importedBlobs"] in (missing, missing - PICTURES)
    request = urllib.request.Request(
        f"{account.server.url}/xrpc/com.atproto.server.activateAccount",
        headers={"Authorization": f"Bearer {account.access}"},
        method="POST",
    )
    with urllib.request.urlopen(request, timeout=60) as activated:
        assert activated.status == 200


def _wait_for_writes(writer: SteadyWriter, count: int) -> None:
    deadline = time.monotonic() + 20
    while len(writer.revs) < count:
        assert time.monotonic() < deadline, writer.failure
        time.sleep(0.01)
