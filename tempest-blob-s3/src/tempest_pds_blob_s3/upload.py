"""An upload: what is small goes in one request, what is larger in parts, and either way the object appears whole.

While one part is on its way the next one fills up, and the source is read no further: an upload holds two parts in
memory. A multipart upload that is neither completed nor aborted shows nowhere, and costs room until `clear_stale`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, cast

from tempest_pds_blob_s3.requests import S3Requests, answered
from tempest_pds_plugins import PluginError, StoreFull

if TYPE_CHECKING:
    from types_boto3_s3.type_defs import CompletedPartTypeDef

MOST_PARTS = 10_000


async def upload(requests: S3Requests, key: str, chunks: AsyncIterator[bytes]) -> tuple[int, float]:
    """Store a stream under the full key, whole or not at all; return its size and time."""
    multipart = _Multipart(requests, key)
    part_size = requests.location.part_size
    part, size = bytearray(), 0
    try:
        async for chunk in chunks:
            rest = memoryview(chunk)
            size += len(rest)
            while rest:
                if len(part) == part_size:
                    await multipart.send(part)
                    part = bytearray()
                taken = rest[: part_size - len(part)]
                part += taken
                rest = rest[len(taken) :]
        if not multipart.begun:
            whole = cast("bytes", part)
            bucket = requests.location.bucket
            answer: Any = await requests.run(lambda: requests.client.put_object(Bucket=bucket, Key=key, Body=whole))
        else:
            await multipart.send(part)
            answer = await multipart.complete()
    except BaseException:
        await multipart.abort()
        raise
    return size, _moment(answer)


class _Multipart:
    """A multipart upload: begun with its first part, and then either completed or aborted."""

    def __init__(self, requests: S3Requests, key: str) -> None:
        self._requests = requests
        self._bucket = requests.location.bucket
        self._key = key
        self._id: str | None = None
        self._parts: list[CompletedPartTypeDef] = []
        self._sending: asyncio.Future[None] | None = None

    @property
    def begun(self) -> bool:
        return self._id is not None

    async def send(self, part: bytearray) -> None:
        """Send a part once the one before has arrived; return when it is on its way."""
        if not self.begun:
            await self._requests.run(self._begin)
        await self._arrival()
        number = len(self._parts) + 1
        if number > MOST_PARTS:
            raise StoreFull(self._requests.location.too_many_parts(MOST_PARTS))
        self._sending = await self._requests.start(lambda: self._send(number, part))

    async def complete(self) -> Any:
        await self._arrival()
        return await self._requests.run(self._complete)

    async def abort(self) -> None:
        """Drop the parts. Where that fails too, `clear_stale` finds them later."""
        if self._sending is not None:
            await asyncio.wait([self._sending])
        if self.begun:
            with suppress(PluginError):
                await self._requests.run(self._abort)

    async def _arrival(self) -> None:
        if self._sending is not None:
            await asyncio.shield(self._sending)
            self._sending = None

    # In a thread

    def _begin(self) -> None:
        # Noted here and not by the caller, who may be cancelled and must still find what to abort.
        made = self._requests.client.create_multipart_upload(Bucket=self._bucket, Key=self._key)
        self._id = made["UploadId"]

    def _send(self, number: int, part: bytearray) -> None:
        assert self._id is not None
        sent = self._requests.client.upload_part(
            Bucket=self._bucket, Key=self._key, UploadId=self._id, PartNumber=number, Body=cast("bytes", part)
        )
        self._parts.append({"ETag": sent["ETag"], "PartNumber": number})

    def _complete(self) -> Any:
        assert self._id is not None
        return self._requests.client.complete_multipart_upload(
            Bucket=self._bucket, Key=self._key, UploadId=self._id, MultipartUpload={"Parts": self._parts}
        )

    def _abort(self) -> None:
        assert self._id is not None
        self._requests.client.abort_multipart_upload(Bucket=self._bucket, Key=self._key, UploadId=self._id)


def _moment(answer: Any) -> float:
    """Return when the store answered, by its own clock, which also dates the object."""
    try:
        return parsedate_to_datetime(answered(answer)["date"]).timestamp()
    except (KeyError, ValueError):
        return time.time()
