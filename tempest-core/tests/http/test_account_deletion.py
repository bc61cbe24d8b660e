"""An account that is deleted leaves nothing behind, whatever happens while it is being deleted."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from websockets.asyncio.client import connect
from whole_server import PASSWORD, PNG, POST, User, WholeServer, verdict, whole_server

from tempest_pds.adapters.blob_paths import walk
from tempest_pds.protocol.data_model import dag_cbor
from tempest_pds.services import account_deletion
from tempest_pds.stores.file_names import did_to_name
from tempest_pds.stores.sequencer.store import SequencerStore

SERVER, REPO, SYNC, DELETE = ("com.atproto." + name for name in ("server", "repo", "sync", "admin.deleteAccount"))
ACCOUNT_HEADER = dag_cbor.encode({"op": 1, "t": "#account"})


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[WholeServer]:
    async with whole_server(tmp_path) as server:
        yield server


async def settled(server: WholeServer, name: str) -> User:
    """Sign up an account that has some of everything."""
    user = await server.sign_up(name)
    await user.picture(PNG + name.encode())
    await user.upload(PNG + b"temporary", "image/png")
    await user.post(f"{SERVER}.createAppPassword", {"name": "app"})
    cid = await user.picture(PNG + b"quarantined")
    await server.set_takedown({"$type": "com.atproto.admin.defs#repoBlobRef", "did": user.did, "cid": cid})
    preferences = {"preferences": [{"$type": "app.bsky.actor.defs#adultContentPref", "enabled": True}]}
    assert (await user.post("app.bsky.actor.putPreferences", preferences)).status_code == 200
    return user


def left_behind(folder: Path, did: str) -> list[str]:
    """Name the files that bear the account's name, and its blobs."""
    name = did_to_name(did)
    files = [str(path.relative_to(folder)) for path in folder.rglob("*") if name in path.name and path.is_file()]
    return files + [key for key, _ in walk(folder / "blobs", "") if did in key]


def events_of(folder: Path, did: str) -> list[tuple[str, dict[str, Any]]]:
    """Read what the log holds of an account: kind and body."""
    store = SequencerStore(folder / "sequencer.sqlite")
    try:
        rows = [row for row in store.rows_after(0) if row.did == did]
    finally:
        store.close()
    found = []
    for row in rows:
        body = dag_cbor.decode(row.frame[len(dag_cbor.encode({"op": 1, "t": f"#{row.kind}"})) :])
        assert isinstance(body, dict)
        found.append((row.kind, body))
    return found


