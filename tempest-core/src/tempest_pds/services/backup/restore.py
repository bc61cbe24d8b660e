"""From a backup to a data directory that a server can start on.

The directory is marked until all of it is there and verified; a server refuses one that is marked. So whatever ends a
restore in the middle, nothing half done is taken for done: it is run again.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import AsyncIterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tempest_pds.protocol.errors import TempestError
from tempest_pds.services.backup.errors import TargetNotEmpty
from tempest_pds.services.backup.extract import Extracted, extract
from tempest_pds.services.backup.manifest import Manifest
from tempest_pds.services.backup.resumption import Resumed, resume
from tempest_pds.services.backup.tar import Member
from tempest_pds.services.backup.verification import Verified, verify_accounts
from tempest_pds.services.finishing import in_thread
from tempest_pds.services.progress import Progress, silent
from tempest_pds.services.recovery import replay
from tempest_pds.stores.account.account_store import AccountStore
from tempest_pds.stores.actor.stores import ActorStores
from tempest_pds.stores.data_directory import DataDirectory
from tempest_pds.stores.files import write_atomically
from tempest_pds.stores.key_files import KeyFiles
from tempest_pds.stores.sequencer.store import SequencerStore
from tempest_pds_plugins.blob_store import BlobStore

_REPLACED: Final = "replaced-"
_MAKING_ROOM: Final = "making room"
_FILLING: Final = "filling"
# What a file system or an entrypoint puts into an empty volume; and the backups, of which one may be what is restored.
_NO_DATA: Final = frozenset({"lost+found", "lock", "backups"})


class RestoreDamaged(TempestError):
    """A backup that was restored as far as it goes, and is not all right; `problems` are one line each."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__(f"the backup is not all right: {len(problems)} problems, the first: {problems[0]}")
        self.problems = problems


@dataclass(frozen=True, slots=True)
class Restored:
    """What was restored, and where the server goes on."""

    manifest: Manifest
    verified: Verified
    resumed: Resumed
    replaced: Path | None


def check_target(directory: DataDirectory, *, force: bool) -> None:
    """Pass if a restore may go there, before anything is touched; raise TargetNotEmpty."""
    held = _held(directory)
    if held and not force and not directory.unfinished.exists():
        raise TargetNotEmpty(
            f"{directory.root} holds data ({held[0].name}): name an empty folder, or --force to put what is there aside"
        )


def make_room(directory: DataDirectory, *, force: bool) -> Path | None:
    """Prepare a target, whose lock is held: empty it of an earlier attempt; with `force`, put what it holds aside.

    Returns where that was put. Raises TargetNotEmpty.
    """
    check_target(directory, force=force)
    root, mark = directory.root, directory.unfinished
    if mark.exists() and mark.read_text() == _FILLING:
        for path in root.iterdir():
            if path.name not in _NO_DATA and path != mark and not path.name.startswith(_REPLACED):
                _remove(path)
        return None
    # Marked before anything is moved: half of what was there is no data directory either.
    write_atomically(mark, _MAKING_ROOM.encode(), mode=0o600)
    held = [path for path in _held(directory) if path != mark]
    replaced = root / f"{_REPLACED}{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}"
    if held:
        replaced.mkdir(mode=0o700, exist_ok=True)
        for path in held:
            path.rename(replaced / path.name)
    write_atomically(mark, _FILLING.encode(), mode=0o600)
    return replaced if held else None


def _held(directory: DataDirectory) -> list[Path]:
    """Return what of a folder is data, and not what a file system, an entrypoint or an earlier restore left there."""
    if not directory.root.is_dir():
        return []
    return [
        path
        for path in sorted(directory.root.iterdir())
        if path.name not in _NO_DATA and not path.name.startswith(_REPLACED) and _holds_data(path)
    ]


def _holds_data(path: Path) -> bool:
    """Tell a file, or a folder with a file somewhere in it, from the empty folders that are made for a new server."""
    return not path.is_dir() or any(not inner.is_dir() for inner in path.rglob("*"))


