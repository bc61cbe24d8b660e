"""The archive of a server at work: one moment of it, whatever happens while it is made."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from backup_world import archive_of, unpack

from tempest_pds.protocol.syntax.did import Did
from tempest_pds.repo.commit import decode
from tempest_pds.services.backup.errors import BackupFailed
from tempest_pds.services.blobs import PREFIXES
from tempest_pds.services.progress import WorkStopped
from tempest_pds.services.timestamps import now_us
from tempest_pds.stores.account.account_store import AccountStore
from tempest_pds.stores.account.accounts import Account
from tempest_pds.stores.actor.stores import ActorStores
from tempest_pds.stores.sequencer.store import SequencerStore
from tempest_pds_plugins import streams
from tempest_pds_plugins.blob_store import BlobStat
from tempest_pds_plugins.errors import StoreUnavailable

ALICE = Did("did:plc:aliceaaaaaaaaaaaaaaaaaaa")
BOB = Did("did:plc:bobbbbbbbbbbbbbbbbbbbbbb")
CAROL = Did("did:plc:carolccccccccccccccccccc")


def head_in(folder: Path, did: Did) -> tuple[str, int]:
    """Read the revision and the number of records of an account's file that nobody works on."""
    stores = ActorStores(folder / "repos")
    try:
        with stores.open(did) as store:
            root = store.root()
            assert root is not None
            assert decode(root.commit_block).rev == root.rev
            return root.rev, store.record_count()
    finally:
        stores.close()


async def test_it_holds_what_was_there(write_path: Any, tmp_path: Path) -> None:
    await write_path.post("hello")
    archive = archive_of(write_path)
    extracted = await unpack(await streams.collect(archive.chunks()), tmp_path / "out")
    assert extracted.manifest == archive.manifest
    assert extracted.problems == []
    assert extracted.manifest.last_seq == extracted.manifest.applied_seq == write_path.sequencer.last_seq()
    assert head_in(tmp_path / "out", ALICE) == (write_path.sync.head(ALICE).rev, 1)


async def test_a_write_after_a_file_was_copied_is_in_it(write_path: Any, tmp_path: Path) -> None:
    """The file was sent already; it is sent again, and the later one counts."""
    write_path.create(BOB)
    write_path.create(CAROL)
    parts: list[bytes] = []
    wrote = False
    async for chunk in archive_of(write_path).chunks():
        parts.append(chunk)
        if not wrote and b"bobbbb" in b"".join(parts[-3:]):
            # Bob's file comes second: Alice's has been copied by now, and Carol's is pinned after the write.
            await write_path.post("late", rkey="late")
            wrote = True
    assert wrote
    extracted = await unpack(b"".join(parts), tmp_path / "out")
    assert head_in(tmp_path / "out", ALICE) == (write_path.sync.head(ALICE).rev, 1)
    assert extracted.manifest.last_seq == write_path.sequencer.last_seq()


async def test_a_write_after_the_cut_is_not_in_it(write_path: Any, tmp_path: Path) -> None:
    await write_path.upload(b"some bytes")
    before = write_path.sync.head(ALICE).rev
    parts: list[bytes] = []
    async for chunk in archive_of(write_path).chunks():
        parts.append(chunk)
        if b"blobs/temporary" in chunk:
            await write_path.post("too late")
    await unpack(b"".join(parts), tmp_path / "out")
    assert head_in(tmp_path / "out", ALICE) == (before, 0)
    sequencer = SequencerStore(tmp_path / "out" / "sequencer.sqlite")
    assert sequencer.last_seq() == write_path.sequencer.last_seq() - 1
    sequencer.close()


async def test_a_file_that_is_being_replaced_is_waited_for(write_path: Any, tmp_path: Path) -> None:
    """An import writes a file in another thread; the archive has it as it was after that, or before, never between."""
    done = asyncio.Event()
    with write_path.stores.open(ALICE) as store:
        async with write_path.log.set_aside(store):
            making = asyncio.create_task(streams.collect(archive_of(write_path).chunks()))
            making.add_done_callback(lambda _: done.set())
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(done.wait(), 0.2)
    await unpack(await making, tmp_path / "out")
    assert head_in(tmp_path / "out", ALICE) == (write_path.sync.head(ALICE).rev, 0)


