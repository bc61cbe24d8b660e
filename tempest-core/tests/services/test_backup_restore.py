"""From an archive to a data directory: what is checked, what is made anew, and what stays as it was."""

from __future__ import annotations

import hashlib
import io
import json
import stat
import tarfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from backup_world import archive_of

from tempest_pds.adapters.disk_blob_store import DiskBlobStore
from tempest_pds.protocol.syntax.did import Did
from tempest_pds.repo.commit import decode
from tempest_pds.services.backup.errors import TargetNotEmpty
from tempest_pds.services.backup.manifest import MANIFEST
from tempest_pds.services.backup.restore import Restored, RestoreDamaged, check_target, make_room, restore
from tempest_pds.services.backup.resumption import MARGIN
from tempest_pds.services.backup.sources import open_stream
from tempest_pds.services.oauth.signing_keys import SigningKeys
from tempest_pds.stores.account.account_store import AccountStore
from tempest_pds.stores.account.email_tokens import EmailTokenInvalid, EmailTokenPurpose
from tempest_pds.stores.actor.stores import ActorStores
from tempest_pds.stores.data_directory import DataDirectory, DataDirectoryUnusable
from tempest_pds.stores.key_files import KeyFiles
from tempest_pds.stores.oauth_key_file import OAuthKeyFile
from tempest_pds.stores.sequencer.store import SequencerStore
from tempest_pds_plugins import Mail, streams
from tempest_pds_plugins.errors import BlobNotFound

ALICE = Did("did:plc:aliceaaaaaaaaaaaaaaaaaaa")
BOB = Did("did:plc:bobbbbbbbbbbbbbbbbbbbbbb")
Change = Callable[[str, bytes], bytes | None]


async def backup_of(path: Any) -> bytes:
    return await streams.collect(archive_of(path).chunks())


def changed(archive: bytes, change: Change) -> bytes:
    """Write an archive anew with members changed or left out; the manifest goes with them."""
    target = io.BytesIO()
    with tarfile.open(fileobj=io.BytesIO(archive)) as source, tarfile.open(fileobj=target, mode="w") as sink:
        for info in source:
            file = source.extractfile(info)
            assert file is not None
            data = change(info.name, file.read())
            if data is not None:
                info.size = len(data)
                sink.addfile(info, io.BytesIO(data))
    return target.getvalue()


async def restored(archive: bytes, target: Path, **options: Any) -> Restored:
    directory = DataDirectory(target)
    with directory.lock(restoring=True):
        make_room(directory, force=False)
        blobs = DiskBlobStore(directory.blobs)
        await blobs.open()
        async with open_stream(streams.of(archive), ()) as members:
            return await restore(members, directory, blobs, **options)


async def test_every_repository_gets_a_new_commit_over_its_tree(write_path: Any, tmp_path: Path) -> None:
    await write_path.post("hello")
    before = write_path.sync.head(ALICE)
    target = tmp_path / "target"
    await restored(await backup_of(write_path), target)
    stores = ActorStores(target / "repos")
    with stores.open(ALICE) as store:
        root = store.root()
        assert root is not None
        assert root.data == before.data
        assert root.rev > before.rev
        assert decode(root.commit_block).verify(KeyFiles(target / "keys").signing_key(ALICE).public)
    stores.close()


async def test_what_oauth_keys_have_signed_is_good_after_a_restore(write_path: Any, tmp_path: Path) -> None:
    token = SigningKeys(OAuthKeyFile(write_path.directory.oauth_keys)).sign({"sub": ALICE}, typ="at+jwt")
    await restored(await backup_of(write_path), tmp_path / "target")
    file = DataDirectory(tmp_path / "target").oauth_keys
    assert SigningKeys(OAuthKeyFile(file)).verify(token, typ="at+jwt") == {"sub": ALICE}
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


async def test_every_account_is_announced_and_numbers_go_on_far_above(write_path: Any, tmp_path: Path) -> None:
    write_path.create(BOB, active=False)
    last = write_path.sequencer.last_seq()
    target = tmp_path / "target"
    found = await restored(await backup_of(write_path), target)
    assert found.resumed.announced == 2
    sequencer = SequencerStore(target / "sequencer.sqlite")
    assert sequencer.last_seq() >= last + MARGIN
    sequencer.close()
    accounts = AccountStore(target / "account.sqlite")
    told = [(event.did, event.kind, event.detail.get("status")) for event in accounts.pending_events.oldest()]
    accounts.close()
    assert told == [
        (ALICE, "identity", None),
        (ALICE, "account", None),
        (ALICE, "sync", None),
        (BOB, "identity", None),
        (BOB, "account", "deactivated"),
    ]


async def test_numbers_rise_with_the_age_of_the_backup(write_path: Any, tmp_path: Path) -> None:
    """The older it is, the more may have been announced since."""
    archive = await backup_of(write_path)

    def older(name: str, data: bytes) -> bytes:
        if name != MANIFEST:
            return data
        manifest = json.loads(data)
        manifest["created_us"] -= 24 * 3600 * 1_000_000
        return json.dumps(manifest).encode()

    found = await restored(changed(archive, older), tmp_path / "target")
    assert found.resumed.floor >= MARGIN + 24 * 3600 * 10_000


