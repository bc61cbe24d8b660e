"""A blob store that keeps nothing but what it was given: to verify a backup without room for its blobs."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator

from tempest_pds_plugins.blob_store import BlobStat, BlobStore
from tempest_pds_plugins.errors import BlobNotFound, StoreUnavailable
from tempest_pds_plugins.keys import check_key


class HashingBlobStore(BlobStore):
    """Reads what is put, which its stream checks, and remembers the keys."""

    def __init__(self) -> None:
        self._sizes: dict[str, int] = {}

    async def put(self, key: str, chunks: AsyncIterator[bytes]) -> BlobStat:
        """Read the stream to its end."""
        size = 0
        async for chunk in chunks:
            size += len(chunk)
        self._sizes[check_key(key)] = size
        return BlobStat(key, size, time.time())

    async def get(self, key: str, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        """Refuse: the bytes are gone."""
        raise StoreUnavailable("this store keeps no bytes")

    async def stat(self, key: str) -> BlobStat:
        """Tell the size of what was put."""
        try:
            return BlobStat(key, self._sizes[key], 0.0)
        except KeyError:
            raise BlobNotFound(key) from None

    async def move(self, source: str, target: str) -> None:
        """Give a key another name."""
        try:
            self._sizes[check_key(target)] = self._sizes.pop(source)
        except KeyError:
            raise BlobNotFound(source) from None

    async def delete(self, key: str) -> None:
        """Forget a key."""
        self._sizes.pop(key, None)

    async def list(self, prefix: str = "") -> AsyncIterator[BlobStat]:
        """List what was put."""
        for key in sorted(key for key in self._sizes if key.startswith(prefix)):
            yield BlobStat(key, self._sizes[key], 0.0)
