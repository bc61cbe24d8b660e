"""Blob stores with one fault each, beside the test of the kit that must catch it.

Each stands for a mistake that a real adapter makes: the S3 client that buffers, the file system that folds case, the
database that lists in order of insertion.
"""

import asyncio
import re
import time
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import quote, unquote

from faults import caught_by

from tempest_pds_plugins import (
    BlobNotFound,
    BlobStat,
    InvalidKey,
    streams,
)
from tempest_pds_plugins.memory import MemoryBlobStore


@caught_by("test_blob_is_not_seen_while_it_arrives")
class WritesInPlace(MemoryBlobStore):
    async def put(self, key: str, chunks: AsyncIterator[bytes]) -> BlobStat:
        self._blobs[key] = (b"", time.time())
        async for chunk in chunks:
            self._blobs[key] = (self._blobs[key][0] + chunk, time.time())
        return await self.stat(key)


@caught_by("test_broken_stream_leaves_the_old_blob")
class ClearsFirst(MemoryBlobStore):
    async def put(self, key: str, chunks: AsyncIterator[bytes]) -> BlobStat:
        await self.delete(key)
        return await super().put(key, chunks)


@caught_by("test_broken_stream_leaves_nothing")
class KeepsWhatCame(MemoryBlobStore):
    async def put(self, key: str, chunks: AsyncIterator[bytes]) -> BlobStat:
        data = b""
        try:
            async for chunk in chunks:
                data += chunk
        finally:
            await super().put(key, streams.of(data))
        return await self.stat(key)


@caught_by("test_broken_stream_leaves_nothing")
class HidesTheStreamsError(MemoryBlobStore):
    async def put(self, key: str, chunks: AsyncIterator[bytes]) -> BlobStat:
        try:
            return await super().put(key, chunks)
        except Exception:  # noqa: BLE001
            return BlobStat(key, 0, time.time())


@caught_by("test_cancelled_put_leaves_nothing")
class FinishesWhenCancelled(MemoryBlobStore):
    async def put(self, key: str, chunks: AsyncIterator[bytes]) -> BlobStat:
        data = b""
        try:
            async for chunk in chunks:
                data += chunk
        except asyncio.CancelledError:
            await super().put(key, streams.of(data))
            raise
        return await super().put(key, streams.of(data))


@caught_by("test_put_replaces_in_full")
class OverwritesWithoutTruncating(MemoryBlobStore):
    async def put(self, key: str, chunks: AsyncIterator[bytes]) -> BlobStat:
        old = self._blobs.get(key, (b"", 0))[0]
        data = await streams.collect(chunks)
        return await super().put(key, streams.of(data + old[len(data) :]))


@caught_by("test_large_put_keeps_memory_flat")
class HoldsWhatArrives(MemoryBlobStore):
    pass