def rows_naming(folder: Path, did: str) -> set[str]:
    """Name the tables of the account database that know a DID."""
    connection = sqlite3.connect(folder / "account.sqlite")
    try:
        tables = [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return {
            table
            for table in tables
            if any(did in map(str, row) for row in connection.execute(f"SELECT * FROM {table}"))
        }
    finally:
        connection.close()


async def test_nothing_of_it_is_left_and_others_keep_what_is_theirs(server: WholeServer) -> None:
    alice, bob = await settled(server, "alice"), await settled(server, "bob")
    folder = server.folder
    before = left_behind(folder, bob.did)
    assert len(left_behind(folder, alice.did)) == len(before) >= 5
    assert (await server.administer(DELETE, {"did": alice.did})).status_code == 200
    assert left_behind(folder, alice.did) == []
    assert rows_naming(folder, alice.did) == set()
    ((kind, body),) = events_of(folder, alice.did)
    assert (kind, body["active"], body["status"]) == ("account", False, "deleted")
    assert left_behind(folder, bob.did) == before
    assert len(events_of(folder, bob.did)) > 4
    assert (await bob.get(f"{SERVER}.getSession")).status_code == 200


async def test_it_is_gone_wherever_it_could_be_seen(server: WholeServer) -> None:
    alice = await settled(server, "alice")
    await server.administer(DELETE, {"did": alice.did})
    for method in ("getRepo", "getLatestCommit", "getRepoStatus", "listBlobs"):
        assert verdict(await server.anybody(f"{SYNC}.{method}", did=alice.did)) == (400, "RepoNotFound"), method
    assert (await server.anybody(f"{SYNC}.listRepos")).json() == {"repos": []}
    handle = await server.anybody("com.atproto.identity.resolveHandle", handle=alice.handle)
    assert verdict(handle) == (400, "HandleNotFound")
    login = {"identifier": alice.handle, "password": PASSWORD}
    refused = await server.http.post(f"/xrpc/{SERVER}.createSession", json=login)
    assert verdict(refused) == (401, "AuthenticationRequired")
    post = {"repo": alice.did, "collection": POST, "record": {"$type": POST}}
    assert verdict(await alice.post(f"{REPO}.createRecord", post)) == (403, "AccountNotFound")
    headers = {"Authorization": f"Bearer {alice.refresh}"}
    refreshed = await server.http.post(f"/xrpc/{SERVER}.refreshSession", headers=headers)
    assert refreshed.status_code == 400
    again = await server.administer(DELETE, {"did": alice.did})
    assert verdict(again) == (400, "AccountNotFound")


async def test_its_handle_and_address_are_free_again(server: WholeServer) -> None:
    alice = await server.sign_up("alice")
    await server.administer(DELETE, {"did": alice.did})
    assert (await server.sign_up("alice")).did != alice.did


async def test_subscribers_that_come_later_are_told_of_its_end_and_of_nothing_else(server: WholeServer) -> None:
    alice, bob = await settled(server, "alice"), await settled(server, "bob")
    await server.administer(DELETE, {"did": alice.did})
    last = server.services.firehose.last_seq
    url = f"ws://127.0.0.1:{server.port}/xrpc/{SYNC}.subscribeRepos?cursor=0"
    told: list[bytes] = []
    async with connect(url, max_size=None) as socket, asyncio.timeout(10):
        while not told or not told[-1].startswith(ACCOUNT_HEADER) or alice.did.encode() not in told[-1]:
            frame = await socket.recv()
            assert isinstance(frame, bytes)
            told.append(frame)
    assert sum(alice.did.encode() in frame for frame in told) == 1
    assert sum(bob.did.encode() in frame for frame in told) > 4
    assert server.services.firehose.last_seq == last


async def test_no_commit_is_told_after_the_end_of_its_account(server: WholeServer) -> None:
    alice = await server.sign_up("alice")
    record = {"$type": POST, "text": "hi", "createdAt": "2026-01-02T03:04:05.678Z"}
    given = {"repo": alice.did, "collection": POST, "record": record}
    url = f"ws://127.0.0.1:{server.port}/xrpc/{SYNC}.subscribeRepos"
    async with connect(url, max_size=None) as socket:
        posts = [asyncio.create_task(alice.post(f"{REPO}.createRecord", given)) for _ in range(40)]
        await asyncio.sleep(0)
        await posts[0]
        assert (await server.administer(DELETE, {"did": alice.did})).status_code == 200
        answers = {verdict(answer) for answer in await asyncio.gather(*posts)}
        assert answers <= {(200, ""), (403, "AccountNotFound"), (400, "RepoBusy"), (400, "RepoNotFound")}
        frames: list[bytes] = []
        async with asyncio.timeout(10):
            while not frames or not frames[-1].startswith(ACCOUNT_HEADER):
                frame = await socket.recv()
                assert isinstance(frame, bytes)
                frames.append(frame)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await socket.recv()
    assert events_of(server.folder, alice.did)[-1][0] == "account"
    assert left_behind(server.folder, alice.did) == []


class Failure:
    """A blob store that cannot be reached."""

    def __init__(self, server: WholeServer) -> None:
        self._patch = mock.patch.object(server.services.blobs, "_blob_store", mock.Mock(list=self._fail))

    def _fail(self, prefix: str = "") -> Any:
        raise OSError("unreachable")

    def __enter__(self) -> None:
        self._patch.start()

    def __exit__(self, *error: object) -> None:
        self._patch.stop()


async def test_what_could_not_be_cleared_away_is_cleared_away_later(server: WholeServer) -> None:
    alice = await settled(server, "alice")
    with Failure(server):
        assert (await server.administer(DELETE, {"did": alice.did})).status_code == 200
        assert verdict(await server.anybody(f"{SYNC}.getRepo", did=alice.did)) == (400, "RepoNotFound")
        assert [key.split("/")[0] for key in left_behind(server.folder, alice.did)] != []
        await server.services.account_deletion.resume()
    assert left_behind(server.folder, alice.did) != []
    await server.services.account_deletion.resume()
    assert left_behind(server.folder, alice.did) == []
    assert [kind for kind, _ in events_of(server.folder, alice.did)] == ["account"]
    assert rows_naming(server.folder, alice.did) == set()


async def test_a_deletion_that_was_interrupted_is_finished_at_the_next_start(tmp_path: Path) -> None:
    async with whole_server(tmp_path) as server:
        alice = await settled(server, "alice")
        with Failure(server):
            await server.administer(DELETE, {"did": alice.did})
    assert left_behind(tmp_path, alice.did) != []
    async with whole_server(tmp_path):
        assert left_behind(tmp_path, alice.did) == []
    assert [kind for kind, _ in events_of(tmp_path, alice.did)] == ["account"]
    assert rows_naming(tmp_path, alice.did) == set()


async def test_a_blob_store_that_does_not_answer_holds_up_no_start(server: WholeServer) -> None:
    alice = await settled(server, "alice")
    with Failure(server):
        await server.administer(DELETE, {"did": alice.did})
    deletion, answers = server.services.account_deletion, asyncio.Event()

    async def wait_and_list(prefix: str = "") -> AsyncIterator[Any]:
        await answers.wait()
        for nothing in ():
            yield nothing

    with mock.patch.object(server.services.blobs, "_blob_store", mock.Mock(list=wait_and_list)):
        async with asyncio.timeout(5):
            await deletion.resume_at_start(patience=0.05)
        assert rows_naming(server.folder, alice.did) == {"account_deletion"}
        # The sweep does not take up what is under way.
        await deletion.resume()
        answers.set()
        await deletion.close()
    assert rows_naming(server.folder, alice.did) == set()


class Hanging:
    """A blob store that does not answer until it is let."""

    def __init__(self, server: WholeServer) -> None:
        self.answers = asyncio.Event()
        self._real = server.services.blobs._blob_store
        self._patch = mock.patch.object(server.services.blobs, "_blob_store", mock.Mock(wraps=self._real))

    async def _list(self, prefix: str = "") -> AsyncIterator[Any]:
        await self.answers.wait()
        async for stat in self._real.list(prefix):
            yield stat

    def __enter__(self) -> Hanging:
        self._patch.start().list = self._list
        return self

    def __exit__(self, *error: object) -> None:
        self._patch.stop()


async def test_nobody_waits_for_the_blobs_of_an_account_that_is_gone(
    server: WholeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(account_deletion, "ANSWER_SECONDS", 0.05)
    alice = await settled(server, "alice")
    with Hanging(server) as store:
        async with asyncio.timeout(5):
            assert (await server.administer(DELETE, {"did": alice.did})).status_code == 200
        assert verdict(await server.anybody(f"{SYNC}.getRepo", did=alice.did)) == (400, "RepoNotFound")
        assert rows_naming(server.folder, alice.did) == {"account_deletion"}
        store.answers.set()
        await server.services.account_deletion.close()
    assert rows_naming(server.folder, alice.did) == set()
    assert left_behind(server.folder, alice.did) == []


async def test_a_stop_does_not_wait_for_a_blob_store_that_does_not_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(account_deletion, "ANSWER_SECONDS", 0.05)
    monkeypatch.setattr(account_deletion, "CLOSE_SECONDS", 0.05)
    async with asyncio.timeout(15):
        async with whole_server(tmp_path) as server:
            alice = await settled(server, "alice")
            hanging = Hanging(server)
            hanging.__enter__()
            assert (await server.administer(DELETE, {"did": alice.did})).status_code == 200
        hanging.__exit__()
        assert left_behind(tmp_path, alice.did) != []
        async with whole_server(tmp_path):
            assert left_behind(tmp_path, alice.did) == []
    assert rows_naming(tmp_path, alice.did) == set()


async def test_nobody_moves_in_before_the_account_of_that_did_is_cleared_away(tmp_path: Path) -> None:
    async with whole_server(tmp_path, TEMPEST_HOSTED_DID_METHOD="web") as server:
        alice = await settled(server, "alice")
        given = {"handle": alice.handle, "email": "alice@example.com", "password": PASSWORD}
        with Failure(server):
            await server.administer(DELETE, {"did": alice.did})
            refused = await server.http.post(f"/xrpc/{SERVER}.createAccount", json=given)
            assert verdict(refused) == (400, "InvalidRequest")
        await server.services.account_deletion.resume()
        refused = await server.http.post(f"/xrpc/{SERVER}.createAccount", json=given)
        assert verdict(refused) == (400, "HandleNotAvailable")


async def test_nobody_gets_the_did_of_an_account_that_was_deleted_by_its_name(tmp_path: Path) -> None:
    update = "com.atproto.identity.updateHandle"
    async with whole_server(tmp_path, TEMPEST_HOSTED_DID_METHOD="web") as server:
        alice, bob = await server.sign_up("alice"), await server.sign_up("bob")
        assert (await alice.post(update, {"handle": "alicia.test"})).status_code == 200
        assert (await server.administer(DELETE, {"did": alice.did})).status_code == 200
        assert verdict(await bob.post(update, {"handle": "alice.test"})) == (400, "HandleNotAvailable")
        assert (await bob.post(update, {"handle": "alicia.test"})).status_code == 200
    for method in ("plc", "web"):
        async with whole_server(tmp_path, TEMPEST_HOSTED_DID_METHOD=method) as server:
            given = {"handle": "alice.test", "email": "new@example.com", "password": PASSWORD}
            refused = await server.http.post(f"/xrpc/{SERVER}.createAccount", json=given)
            assert verdict(refused) == (400, "HandleNotAvailable")
            assert verdict(await server.anybody(f"{SYNC}.getRepo", did=alice.did)) == (400, "RepoNotFound")


async def test_a_repository_that_is_being_replaced_is_not_deleted_half(server: WholeServer) -> None:
    alice = await server.sign_up("alice")
    repos = server.services.repos
    did = server.services.hosting.writable(alice.did).did
    async with repos._repos.locked_out(did):
        assert verdict(await server.administer(DELETE, {"did": alice.did})) == (400, "RepoBusy")
    assert (await alice.get(f"{SERVER}.getSession")).status_code == 200
    assert (await server.administer(DELETE, {"did": alice.did})).status_code == 200
