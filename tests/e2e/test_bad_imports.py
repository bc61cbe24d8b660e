"""What is no repository, at the front door: a clear refusal, and everything is as it was."""

import http.client
import json
import socket
import time
from collections.abc import Iterator
from typing import Any

import pytest
from tests.e2e.test_import_repo import import_repo
from tests.support.account import Account, sign_up
from tests.support.admin import Admin
from tests.support.backups import picture
from tests.support.foreign_repo import RECORDS, Foreign, bad_repos, odd_repos
from tests.support.server import Tempest

from tempest_pds.protocol.syntax.did import Did

NAMES = sorted(bad_repos(Did("did:plc:ewvi7nxzyoun6zhxrhs64oiz")))
ODD_NAMES = sorted(odd_repos(Did("did:plc:ewvi7nxzyoun6zhxrhs64oiz")))


class Victim:
    """An account with a post and a picture, and what there is to break of it."""

    def __init__(self, server: Tempest) -> None:
        self.account = sign_up(server, "victim")
        self.account.post("stays")
        picture(self.account, b"stays too")
        self.bad = bad_repos(Did(self.account.did))
        self.before = self.state()

    def state(self) -> dict[str, Any]:
        account = self.account
        did = account.did
        # The order of the collections of a repository is that of its records.
        listed = [
            account.query("com.atproto.repo.listRecords", repo=did, collection=collection)["records"]
            for collection in account.query("com.atproto.repo.describeRepo", repo=did)["collections"]
        ]
        return {
            "records": listed,
            "commit": account.query("com.atproto.sync.getLatestCommit", did=did),
            "blobs": account.query("com.atproto.sync.listBlobs", did=did),
            "status": account.query("com.atproto.server.checkAccountStatus"),
            "temporary files": [path.name for path in (account.server.folder / "tmp").iterdir()],
        }


@pytest.fixture(scope="module")
def victim(tempest: Tempest) -> Iterator[Victim]:
    made = Victim(tempest)
    yield made
    made.account.post("and writing goes on")


@pytest.mark.parametrize("name", NAMES)
def test_what_is_no_repository_is_refused_and_changes_nothing(victim: Victim, name: str) -> None:
    data, message = victim.bad[name]
    status, answer = import_repo(victim.account, data)
    assert (status, json.loads(answer)["error"]) == (400, "InvalidRequest")
    assert message in json.loads(answer)["message"]
    assert victim.state() == victim.before


@pytest.mark.parametrize("name", ODD_NAMES)
def test_what_is_strange_and_whole_is_taken(tempest: Tempest, odd: Account, name: str) -> None:
    status, answer = import_repo(odd, odd_repos(Did(odd.did))[name])
    assert status == 200, answer
    assert odd.query("com.atproto.server.checkAccountStatus")["indexedRecords"] == len(RECORDS)


@pytest.fixture(scope="module")
def odd(tempest: Tempest) -> Account:
    return sign_up(tempest, "odd")


def test_whoever_goes_away_half_way_leaves_nothing_behind(victim: Victim) -> None:
    data = Foreign(RECORDS, Did(victim.account.did)).car()
    connection = _begin(victim.account, len(data))
    connection.sendall(data[: len(data) // 2])
    _wait_until_spooled(victim)
    connection.close()
    _wait_until(lambda: victim.state() == victim.before)


def test_whoever_sends_slowly_holds_up_nobody(victim: Victim, tempest: Tempest) -> None:
    """Not even his own writes: those that come while the file is on its way are replaced with the rest."""
    slow = sign_up(tempest, "slow")
    data = Foreign(RECORDS, Did(slow.did)).car()
    connection = _begin(slow, len(data))
    connection.sendall(data[:1000])
    _wait_until_spooled(victim)
    # More of them than repositories are checked at a time.
    others = [sign_up(tempest, "quick") for _ in range(3)]
    for other in others:
        assert import_repo(other, Foreign(RECORDS, Did(other.did)).car())[0] == 200
    slow.post("meanwhile")
    status, answer = import_repo(slow, data)
    assert (status, json.loads(answer)["error"]) == (400, "RepoBusy"), answer
    connection.sendall(data[1000:])
    with connection:
        response = http.client.HTTPResponse(connection)
        response.begin()
        assert response.status == 200, response.read()
    page = slow.query("com.atproto.repo.listRecords", repo=slow.did, collection="app.bsky.feed.post", limit=100)
    assert "meanwhile" not in [record["value"]["text"] for record in page["records"]]
    assert slow.query("com.atproto.server.checkAccountStatus")["indexedRecords"] == len(RECORDS)


def test_an_account_that_is_deleted_while_its_repository_arrives_does_not_come_back(
    victim: Victim, tempest: Tempest
) -> None:
    gone = sign_up(tempest, "gone")
    data = Foreign(RECORDS, Did(gone.did)).car()
    connection = _begin(gone, len(data))
    connection.sendall(data[:1000])
    _wait_until_spooled(victim)
    Admin.of(tempest).call("com.atproto.admin.deleteAccount", {"did": gone.did})
    connection.sendall(data[1000:])
    with connection:
        response = http.client.HTTPResponse(connection)
        response.begin()
        assert (response.status, json.loads(response.read())["error"]) == (403, "AccountNotFound")
    assert not [path for path in tempest.folder.rglob("*") if gone.did.rpartition(":")[2] in path.name]
    _wait_until(lambda: victim.state() == victim.before)


def _begin(account: Account, length: int) -> socket.socket:
    """Send the head of an import."""
    connection = socket.create_connection(("127.0.0.1", account.server.port), timeout=30)
    head = (
        "POST /xrpc/com.atproto.repo.importRepo HTTP/1.1\r\nHost: localhost\r\n"
        f"Authorization: Bearer {account.access}\r\nContent-Type: application/vnd.ipld.car\r\n"
        f"Content-Length: {length}\r\n\r\n"
    )
    connection.sendall(head.encode())
    return connection


def _wait_until_spooled(victim: Victim) -> None:
    _wait_until(lambda: bool(victim.state()["temporary files"]))


def _wait_until(happens: Any) -> None:
    deadline = time.monotonic() + 20
    while not happens():
        assert time.monotonic() < deadline
        time.sleep(0.01)