async def test_what_waited_to_be_announced_is_told_once(write_path: Any, tmp_path: Path) -> None:
    write_path.accounts.pending_events.add(ALICE, "identity", {"handle": None})
    await restored(await backup_of(write_path), tmp_path / "target")
    accounts = AccountStore(tmp_path / "target" / "account.sqlite")
    assert [event.kind for event in accounts.pending_events.oldest()] == ["identity", "account", "sync"]
    accounts.close()


async def test_mails_that_waited_are_not_sent_again(write_path: Any, tmp_path: Path) -> None:
    mail = Mail(to="alice@example.com", subject="Your code", text="ABCDE-FGHIJ", id="1")
    write_path.accounts.waiting_mails.add(mail, now=0, expires_at=1 << 60)
    await restored(await backup_of(write_path), tmp_path / "target")
    accounts = AccountStore(tmp_path / "target" / "account.sqlite")
    assert accounts.waiting_mails.standing()[0] == 0
    accounts.close()


async def test_codes_of_the_time_of_the_backup_are_worth_nothing(write_path: Any, tmp_path: Path) -> None:
    """One that was used since would be good again."""
    purpose = EmailTokenPurpose.RESET_PASSWORD
    write_path.accounts.email_tokens.put(ALICE, purpose, "ABCDE-FGHIJ", 0)
    await restored(await backup_of(write_path), tmp_path / "target")
    accounts = AccountStore(tmp_path / "target" / "account.sqlite")
    with pytest.raises(EmailTokenInvalid):
        accounts.email_tokens.owner(purpose, "ABCDE-FGHIJ", 1)
    accounts.close()


async def test_an_account_whose_time_has_come_since_the_backup_is_not_deleted_at_once(
    write_path: Any, tmp_path: Path
) -> None:
    """Its owner may have activated it again, and the backup knows nothing of that."""
    now = time.time_ns() // 1000
    far = now + 365 * 86_400 * 1_000_000
    for did, due in ((ALICE, now - 1), (write_path.create(BOB), far)):
        write_path.accounts.accounts.deactivate(did, 1, due)
    await restored(await backup_of(write_path), tmp_path / "target")
    store = AccountStore(tmp_path / "target" / "account.sqlite")
    try:
        accounts = store.accounts.many([ALICE, BOB])
        assert store.accounts.due_for_deletion(now + 6 * 86_400 * 1_000_000) == []
        assert store.accounts.due_for_deletion(now + 8 * 86_400 * 1_000_000) == [ALICE]
    finally:
        store.close()
    assert accounts[BOB].delete_after == far


async def test_an_account_deleted_while_the_backup_was_made_stays_deleted(write_path: Any, tmp_path: Path) -> None:
    write_path.create(BOB)
    await write_path.upload(b"of alice")
    parts: list[bytes] = []
    async for chunk in archive_of(write_path).chunks():
        parts.append(chunk)
        if b"blobs/temporary/" in chunk:
            write_path.accounts.accounts.delete(BOB)
            await write_path.repos.remove(BOB)
    target = tmp_path / "target"
    await restored(b"".join(parts), target)
    accounts = AccountStore(target / "account.sqlite")
    assert accounts.accounts.get(BOB) is None
    accounts.close()
    assert not list((target / "repos").rglob("*bobbb*"))
    assert not list((target / "keys" / "signing").rglob("*bobbb*"))


async def test_its_blobs_are_cleared_away_by_the_first_start(write_path: Any, tmp_path: Path) -> None:
    write_path.create(BOB)
    await write_path.upload(b"of alice")
    parts: list[bytes] = []
    async for chunk in archive_of(write_path).chunks():
        parts.append(chunk)
        if b"blobs/temporary/" in chunk:
            write_path.accounts.accounts.delete(BOB)
    target = tmp_path / "target"
    await restored(b"".join(parts), target)
    accounts = AccountStore(target / "account.sqlite")
    assert [deletion.did for deletion in accounts.account_deletions.all()] == [BOB]
    accounts.close()


async def test_what_only_the_log_had_is_in_what_is_restored(write_path: Any, tmp_path: Path) -> None:
    """A file that lacked a commit when the backup was made is brought up to date before anything is signed anew."""
    write_path.log.unsettled.held = True
    await write_path.post("in both")
    await write_path.log.settle()
    behind = {path: path.read_bytes() for path in (write_path.directory.repos).rglob("*.sqlite*")}
    await write_path.post("in the log alone")
    archive = await backup_of(write_path)
    name = next(path for path in behind if path.suffix == ".sqlite")
    sources = ActorStores(tmp_path / "older")
    older = sources.path_of(ALICE)
    older.parent.mkdir(parents=True)
    for path, data in behind.items():
        if not path.name.endswith("-shm"):
            older.with_name(path.name).write_bytes(data)
    sources.open(ALICE).release()
    sources.close()
    relative = name.relative_to(write_path.directory.root).as_posix()

    def with_older(member: str, data: bytes) -> bytes:
        if member == relative:
            return older.read_bytes()
        if member != MANIFEST:
            return data
        manifest = json.loads(data)
        for file in manifest["files"]:
            if file["path"] == relative:
                file.update(size=older.stat().st_size, sha256=hashlib.sha256(older.read_bytes()).hexdigest())
        return json.dumps(manifest).encode()

    await restored(changed(archive, with_older), tmp_path / "target")
    stores = ActorStores(tmp_path / "target" / "repos")
    with stores.open(ALICE) as store:
        assert store.record_count() == 2
    stores.close()


