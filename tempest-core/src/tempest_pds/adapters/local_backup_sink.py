"""Backups as files in the data directory. It is the default, and no protection from the loss of that disk."""

from collections.abc import AsyncIterator
from pathlib import Path

from tempest_pds.adapters.files import WholeFiles, in_thread, open_from
from tempest_pds_plugins.backup_sink import BackupSink, BackupStat
from tempest_pds_plugins.errors import BackupNotFound, InvalidKey
from tempest_pds_plugins.keys import check_name

# No backup's name starts with a dot.
_UNFINISHED = ".unfinished"


class LocalBackupSink(BackupSink):
    """Keep each archive in a file of its name in `root`."""

    def __init__(self, root: Path, *, sync: bool = True) -> None:
        self._root = root
        self._files = WholeFiles(root, root / _UNFINISHED, sync=sync)

    async def open(self) -> None:
        await in_thread(self._files.prepare)

    def location(self, name: str) -> str:
        return str(self._path(name))

    async def put(self, name: str, chunks: AsyncIterator[bytes]) -> BackupStat:
        stat = await self._files.write(self._path(name), chunks)
        return BackupStat(name, stat.st_size, stat.st_mtime)

    async def get(self, name: str) -> AsyncIterator[bytes]:
        path = self._path(name)
        try:
            return await in_thread(open_from, path, 0, None)
        except FileNotFoundError:
            raise BackupNotFound(name) from None

    async def stat(self, name: str) -> BackupStat:
        path = self._path(name)
        try:
            stat = await in_thread(path.stat)
        except FileNotFoundError:
            raise BackupNotFound(name) from None
        return BackupStat(name, stat.st_size, stat.st_mtime)

    async def delete(self, name: str) -> None:
        await in_thread(self._files.remove, self._path(name))

    async def list(self) -> AsyncIterator[BackupStat]:
        for stat in await in_thread(_stats, self._root):
            yield stat

    def _path(self, name: str) -> Path:
        return self._root / check_name(name)


def _stats(root: Path) -> list[BackupStat]:
    stats = []
    for path in sorted(root.iterdir(), key=lambda path: path.name):
        try:
            check_name(path.name)
            stat = path.stat()
        except (InvalidKey, FileNotFoundError):
            continue
        if path.is_file():
            stats.append(BackupStat(path.name, stat.st_size, stat.st_mtime))
    return stats
