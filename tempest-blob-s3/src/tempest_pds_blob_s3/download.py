"""A download: an object's bytes, a range of them or all, read as fast as they are taken.

An answer that breaks off is taken up again where it stopped, and only if the object is still the same one (If-Match):
a reader gets one version, or an error.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from tempest_pds_blob_s3.refusals import FAILURES, NothingThere, code_of, is_missing, unavailable
from tempest_pds_blob_s3.requests import S3Requests
from tempest_pds_plugins import StoreUnavailable

if TYPE_CHECKING:
    from botocore.response import StreamingBody

READ_SIZE = 256 * 1024
_RESUMPTIONS = 3


async def download(requests: S3Requests, key: str, start: int, end: int | None) -> ObjectStream:
    """Open an object for a range cut as a slice is. Raises NothingThere before the first byte."""
    stream = ObjectStream(requests, key, start, end)
    await requests.ask(stream.begin)
    return stream


class ObjectStream:
    """The bytes of an object; holds a connection from its beginning to its end, or to `aclose`."""

    def __init__(self, requests: S3Requests, key: str, start: int, end: int | None) -> None:
        self._requests = requests
        self._key = key
        self._position = start
        self._end = end
        self._left = 0
        self._etag = ""
        self._body: StreamingBody | None = None
        self._reading: asyncio.Future[bytes] | None = None

    def __aiter__(self) -> ObjectStream:
        return self

    async def __anext__(self) -> bytes:
        if self._left <= 0:
            await self.aclose()
            raise StopAsyncIteration
        self._reading = await self._requests.start(self._read)
        return await asyncio.shield(self._reading)

    async def aclose(self) -> None:
        """Let go of the connection."""
        self._left = 0
        if self._reading is None or self._reading.done():
            self._drop()
        else:
            # The reader was cancelled, and the thread reads on: what it reads from is closed when it has done so.
            self._reading.add_done_callback(self._drop_after)

    def _drop_after(self, reading: asyncio.Future[bytes]) -> None:
        if not reading.cancelled():
            reading.exception()  # which nobody is left to hear of
        self._drop()

    def _drop(self) -> None:
        body, self._body = self._body, None
        if body is not None:
            body.close()

    # In a thread

    def begin(self) -> None:
        """Ask for the first time, and learn which version the bytes are of."""
        empty = self._end is not None and self._end <= self._position
        try:
            if empty:
                self._requests.client.head_object(Bucket=self._requests.location.bucket, Key=self._key)
                return
            answer = self._ask()
        except ClientError as error:
            if is_missing(error):
                raise NothingThere from None
            if code_of(error) in ("InvalidRange", "416"):
                return  # It begins behind the end.
            raise
        self._etag = answer.get("ETag", "")
        self._take(answer)
        length = int(answer["ContentLength"])
        self._left = length if self._end is None else min(length, self._end - self._position)

    def _read(self) -> bytes:
        for _ in range(_RESUMPTIONS):
            try:
                if self._body is None:
                    self._resume()
                assert self._body is not None
                chunk = self._body.read(min(READ_SIZE, self._left))
            except ClientError:
                raise
            except FAILURES as error:
                self._drop()
                failure: Exception = unavailable(error, self._requests.location)
                continue
            if chunk:
                self._position += len(chunk)
                self._left -= len(chunk)
                return chunk
            self._drop()
            failure = StoreUnavailable(f"{self._requests.location.store} broke off an answer")
        raise failure

    def _resume(self) -> None:
        if not self._etag:
            raise StoreUnavailable(f"{self._requests.location.store} broke off an answer that has no ETag")
        try:
            self._take(self._ask(self._etag))
        except ClientError as error:
            if is_missing(error) or code_of(error) in ("PreconditionFailed", "412"):
                raise StoreUnavailable("the object was replaced or deleted while it was read") from error
            raise

    def _ask(self, etag: str | None = None) -> Any:
        asked: dict[str, Any] = {} if etag is None else {"IfMatch": etag}
        if self._position or self._end is not None:
            asked["Range"] = f"bytes={self._position}-{'' if self._end is None else self._end - 1}"
        return self._requests.client.get_object(Bucket=self._requests.location.bucket, Key=self._key, **asked)

    def _take(self, answer: Any) -> None:
        served = str(answer.get("ContentRange", "bytes 0-"))
        if not served.startswith(f"bytes {self._position}-"):
            answer["Body"].close()
            raise StoreUnavailable(f"{self._requests.location.store} does not serve ranges")
        self._body = answer["Body"]
