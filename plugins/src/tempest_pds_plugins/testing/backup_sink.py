"""What every `BackupSink` must do."""

import time
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tempest_pds_plugins import streams
from tempest_pds_plugins.backup_sink import BackupSink
from tempest_pds_plugins.errors import BackupNotFound, InvalidKey
from tempest_pds_plugins.testing.chunks import CHUNK, MIB, Broken, breaking, digest, large, peak_memory

HOUR = 3600.0
BAD_NAMES = ["", ".", "..", ".hidden", "-rf", "a/b", "../a", "a\\b", "a b", "a\n", "é", "x" * 129, "a:b"]


class BackupSinkContract:
    """Subclass with a fixture `backup_sink` that returns a new, empty sink, not opened.

    Attributes:
        holds_backups_in_memory: Set to True by a sink that is meant to, to skip the tests of flat memory.
        large_size: The size in bytes of the archive that must not pass through memory as one piece.
        memory_limit: How far memory may rise meanwhile, in bytes.
    """

    holds_backups_in_memory = False
    large_size = 64 * MIB
    memory_limit = 24 * MIB

    pytestmark = pytest.mark.asyncio

    @pytest_asyncio.fixture
    async def sink(self, backup_sink: BackupSink) -> AsyncIterator[BackupSink]:
        await backup_sink.open()
        yield backup_sink
        await backup_sink.close()

    async def test_what_was_put_is_got(self, sink: BackupSink) -> None:
        stat = await sink.put("tempest-2026-11-23.zip", streams.of(b"PK", b"", b"\x03\x04"))
        assert (stat.name, stat.size) == ("tempest-2026-11-23.zip", 4)
        assert abs(stat.modified_at - time.time()) < HOUR
        assert await _bytes(sink, "tempest-2026-11-23.zip") == b"PK\x03\x04"
        assert (await sink.stat("tempest-2026-11-23.zip")).size == 4

    async def test_put_replaces_in_full(self, sink: BackupSink) -> None:
        await sink.put("a.zip", streams.of(b"a long first version"))
        await sink.put("a.zip", streams.of(b"short"))
        assert await _bytes(sink, "a.zip") == b"short"

    async def test_unknown_name_is_not_found_before_the_first_chunk(self, sink: BackupSink) -> None:
        with pytest.raises(BackupNotFound):
            await sink.get("a.zip")
        with pytest.raises(BackupNotFound):
            await sink.stat("a.zip")

    @pytest.mark.parametrize("sent", [0, 1, 9])
    async def test_broken_stream_leaves_nothing(self, sink: BackupSink, sent: int) -> None:
        with pytest.raises(Broken):
            await sink.put("a.zip", breaking(*[b"x" * CHUNK] * sent))
        with pytest.raises(BackupNotFound):
            await sink.stat("a.zip")
        assert [stat.name async for stat in sink.list()] == []

    async def test_broken_stream_leaves_the_old_backup(self, sink: BackupSink) -> None:
        await sink.put("a.zip", streams.of(b"old"))
        with pytest.raises(Broken):
            await sink.put("a.zip", breaking(*[b"x" * CHUNK] * 9))
        assert await _bytes(sink, "a.zip") == b"old"

    async def test_backup_is_not_seen_while_it_arrives(self, sink: BackupSink) -> None:
        async def watching() -> AsyncIterator[bytes]:
            for _ in range(9):
                yield b"x" * CHUNK
                assert [stat.name async for stat in sink.list()] == []

        await sink.put("a.zip", watching())
        assert [stat.name async for stat in sink.list()] == ["a.zip"]

    async def test_list_is_in_order_of_names(self, sink: BackupSink) -> None:
        names = ["b.zip", "A.zip", "a.zip", "a-1.zip", "a_1.zip", "0", "b.zip.sha256"]
        for name in names:
            await sink.put(name, streams.of(name.encode()))
        assert [(stat.name, stat.size) async for stat in sink.list()] == [(name, len(name)) for name in sorted(names)]

    async def test_delete_may_be_repeated(self, sink: BackupSink) -> None:
        await sink.delete("a.zip")
        await sink.put("a.zip", streams.of(b"x"))
        await sink.put("b.zip", streams.of(b"x"))
        await sink.delete("a.zip")
        await sink.delete("a.zip")
        assert [stat.name async for stat in sink.list()] == ["b.zip"]

    @pytest.mark.parametrize("name", BAD_NAMES, ids=repr)
    async def test_bad_name_is_refused(self, sink: BackupSink, name: str) -> None:
        with pytest.raises(InvalidKey):
            await sink.put(name, streams.of(b"x"))
        with pytest.raises(InvalidKey):
            await sink.get(name)
        with pytest.raises(InvalidKey):
            await sink.stat(name)
        with pytest.raises(InvalidKey):
            await sink.delete(name)
        with pytest.raises(InvalidKey):
            sink.location(name)

    async def test_location_names_the_backup(self, sink: BackupSink) -> None:
        location = sink.location("tempest-2026.zip")
        assert "tempest-2026.zip" in location
        assert "\n" not in location

    async def test_large_backup_keeps_memory_flat(self, sink: BackupSink) -> None:
        if self.holds_backups_in_memory:
            pytest.skip("this sink holds its backups in memory")
        result: list[tuple[int, str]] = []

        async def there_and_back() -> None:
            await sink.put("a.zip", large(self.large_size))
            result.append(await digest(await sink.get("a.zip")))

        assert await peak_memory(there_and_back) < self.memory_limit
        assert result == [await digest(large(self.large_size))]

    async def test_reader_may_stop_early(self, sink: BackupSink) -> None:
        await sink.put("a.zip", large(4 * MIB))
        stream = await sink.get("a.zip")
        await anext(stream)
        await streams.close(stream)
        await sink.delete("a.zip")

    async def test_close_may_be_repeated(self, sink: BackupSink) -> None:
        await sink.close()
        await sink.close()

    async def test_close_without_open(self, backup_sink: BackupSink) -> None:
        await backup_sink.close()


async def _bytes(sink: BackupSink, name: str) -> bytes:
    return await streams.collect(await sink.get(name))
