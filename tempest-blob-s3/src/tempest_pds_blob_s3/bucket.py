"""A bucket: everything that the blob store and the backup sink ask of S3, in terms of keys below the prefix."""

from __future__ import annotations

import logging
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from tempest_pds_blob_s3.download import ObjectStream, download
from tempest_pds_blob_s3.location import S3Location
from tempest_pds_blob_s3.refusals import FAILURES, NothingThere, is_missing, mistake
from tempest_pds_blob_s3.requests import S3Requests
from tempest_pds_blob_s3.upload import upload

STALE_SECONDS = 24 * 3600
_PROBE = ".tempest-writes-here"

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ObjectStat:
    """What a listing tells of an object: its key below the prefix, its size in bytes, and its time since 1970."""

    key: str
    size: int
    modified_at: float


class Bucket:
    """The objects of one bucket whose keys begin with the location's prefix.

    Every method may raise `StoreUnavailable`.
    """

    def __init__(self, location: S3Location) -> None:
        self._location = location
        self._name = location.bucket
        self._requests = S3Requests(location)

    async def open(self) -> None:
        """Connect, see that the bucket can be read and written, and drop uploads below a prefix given up a day ago.

        Raises `InvalidSettings`, which says which setting to change, or `StoreUnavailable`.
        """
        await self._requests.open()
        await self._requests.run(self._prove)
        await self._requests.run(self._clear_stale)

    async def close(self) -> None:
        """Let go of everything. May be called twice."""
        await self._requests.close()

    async def put(self, key: str, chunks: AsyncIterator[bytes]) -> ObjectStat:
        """Store a stream, whole or not at all."""
        size, moment = await upload(self._requests, self._full(key), chunks)
        return ObjectStat(key, size, moment)

    async def get(self, key: str, start: int = 0, end: int | None = None) -> ObjectStream:
        """Open an object for a range. Raises NothingThere."""
        return await download(self._requests, self._full(key), start, end)

    async def stat(self, key: str) -> ObjectStat:
        """Return size and time of an object. Raises NothingThere."""
        answer = await self._requests.ask(lambda: self._head(self._full(key)))
        return ObjectStat(key, int(answer["ContentLength"]), answer["LastModified"].timestamp())

    async def move(self, source: str, target: str) -> None:
        """Copy an object, then delete it. Raises NothingThere."""
        if source == target:
            await self.stat(source)
            return
        await self._requests.run(lambda: self._move(self._full(source), self._full(target)))

    async def delete(self, key: str) -> None:
        """Remove an object, if it is there."""
        await self._requests.run(lambda: self._delete(self._full(key)))

    async def list(self, prefix: str = "") -> AsyncIterator[ObjectStat]:
        """Stream what is known of the objects, in the order of their keys."""
        further: dict[str, Any] = {}
        while True:
            page = await self._requests.ask(lambda token=further: self._page(self._full(prefix), token))  # type: ignore[misc]
            for found in page.get("Contents", ()):
                key = found["Key"].removeprefix(self._location.prefix)
                yield ObjectStat(key, found["Size"], found["LastModified"].timestamp())
            if not page.get("IsTruncated"):
                return
            further = {"ContinuationToken": page["NextContinuationToken"]}

    def _full(self, key: str) -> str:
        return self._location.prefix + key

    # In a thread

    def _prove(self) -> None:
        """Read the bucket, and begin an upload that is never completed: it proves that it can be written, and shows
        nowhere."""
        client, probe = self._requests.client, self._full(_PROBE)
        try:
            client.list_objects_v2(Bucket=self._name, Prefix=self._location.prefix, MaxKeys=1)
            begun = client.create_multipart_upload(Bucket=self._name, Key=probe)
            client.abort_multipart_upload(Bucket=self._name, Key=probe, UploadId=begun["UploadId"])
        except FAILURES as error:
            raise mistake(error, self._location) from error

    def _clear_stale(self) -> None:
        """Abort what a process that was killed had begun; at most a page of it, and the rest at the next start.

        Only below a prefix, which is ours alone. A listing does not tell who began an upload, and an upload of another
        program may well take longer than a day.
        """
        if not self._location.prefix:
            return
        before = time.time() - STALE_SECONDS
        try:
            found = self._requests.client.list_multipart_uploads(Bucket=self._name, Prefix=self._location.prefix)
            for begun in found.get("Uploads", ()):
                if begun["Initiated"].timestamp() < before:
                    self._requests.client.abort_multipart_upload(
                        Bucket=self._name, Key=begun["Key"], UploadId=begun["UploadId"]
                    )
        except FAILURES as error:
            # They cost room and nothing else; not every key may list them.
            _log.warning("uploads that were given up are not cleared: %s", type(error).__name__)

    def _head(self, key: str) -> Any:
        try:
            return self._requests.client.head_object(Bucket=self._name, Key=key)
        except ClientError as error:
            raise self._missing(error) from None

    def _move(self, source: str, target: str) -> None:
        try:
            self._requests.client.copy_object(
                Bucket=self._name, Key=target, CopySource={"Bucket": self._name, "Key": source}
            )
        except ClientError as error:
            raise self._missing(error) from None
        self._delete(source)

    def _delete(self, key: str) -> None:
        try:
            self._requests.client.delete_object(Bucket=self._name, Key=key)
        except ClientError as error:
            if not is_missing(error):
                raise

    def _page(self, prefix: str, further: dict[str, Any]) -> Any:
        return self._requests.client.list_objects_v2(Bucket=self._name, Prefix=prefix, **further)

    @staticmethod
    def _missing(error: ClientError) -> Exception:
        return NothingThere() if is_missing(error) else error
