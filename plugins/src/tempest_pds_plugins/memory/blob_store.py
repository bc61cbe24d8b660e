"""A blob store in memory."""

import time
from collections.abc import AsyncIterator

from tempest_pds_plugins import streams
from tempest_pds_plugins.blob_store import BlobStat, BlobStore
from tempest_pds_plugins.errors import BlobNotFound
from tempest_pds_plugins.keys import check_key


class MemoryBlobStore(BlobStore):
    """Keep blobs in a dictionary."""

    def __init__(self) -> None:
        self._blobs: dict[str, tuple[bytes, float]] = {}

    async def put(self, key: str, chunks: AsyncIterator[bytes]) -> BlobStat:
        check_key(key)
        data = await streams.collect(chunks)
        self._blobs[key] = (data, time.time())
        return await self.stat(key)

    async def get(self, key: str, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        data, _ = self._find(key)
        piece = data[start:end]
        return streams.of(piece) if piece else streams.of()

    async def stat(self, key: str) -> BlobStat:
        data, modified_at = self._find(key)
        return BlobStat(key, len(data), modified_at)

    async def move(self, source: str, target: str) -> None:
        check_key(target)
        entry = self._find(source)
        del self._blobs[source]
        self._blobs[target] = entry

    async def delete(self, key: str) -> None:
        self._blobs.pop(check_key(key), None)

    async def list(self, prefix: str = "") -> AsyncIterator[BlobStat]:
        for key, (data, modified_at) in sorted(self._blobs.items()):
            if key.startswith(prefix):
                yield BlobStat(key, len(data), modified_at)

    def _find(self, key: str) -> tuple[bytes, float]:
        try:
            return self._blobs[check_key(key)]
        except KeyError:
            raise BlobNotFound(key) from None
