"""A repository that was damaged, or does not fit the log, is whole after a rebuild, and its consumers are told."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from conftest import ALICE, OpenWritePath, WritePath
from damage import change, delete_nodes, flip_a_byte_in_a_record

from tempest_pds.protocol.crypto.keys import generate_k256
from tempest_pds.repo.commit import sign_commit
from tempest_pds.services.progress import WorkStopped, silent
from tempest_pds.services.repo_errors import RepoBusy, RepoNotFound
from tempest_pds.services.repo_rebuild import RebuiltRepo, RecordsDamaged
from tempest_pds.services.repo_verification import verify_repository
from tempest_pds.stores.actor.stores import ActorStores
from tempest_pds.stores.key_files import SigningKeyNotFound


@pytest.fixture
async def posts(open_write_path: OpenWritePath) -> WritePath:
    path = await open_write_path()
    path.create(ALICE)
    for number in range(60):
        await path.post(f"post {number}", rkey=f"post-{number:03}")
    return path


async def reopened(path: WritePath, open_write_path: OpenWritePath) -> WritePath:
    """Let go of what is in memory."""
    await path.stop()
    return await open_write_path()


async def rebuild(path: WritePath, *, leave_out: bool = False) -> RebuiltRepo:
    return await path.rebuild.rebuild(ALICE, leave_out_damaged=leave_out, progress=silent)


def problems(path: WritePath) -> list[str]:
    with path.stores.open(ALICE) as store:
        return verify_repository(store, ALICE, path.key().did_key).problems


async def test_a_sound_repository_keeps_its_tree_and_gets_a_new_commit(posts: WritePath) -> None:
    before = posts.sync.head(ALICE)
    rebuilt = await rebuild(posts)
    after = posts.sync.head(ALICE)
    assert after.data == before.data
    assert after.rev > before.rev
    assert (rebuilt.commit, rebuilt.rev, rebuilt.records) == (after.commit, after.rev, 60)
    assert problems(posts) == []


async def test_lost_nodes_are_made_again(posts: WritePath, open_write_path: OpenWritePath) -> None:
    before = await posts.contents()
    with posts.stores.open(ALICE) as store:
        delete_nodes(store)
    path = await reopened(posts, open_write_path)
    assert problems(path)
    await rebuild(path)
    assert problems(path) == []
    assert await path.contents() == before


async def test_a_rebuilt_repository_takes_writes_and_tells_the_whole_chain(posts: WritePath) -> None:
    await rebuild(posts)
    before = posts.sync.head(ALICE)
    await posts.post("after")
    *_, (_, kind, body) = posts.events()
    assert (kind, body["since"], body["prevData"]) == ("commit", before.rev, before.data)
    assert len(await posts.contents()) == 61


async def test_the_network_is_told_by_sync(posts: WritePath) -> None:
    last = posts.sequencer.last_seq()
    rebuilt = await rebuild(posts)
    [(_, kind, body)] = posts.events(last)
    assert (kind, body["did"], body["rev"]) == ("sync", ALICE, rebuilt.rev)


async def test_a_commit_signed_with_another_key_is_replaced(posts: WritePath, open_write_path: OpenWritePath) -> None:
    with posts.stores.open(ALICE) as store:
        store.checkpoint()
        head = store.head()
        assert head is not None
        forged = sign_commit(head.did, head.rev, head.data, generate_k256())
        change(store, "UPDATE root SET commit_cid = ?, commit_block = ?", forged.cid.raw, forged.encode())
    path = await reopened(posts, open_write_path)
    assert problems(path) == ["the commit is not signed with the account's key"]
    await rebuild(path)
    assert problems(path) == []


async def test_a_damaged_record_is_left_out_only_when_somebody_says_so(posts: WritePath) -> None:
    with posts.stores.open(ALICE) as store:
        store.checkpoint()
        flip_a_byte_in_a_record(store, "app.bsky.feed.post/post-007")
    before = posts.sync.head(ALICE)
    with pytest.raises(RecordsDamaged, match="post-007"):
        await rebuild(posts)
    assert posts.sync.head(ALICE) == before
    rebuilt = await rebuild(posts, leave_out=True)
    assert rebuilt.left_out == ["app.bsky.feed.post/post-007"]
    assert problems(posts) == []
    assert len(await posts.contents()) == 59


async def test_blobs_and_takedowns_stay(posts: WritePath) -> None:
    blob = await posts.upload(b"\x89PNG\r\n\x1a\n" + bytes(64), "image/png")
    with posts.stores.open(ALICE) as store:
        store.set_record_takedown("app.bsky.feed.post/post-003", "mod-1")
        await rebuild(posts)
        assert store.record_takedown("app.bsky.feed.post/post-003") == "mod-1"
        assert store.blobs.get(blob.cid) is not None


@pytest.fixture
async def misfit(posts: WritePath, open_write_path: OpenWritePath, tmp_path: Path) -> WritePath:
    """A repository whose file lacks five commits that the log has, and a node without which they cannot be applied."""
    with posts.stores.open(ALICE) as store:
        store.checkpoint()
    await posts.log.settle()
    old = posts.copy_files(tmp_path / "old")
    for number in range(5):
        await posts.post(f"late {number}", rkey=f"late-{number}")
    new = posts.copy_files(tmp_path / "new")
    for suffix in ("", "-wal"):
        file = posts.stores.path_of(ALICE).relative_to(posts.directory.root)
        source, target = ((root / file).with_name(file.name + suffix) for root in (old, new))
        target.unlink(missing_ok=True)
        if source.exists():
            target.write_bytes(source.read_bytes())
    await posts.stop()
    stores = ActorStores(new / "repos")
    with stores.open(ALICE) as store:
        delete_nodes(store)
    stores.close()
    return await open_write_path(new)


async def test_a_repository_that_does_not_fit_the_log_is_mended_with_what_only_the_log_has(misfit: WritePath) -> None:
    assert misfit.replayed.broken == [ALICE]
    with pytest.raises(RepoBusy, match="has to be mended"):
        await misfit.post("refused")
    rebuilt = await rebuild(misfit)
    assert (rebuilt.records, rebuilt.from_log) == (65, 5)
    assert problems(misfit) == []
    assert "app.bsky.feed.post/late-4" in await misfit.contents()
    await misfit.post("accepted")


async def test_the_log_is_held_until_the_last_misfit_is_mended(misfit: WritePath) -> None:
    await misfit.log.settle()
    assert misfit.sequencer.applied_seq() < misfit.sequencer.last_seq()
    await rebuild(misfit)
    await misfit.log.settle()
    assert misfit.sequencer.applied_seq() == misfit.sequencer.last_seq()


async def test_a_mended_repository_fits_the_log_at_the_next_start(
    misfit: WritePath, open_write_path: OpenWritePath
) -> None:
    await rebuild(misfit)
    root = misfit.directory.root
    await misfit.stop()
    again = await open_write_path(root)
    assert again.replayed.broken == []
    assert len(await again.contents()) == 65


async def test_a_rebuild_ends_where_it_stands_when_nobody_waits_for_it(posts: WritePath) -> None:
    for number in range(300):
        await posts.post(f"more {number}")
    before = posts.sync.head(ALICE)

    def gone(*_: Any) -> None:
        raise WorkStopped("gone")

    with pytest.raises(WorkStopped):
        await posts.rebuild.rebuild(ALICE, leave_out_damaged=False, progress=gone)
    assert posts.sync.head(ALICE) == before
    assert not list(posts.directory.tmp.iterdir())
    await posts.post("and writers are let in again")


async def test_writers_are_kept_away_meanwhile_and_lose_nothing(posts: WritePath) -> None:
    written = []

    async def write() -> None:
        for number in range(200):
            try:
                await posts.post(f"during {number}", rkey=f"during-{number:03}")
                written.append(f"app.bsky.feed.post/during-{number:03}")
            except RepoBusy:
                await asyncio.sleep(0.002)

    writing = asyncio.create_task(write())
    for _ in range(3):
        await asyncio.sleep(0.02)
        await rebuild(posts)
    await writing
    contents = await posts.contents()
    assert written
    assert set(written) <= set(contents)
    assert problems(posts) == []


async def test_without_a_repository_or_a_key_nothing_is_rebuilt(posts: WritePath) -> None:
    with pytest.raises(RepoNotFound):
        await posts.rebuild.rebuild(
            type(ALICE)("did:plc:nobodyyyyyyyyyyyyyyyyyyy"), leave_out_damaged=False, progress=silent
        )
    posts.keys.delete_signing_key(ALICE)
    with pytest.raises(SigningKeyNotFound):
        await rebuild(posts)
