"""Blobs as objects of an S3 bucket: a blob's key, behind the prefix, is the object's."""

from collections.abc import AsyncIterator

from tempest_pds_blob_s3.bucket import Bucket
from tempest_pds_blob_s3.location import S3Location
from tempest_pds_blob_s3.refusals import NothingThere
from tempest_pds_plugins import BlobNotFound, BlobStat, BlobStore, InvalidKey, check_key


class S3BlobStore(BlobStore):
    """Keep each blob in an object of its own."""

    def __init__(self, location: S3Location) -> None:
        self._bucket = Bucket(location)

    async def open(self) -> None:
        await self._bucket.open()

    async def close(self) -> None:
        await self._bucket.close()

    async def put(self, key: str, chunks: AsyncIterator[bytes]) -> BlobStat:
        stat = await self._bucket.put(check_key(key), chunks)
        return BlobStat(key, stat.size, stat.modified_at)

    async def get(self, key: str, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        try:
            return await self._bucket.get(check_key(key), start, end)
        except NothingThere:
            raise BlobNotFound(key) from None

    async def stat(self, key: str) -> BlobStat:
        try:
            stat = await self._bucket.stat(check_key(key))
        except NothingThere:
            raise BlobNotFound(key) from None
        return BlobStat(key, stat.size, stat.modified_at)

    async def move(self, source: str, target: str) -> None:
        try:
            await self._bucket.move(check_key(source), check_key(target))
        except NothingThere:
            raise BlobNotFound(source) from None

    async def delete(self, key: str) -> None:
        await self._bucket.delete(check_key(key))

    async def list(self, prefix: str = "") -> AsyncIterator[BlobStat]:
        async for stat in self._bucket.list(prefix):
            try:
                check_key(stat.key)
            except InvalidKey:
                continue  # Somebody else's, such as the mark of an empty folder.
            yield BlobStat(stat.key, stat.size, stat.modified_at)