async def test_an_account_deleted_meanwhile_is_named(write_path: Any, tmp_path: Path) -> None:
    write_path.create(BOB)
    await write_path.upload(b"of alice")
    await write_path.upload(b"of bob", did=BOB)
    parts: list[bytes] = []
    async for chunk in archive_of(write_path).chunks():
        parts.append(chunk)
        if b"blobs/temporary/" + ALICE.encode() in chunk:
            write_path.accounts.accounts.delete(BOB)
            await write_path.repos.remove(BOB)
    extracted = await unpack(b"".join(parts), tmp_path / "out")
    assert extracted.manifest.dropped == (BOB,)
    assert extracted.manifest.accounts == 2


async def test_a_file_without_an_account_is_left_out(write_path: Any, tmp_path: Path) -> None:
    """A sign-up that has not come to its end has a file, and no account yet."""
    write_path.create(BOB)
    write_path.accounts.accounts.delete(BOB)
    extracted = await unpack(await streams.collect(archive_of(write_path).chunks()), tmp_path / "out")
    assert not any("bobbb" in file.path for file in extracted.manifest.files if file.path.startswith("repos/"))
    assert not list((tmp_path / "out" / "repos").rglob("*bobbb*"))


async def test_an_account_made_after_the_first_copies_is_in_it(write_path: Any, tmp_path: Path) -> None:
    parts: list[bytes] = []
    made = False
    async for chunk in archive_of(write_path).chunks():
        parts.append(chunk)
        if not made:
            write_path.create(CAROL)
            made = True
    await unpack(b"".join(parts), tmp_path / "out")
    assert head_in(tmp_path / "out", CAROL)[1] == 0
    accounts = AccountStore(tmp_path / "out" / "account.sqlite")
    assert accounts.accounts.get(CAROL) is not None
    accounts.close()


async def test_blobs_that_nothing_refers_to_any_more_stay_until_the_end(write_path: Any) -> None:
    await write_path.upload(b"unused")
    chunks = archive_of(write_path).chunks()
    await anext(chunks)
    assert await write_path.blobs.collect_garbage(ALICE, unused_seconds=0) == 0
    await chunks.aclose()
    assert await write_path.blobs.collect_garbage(ALICE, unused_seconds=0) == 1


async def test_a_blob_without_bytes_is_named(write_path: Any, tmp_path: Path) -> None:
    blob = await write_path.upload(b"gone")
    for prefix in PREFIXES:
        await write_path.blob_store.delete(f"{prefix}/{ALICE}/{blob.cid}")
    extracted = await unpack(await streams.collect(archive_of(write_path).chunks()), tmp_path / "out")
    assert extracted.manifest.missing_blobs == (f"{ALICE}/{blob.cid}",)
    assert extracted.manifest.blobs == 0


