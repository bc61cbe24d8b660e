"""Backups as objects of an S3 bucket: an archive's name, behind the prefix, is the object's."""

from collections.abc import AsyncIterator

from tempest_pds_blob_s3.bucket import Bucket
from tempest_pds_blob_s3.location import S3Location
from tempest_pds_blob_s3.refusals import NothingThere
from tempest_pds_plugins import BackupNotFound, BackupSink, BackupStat, InvalidKey, check_name


class S3BackupSink(BackupSink):
    """Keep each archive in an object of its own."""

    def __init__(self, location: S3Location) -> None:
        self._location = location
        self._bucket = Bucket(location)

    async def open(self) -> None:
        await self._bucket.open()

    async def close(self) -> None:
        await self._bucket.close()

    def location(self, name: str) -> str:
        return self._location.url(check_name(name))

    async def put(self, name: str, chunks: AsyncIterator[bytes]) -> BackupStat:
        stat = await self._bucket.put(check_name(name), chunks)
        return BackupStat(name, stat.size, stat.modified_at)

    async def get(self, name: str) -> AsyncIterator[bytes]:
        try:
            return await self._bucket.get(check_name(name))
        except NothingThere:
            raise BackupNotFound(name) from None

    async def stat(self, name: str) -> BackupStat:
        try:
            stat = await self._bucket.stat(check_name(name))
        except NothingThere:
            raise BackupNotFound(name) from None
        return BackupStat(name, stat.size, stat.modified_at)

    async def delete(self, name: str) -> None:
        await self._bucket.delete(check_name(name))

    async def list(self) -> AsyncIterator[BackupStat]:
        async for stat in self._bucket.list():
            try:
                check_name(stat.key)
            except InvalidKey:
                continue  # Somebody else's: a backup is no key with a slash.
            yield BackupStat(stat.key, stat.size, stat.modified_at)
