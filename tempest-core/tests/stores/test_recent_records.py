"""What is newer than a revision, and the index by which it is found."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from pathlib import Path

import pytest

from tempest_pds.protocol.data_model.cid import CID
from tempest_pds.stores.actor.commit_row import CommitRow
from tempest_pds.stores.actor.recent import _ABOVE, records_since
from tempest_pds.stores.actor.store import ActorStore
from tempest_pds.stores.actor.tables import SCHEMA
from tempest_pds.stores.migrations import runner

POST = "app.bsky.feed.post"
LIKE = "app.bsky.feed.like"


def row(rev: str, *, puts: dict[str, str] | None = None, deletes: Sequence[str] = ()) -> CommitRow:
    upserts = [(path, CID.for_dag_cbor(value.encode()), value.encode()) for path, value in (puts or {}).items()]
    commit = CID.for_dag_cbor(rev.encode())
    return CommitRow(
        rev=rev,
        commit_cid=commit,
        commit_block=rev.encode(),
        data_cid=commit,
        new_nodes={},
        removed_nodes=[],
        upserts=upserts,
        deletes=deletes,
        blobs=(),
        backlinks=(),
    )


def since(store: ActorStore, rev: str, *, looked_at: int = 100, limit: int = 100) -> list[str]:
    found = records_since(store, rev, lambda path: path.startswith(POST), looked_at=looked_at, limit=limit)
    return [f"{record.path.removeprefix(POST)} {record.rev} {record.value.decode()}" for record in found]


@pytest.fixture
def written(actor: ActorStore) -> ActorStore:
    actor.apply([row("3a", puts={f"{POST}/1": "one", f"{POST}/2": "two"})])
    actor.apply([row("3b", puts={f"{LIKE}/1": "like"})])
    actor.apply([row("3c", puts={f"{POST}/1": "one again", f"{POST}/3": "three"})])
    actor.apply([row("3d", puts={f"{POST}/4": "four"})])
    return actor


def test_records_count_by_the_commit_that_wrote_them_last_the_newest_first(written: ActorStore) -> None:
    assert since(written, "3a") == ["/4 3d four", "/3 3c three", "/1 3c one again"]
    assert since(written, "3c") == ["/4 3d four"]


def test_nothing_is_newer_than_the_newest(written: ActorStore) -> None:
    assert since(written, "3d") == since(written, "3e") == []


def test_a_revision_of_another_life_of_the_repository_is_older_than_all_and_counts_for_nothing(
    written: ActorStore,
) -> None:
    assert since(written, "32") == []


def test_deleted_and_taken_down_records_are_left_out(written: ActorStore) -> None:
    written.set_record_takedown(f"{POST}/4", "reference")
    written.apply([row("3e", deletes=[f"{POST}/3"])])
    assert since(written, "3a") == ["/1 3c one again"]


def test_only_so_many_are_looked_at_and_returned_the_newest_of_them(written: ActorStore) -> None:
    written.apply([row("3e", puts={f"{LIKE}/{number}": "like" for number in range(5)})])
    assert since(written, "3a", looked_at=6) == ["/4 3d four"]
    assert since(written, "3a", limit=2) == ["/4 3d four", "/3 3c three"]


def test_an_older_file_gets_the_index(tmp_path: Path) -> None:
    path = tmp_path / "old.sqlite"
    path.touch(mode=0o600)
    runner.upgrade(path, SCHEMA, "repo_0001")
    assert "record_by_rev" not in indexes(path)
    store = ActorStore("did:plc:ewvi7nxzyoun6zhxrhs64oiz", path)
    store.apply([row("3a", puts={f"{POST}/1": "one"})])
    store.apply([row("3b", puts={f"{POST}/2": "two"})])
    assert since(store, "3a") == ["/2 3b two"]
    plan = store.database.reader.execute(f"EXPLAIN QUERY PLAN {_ABOVE.sql}", ("3a", 10)).fetchall()
    assert "record_by_rev" in plan[0][3]
    assert not any("TEMP B-TREE" in step[3] for step in plan)
    store.close()
    assert "record_by_rev" in indexes(path)


def indexes(path: Path) -> set[str]:
    connection = sqlite3.connect(path)
    try:
        return {row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'index'")}
    finally:
        connection.close()