def _give_to_owner(root: Path) -> None:
    """Let whoever owns the directory own what is in it: an administrator restores, and another user serves."""
    owner = root.stat()
    if os.geteuid() != 0 or owner.st_uid == 0:
        return
    for folder, folders, files in os.walk(root):
        for name in (*folders, *files):
            os.chown(Path(folder) / name, owner.st_uid, owner.st_gid, follow_symlinks=False)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()


async def restore(
    members: AsyncIterator[Member],
    directory: DataDirectory,
    blob_store: BlobStore,
    *,
    progress: Progress = silent,
    accept_problems: bool = False,
    replaced: Path | None = None,
) -> Restored:
    """Fill a directory that `make_room` prepared, check all of it, and make it ready for a server.

    Raises NotABackup, BackupDamaged, BackupTooNew; RestoreDamaged for what is wrong inside, unless `accept_problems`.
    """
    extracted = await extract(members, directory.root, blob_store, progress)
    directory.create()
    with ExitStack() as stack:
        opened = _Opened(directory, extracted.manifest, stack)
        verified = await _verify(extracted, opened, blob_store, progress, settle=True)
        if verified.problems and not accept_problems:
            raise RestoreDamaged(verified.problems)
        manifest = extracted.manifest
        resumed = await in_thread(
            resume, manifest, opened.accounts, opened.sequencer, opened.stores, opened.keys, progress
        )
        if resumed.problems and not accept_problems:
            raise RestoreDamaged(resumed.problems)
    await in_thread(_give_to_owner, directory.root)
    await in_thread(os.sync)
    directory.unfinished.unlink()
    return Restored(manifest, verified, resumed, replaced)


async def verify(
    members: AsyncIterator[Member], scratch: DataDirectory, blob_store: BlobStore, *, progress: Progress = silent
) -> tuple[Manifest, Verified]:
    """Check a backup by restoring it into an empty folder that is thrown away; raises as `restore` does."""
    extracted = await extract(members, scratch.root, blob_store, progress)
    with ExitStack() as stack:
        return extracted.manifest, await _verify(
            extracted, _Opened(scratch, extracted.manifest, stack), blob_store, progress
        )


class _Opened:
    """The databases of a directory that no server uses, with the accounts' files brought up to date from the log.

    Most often there is nothing to bring: only a file that waited for that when the backup was made lacks a commit.
    """

    def __init__(self, directory: DataDirectory, manifest: Manifest, stack: ExitStack) -> None:
        self.keys = KeyFiles(directory.keys)
        self.accounts = AccountStore(directory.accounts)
        stack.callback(self.accounts.close)
        self.sequencer = SequencerStore(directory.sequencer)
        stack.callback(self.sequencer.close)
        self.stores = ActorStores(directory.repos)
        stack.callback(self.stores.close)
        self.sequencer.set_applied_seq(manifest.applied_seq)
        self.problems = [
            f"{did}: its file does not fit the log: `tempest repo rebuild` mends it, without the commits that it lacks"
            for did in replay(self.sequencer, self.stores).broken
        ]


async def _verify(
    extracted: Extracted, opened: _Opened, blob_store: BlobStore, progress: Progress, *, settle: bool = False
) -> Verified:
    manifest = extracted.manifest
    verified = await verify_accounts(
        opened.accounts,
        opened.stores,
        opened.keys,
        blob_store if manifest.blobs_included else None,
        progress,
        known_missing=frozenset(manifest.missing_blobs),
        settle=settle,
    )
    verified.problems[:0] = [*extracted.problems, *opened.problems]
    if verified.accounts != manifest.accounts:
        verified.problems.append(f"there are {verified.accounts} accounts, and {manifest.accounts} by the manifest")
    dropped = tuple(f"{did}:" for did in manifest.dropped)
    # Deleted while the backup was made, they are dropped again, whole or not.
    verified.problems = [line for line in verified.problems if not line.startswith(dropped or ("\0",))]
    return verified
