"""`kill -9` while an account is being deleted: it is whole after the next start, or nothing of it is left."""

import contextlib
import sqlite3
import threading
import time
import urllib.request
from pathlib import Path

from tests.support.account import Account, CallRefused, sign_up
from tests.support.admin import ADMIN, Admin
from tests.support.frames import Subscription
from tests.support.process import json_request
from tests.support.server import Tempest

from tempest_pds.adapters.blob_paths import walk
from tempest_pds.stores.file_names import did_to_name

BLOBS = 40
ROUNDS = 8
DUE = 4
SYNC = "com.atproto.sync"


def furnish(account: Account, blobs: int = BLOBS) -> None:
    """Give an account records, and blobs enough that removing them takes a while."""
    account.post("hello")
    for number in range(blobs):
        request = urllib.request.Request(
            f"{account.server.url}/xrpc/com.atproto.repo.uploadBlob",
            data=b"blob %d" % number,
            headers={"Authorization": f"Bearer {account.access}", "Content-Type": "text/plain"},
        )
        with urllib.request.urlopen(request, timeout=30):
            pass


def left_behind(folder: Path, did: str) -> list[str]:
    name = did_to_name(did)
    files = [str(path) for path in folder.rglob("*") if name in path.name and path.is_file()]
    return files + [key for key, _ in walk(folder / "blobs", "") if did in key]


def delete(server: Tempest, account: Account) -> None:
    Admin.of(server).call(f"{ADMIN}.deleteAccount", {"did": account.did})


def delete_and_kill(server: Tempest, account: Account, delay: float) -> bool:
    """Kill the server `delay` seconds into a deletion; tell whether it had been acknowledged."""
    acknowledged = threading.Event()

    def ask() -> None:
        with contextlib.suppress(OSError, CallRefused):
            delete(server, account)
            acknowledged.set()

    thread = threading.Thread(target=ask)
    thread.start()
    time.sleep(delay)
    server.kill()
    thread.join(30)
    return acknowledged.is_set()


def events_after(server: Tempest, cursor: int, mark: Account) -> list[tuple[str, str]]:
    """Read whose events follow a cursor, up to a commit of `mark` that is made now: kind or status, and DID."""
    rev = mark.post("a mark")["commit"]["rev"]
    found: list[tuple[str, str]] = []
    with Subscription(server, cursor) as feed:
        while True:
            frame = feed.next()
            assert frame is not None
            if frame.body.get("rev") == rev:
                return found
            kind = frame.body.get("status", frame.kind) if frame.kind == "#account" else frame.kind
            found.append((kind, str(frame.body.get("repo") or frame.body.get("did"))))


def is_whole(server: Tempest, account: Account) -> bool:
    """Tell whether the account is there; it must be all there then."""
    status, head = json_request(f"{server.url}/xrpc/{SYNC}.getLatestCommit?did={account.did}")
    assert isinstance(head, dict)
    if status != 200:
        assert head["error"] == "RepoNotFound"
        return False
    assert account.query("com.atproto.server.getSession")["did"] == account.did
    assert account.post("still here")["commit"]["rev"] > head["rev"]
    assert len([key for key, _ in walk(server.folder / "blobs", "temporary/") if account.did in key]) == BLOBS
    return True


def test_an_account_is_whole_or_gone_after_a_kill_at_any_instant(lone_tempest: Tempest) -> None:
    server = lone_tempest.start()
    witness = sign_up(server, "witness")
    accounts = [sign_up(server, "gone") for _ in range(ROUNDS + 1)]
    for account in accounts:
        furnish(account)
    began = time.monotonic()
    delete(server, accounts[0])
    whole_time = time.monotonic() - began
    finished_at_start = 0
    for number, account in enumerate(accounts[1:]):
        acknowledged = delete_and_kill(server, account, whole_time * number / ROUNDS)
        found = len(left_behind(server.folder, account.did))
        server.start()
        if is_whole(server, account):
            assert not acknowledged
            continue
        assert left_behind(server.folder, account.did) == []
        finished_at_start += found > 0
        # From the beginning of the log its end is all that is told of it, and it is told.
        told = [kind for kind, did in events_after(server, 0, witness) if did == account.did]
        assert set(told) == {"deleted"}
    assert finished_at_start >= 1, "no kill hit the middle of a deletion"


def in_database(server: Tempest, statement: str) -> list[tuple[object, ...]]:
    connection = sqlite3.connect(server.folder / "account.sqlite")
    try:
        with connection:
            return connection.execute(statement).fetchall()
    finally:
        connection.close()


def test_what_is_due_is_deleted_however_often_the_server_is_killed_over_it(lone_tempest: Tempest) -> None:
    """Their time came while the server was off: it deletes them at its start, and is killed once the first is gone."""
    server = lone_tempest.start()
    witness, later = sign_up(server, "witness"), sign_up(server, "later")
    due = [sign_up(server, "due") for _ in range(DUE)]
    for account in (*due, later):
        furnish(account, 5)
        account.procedure("com.atproto.server.deactivateAccount", deleteAfter="2099-01-01T00:00:00Z")
    server.stop()
    named = ", ".join(f"'{account.did}'" for account in due)
    in_database(server, f"UPDATE account SET delete_after = 1 WHERE did IN ({named})")
    interrupted, left = 0, DUE
    while left:
        before = left
        server.spawn()
        deadline = time.monotonic() + 60
        while left == before and time.monotonic() < deadline:
            left = len(in_database(server, "SELECT 1 FROM account WHERE delete_after = 1"))
        server.kill()
        left = len(in_database(server, "SELECT 1 FROM account WHERE delete_after = 1"))
        assert left < before, "nothing was deleted"
        interrupted += left > 0 or bool(in_database(server, "SELECT did FROM account_deletion"))
    server.start()
    assert interrupted, "no kill hit the middle"
    told = events_after(server, 0, witness)
    for account in due:
        assert left_behind(server.folder, account.did) == []
        assert {kind for kind, did in told if did == account.did} == {"deleted"}
    assert [kind for kind, did in told if did == later.did][-1] == "deactivated"
    later.procedure("com.atproto.server.activateAccount")
    assert later.post("still here")["commit"]