@caught_by("test_large_get_keeps_memory_flat")
class HoldsWhatLeaves(MemoryBlobStore):
    async def get(self, key: str, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        return streams.of(bytes(bytearray(await streams.collect(await super().get(key, start, end)))))


@caught_by("test_of_puts_to_one_key_one_wins_whole")
class MixesWriters(MemoryBlobStore):
    _parts: dict[str, list[bytes]] = {}  # noqa: RUF012

    async def put(self, key: str, chunks: AsyncIterator[bytes]) -> BlobStat:
        parts = self._parts.setdefault(key, [])
        async for chunk in chunks:
            parts.append(chunk)
            await asyncio.sleep(0)
        await super().put(key, streams.of(*parts))
        self._parts.pop(key, None)
        return await self.stat(key)


@caught_by("test_reading_never_mixes_two_versions")
class ReadsWhatIsThereNow(MemoryBlobStore):
    async def get(self, key: str, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        piece = (await self.stat(key)).size if end is None else end

        async def read() -> AsyncIterator[bytes]:
            for position in range(start, piece, 65536):
                chunk = self._blobs[key][0][position : min(position + 65536, piece)]
                if chunk:
                    yield chunk

        return read()


@caught_by("test_range_is_cut_as_a_slice")
class TakesTheEndInclusive(MemoryBlobStore):
    async def get(self, key: str, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        return await super().get(key, start, None if end is None else end + 1)


@caught_by("test_range_is_cut_as_a_slice")
class RefusesRangesPastTheEnd(MemoryBlobStore):
    async def get(self, key: str, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        if start > (await self.stat(key)).size:
            raise InvalidKey("416 Range Not Satisfiable")
        return await super().get(key, start, end)


@caught_by("test_range_inside_a_large_blob")
class IgnoresTheStart(MemoryBlobStore):
    async def get(self, key: str, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        return await super().get(key, 0, end)


@caught_by("test_unknown_key_is_not_found_before_the_first_chunk")
class FindsOutLate(MemoryBlobStore):
    async def get(self, key: str, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        opened = super().get

        async def read() -> AsyncIterator[bytes]:
            async for chunk in await opened(key, start, end):
                yield chunk

        return read()


@caught_by("test_unknown_key_is_not_found_before_the_first_chunk")
class RaisesItsOwnError(MemoryBlobStore):
    def _find(self, key: str) -> tuple[bytes, float]:
        return self._blobs[key]


@caught_by("test_chunks_are_bytes_and_never_empty")
class YieldsViews(MemoryBlobStore):
    async def get(self, key: str, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        views: Any = memoryview(self._find(key)[0][start:end])
        return streams.of(views)


@caught_by("test_chunks_are_bytes_and_never_empty")
class YieldsAnEmptyChunk(MemoryBlobStore):
    async def get(self, key: str, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        return streams.of(self._find(key)[0][start:end], b"")


@caught_by("test_put_tells_key_size_and_time")
class TellsMilliseconds(MemoryBlobStore):
    async def stat(self, key: str) -> BlobStat:
        stat = await super().stat(key)
        return BlobStat(key, stat.size, stat.modified_at * 1000)


@caught_by("test_put_tells_key_size_and_time")
class TellsNoSize(MemoryBlobStore):
    async def put(self, key: str, chunks: AsyncIterator[bytes]) -> BlobStat:
        await super().put(key, chunks)
        return BlobStat(key, 0, time.time())


@caught_by("test_empty_blob_is_kept")
class DropsEmptyBlobs(MemoryBlobStore):
    async def list(self, prefix: str = "") -> AsyncIterator[BlobStat]:
        async for stat in super().list(prefix):
            if stat.size:
                yield stat


@caught_by("test_all_byte_values_are_kept")
class TranslatesLineEnds(MemoryBlobStore):
    async def put(self, key: str, chunks: AsyncIterator[bytes]) -> BlobStat:
        return await super().put(key, streams.of((await streams.collect(chunks)).replace(b"\r\n", b"\n")))


@caught_by("test_moved_blob_is_under_its_new_key_alone")
class CopiesOnMove(MemoryBlobStore):
    async def move(self, source: str, target: str) -> None:
        await super().put(target, await self.get(source))


@caught_by("test_move_onto_itself_keeps_the_blob")
class CopiesAndDeletesOnMove(MemoryBlobStore):
    async def move(self, source: str, target: str) -> None:
        await super().put(target, await self.get(source))
        await self.delete(source)


@caught_by("test_move_replaces_the_target")
class MovesOnlyToFreeKeys(MemoryBlobStore):
    async def move(self, source: str, target: str) -> None:
        if target not in self._blobs:
            await super().move(source, target)


@caught_by("test_move_of_an_unknown_key_changes_nothing")
class MovesNothingSilently(MemoryBlobStore):
    async def move(self, source: str, target: str) -> None:
        try:
            await super().move(source, target)
        except BlobNotFound:
            self._blobs.pop(target, None)


@caught_by("test_delete_may_be_repeated")
class DeletesOnce(MemoryBlobStore):
    async def delete(self, key: str) -> None:
        await self.stat(key)
        await super().delete(key)


@caught_by("test_delete_takes_no_other_key_along")
class DeletesByPrefix(MemoryBlobStore):
    async def delete(self, key: str) -> None:
        await super().delete(key)
        for other in [other for other in self._blobs if other.startswith(f"{key}/")]:
            await super().delete(other)


@caught_by("test_deleted_blob_is_gone")
class KeepsDeletedInTheListing(MemoryBlobStore):
    def __init__(self) -> None:
        super().__init__()
        self._ever: set[str] = set()

    async def put(self, key: str, chunks: AsyncIterator[bytes]) -> BlobStat:
        self._ever.add(key)
        return await super().put(key, chunks)

    async def list(self, prefix: str = "") -> AsyncIterator[BlobStat]:
        for key in sorted(self._ever):
            if key.startswith(prefix):
                yield BlobStat(key, len(self._blobs.get(key, (b"", 0))[0]), time.time())


@caught_by("test_odd_keys_live_side_by_side_in_key_order")
class FoldsCase(MemoryBlobStore):
    async def put(self, key: str, chunks: AsyncIterator[bytes]) -> BlobStat:
        for other in [other for other in self._blobs if other.lower() == key.lower()]:
            del self._blobs[other]
        return await super().put(key, chunks)


@caught_by("test_odd_key_is_carried")
class DecodesPercents(MemoryBlobStore):
    async def put(self, key: str, chunks: AsyncIterator[bytes]) -> BlobStat:
        return await super().put(unquote(key), chunks)


@caught_by("test_odd_key_is_moved_there_and_back")
class DecodesTheSourceOfACopy(MemoryBlobStore):
    """S3 is given the source of a copy in a header, as part of a URL."""

    async def move(self, source: str, target: str) -> None:
        await super().move(unquote(source), target)


@caught_by("test_odd_key_is_moved_there_and_back")
class EncodesTheSourceOfACopyTwice(MemoryBlobStore):
    async def move(self, source: str, target: str) -> None:
        await super().move(quote(source), target)


@caught_by("test_odd_keys_live_side_by_side_in_key_order")
class IsAFileSystem(MemoryBlobStore):
    async def put(self, key: str, chunks: AsyncIterator[bytes]) -> BlobStat:
        if any(other.startswith(f"{key}/") or key.startswith(f"{other}/") for other in self._blobs):
            raise IsADirectoryError(key)
        return await super().put(key, chunks)


@caught_by("test_bad_key_is_refused")
class TakesAnyKey(MemoryBlobStore):
    async def put(self, key: str, chunks: AsyncIterator[bytes]) -> BlobStat:
        data = await streams.collect(chunks)
        self._blobs[key] = (data, time.time())
        return BlobStat(key, len(data), time.time())


@caught_by("test_bad_key_is_refused")
class MovesToAnyKey(MemoryBlobStore):
    async def move(self, source: str, target: str) -> None:
        self._blobs[target] = self._find(source)
        if source != target:
            del self._blobs[source]


@caught_by("test_odd_keys_live_side_by_side_in_key_order")
class ListsInOrderOfInsertion(MemoryBlobStore):
    async def list(self, prefix: str = "") -> AsyncIterator[BlobStat]:
        for key in list_(self._blobs):
            if key.startswith(prefix):
                yield await self.stat(key)


@caught_by("test_odd_keys_live_side_by_side_in_key_order")
class ListsByPath(MemoryBlobStore):
    """The order of a walk through directories: "a/b" before "a-b"."""

    async def list(self, prefix: str = "") -> AsyncIterator[BlobStat]:
        for key in sorted(self._blobs, key=lambda key: key.split("/")):
            if key.startswith(prefix):
                yield await self.stat(key)


@caught_by("test_list_by_any_prefix")
class ListsWholeSegments(MemoryBlobStore):
    async def list(self, prefix: str = "") -> AsyncIterator[BlobStat]:
        async for stat in super().list(prefix if prefix.endswith("/") or not prefix else f"{prefix}/"):
            yield stat


@caught_by("test_list_by_any_prefix")
class ListsByPattern(MemoryBlobStore):
    async def list(self, prefix: str = "") -> AsyncIterator[BlobStat]:
        async for stat in super().list():
            if re.search(prefix, stat.key):
                yield stat


@caught_by("test_many_blobs_are_listed_once_each_in_key_order")
class ListsOnePage(MemoryBlobStore):
    async def list(self, prefix: str = "") -> AsyncIterator[BlobStat]:
        count = 0
        async for stat in super().list(prefix):
            if (count := count + 1) > 1000:
                return
            yield stat


@caught_by("test_listing_goes_on_while_blobs_are_deleted")
class ListsWhatIsGone(MemoryBlobStore):
    async def list(self, prefix: str = "") -> AsyncIterator[BlobStat]:
        for key in sorted(self._blobs):
            if key.startswith(prefix):
                yield await self.stat(key)


@caught_by("test_close_may_be_repeated")
class ClosesOnce(MemoryBlobStore):
    _closed = False

    async def close(self) -> None:
        if self._closed:
            raise RuntimeError("closed already")
        self._closed = True


def list_(keys: dict[str, Any]) -> tuple[str, ...]:
    """Return the keys, in a class where `list` is a method."""
    return (*keys,)
