"""How much the parts of the data directory take on the disk.

A walk over every file, which takes a second for some 100,000 of them: for a thread. Files come and go meanwhile, so
what has vanished counts nothing, and the sum is that of no single instant.
"""

from __future__ import annotations

import heapq
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from pathlib import Path
from typing import Final

from tempest_pds.protocol.errors import TempestError
from tempest_pds.stores.data_directory import DataDirectory
from tempest_pds.stores.file_names import name_to_did

_DATABASE_SUFFIXES: Final = ("", "-wal", "-shm")
_REPO_SUFFIX: Final = ".sqlite"


class MeasuringStopped(TempestError):
    """Whoever asked no longer wants to know."""


@dataclass(frozen=True, slots=True)
class DirectorySizes:
    """Sizes in bytes, as the files say of themselves.

    Attributes:
        parts: by the name of the part within the directory, folders with a slash at the end; a database counts with its
            write-ahead log. `other` is all that has no name here.
        largest_repos: the DIDs of the largest repository files with their sizes, the largest first.
        repo_files: how many repository files there are.
        disk_free: what an unprivileged process can still write on the file system.
    """

    parts: Mapping[str, int]
    largest_repos: Sequence[tuple[str, int]]
    repo_files: int
    disk_free: int
    disk_total: int

    @property
    def total(self) -> int:
        """The whole directory."""
        return sum(self.parts.values())


def measure(
    directory: DataDirectory, *, largest: int = 20, give_up: Callable[[], bool] = lambda: False
) -> DirectorySizes:
    """Look at every file of a data directory.

    Args:
        directory: may be in use.
        largest: how many of the largest repositories to name.
        give_up: asked at each folder.

    Raises:
        MeasuringStopped: `give_up` said so.
        OSError: the directory itself cannot be read.
    """
    databases = (directory.accounts, directory.sequencer)
    folders = (directory.blobs, directory.backups, directory.keys, directory.tmp)
    parts = {
        path.name: sum(_size(path.with_name(path.name + suffix)) for suffix in _DATABASE_SUFFIXES) for path in databases
    }
    repos: dict[str, int] = {}
    for path, size in _files(directory.repos, give_up):
        # From the right: a host name may have the suffix in its middle.
        name, is_repo, _ = path.name.rpartition(_REPO_SUFFIX)
        if is_repo:
            did = name_to_did(name)
            repos[did] = repos.get(did, 0) + size
    parts["repos/"] = sum(repos.values())
    for folder in folders:
        parts[f"{folder.name}/"] = sum(size for _, size in _files(folder, give_up))
    counted = {path.name + suffix for path in databases for suffix in _DATABASE_SUFFIXES}
    counted |= {folder.name for folder in (directory.repos, *folders)}
    parts["other"] = 0
    for path in directory.root.iterdir():
        if path.name not in counted:
            parts["other"] += sum(size for _, size in _files(path, give_up)) if path.is_dir() else _size(path)
    disk = shutil.disk_usage(directory.root)
    return DirectorySizes(
        parts=parts,
        largest_repos=heapq.nlargest(largest, repos.items(), key=itemgetter(1)),
        repo_files=len(repos),
        disk_free=disk.free,
        disk_total=disk.total,
    )


def _files(folder: Path, give_up: Callable[[], bool]) -> Iterator[tuple[Path, int]]:
    """Yield every file below a folder with its size; links are not followed."""
    waiting = [str(folder)]
    while waiting:
        if give_up():
            raise MeasuringStopped("the measurement was given up")
        try:
            entries = os.scandir(waiting.pop())
        except OSError:
            continue
        with entries:
            for entry in entries:
                try:
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(entry.path)
                    else:
                        yield Path(entry.path), entry.stat(follow_symlinks=False).st_size
                except OSError:
                    continue


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
