"""A sound repository has no problems, and every kind of damage is found and named."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from conftest import ALICE, OpenWritePath, WritePath
from damage import change, flip_a_byte_in_a_record

from tempest_pds.protocol.crypto.keys import generate_k256
from tempest_pds.protocol.data_model import dag_cbor
from tempest_pds.protocol.data_model.cid import CID
from tempest_pds.protocol.syntax.nsid import Nsid
from tempest_pds.repo.commit import sign_commit
from tempest_pds.services.progress import WorkStopped
from tempest_pds.services.record_writes import RequestedWrite
from tempest_pds.services.repo_verification import MAX_PROBLEMS, RepositoryReport, verify_repository
from tempest_pds.stores.actor.store import ActorStore

FOLLOW = Nsid("app.bsky.graph.follow")
NOW = "2026-01-01T00:00:00.000Z"


@pytest.fixture
async def full(open_write_path: OpenWritePath) -> WritePath:
    """Sixty posts, a follow, and a picture that a post shows; all of it in the file."""
    path = await open_write_path()
    path.create(ALICE)
    for number in range(60):
        await path.post(f"post {number}", rkey=f"post-{number:03}")
    await path.write(RequestedWrite("create", FOLLOW, None, {"subject": "did:plc:bob", "createdAt": NOW}))
    blob = await path.upload(b"\x89PNG\r\n\x1a\n" + bytes(64), "image/png")
    reference = {"$type": "blob", "ref": blob.cid, "mimeType": blob.mime_type, "size": blob.size}
    embed = {"$type": "app.bsky.embed.images", "images": [{"alt": "", "image": reference}]}
    value = {"text": "look", "createdAt": NOW, "embed": embed}
    await path.write(RequestedWrite("create", Nsid("app.bsky.feed.post"), None, value))
    return path


def verify(path: WritePath) -> RepositoryReport:
    with path.stores.open(ALICE) as store:
        return verify_repository(store, ALICE, path.key().did_key)


async def test_a_sound_repository_has_no_problems(full: WritePath) -> None:
    report = verify(full)
    assert report.problems == []
    head = full.sync.head(ALICE)
    assert (report.commit, report.rev) == (str(head.commit), head.rev)
    assert (report.records, report.blobs, report.blobs_never_uploaded) == (62, 1, 0)
    assert report.nodes > 5


async def test_so_has_one_whose_tree_is_in_the_file_and_one_that_is_empty(full: WritePath) -> None:
    empty = full.create(type(ALICE)("did:plc:bobbbbbbbbbbbbbbbbbbbbbb"))
    with full.stores.open(ALICE) as store:
        store.checkpoint()
    with full.stores.open(empty) as store:
        assert verify_repository(store, empty, full.key(empty).did_key).problems == []
    assert verify(full).problems == []


async def test_what_is_written_meanwhile_does_not_confuse(full: WritePath) -> None:
    told = 0

    def write_now(what: str, done: int, total: int | None) -> None:
        nonlocal told
        told += 1

    with full.stores.open(ALICE) as store:
        checking = asyncio.create_task(
            asyncio.to_thread(verify_repository, store, ALICE, full.key().did_key, write_now)
        )
        written = 0
        while not checking.done() or written < 5:
            await full.post(f"meanwhile {written}")
            written += 1
        assert (await checking).problems == []
    assert told >= 62


def flip_a_byte_in_a_post(store: ActorStore) -> None:
    flip_a_byte_in_a_record(store, "app.bsky.feed.post/post-007")


def flip_a_byte_in_a_node(store: ActorStore) -> None:
    raw, block = store.database.reader.execute("SELECT cid, block FROM node LIMIT 1").fetchone()
    change(store, "UPDATE node SET block = ? WHERE cid = ?", block[:-2] + bytes([block[-2] ^ 1]) + block[-1:], raw)


def delete_a_node(store: ActorStore) -> None:
    change(store, "DELETE FROM node WHERE cid = (SELECT min(cid) FROM node)")


def add_a_node(store: ActorStore) -> None:
    block = dag_cbor.encode({"e": [], "l": None, "x": 1})
    change(store, "INSERT INTO node VALUES (?, '3aaaaaaaaaa2a', ?)", CID.for_dag_cbor(block).raw, block)


def take_a_record_out_of_the_index(store: ActorStore) -> None:
    change(store, "DELETE FROM record WHERE path = 'app.bsky.feed.post/post-059'")


def put_a_record_into_the_index(store: ActorStore) -> None:
    block = dag_cbor.encode({"$type": "app.bsky.feed.post", "text": "x", "createdAt": NOW})
    change(
        store,
        "INSERT INTO record VALUES ('app.bsky.feed.post/zzz', ?, '3aaaaaaaaaa2a', NULL, ?)",
        CID.for_dag_cbor(block).raw,
        block,
    )


def put_another_record_in_its_place(store: ActorStore) -> None:
    block = dag_cbor.encode({"$type": "app.bsky.feed.post", "text": "x", "createdAt": NOW})
    change(
        store,
        "UPDATE record SET cid = ?, value = ? WHERE path = 'app.bsky.feed.post/post-007'",
        CID.for_dag_cbor(block).raw,
        block,
    )


def forget_a_blob_reference(store: ActorStore) -> None:
    change(store, "DELETE FROM record_blob")


def forget_a_subject(store: ActorStore) -> None:
    change(store, "DELETE FROM backlink")


def note_a_blob_of_no_record(store: ActorStore) -> None:
    change(store, "INSERT INTO record_blob VALUES ('app.bsky.feed.post/zzz', ?)", CID.for_raw(b"x").raw)


def sign_with_another_key(store: ActorStore) -> None:
    head = store.head()
    assert head is not None
    commit = sign_commit(head.did, head.rev, head.data, generate_k256())
    change(store, "UPDATE root SET commit_cid = ?, commit_block = ?", commit.cid.raw, commit.encode())


def flip_a_byte_in_the_commit(store: ActorStore) -> None:
    root = store.root()
    assert root is not None
    block = root.commit_block
    change(store, "UPDATE root SET commit_block = ?", block[:30] + bytes([block[30] ^ 1]) + block[31:])


def spoil_a_page(store: ActorStore) -> None:
    path = store.database.path
    store.database.checkpoint(truncate=True)
    with path.open("r+b") as file:
        file.seek(4096 * 5)
        file.write(b"\xff" * 4096)


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (flip_a_byte_in_a_post, "the bytes of app.bsky.feed.post/post-007 are not those"),
        (flip_a_byte_in_a_node, "the bytes of node"),
        (delete_a_node, "the tree: missing block"),
        (add_a_node, "1 nodes are in the file that the tree does not name"),
        (take_a_record_out_of_the_index, "the index lacks app.bsky.feed.post/post-059"),
        (put_a_record_into_the_index, "app.bsky.feed.post/zzz is in the index, but not in the tree"),
        (put_another_record_in_its_place, "app.bsky.feed.post/post-007 in the index is not the record of the tree"),
        (forget_a_blob_reference, "the index has other blobs of"),
        (forget_a_subject, "the index has another subject of"),
        (note_a_blob_of_no_record, "notes what app.bsky.feed.post/zzz refers to, but has no such record"),
        (sign_with_another_key, "the commit is not signed with the account's key"),
        (flip_a_byte_in_the_commit, "the bytes of commit"),
        (spoil_a_page, "cannot be read"),
    ],
)
async def test_damage_is_found_and_named(
    full: WritePath, open_write_path: OpenWritePath, damage: Callable[[ActorStore], None], told: str
) -> None:
    await full.stop()
    again = await open_write_path()
    with again.stores.open(ALICE) as store:
        damage(store)
    await again.stop()
    report = verify(await open_write_path())
    assert any(told in problem for problem in report.problems), report.problems
    assert len(report.problems) <= 4


async def test_a_repository_of_somebody_else_in_the_file_is_found(full: WritePath) -> None:
    with full.stores.open(ALICE) as store:
        report = verify_repository(store, "did:plc:bobbbbbbbbbbbbbbbbbbbbbb", full.key().did_key)
    assert report.problems == [f"the commit is of {ALICE}, not of did:plc:bobbbbbbbbbbbbbbbbbbbbbb"]


async def test_a_blob_that_was_never_uploaded_is_counted_and_is_no_damage(full: WritePath) -> None:
    with full.stores.open(ALICE) as store:
        change(store, "DELETE FROM blob")
    report = verify(full)
    assert (report.problems, report.blobs, report.blobs_never_uploaded) == ([], 1, 1)


async def test_of_many_problems_some_are_told_and_the_others_counted(full: WritePath) -> None:
    with full.stores.open(ALICE) as store:
        change(store, "DELETE FROM record")
    problems = verify(full).problems
    # Sixty-two records, and the notes of one blob and one subject.
    assert (len(problems), problems[-1]) == (MAX_PROBLEMS + 1, "and 14 more")


async def test_a_verification_ends_when_nobody_waits_for_it(full: WritePath) -> None:
    def gone(what: str, done: int, total: int | None) -> None:
        raise WorkStopped("gone")

    with full.stores.open(ALICE) as store, pytest.raises(WorkStopped):
        verify_repository(store, ALICE, full.key().did_key, gone)
