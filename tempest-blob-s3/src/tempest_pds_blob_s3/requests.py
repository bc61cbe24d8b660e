"""Requests to one store: boto3 blocks, so it works in a few threads of its own, and what it raises is translated.

A request takes bounded time: it waits for a free thread no longer than for an answer, and is then tried `1 + retries`
times, each no longer than the two timeouts allow. While the store is out, calls therefore fail instead of piling up;
nothing has to be reset when it is back.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, TypeVar

from boto3.session import Session
from botocore.config import Config
from botocore.exceptions import BotoCoreError, InvalidRegionError

from tempest_pds_blob_s3.location import S3Location
from tempest_pds_blob_s3.refusals import FAILURES, unavailable
from tempest_pds_plugins import InvalidSettings, StoreUnavailable

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

T = TypeVar("T")


class S3Requests:
    """The client of one store and the threads that it works in."""

    def __init__(self, location: S3Location) -> None:
        self.location = location
        self._client: S3Client | None = None
        self._threads: ThreadPoolExecutor | None = None
        self._free = asyncio.Semaphore(location.connections)
        self._patience = location.connect_timeout + location.read_timeout

    async def open(self) -> None:
        """Make the client, which reads files and takes a moment; no request is made."""
        self._threads = ThreadPoolExecutor(self.location.connections, thread_name_prefix="s3")
        self._client = await self.run(lambda: _client(self.location))

    async def close(self) -> None:
        """Let go of the threads, each when its request is done."""
        if self._threads is not None:
            self._threads.shutdown(wait=False)
            self._threads = None
        if self._client is not None:
            self._client.close()
            self._client = None

    @property
    def client(self) -> S3Client:
        """The client, for what runs in one of the threads."""
        if self._client is None:
            raise StoreUnavailable(f"the connection to {self.location.store} is closed")
        return self._client

    async def ask(self, work: Callable[[], T]) -> T:
        """Run what changes nothing; a cancellation leaves the thread to itself. Raises `StoreUnavailable`."""
        return await asyncio.shield(await self.start(work))

    async def run(self, work: Callable[[], T]) -> T:
        """Run what changes something: a cancellation waits until it has ended, so that nothing changes later.

        Raises `StoreUnavailable`.
        """
        task = await self.start(work)
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            await asyncio.wait([task])
            raise

    async def start(self, work: Callable[[], T]) -> asyncio.Future[T]:
        """Have a thread begin, as soon as one is free."""
        try:
            async with asyncio.timeout(self._patience):
                await self._free.acquire()
        except TimeoutError:
            raise StoreUnavailable(f"{self.location.store} is too slow: no request has ended in time") from None
        if self._threads is None:
            self._free.release()
            raise StoreUnavailable(f"the connection to {self.location.store} is closed")
        task: asyncio.Future[T] = asyncio.get_running_loop().run_in_executor(self._threads, self._translated, work)
        task.add_done_callback(lambda _: self._free.release())
        return task

    def _translated(self, work: Callable[[], T]) -> T:
        try:
            return work()
        except FAILURES as error:
            raise unavailable(error, self.location) from error


def _client(location: S3Location) -> S3Client:
    config = Config(
        connect_timeout=location.connect_timeout,
        read_timeout=location.read_timeout,
        retries={"total_max_attempts": 1 + location.retries, "mode": "standard"},
        # Beside requests, downloads hold one each while their readers take their time; above, they are not reused.
        max_pool_connections=4 * location.connections,
        signature_version="s3v4",
        s3={"addressing_style": "path" if location.path_style else "virtual"},
        # Stores other than AWS do not all know the newer checksums.
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
    )
    try:
        session = Session(
            aws_access_key_id=location.access_key_id,
            aws_secret_access_key=location.secret_access_key,
            region_name=location.region,
        )
        return session.client("s3", endpoint_url=location.endpoint, config=config)
    except InvalidRegionError:
        raise InvalidSettings(f"set {location.family}REGION to the name of a region, such as auto") from None
    except BotoCoreError as error:
        raise InvalidSettings(f"boto3 refuses what the AWS_ variables or files of this user tell it: {error}") from None


def answered(response: Any) -> dict[str, str]:
    """Return the headers of an answer, their names in lower case."""
    headers: dict[str, str] = response["ResponseMetadata"]["HTTPHeaders"]
    return headers
