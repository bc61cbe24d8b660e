"""`kill -9` while a repository is rebuilt, or blobs are collected: the old state is there, or the new one."""

import json
import os
import sqlite3
import subprocess
import time
import urllib.request
from pathlib import Path

import pytest
from tests.cli.conftest import populate
from tests.support.account import Account, sign_up
from tests.support.command import TEMPEST, command, run_command
from tests.support.server import Tempest

from tempest_pds.stores.file_names import sharded

RECORDS = 1_000


def fill(account: Account) -> None:
    for start in range(0, RECORDS, 200):
        writes = [
            {
                "$type": "com.atproto.repo.applyWrites#create",
                "collection": "app.bsky.feed.post",
                "rkey": f"p{number:05}",
                "value": {"$type": "app.bsky.feed.post", "text": "x", "createdAt": "2026-01-01T00:00:00.000Z"},
            }
            for number in range(start, start + 200)
        ]
        account.procedure("com.atproto.repo.applyWrites", repo=account.did, writes=writes, validate=False)


def drop_the_top(server: Tempest, did: str) -> None:
    """Delete the top node, so that the old state can be told from the new one."""
    path = sharded(server.folder / "repos", did, ".sqlite")
    connection = sqlite3.connect(path)
    with connection:
        assert connection.execute("DELETE FROM node WHERE cid = (SELECT data_cid FROM root)").rowcount == 1
    connection.close()


@pytest.mark.parametrize("running", [True, pytest.param(False, marks=pytest.mark.long)], ids=["running", "stopped"])
def test_a_rebuild_that_is_killed_has_happened_or_not(server: Tempest, running: bool) -> None:
    server.start()
    account = sign_up(server)
    fill(account)
    server.stop()
    drop_the_top(server, account.did)
    seen = set()
    # The work itself takes some tenths of a second: from nothing of it to all of it.
    for delay in (0.0, 0.1, 10.0):
        if running:
            server.start()
        child = subprocess.Popen(
            [*TEMPEST, "repo", "rebuild", account.did, "--yes"],
            env=server.env,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        done = wait_until_it_works(server, child)
        if not done:
            time.sleep(delay)
        if running:
            server.kill()
        else:
            child.kill()
        output, _ = child.communicate()
        report = json.loads(run_command(server.env, "repo", "verify", account.did, "--json").stdout)["reports"][0]
        whole = report["problems"] == []
        assert whole or report["problems"][0].startswith("the tree: missing block")
        assert report["records"] == RECORDS
        if b"Rebuilt" in output:
            assert whole
        seen.add(whole)
        if whole:
            break
    assert True in seen, "it was never given the time"
    server.start()
    account.post("and it can be written to")


def wait_until_it_works(server: Tempest, child: subprocess.Popen[bytes]) -> bool:
    """Wait until the spool of the new tree is there; tell whether the command ended before that was seen."""
    deadline = time.monotonic() + 60
    while child.poll() is None and time.monotonic() < deadline:
        if any(server.folder.glob("tmp/rebuild-*")):
            return False
        time.sleep(0.002)
    return True


def test_a_collection_that_is_killed_leaves_no_row_without_bytes(server: Tempest) -> None:
    server.start()
    site = populate(server)
    for number in range(60):
        upload(site.alice, b"unused %d" % number)
    for delay in (0.0, 0.02, 0.05):
        child = subprocess.Popen(
            [*TEMPEST, "blob", "gc", "--older-than", "0"],
            env=server.env,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        before = files(server.folder)
        while child.poll() is None and files(server.folder) == before:
            time.sleep(0.001)
        time.sleep(delay)
        server.kill()
        child.communicate()
        server.start()
        told = json.loads(command(server, "blob", "scrub", "--json"))
        assert told["sound"], told["problems"]
    assert command(server, "blob", "gc", "--older-than", "0").endswith("removed.\n")
    assert files(server.folder) == 1


def upload(account: Account, data: bytes) -> None:
    request = urllib.request.Request(
        f"{account.server.url}/xrpc/com.atproto.repo.uploadBlob",
        data=data,
        headers={"Authorization": f"Bearer {account.access}", "Content-Type": "text/plain"},
    )
    urllib.request.urlopen(request).close()


def files(folder: Path) -> int:
    return sum(len(names) for _, _, names in os.walk(folder / "blobs"))
