"""The repo file: what is applied can be read, in the order and to the extent that was asked for."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tempest_pds.protocol.data_model.cid import CID
from tempest_pds.stores.actor.commit_row import CommitRow
from tempest_pds.stores.actor.store import UNWRITTEN_NODES, ActorStore, RevNotRising

POST = "app.bsky.feed.post"
LIKE = "app.bsky.feed.like"


def block(text: str) -> tuple[CID, bytes]:
    data = text.encode()
    return CID.for_dag_cbor(data), data


def row(
    rev: str,
    *,
    nodes: Sequence[str] = (),
    removed: Sequence[str] = (),
    puts: dict[str, str] | None = None,
    deletes: Sequence[str] = (),
    blobs: Sequence[tuple[str, CID]] = (),
    backlinks: Sequence[tuple[str, str]] = (),
) -> CommitRow:
    commit, commit_block = block(f"commit {rev}")
    return CommitRow(
        rev=rev,
        commit_cid=commit,
        commit_block=commit_block,
        data_cid=block(f"data {rev}")[0],
        new_nodes=dict(block(node) for node in nodes),
        removed_nodes=[block(node)[0] for node in removed],
        upserts=[(path, *block(value)) for path, value in (puts or {}).items()],
        deletes=deletes,
        blobs=blobs,
        backlinks=backlinks,
    )


def reopened(store: ActorStore) -> ActorStore:
    store.close()
    return ActorStore(store.did, store.database.path)


def after_a_crash(store: ActorStore, tmp_path: Path) -> ActorStore:
    """Open a copy of the files as they lie there now, without a close."""
    copy = tmp_path / "crashed.sqlite"
    for suffix in ("", "-wal"):
        source = store.database.path.with_name(store.database.path.name + suffix)
        if source.exists():
            copy.with_name(copy.name + suffix).write_bytes(source.read_bytes())
    return ActorStore(store.did, copy)


def test_a_new_repo_has_no_head(actor: ActorStore) -> None:
    assert actor.head() is None
    assert actor.collections() == []


def test_head_is_that_of_the_newest_commit(actor: ActorStore) -> None:
    actor.apply([row("3a"), row("3b")])
    head = actor.head()
    assert head is not None
    assert (head.did, head.rev, head.commit, head.data) == (actor.did, "3b", block("commit 3b")[0], block("data 3b")[0])


def test_head_survives_closing(actor: ActorStore) -> None:
    actor.apply([row("3a", nodes=["n1"])])
    actor.apply([row("3b", nodes=["n2"], removed=["n1"])])
    again = reopened(actor)
    assert again.root() == actor.root()
    assert again.get(block("n1")[0]) is None
    assert again.get(block("n2")[0]) == b"n2"
    again.close()


@pytest.mark.parametrize("rev", ["3a", "39"])
def test_rev_only_rises(actor: ActorStore, rev: str) -> None:
    actor.apply([row("3a", puts={f"{POST}/1": "one"})])
    with pytest.raises(RevNotRising):
        actor.apply([row(rev, puts={f"{POST}/2": "two"})])
    with pytest.raises(RevNotRising):
        actor.apply([row("3c", puts={f"{POST}/2": "two"}), row("3b")])
    assert actor.get_record(f"{POST}/2") is None


def test_every_kind_of_block_is_found_by_cid(actor: ActorStore) -> None:
    actor.apply([row("3a", nodes=["node"], puts={f"{POST}/1": "record"})])
    for text in ("node", "record", "commit 3a"):
        assert actor.get_block(block(text)[0]) == text.encode()
    assert actor.get_block(block("nothing")[0]) is None
    assert actor.get(block("record")[0]) is None


def test_records_are_listed_newest_first_and_reversed(actor: ActorStore) -> None:
    actor.apply([row("3a", puts={f"{POST}/{n}": f"p{n}" for n in range(5)} | {f"{POST}s/1": "x", f"{LIKE}/1": "l"})])
    assert [record.rkey for record in actor.list_records(POST, 10)] == ["4", "3", "2", "1", "0"]
    assert [record.rkey for record in actor.list_records(POST, 2, "3")] == ["2", "1"]
    assert [record.rkey for record in actor.list_records(POST, 2, "3", reverse=True)] == ["4"]
    assert [record.rkey for record in actor.list_records(POST, 2, reverse=True)] == ["0", "1"]
    first = actor.list_records(POST, 1)[0]
    assert (first.path, first.cid, first.value) == (f"{POST}/4", *block("p4"))


def test_a_collection_vanishes_with_its_last_record(actor: ActorStore) -> None:
    actor.apply([row("3a", puts={f"{POST}/1": "p", f"{LIKE}/1": "l", f"{LIKE}/2": "m", "a.b.c/~": "x"})])
    assert actor.collections() == ["a.b.c", LIKE, POST]
    actor.apply([row("3b", deletes=[f"{LIKE}/1", f"{LIKE}/2"])])
    assert actor.collections() == ["a.b.c", POST]


def test_an_update_replaces_value_blobs_and_backlink(actor: ActorStore) -> None:
    old, new = CID.for_raw(b"old"), CID.for_raw(b"new")
    actor.apply([row("3a", puts={f"{LIKE}/1": "one"}, blobs=[(f"{LIKE}/1", old)], backlinks=[(f"{LIKE}/1", "at://x")])])
    assert actor.backlinks(LIKE, "at://x") == [f"{LIKE}/1"]
    assert actor.backlinks(POST, "at://x") == []
    changes = actor.apply(
        [row("3b", puts={f"{LIKE}/1": "two"}, blobs=[(f"{LIKE}/1", new)], backlinks=[(f"{LIKE}/1", "at://y")])]
    )
    assert actor.get_record(f"{LIKE}/1") == block("two")
    assert actor.backlinks(LIKE, "at://x") == []
    assert actor.backlinks(LIKE, "at://y") == [f"{LIKE}/1"]
    assert changes.orphaned == (old,)
    changes = actor.apply([row("3c", deletes=[f"{LIKE}/1"])])
    assert changes.orphaned == (new,)
    assert actor.backlinks(LIKE, "at://y") == []


def test_a_blob_is_orphaned_only_when_nothing_refers_to_it(actor: ActorStore) -> None:
    blob = CID.for_raw(b"shared")
    actor.apply([row("3a", puts={f"{POST}/1": "a", f"{POST}/2": "b"}, blobs=[(f"{POST}/{n}", blob) for n in (1, 2)])])
    assert actor.apply([row("3b", deletes=[f"{POST}/1"])]).orphaned == ()
    # Let go and taken up again in one batch: still in use.
    batch = [row("3c", deletes=[f"{POST}/2"]), row("3d", puts={f"{POST}/3": "c"}, blobs=[(f"{POST}/3", blob)])]
    assert actor.apply(batch).orphaned == ()
    assert actor.apply([row("3e", deletes=[f"{POST}/3"])]).orphaned == (blob,)


def test_a_blob_is_published_once(actor: ActorStore) -> None:
    blob = CID.for_raw(b"image")
    actor.blobs.put(blob, "image/png", 5, "temporary")
    changes = actor.apply([row("3a", puts={f"{POST}/1": "a"}, blobs=[(f"{POST}/1", blob)])])
    assert changes.published == (blob,)
    assert actor.apply([row("3b", puts={f"{POST}/2": "b"}, blobs=[(f"{POST}/2", blob)])]).published == ()
    stored = actor.blobs.get(blob)
    assert stored is not None
    assert stored.status == "public"


def test_a_batch_writes_only_what_is_left_of_it(actor: ActorStore) -> None:
    actor.apply([row("3a", nodes=["old"])])
    actor.apply(
        [
            row("3b", nodes=["passing", "back"], removed=["old"], puts={f"{POST}/1": "one", f"{POST}/2": "two"}),
            row("3c", nodes=["old"], removed=["passing", "back"], puts={f"{POST}/1": "uno"}, deletes=[f"{POST}/2"]),
            row("3d", nodes=["back", "last"], removed=["old"], puts={f"{POST}/2": "due"}),
        ]
    )
    actor.flush()
    again = reopened(actor)
    assert {text: again.get(block(text)[0]) is not None for text in ("old", "passing", "back", "last")} == {
        "old": False,
        "passing": False,
        "back": True,
        "last": True,
    }
    assert [record.value for record in again.list_records(POST, 9)] == [b"due", b"uno"]
    again.close()


def test_nothing_of_a_failed_batch_stays(actor: ActorStore) -> None:
    actor.apply([row("3a", nodes=["n"])])
    broken = row("3c", nodes=["never"], puts={f"{POST}/2": "x"}, backlinks=[(f"{POST}/2", None)])  # type: ignore[list-item]
    with pytest.raises(Exception, match="NOT NULL"):
        actor.apply([row("3b", puts={f"{POST}/1": "x"}, removed=["n"]), broken])
    head = actor.head()
    assert head is not None
    assert head.rev == "3a"
    assert actor.get_record(f"{POST}/1") is None
    assert actor.get(block("never")[0]) is None
    assert actor.get(block("n")[0]) == b"n"
    actor.apply([row("3b", puts={f"{POST}/1": "x"})])


def test_a_file_left_by_a_crash_is_behind_never_ahead(actor: ActorStore, tmp_path: Path) -> None:
    """Its root and tree are those of one commit, and applying the commits after it again makes it whole."""
    commits = [row("3a0", nodes=["n0"])]
    commits += [
        row(f"3a{n}", nodes=[f"n{n}"], removed=[f"n{n - 1}"], puts={f"{POST}/{n}": f"p{n}"}) for n in range(1, 6)
    ]
    for commit in commits:
        actor.apply([commit])
    crashed = after_a_crash(actor, tmp_path)
    head = crashed.head()
    assert head is not None
    node = "n" + head.rev[2:]
    assert crashed.get(block(node)[0]) == node.encode()
    crashed.apply([commit for commit in commits if commit.rev > head.rev])
    assert crashed.root() == actor.root()
    assert crashed.list_records(POST, 9) == actor.list_records(POST, 9)
    crashed.close()


def test_after_sync_a_crash_loses_nothing(actor: ActorStore, tmp_path: Path) -> None:
    for n in range(5):
        actor.apply([row(f"3a{n}", nodes=[f"n{n}"], removed=[f"n{n - 1}"])])
    actor.sync()
    crashed = after_a_crash(actor, tmp_path)
    assert crashed.root() == actor.root()
    assert crashed.get(block("n4")[0]) == b"n4"
    assert crashed.get(block("n3")[0]) is None
    crashed.close()


def test_unwritten_nodes_are_bounded(actor: ActorStore, tmp_path: Path) -> None:
    actor.apply([row("3a")])
    actor.apply([row("3b", nodes=[f"n{n}" for n in range(UNWRITTEN_NODES + 1)])])
    crashed = after_a_crash(actor, tmp_path)
    assert crashed.root() == actor.root()
    crashed.close()


def test_a_taken_down_record_is_not_shown(actor: ActorStore) -> None:
    actor.apply([row("3a", puts={f"{POST}/1": "one", f"{POST}/2": "two"})])
    assert actor.set_record_takedown(f"{POST}/1", "case 7")
    assert actor.record_takedown(f"{POST}/1") == "case 7"
    assert actor.get_record(f"{POST}/1") is None
    assert actor.get_record(f"{POST}/1", include_taken_down=True) == block("one")
    assert [record.rkey for record in actor.list_records(POST, 9)] == ["2"]
    actor.apply([row("3b", puts={f"{POST}/1": "edited"})])
    assert actor.get_record(f"{POST}/1") is None
    assert actor.set_record_takedown(f"{POST}/1", None)
    assert actor.get_record(f"{POST}/1") == block("edited")
    assert not actor.set_record_takedown(f"{POST}/9", "case 8")


def test_a_snapshot_stays_while_commits_go_on(actor: ActorStore) -> None:
    actor.apply([row("3a", nodes=["n1"], puts={f"{POST}/1": "one"})])
    actor.apply([row("3b", nodes=["n2"], removed=["n1"], puts={f"{POST}/2": "two"})])
    with actor.snapshot() as snapshot:
        actor.apply([row("3c", nodes=["n3"], removed=["n2"], puts={f"{POST}/3": "three"}, deletes=[f"{POST}/1"])])
        actor.checkpoint()
        head = snapshot.head()
        assert head is not None
        assert head.rev == "3b"
        assert snapshot.get(block("n2")[0]) == b"n2"
        assert snapshot.get(block("n3")[0]) is None
        for since, nodes, records in (("", [b"n2"], [b"one", b"two"]), ("3a", [b"n2"], [b"two"]), ("3b", [], [])):
            assert [value for page in snapshot.node_pages(since) for _, value in page] == nodes
            assert [value for page in snapshot.record_pages(since) for _, value in page] == records


def test_a_frozen_read_sees_one_state(actor: ActorStore) -> None:
    actor.apply([row("3a", nodes=["n1"], puts={f"{POST}/1": "one"})])
    with actor.frozen() as root:
        writer = threading.Thread(
            target=lambda: actor.apply([row("3b", nodes=["n2"], removed=["n1"], deletes=[f"{POST}/1"])])
        )
        writer.start()
        writer.join()
        assert root is not None
        assert root.rev == "3a"
        assert actor.get(block("n1")[0]) == b"n1"
        assert actor.get(block("n2")[0]) is None
        assert actor.get_record(f"{POST}/1") == block("one")
    assert actor.get(block("n2")[0]) == b"n2"
    assert actor.get_record(f"{POST}/1") is None


def test_a_frozen_read_holds_no_other_thread_to_its_state(actor: ActorStore) -> None:
    actor.apply([row("3a", nodes=["n1"], puts={f"{POST}/1": "one"})])
    seen: list[bytes | None] = []
    reader = threading.Thread(target=lambda: seen.append(actor.get_record(f"{POST}/1")))
    with actor.frozen():
        writer = threading.Thread(target=lambda: actor.apply([row("3b", nodes=["n2"], deletes=[f"{POST}/1"])]))
        writer.start()
        writer.join()
        reader.start()
        # Were it held to this state, it would be through by now.
        reader.join(timeout=0.2)
    reader.join(timeout=30)
    assert seen == [None]


def test_reading_goes_on_while_another_thread_writes(actor: ActorStore) -> None:
    """Every state a reader sees is one that a commit made: each commit keeps two records equal."""
    actor.apply([row("3a0000", puts={f"{POST}/a": "0", f"{POST}/b": "0"}, nodes=["n0"])])

    def write() -> None:
        for n in range(1, 300):
            puts = {f"{POST}/a": str(n), f"{POST}/b": str(n)}
            actor.apply([row(f"3a{n:04d}", puts=puts, nodes=[f"n{n}"], removed=[f"n{n - 1}"])])
            if n % 50 == 0:
                actor.checkpoint()

    pool = ThreadPoolExecutor(1)
    writing = pool.submit(write)
    seen = set()
    while not writing.done():
        first, second = actor.list_records(POST, 2)
        assert first.value == second.value
        with actor.frozen() as root:
            assert root is not None
            n = int(root.rev[2:])
            assert actor.get(block(f"n{n}")[0]) == f"n{n}".encode()
            assert actor.get_record(f"{POST}/a") == block(str(n))
        seen.add(n)
    writing.result()
    pool.shutdown()
    assert len(seen) > 1


def test_counts(actor: ActorStore) -> None:
    actor.apply([row("3a", nodes=["n1", "n2"], puts={f"{POST}/1": "one", f"{POST}/2": "two"})])
    actor.apply([row("3b", nodes=["n3"], removed=["n1"], deletes=[f"{POST}/1"])])
    assert actor.record_count() == 1
    assert actor.block_count() == 4  # the commit, n2, n3, one record


def test_replacing_a_repo_leaves_nothing_of_it(actor: ActorStore) -> None:
    old, kept = CID.for_raw(b"old"), CID.for_raw(b"kept")
    for cid in (old, kept):
        actor.blobs.put(cid, "image/png", 3, "temporary")
    blobs = [(f"{POST}/1", old), (f"{POST}/1", kept)]
    actor.apply([row("3a", nodes=["n1"], puts={f"{POST}/1": "one"}, blobs=blobs, backlinks=[(f"{POST}/1", "x")])])
    chunks = [
        row("3c", nodes=["m1"], puts={f"{POST}/7": "seven"}, blobs=[(f"{POST}/7", kept)]),
        row("3c", nodes=["m2"], puts={f"{LIKE}/8": "eight"}, backlinks=[(f"{LIKE}/8", "y")]),
    ]
    changes = actor.replace(chunks)
    assert changes.orphaned == (old,)
    assert changes.published == ()
    head = actor.head()
    assert head is not None
    assert head.rev == "3c"
    assert actor.get(block("n1")[0]) is None
    assert actor.get(block("m1")[0]) == b"m1"
    assert actor.get(block("m2")[0]) == b"m2"
    assert actor.collections() == [LIKE, POST]
    assert actor.backlinks(POST, "x") == []
    assert actor.backlinks(LIKE, "y") == [f"{LIKE}/8"]
    with pytest.raises(RevNotRising):
        actor.replace([row("3b")])
    assert actor.collections() == [LIKE, POST]


def test_preferences_are_kept_by_namespace(actor: ActorStore) -> None:
    actor.preferences.put("app.bsky", [("app.bsky.actor.defs#a", "1"), ("app.bsky.actor.defs#b", "2")])
    actor.preferences.put("com.example", [("com.example.x", "3")])
    actor.preferences.put("app.bsky", [("app.bsky.actor.defs#c", "4"), ("app.bsky.actor.defs#c", "5")])
    assert actor.preferences.get("app.bsky") == [("app.bsky.actor.defs#c", "4"), ("app.bsky.actor.defs#c", "5")]
    assert actor.preferences.get("com.example") == [("com.example.x", "3")]
    assert actor.preferences.get("app.bsk") == []
    assert actor.preferences.count() == 3


def test_a_preference_outside_its_namespace_is_refused(actor: ActorStore) -> None:
    with pytest.raises(ValueError, match="namespace"):
        actor.preferences.put("app.bsky", [("app.bskyx.a", "1")])