async def test_one_broken_file_keeps_no_other_account_from_being_backed_up(write_path: Any, tmp_path: Path) -> None:
    write_path.create(BOB)
    await write_path.post("hello")
    await write_path.log.settle()
    write_path.stores.reap()
    path = write_path.stores.path_of(BOB)
    path.write_bytes(b"no database" * 1000)
    for suffix in ("-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
    fresh = ActorStores(write_path.directory.repos)
    write_path.stores = fresh
    extracted = await unpack(await streams.collect(archive_of(write_path).chunks()), tmp_path / "out")
    fresh.close()
    assert extracted.manifest.unreadable == (BOB,)
    assert head_in(tmp_path / "out", ALICE)[1] == 1
    assert next((tmp_path / "out" / "repos").rglob("*bobbb*")).read_bytes() == b"no database" * 1000


async def test_a_blob_that_cannot_be_read_is_passed_over(write_path: Any, tmp_path: Path) -> None:
    bad, good = await write_path.upload(b"bad" * 100_000), await write_path.upload(b"good")
    original = write_path.blob_store.get

    async def failing(key: str, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        stream = await original(key, start, end)

        async def some() -> AsyncIterator[bytes]:
            yield (await anext(stream))[:1000]
            raise StoreUnavailable("a bad sector")

        return some() if str(bad.cid) in key else stream

    write_path.blob_store.get = failing
    extracted = await unpack(await streams.collect(archive_of(write_path).chunks()), tmp_path / "out")
    assert extracted.manifest.missing_blobs == (f"{ALICE}/{bad.cid}",)
    assert (extracted.blobs, extracted.problems) == (1, [])
    assert good.size == 4


async def test_a_store_that_fails_again_and_again_ends_it(write_path: Any) -> None:
    for number in range(6):
        await write_path.upload(bytes([number]))

    async def away(key: str) -> BlobStat:
        raise StoreUnavailable("nobody answers")

    write_path.blob_store.stat = away
    with pytest.raises(BackupFailed, match="nobody answers"):
        await streams.collect(archive_of(write_path).chunks())


async def test_an_account_made_in_place_of_a_file_that_lay_there_is_the_new_one(
    write_path: Any, tmp_path: Path
) -> None:
    """A sign-up that failed left a file; while the backup is made the owner tries again, beside the writer thread."""
    write_path.create(CAROL)
    write_path.accounts.accounts.delete(CAROL)
    parts: list[bytes] = []
    again = False
    async for chunk in archive_of(write_path).chunks():
        parts.append(chunk)
        if not again and b"carolccc" in b"".join(parts[-3:]):
            write_path.stores.delete(CAROL)
            write_path.keys.delete_signing_key(CAROL)
            write_path.create(CAROL)
            write_path.accounts.accounts.delete(CAROL)
            write_path.accounts.accounts.create(Account(did=CAROL, handle=None, created_at=now_us()))
            again = True
    assert again
    await unpack(b"".join(parts), tmp_path / "out")
    assert head_in(tmp_path / "out", CAROL)[0] == write_path.sync.head(CAROL).rev


async def test_without_blobs_it_says_so(write_path: Any, tmp_path: Path) -> None:
    await write_path.upload(b"elsewhere")
    chunks = archive_of(write_path, with_blobs=False).chunks()
    extracted = await unpack(await streams.collect(chunks), tmp_path / "out")
    assert not extracted.manifest.blobs_included
    assert extracted.blobs == 0


async def test_keys_and_other_files_are_in_it_and_what_is_of_the_process_is_not(
    write_path: Any, tmp_path: Path
) -> None:
    root = write_path.directory.root
    (root / "oauth_jwks.json").write_text("{}")
    (root / "control.json").write_text("{}")
    (root / "lock").write_text("1")
    extracted = await unpack(await streams.collect(archive_of(write_path).chunks()), tmp_path / "out")
    names = {file.path for file in extracted.manifest.files}
    assert {"oauth_jwks.json", "account.sqlite", "sequencer.sqlite"} <= names
    assert any(name.startswith("keys/signing/") for name in names)
    assert not names & {"control.json", "lock"}
    assert not any(name.endswith(("-wal", "-shm")) for name in names)


async def test_work_that_is_stopped_leaves_nothing_behind(write_path: Any) -> None:
    def stop(what: str, done: int, total: int | None) -> None:
        raise WorkStopped("nobody waits")

    with pytest.raises(WorkStopped):
        await streams.collect(archive_of(write_path, stop).chunks())
    assert list(write_path.directory.tmp.iterdir()) == []
    # The watch has ended, and the next archive may begin.
    assert write_path.log.unsettled.watched is None
    await streams.collect(archive_of(write_path).chunks())


async def test_writers_do_not_wait_for_a_slow_reader(write_path: Any) -> None:
    """Whoever takes the archive may take his time: nothing that writers need is held meanwhile."""
    chunks = archive_of(write_path).chunks()
    await anext(chunks)
    await asyncio.wait_for(write_path.post("meanwhile"), 5)
    async for chunk in chunks:
        if b"sequencer.sqlite" in chunk[:512]:
            await asyncio.wait_for(write_path.post("and after the cut"), 5)
