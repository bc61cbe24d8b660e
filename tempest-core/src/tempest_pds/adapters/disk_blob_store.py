"""Blobs as files in the data directory."""

import itertools
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

from tempest_pds.adapters.blob_paths import path_of, walk
from tempest_pds.adapters.files import WholeFiles, in_thread, open_from
from tempest_pds_plugins.blob_store import BlobStat, BlobStore
from tempest_pds_plugins.errors import BlobNotFound
from tempest_pds_plugins.keys import check_key

_UNFINISHED = ",unfinished"
_PAGE = 500


class DiskBlobStore(BlobStore):
    """Keep each blob in a file of its own below `root`; see `blob_paths` for which.

    With `sync`, a blob has reached the disk when `put` or `move` returns; without, it has reached the operating
    system, and survives the death of the process but not always the loss of power.
    """

    def __init__(self, root: Path, *, sync: bool = True) -> None:
        self._root = root
        self._files = WholeFiles(root, root / _UNFINISHED, sync=sync)

    async def open(self) -> None:
        await in_thread(self._files.prepare)

    async def put(self, key: str, chunks: AsyncIterator[bytes]) -> BlobStat:
        stat = await self._files.write(self._path(key), chunks)
        return BlobStat(key, stat.st_size, stat.st_mtime)

    async def get(self, key: str, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        path = self._path(key)
        try:
            return await in_thread(open_from, path, start, end)
        except FileNotFoundError:
            raise BlobNotFound(key) from None

    async def stat(self, key: str) -> BlobStat:
        # Not in a thread: a look at a name takes microseconds, the hop a hundred.
        try:
            stat = self._path(key).stat()
        except (FileNotFoundError, NotADirectoryError):
            raise BlobNotFound(key) from None
        return BlobStat(key, stat.st_size, stat.st_mtime)

    async def move(self, source: str, target: str) -> None:
        source_path, target_path = self._path(source), self._path(target)
        try:
            await in_thread(self._files.move, source_path, target_path)
        except FileNotFoundError:
            raise BlobNotFound(source) from None

    async def delete(self, key: str) -> None:
        await in_thread(self._files.remove, self._path(key))

    async def list(self, prefix: str = "") -> AsyncIterator[BlobStat]:
        stats = self._stats(prefix)
        while page := await in_thread(lambda: [*itertools.islice(stats, _PAGE)]):
            for stat in page:
                yield stat

    def _stats(self, prefix: str) -> Iterator[BlobStat]:
        for key, path in walk(self._root, prefix):
            try:
                stat = path.stat()
            except FileNotFoundError:
                continue
            yield BlobStat(key, stat.st_size, stat.st_mtime)

    def _path(self, key: str) -> Path:
        return path_of(self._root, check_key(key))
