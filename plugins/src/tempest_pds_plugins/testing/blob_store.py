"""What every `BlobStore` must do."""

import asyncio
import time
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tempest_pds_plugins import streams
from tempest_pds_plugins.blob_store import BlobStat, BlobStore
from tempest_pds_plugins.errors import BlobNotFound
from tempest_pds_plugins.testing.blob_keys import BlobKeysContract
from tempest_pds_plugins.testing.chunks import CHUNK, MIB, Broken, breaking, digest, large, peak_memory, same_bytes

HOUR = 3600.0


class BlobStoreContract(BlobKeysContract):
    """Subclass with a fixture `blob_store` that returns a new, empty store, not opened.

    Attributes:
        holds_blobs_in_memory: Set to True by a store that is meant to, to skip the tests of flat memory.
        large_size: The size in bytes of the blob that must not pass through memory as one piece.
        memory_limit: How far memory may rise meanwhile, in bytes.
        many: How many blobs a listing must carry: more than a page of the service behind the store.
    """

    holds_blobs_in_memory = False
    large_size = 64 * MIB
    memory_limit = 24 * MIB

    pytestmark = pytest.mark.asyncio

    @pytest_asyncio.fixture
    async def store(self, blob_store: BlobStore) -> AsyncIterator[BlobStore]:
        await blob_store.open()
        yield blob_store
        await blob_store.close()

    # Putting and getting

    async def test_what_was_put_is_got(self, store: BlobStore) -> None:
        await store.put("k/one", streams.of(b"hello ", b"world"))
        assert await _bytes(store, "k/one") == b"hello world"

    async def test_put_tells_key_size_and_time(self, store: BlobStore) -> None:
        stat = await store.put("k/one", streams.of(b"hello ", b"world"))
        assert (stat.key, stat.size) == ("k/one", 11)
        assert abs(stat.modified_at - time.time()) < HOUR, "modified_at is in seconds since 1970"
        assert isinstance(stat, BlobStat)

    async def test_stat_tells_the_same_as_put(self, store: BlobStore) -> None:
        put = await store.put("k/one", streams.of(b"hello"))
        stat = await store.stat("k/one")
        assert (stat.key, stat.size) == (put.key, put.size)
        assert abs(stat.modified_at - put.modified_at) < HOUR

    async def test_empty_blob_is_kept(self, store: BlobStore) -> None:
        assert (await store.put("k/empty", streams.of())).size == 0
        assert await _bytes(store, "k/empty") == b""
        assert [stat.key async for stat in store.list()] == ["k/empty"]

    async def test_empty_and_tiny_chunks_are_joined(self, store: BlobStore) -> None:
        await store.put("k/one", streams.of(b"", b"a", b"", b"", b"b", b""))
        assert await _bytes(store, "k/one") == b"ab"
        await store.put("k/two", streams.of_each(bytes([n % 256]) for n in range(5000)))
        assert same_bytes(await _bytes(store, "k/two"), bytes(n % 256 for n in range(5000)))

    async def test_all_byte_values_are_kept(self, store: BlobStore) -> None:
        data = bytes(range(256)) * 5 + b"\r\n\0\xff\xfe\x1a"
        await store.put("k", streams.of(data))
        assert same_bytes(await _bytes(store, "k"), data)

    async def test_chunks_are_bytes_and_never_empty(self, store: BlobStore) -> None:
        """An empty chunk would end an HTTP response, and a memoryview would break it."""
        await store.put("k", large(2 * MIB))
        async for chunk in await store.get("k"):
            assert type(chunk) is bytes
            assert chunk

    async def test_unknown_key_is_not_found_before_the_first_chunk(self, store: BlobStore) -> None:
        await store.put("known/k", streams.of(b"x"))
        for key in ("unknown", "known", "known/k/k", "known/"[:-1] + "/kk"):
            with pytest.raises(BlobNotFound) as caught:
                await store.get(key)
            assert caught.value.key == key
            with pytest.raises(BlobNotFound):
                await store.stat(key)

    @pytest.mark.parametrize(
        ("start", "end"),
        [(0, None), (0, 10), (3, 7), (9, 10), (3, None), (0, 99), (5, 99), (10, None), (4, 4), (0, 0), (50, 60)],
    )
    async def test_range_is_cut_as_a_slice(self, store: BlobStore, start: int, end: int | None) -> None:
        await store.put("k", streams.of(b"01234", b"56789"))
        assert await _bytes(store, "k", start, end) == b"0123456789"[start:end]

    async def test_range_inside_a_large_blob(self, store: BlobStore) -> None:
        await store.put("k", large(4 * CHUNK))
        expected = (await streams.collect(large(4 * CHUNK)))[CHUNK - 3 : 3 * CHUNK + 5]
        assert same_bytes(await _bytes(store, "k", CHUNK - 3, 3 * CHUNK + 5), expected)

    async def test_reader_may_stop_early(self, store: BlobStore) -> None:
        await store.put("k", large(4 * MIB))
        stream = await store.get("k")
        await anext(stream)
        await streams.close(stream)
        await streams.close(await store.get("k"))
        await store.delete("k")
        with pytest.raises(BlobNotFound):
            await store.stat("k")

    async def test_reading_never_mixes_two_versions(self, store: BlobStore) -> None:
        await store.put("k", streams.of(*[b"a" * CHUNK] * 16))
        stream = await store.get("k")
        seen = {await anext(stream)}
        await store.put("k", streams.of(*[b"b" * CHUNK] * 16))
        try:
            async for chunk in stream:
                seen.add(chunk)
        except Exception:  # noqa: BLE001, S110 - a store may fail the old reader; it may not serve a mixture
            pass
        assert {byte for chunk in seen for byte in set(chunk)} == {ord("a")}

    async def test_blob_replaced_before_the_first_chunk(self, store: BlobStore) -> None:
        await store.put("k", streams.of(b"the old one"))
        stream = await store.get("k")
        await store.put("k", streams.of(b"a new and longer one"))
        assert await streams.collect(stream) in (b"the old one", b"a new and longer one")

    # Whole or not at all

    async def test_put_replaces_in_full(self, store: BlobStore) -> None:
        await store.put("k", streams.of(b"a long first version"))
        assert (await store.put("k", streams.of(b"short"))).size == 5
        assert await _bytes(store, "k") == b"short"
        assert [(stat.key, stat.size) async for stat in store.list()] == [("k", 5)]

    @pytest.mark.parametrize("sent", [0, 1, 9])
    async def test_broken_stream_leaves_nothing(self, store: BlobStore, sent: int) -> None:
        with pytest.raises(Broken):
            await store.put("k/new", breaking(*[b"x" * CHUNK] * sent))
        await _assert_absent(store, "k/new")

    @pytest.mark.parametrize("sent", [0, 1, 9])
    async def test_broken_stream_leaves_the_old_blob(self, store: BlobStore, sent: int) -> None:
        await store.put("k", streams.of(b"old"))
        with pytest.raises(Broken):
            await store.put("k", breaking(*[b"x" * CHUNK] * sent))
        assert await _bytes(store, "k") == b"old"

    async def test_cancelled_put_leaves_nothing(self, store: BlobStore) -> None:
        reached = asyncio.Event()

        async def stuck() -> AsyncIterator[bytes]:
            for _ in range(9):
                yield b"x" * CHUNK
            reached.set()
            await asyncio.sleep(HOUR)

        task = asyncio.create_task(store.put("k", stuck()))
        await reached.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await _assert_absent(store, "k")

    async def test_blob_is_not_seen_while_it_arrives(self, store: BlobStore) -> None:
        await store.put("k/old", streams.of(b"old"))

        async def watching(key: str, expected: list[str]) -> AsyncIterator[bytes]:
            for _ in range(9):
                yield b"x" * CHUNK
                assert [stat.key async for stat in store.list()] == expected
                if key == "k/old":
                    assert await _bytes(store, key) == b"old"
                else:
                    await _assert_absent(store, key)

        await store.put("k/new", watching("k/new", ["k/old"]))
        await store.put("k/old", watching("k/old", ["k/new", "k/old"]))
        assert (await store.stat("k/old")).size == 9 * CHUNK

    # Memory

    async def test_large_put_keeps_memory_flat(self, store: BlobStore) -> None:
        self._skip_in_memory()
        assert await peak_memory(lambda: store.put("k", large(self.large_size))) < self.memory_limit
        assert (await store.stat("k")).size == self.large_size

    async def test_large_get_keeps_memory_flat(self, store: BlobStore) -> None:
        self._skip_in_memory()
        await store.put("k", large(self.large_size))
        result: list[tuple[int, str]] = []

        async def read() -> None:
            result.append(await digest(await store.get("k")))

        assert await peak_memory(read) < self.memory_limit
        assert result == [await digest(large(self.large_size))]

    def _skip_in_memory(self) -> None:
        if self.holds_blobs_in_memory:
            pytest.skip("this store holds its blobs in memory")

    # Moving and deleting

    async def test_moved_blob_is_under_its_new_key_alone(self, store: BlobStore) -> None:
        await store.put("temporary/k", streams.of(b"data"))
        await store.move("temporary/k", "public/deep/er/k")
        await _assert_absent(store, "temporary/k")
        assert await _bytes(store, "public/deep/er/k") == b"data"
        assert [(stat.key, stat.size) async for stat in store.list()] == [("public/deep/er/k", 4)]

    async def test_move_replaces_the_target(self, store: BlobStore) -> None:
        await store.put("a", streams.of(b"new"))
        await store.put("b", streams.of(b"the old one"))
        await store.move("a", "b")
        assert await _bytes(store, "b") == b"new"

    async def test_move_of_an_unknown_key_changes_nothing(self, store: BlobStore) -> None:
        await store.put("b", streams.of(b"kept"))
        with pytest.raises(BlobNotFound):
            await store.move("a", "b")
        assert await _bytes(store, "b") == b"kept"

    async def test_move_onto_itself_keeps_the_blob(self, store: BlobStore) -> None:
        await store.put("a/b", streams.of(b"kept"))
        await store.move("a/b", "a/b")
        assert await _bytes(store, "a/b") == b"kept"

    async def test_deleted_blob_is_gone(self, store: BlobStore) -> None:
        await store.put("a/b", streams.of(b"x"))
        await store.put("a/c", streams.of(b"y"))
        await store.delete("a/b")
        await _assert_absent(store, "a/b")
        assert await _bytes(store, "a/c") == b"y"

    async def test_delete_may_be_repeated(self, store: BlobStore) -> None:
        await store.delete("never/was")
        await store.put("a/b", streams.of(b"x"))
        await store.delete("a/b")
        await store.delete("a/b")
        await store.put("a/b", streams.of(b"again"))
        assert await _bytes(store, "a/b") == b"again"

    async def test_delete_takes_no_other_key_along(self, store: BlobStore) -> None:
        for key in ("a", "a/b", "ab", "a/bc"):
            await store.put(key, streams.of(key.encode()))
        await store.delete("a")
        await store.delete("a/b")
        assert [stat.key async for stat in store.list()] == ["a/bc", "ab"]

    # Concurrency and lifetime

    async def test_puts_to_many_keys_at_once(self, store: BlobStore) -> None:
        async def one(number: int) -> None:
            data = bytes([number]) * CHUNK
            await store.put(f"same/directory/{number:02}", streams.of(data, data))

        await asyncio.gather(*[one(number) for number in range(24)])
        for number in range(24):
            assert same_bytes(await _bytes(store, f"same/directory/{number:02}"), bytes([number]) * (2 * CHUNK))

    async def test_of_puts_to_one_key_one_wins_whole(self, store: BlobStore) -> None:
        await asyncio.gather(*[store.put("k", streams.of(*[bytes([number]) * CHUNK] * 4)) for number in range(12)])
        data = await _bytes(store, "k")
        assert len(data) == 4 * CHUNK
        assert len(set(data)) == 1
        assert [stat.key async for stat in store.list()] == ["k"]

    async def test_put_and_delete_of_neighbours_at_once(self, store: BlobStore) -> None:
        """A store that tidies up empty directories must not take one away from under a put."""

        async def churn(number: int) -> None:
            for _ in range(12):
                await store.put(f"deep/er/still/{number}", streams.of(b"x"))
                await store.delete(f"deep/er/still/{number}")

        await asyncio.gather(*[churn(number) for number in range(8)])
        assert [stat.key async for stat in store.list()] == []

    async def test_close_may_be_repeated(self, store: BlobStore) -> None:
        await store.close()
        await store.close()

    async def test_close_without_open(self, blob_store: BlobStore) -> None:
        await blob_store.close()


async def _bytes(store: BlobStore, key: str, start: int = 0, end: int | None = None) -> bytes:
    return await streams.collect(await store.get(key, start, end))


async def _assert_absent(store: BlobStore, key: str) -> None:
    with pytest.raises(BlobNotFound):
        await store.stat(key)
    with pytest.raises(BlobNotFound):
        await store.get(key)
    assert key not in [stat.key async for stat in store.list()]
