"""What the disk blob store leaves on the disk, and what it makes of what it finds there."""

import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tempest_pds.adapters.blob_paths import path_of, walk
from tempest_pds.adapters.disk_blob_store import DiskBlobStore
from tempest_pds_plugins import StoreFull, StoreUnavailable, streams

segments = st.from_regex(r"[A-Za-z0-9._:%~+=@-]{1,25}", fullmatch=True).filter(lambda text: text not in (".", ".."))
keys = st.lists(segments, min_size=1, max_size=4).map("/".join)
alike = st.text("ab/-0", min_size=1, max_size=30).filter(
    lambda key: "//" not in key and not key.startswith("/") and not key.endswith("/")
)


@given(st.sets(st.one_of(keys, alike), max_size=40), st.text("ab/-0", max_size=12))
@settings(max_examples=60, deadline=None)
def test_walk_gives_the_keys_of_a_prefix_in_order(
    tmp_path_factory: pytest.TempPathFactory, some: set[str], prefix: str
) -> None:
    root = tmp_path_factory.mktemp("walk")
    for key in some:
        path = path_of(root, key)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(exist_ok=False)
    assert [key for key, _ in walk(root, prefix)] == sorted(key for key in some if key.startswith(prefix))


@given(keys)
def test_path_is_safe_on_any_file_system(key: str) -> None:
    path = path_of(Path("/root"), key)
    assert path.is_relative_to("/root")
    for part in path.relative_to("/root").parts:
        assert len(part) <= 255
        assert part == part.lower()
        assert part not in (".", "..")


def test_longest_key_fits() -> None:
    assert max(len(part) for part in path_of(Path("/root"), "K" * 512).parts) <= 255


def test_a_million_cids_spread_over_a_thousand_directories() -> None:
    first = path_of(Path("/root"), "public/bafkreibjfgx2gprinfvicegelk5kosd6y2frmqpqzwqkg7usac74l3t2v4")
    assert first.parts[2:4] == ("public,d", "bafkreibj")


async def test_nothing_is_left_after_a_delete(tmp_path: Path) -> None:
    store = DiskBlobStore(tmp_path / "blobs")
    await store.open()
    await store.put("public/did:plc:abcdefghijkl/bafkreibjfgx2", streams.of(b"x"))
    await store.move("public/did:plc:abcdefghijkl/bafkreibjfgx2", "other/bafkreibjfgx2")
    await store.delete("other/bafkreibjfgx2")
    assert [path.name for path in (tmp_path / "blobs").iterdir()] == [",unfinished"]


async def test_what_a_killed_process_left_is_cleared(tmp_path: Path) -> None:
    store = DiskBlobStore(tmp_path)
    await store.open()
    await store.put("kept", streams.of(b"x"))
    (tmp_path / ",unfinished" / "0123").write_bytes(b"half a blob")
    again = DiskBlobStore(tmp_path)
    await again.open()
    assert [stat.key async for stat in again.list()] == ["kept"]
    assert not [*(tmp_path / ",unfinished").iterdir()]


async def test_blob_is_there_for_the_next_process(tmp_path: Path) -> None:
    store = DiskBlobStore(tmp_path)
    await store.open()
    await store.put("a/b", streams.of(b"x"))
    again = DiskBlobStore(tmp_path)
    await again.open()
    assert await streams.collect(await again.get("a/b")) == b"x"


async def test_data_reaches_the_disk_before_its_name_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = DiskBlobStore(tmp_path)
    await store.open()
    events: list[str] = []
    fsync, replace = os.fsync, Path.replace

    def noted_fsync(descriptor: int) -> None:
        events.append("sync")
        fsync(descriptor)

    def noted_replace(path: Path, target: Path) -> Path:
        events.append("rename")
        return replace(path, target)

    monkeypatch.setattr(os, "fsync", noted_fsync)
    monkeypatch.setattr(Path, "replace", noted_replace)
    await store.put("k", streams.of(b"x"))
    assert events == ["sync", "rename", "sync"]


async def test_foreign_files_are_not_blobs(tmp_path: Path) -> None:
    store = DiskBlobStore(tmp_path)
    await store.open()
    (tmp_path / "lost+found").mkdir()
    (tmp_path / ".DS_Store").write_bytes(b"")
    (tmp_path / "x,y").write_bytes(b"")
    assert [stat.key async for stat in store.list()] == []


async def test_full_disk_is_told_as_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = DiskBlobStore(tmp_path)
    await store.open()

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StoreFull):
        await store.put("k", streams.of(b"x"))
    assert not [*(tmp_path / ",unfinished").iterdir()]


async def test_unreadable_disk_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "blobs").write_bytes(b"a file where the directory should be")
    with pytest.raises(StoreUnavailable):
        await DiskBlobStore(tmp_path / "blobs").open()


async def test_an_abandoned_stream_holds_no_file(tmp_path: Path) -> None:
    store = DiskBlobStore(tmp_path)
    await store.open()
    await store.put("k", streams.of(b"x" * 1_000_000))
    before = _open_files()
    for _ in range(5):
        stream = await store.get("k")
        await anext(stream)
        await streams.close(stream)
        await streams.close(await store.get("k"))
    assert _open_files() == before


def _open_files() -> int:
    descriptors = Path("/proc/self/fd")
    return len([*descriptors.iterdir()]) if descriptors.exists() else 0
