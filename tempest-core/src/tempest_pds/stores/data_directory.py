"""The directory that holds everything durable, and moves as one.

    account.sqlite      accounts, sessions, invite codes
    sequencer.sqlite    the log of events
    repos/              one SQLite file for each account
    blobs/              where the disk blob store keeps its bytes
    keys/               signing keys, the PLC rotation key, generated secrets
    oauth_jwks.json     the keys that access tokens of OAuth are signed with
    backups/            where the local backup sink keeps its archives
    tmp/                emptied at each start
    control.json        how commands reach the server, while it runs: no part of a backup

One process owns it. Two writers would give out one sequence number twice, so the second is refused by a lock that the
kernel drops when the first one dies, however it dies.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from tempest_pds.protocol.errors import TempestError
from tempest_pds.stores.file_owners import owner_if_other, user_name

_FOLDERS: Final = ("repos", "blobs", "keys", "backups", "tmp")
_UNFINISHED: Final = "restore-unfinished"
# Of the process that runs, or a database with what lies beside it.
_NO_SMALL_FILES: Final = ("lock", "control.json", _UNFINISHED, "account.sqlite", "sequencer.sqlite")


class DataDirectoryInUse(TempestError):
    """Another process owns the data directory."""


class DataDirectoryUnusable(TempestError):
    """The data directory cannot be made or written."""


class DataDirectory:
    """The layout under `root`, and the lock on it.

    `with DataDirectory(path).lock():` makes the folders, takes the lock and empties `tmp/`; leaving lets go of it.
    """

    def __init__(self, root: Path) -> None:
        self.root = root.absolute()
        self._lock: int | None = None

    @property
    def accounts(self) -> Path:
        """The account database."""
        return self.root / "account.sqlite"

    @property
    def sequencer(self) -> Path:
        """The sequencer's log."""
        return self.root / "sequencer.sqlite"

    @property
    def repos(self) -> Path:
        """The folder of the repo files."""
        return self.root / "repos"

    @property
    def blobs(self) -> Path:
        """The folder of the disk blob store."""
        return self.root / "blobs"

    @property
    def keys(self) -> Path:
        """The folder of keys and generated secrets, mode 700."""
        return self.root / "keys"

    @property
    def oauth_keys(self) -> Path:
        """The keys that access tokens of OAuth are signed with."""
        return self.root / "oauth_jwks.json"

    @property
    def backups(self) -> Path:
        """The folder of the local backup sink."""
        return self.root / "backups"

    @property
    def tmp(self) -> Path:
        """A folder whose contents nobody misses after a crash."""
        return self.root / "tmp"

    def small_files(self) -> Iterator[Path]:
        """Yield what is kept as plain files: the keys, and whatever else lies in the directory itself."""
        for path in sorted(self.root.iterdir()):
            if path.is_file() and not path.name.startswith(_NO_SMALL_FILES) and not path.name.endswith(".part"):
                yield path
        for path in sorted(self.keys.rglob("*")):
            if path.is_file() and not path.name.endswith(".part"):
                yield path

    @property
    def unfinished(self) -> Path:
        """The mark of a restore that has not come to its end: nothing in the directory is to be used."""
        return self.root / _UNFINISHED

    def require_finished(self) -> None:
        """Raise DataDirectoryUnusable when a restore into it has not come to its end."""
        if self.unfinished.exists():
            raise DataDirectoryUnusable(
                f"a restore into {self.root} has not come to its end: run `tempest backup restore` again"
            )

    def create(self) -> None:
        """Make what is missing of the layout; raise DataDirectoryUnusable."""
        try:
            self.root.parent.mkdir(parents=True, exist_ok=True)
            self.root.mkdir(mode=0o700, exist_ok=True)
            for name in _FOLDERS:
                (self.root / name).mkdir(exist_ok=True, mode=0o700)
            self.keys.chmod(0o700)
        except (FileExistsError, NotADirectoryError) as error:
            raise DataDirectoryUnusable(
                f"cannot use the data directory {self.root}: it, or what is above it, is a file"
            ) from error
        except OSError as error:
            raise DataDirectoryUnusable(f"cannot use the data directory {self.root}: {self._reason(error)}") from error

    def lock(self, *, restoring: bool = False) -> DataDirectory:
        """Make the layout, own it, and empty `tmp/`.

        Raises DataDirectoryInUse, naming the process that owns it, and DataDirectoryUnusable; also when a restore into
        it has not come to its end, unless it is to be `restoring`.
        """
        self.create()
        if not restoring:
            self.require_finished()
        try:
            descriptor = os.open(self.root / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise DataDirectoryUnusable(f"cannot lock the data directory {self.root}: {self._reason(error)}") from error
        try:
            # flock belongs to the open file, not to the process: a second Tempest in one process is refused as well.
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            owner = os.pread(descriptor, 32, 0).decode("ascii", "replace").strip() or "unknown"
            os.close(descriptor)
            raise DataDirectoryInUse(
                f"the data directory {self.root} is in use by another Tempest (process {owner}); stop that one first"
            ) from error
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        self._lock = descriptor
        self._empty_tmp()
        return self

    def owner(self) -> int | None:
        """Return the process that owns the directory, by the pid that it knows itself by; None when none does."""
        try:
            descriptor = os.open(self.root / "lock", os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return None
        try:
            # Shared, and let go of at once: whoever asks at the same moment gets the same answer.
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            # Only now: a process that was killed has left its number behind.
            written = os.pread(descriptor, 32, 0).strip()
            return int(written) if written.isdigit() else None
        finally:
            os.close(descriptor)
        return None

    def _reason(self, error: OSError) -> str:
        """Say why the layout cannot be made: whose it is, where it is somebody else's."""
        if isinstance(error, PermissionError):
            for path in (self.root, *(self.root / name for name in _FOLDERS), self.root / "lock"):
                owner = owner_if_other(path)
                if owner is not None:
                    user = user_name(os.geteuid())
                    return f"{path} belongs to {owner}, and this is run by {user}; `chown -R {user}: {self.root}`"
        return error.strerror or str(error)

    def _empty_tmp(self) -> None:
        for path in self.tmp.iterdir():
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)

    @property
    def locked(self) -> bool:
        """Whether this object owns the directory now."""
        return self._lock is not None

    def unlock(self) -> None:
        """Let go of the directory; the lock file stays, for removing it would be a race."""
        if self._lock is not None:
            os.ftruncate(self._lock, 0)
            os.close(self._lock)
            self._lock = None

    def __enter__(self) -> DataDirectory:
        return self

    def __exit__(self, *_: object) -> None:
        self.unlock()
