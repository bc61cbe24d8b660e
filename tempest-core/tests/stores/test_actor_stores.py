"""The repo files of many accounts: made, kept open in part, deleted."""

from __future__ import annotations

import sqlite3
import stat
import threading
from pathlib import Path
from typing import Any

import pytest

from tempest_pds.protocol.data_model.cid import CID
from tempest_pds.stores.actor.commit_row import CommitRow
from tempest_pds.stores.actor.stores import ActorStores, RepoExists, RepoNotFound
from tempest_pds.stores.database import DatabaseClosed


def commit(rev: str) -> CommitRow:
    cid = CID.for_dag_cbor(rev.encode())
    return CommitRow(rev, cid, b"commit", cid, {cid: b"node"}, [], [("a.b.c/1", cid, b"record")])


def test_a_repo_file_is_made_once_and_private(stores: ActorStores) -> None:
    with stores.create("did:plc:one") as store:
        assert stat.S_IMODE(store.database.path.stat().st_mode) == 0o600
    with pytest.raises(RepoExists):
        stores.create("did:plc:one")
    assert stores.exists("did:plc:one")


def test_a_repo_that_is_not_here_is_not_made_by_opening_it(stores: ActorStores) -> None:
    with pytest.raises(RepoNotFound):
        stores.open("did:plc:nobody")
    assert not stores.exists("did:plc:nobody")


@pytest.mark.parametrize("did", ["../../etc/passwd", "did:plc:a/../../b", "did:plc:a\0", "did:web:" + "a" * 300, ""])
def test_no_name_leads_out_of_the_directory(stores: ActorStores, did: str) -> None:
    assert not stores.exists(did)
    with pytest.raises(RepoNotFound):
        stores.open(did)


def test_two_dids_never_share_a_file(stores: ActorStores) -> None:
    dids = ["did:web:a_b", "did:web:a:b", "did:web:localhost%3A8080", "did:plc:abc"]
    assert len({stores.path_of(did).name for did in dids}) == len(dids)
    for did in dids:
        stores.create(did).release()
    assert sorted(stores.dids()) == sorted(dids)


def test_files_in_use_are_never_closed(stores: ActorStores) -> None:
    held = [stores.create(f"did:plc:{n}") for n in range(6)]
    stores.reap()
    for n, store in enumerate(held):
        store.apply([commit("3a")])
        assert stores.open(f"did:plc:{n}") is store
        store.release()
        store.release()
    stores.create("did:plc:last").release()
    assert stores.reap() == 4
    assert stores.open_count() == 3
    with stores.open("did:plc:0") as again:
        assert again is not held[0]
        assert again.get_record("a.b.c/1") is not None


def test_a_file_put_aside_comes_back_when_it_is_asked_for(stores: ActorStores) -> None:
    first = stores.create("did:plc:first")
    first.release()
    for n in range(4):
        stores.create(f"did:plc:{n}").release()
    with stores.open("did:plc:first") as again:
        assert again is first


def test_deleting_leaves_no_file(stores: ActorStores) -> None:
    with stores.create("did:plc:gone") as store:
        store.apply([commit("3a")])
    path = store.database.path
    assert stores.delete("did:plc:gone")
    assert list(path.parent.iterdir()) == []
    assert not stores.delete("did:plc:gone")
    with stores.create("did:plc:gone") as store:
        assert store.head() is None


def test_a_log_left_over_is_not_played_into_a_new_file(stores: ActorStores) -> None:
    with stores.create("did:plc:a") as store:
        store.apply([commit("3a")])
        log = store.database.path.with_name(store.database.path.name + "-wal")
        left = log.read_bytes()
        stores.delete("did:plc:a")
    log.write_bytes(left)
    with stores.create("did:plc:a") as store:
        assert store.head() is None
        assert store.get_record("a.b.c/1") is None


def test_what_is_deleted_does_not_come_back_by_a_late_sync(stores: ActorStores) -> None:
    with stores.create("did:plc:gone") as store:
        store.apply([commit("3a")])
        store.apply([commit("3b")])
        stores.delete("did:plc:gone")
        store.sync()
        store.checkpoint()
        with pytest.raises(DatabaseClosed):
            store.apply([commit("3c")])
    assert not stores.exists("did:plc:gone")
    assert list(stores.dids()) == []


def test_a_file_cut_short_by_a_crash_is_made_again(stores: ActorStores) -> None:
    """A repo file gets its name only when it is whole; an empty one can but come from elsewhere."""
    stores.create("did:plc:a").release()
    part = stores.path_of("did:plc:b").with_name("did_plc_b.sqlite.part")
    part.parent.mkdir(exist_ok=True)
    part.write_bytes(b"half")
    with stores.create("did:plc:b") as store:
        store.apply([commit("3a")])
    assert not part.exists()


def test_many_threads_open_the_same_files(stores: ActorStores) -> None:
    dids = [f"did:plc:{n}" for n in range(8)]
    for did in dids:
        with stores.create(did) as store:
            store.apply([commit("3a")])
    failed: list[str] = []

    def work(offset: int) -> None:
        for n in range(200):
            did = dids[(n + offset) % len(dids)]
            with stores.open(did) as store:
                if store.did != did or store.get_record("a.b.c/1") is None:
                    failed.append(did)
            if n % 20 == 0:
                stores.reap()

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed


def test_opening_takes_few_connections(stores: ActorStores, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that is only read has one connection: memory and descriptors are per connection."""
    stores.create("did:plc:a").release()
    stores.close()
    opened: list[Path] = []
    real = sqlite3.connect

    def connect(path: Path, **options: Any) -> sqlite3.Connection:
        opened.append(path)
        connection: sqlite3.Connection = real(path, **options)
        return connection

    monkeypatch.setattr(sqlite3, "connect", connect)
    with stores.open("did:plc:a") as store:
        store.head()
        store.collections()
    assert len(opened) == 1