async def test_blobs_lie_where_their_rows_say(write_path: Any, tmp_path: Path) -> None:
    """A takedown may come between the copy of the row and that of the bytes."""
    blob = await write_path.upload(b"seen")
    archive = await backup_of(write_path)
    target = io.BytesIO()
    with tarfile.open(fileobj=io.BytesIO(archive)) as source, tarfile.open(fileobj=target, mode="w") as sink:
        for info in source:
            content = source.extractfile(info)
            info.name, info.pax_headers = info.name.replace("blobs/temporary/", "blobs/quarantine/"), {}
            sink.addfile(info, content)
    await restored(target.getvalue(), tmp_path / "target")
    stat = await DiskBlobStore(tmp_path / "target" / "blobs").stat(f"temporary/{ALICE}/{blob.cid}")
    assert stat.size == 4


async def test_a_blob_that_is_there_already_is_checked_in_the_archive_all_the_same(
    write_path: Any, tmp_path: Path
) -> None:
    blob = await write_path.upload(b"whole")
    archive = changed(await backup_of(write_path), lambda name, data: b"WHOLE" if name.startswith("blobs/") else data)
    target = tmp_path / "target"
    store = DiskBlobStore(target / "blobs")
    await store.open()
    await store.put(f"temporary/{ALICE}/{blob.cid}", streams.of(b"whole"))
    directory = DataDirectory(target)
    with directory.lock(restoring=True):
        async with open_stream(streams.of(archive), ()) as members:
            with pytest.raises(RestoreDamaged, match="is damaged"):
                await restore(members, directory, store)


def test_the_backups_in_a_target_stay_where_they_are(tmp_path: Path) -> None:
    """One of them may be what is being restored, the second time too."""
    directory = DataDirectory(tmp_path)
    (tmp_path / "backups").mkdir()
    (tmp_path / "backups" / "the-only.tar").write_text("precious")
    check_target(directory, force=False)
    (tmp_path / "account.sqlite").write_text("old")
    make_room(directory, force=True)
    make_room(directory, force=True)
    assert (tmp_path / "backups" / "the-only.tar").read_text() == "precious"


async def test_a_blob_that_is_damaged_is_told_and_not_stored(write_path: Any, tmp_path: Path) -> None:
    blob = await write_path.upload(b"whole")
    archive = changed(await backup_of(write_path), lambda name, data: b"WHOLE" if name.startswith("blobs/") else data)
    with pytest.raises(RestoreDamaged, match=str(blob.cid)):
        await restored(archive, tmp_path / "target")
    assert (tmp_path / "target" / "restore-unfinished").exists()
    found = await restored(archive, tmp_path / "target", accept_problems=True)
    assert len(found.verified.problems) == 2
    with pytest.raises(BlobNotFound):
        await DiskBlobStore(tmp_path / "target" / "blobs").stat(f"temporary/{ALICE}/{blob.cid}")


async def test_a_missing_key_is_told(write_path: Any, tmp_path: Path) -> None:
    def without_key(name: str, data: bytes) -> bytes | None:
        if name.startswith("keys/signing/"):
            return None
        if name == MANIFEST:
            manifest = json.loads(data)
            manifest["files"] = [file for file in manifest["files"] if not file["path"].startswith("keys/signing/")]
            return json.dumps(manifest).encode()
        return data

    with pytest.raises(RestoreDamaged, match="no signing key"):
        await restored(changed(await backup_of(write_path), without_key), tmp_path / "target")


async def test_a_server_refuses_what_is_not_finished(write_path: Any, tmp_path: Path) -> None:
    target = DataDirectory(tmp_path / "target")
    with target.lock(restoring=True):
        make_room(target, force=False)
    with pytest.raises(DataDirectoryUnusable, match="`tempest backup restore` again"):
        target.lock()


def test_room_is_made_without_losing_what_was_there(tmp_path: Path) -> None:
    directory = DataDirectory(tmp_path)
    (tmp_path / "account.sqlite").write_text("old")
    with pytest.raises(TargetNotEmpty):
        check_target(directory, force=False)
    aside = make_room(directory, force=True)
    assert aside is not None
    assert (aside / "account.sqlite").read_text() == "old"
    # A second attempt, after one that did not come to its end, removes only what that one wrote.
    (tmp_path / "account.sqlite").write_text("half")
    make_room(directory, force=True)
    assert not (tmp_path / "account.sqlite").exists()
    assert (aside / "account.sqlite").read_text() == "old"
