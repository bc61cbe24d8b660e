"""What the parts of a data directory take on the disk."""

from pathlib import Path

import pytest

from tempest_pds.stores.data_directory import DataDirectory
from tempest_pds.stores.directory_sizes import MeasuringStopped, measure
from tempest_pds.stores.file_names import sharded


@pytest.fixture
def directory(tmp_path: Path) -> DataDirectory:
    directory = DataDirectory(tmp_path / "data")
    directory.create()
    return directory


def put(path: Path, size: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x" * size)


def test_every_part_counts_what_is_in_it(directory: DataDirectory) -> None:
    put(directory.accounts, 10)
    put(directory.root / "account.sqlite-wal", 5)
    put(directory.sequencer, 20)
    put(directory.blobs / "public" / "did" / "cid", 300)
    put(directory.keys / "secret", 32)
    put(directory.backups / "one.tar", 4_000)
    put(directory.root / "plc_ledger.jsonl", 7)
    put(directory.root / "strange" / "thing", 1)
    sizes = measure(directory)
    assert sizes.parts == {
        "account.sqlite": 15,
        "sequencer.sqlite": 20,
        "repos/": 0,
        "blobs/": 300,
        "backups/": 4_000,
        "keys/": 32,
        "tmp/": 0,
        "other": 8,
    }
    assert sizes.total == 15 + 20 + 300 + 4_000 + 32 + 8
    assert 0 < sizes.disk_free <= sizes.disk_total


def test_the_largest_repositories_come_first_with_their_write_ahead_logs(directory: DataDirectory) -> None:
    for did, size in (("did:plc:small", 1), ("did:web:a.sqlite.example", 30), ("did:plc:large", 20)):
        put(sharded(directory.repos, did, ".sqlite"), size)
    put(sharded(directory.repos, "did:plc:large", ".sqlite-wal"), 11)
    sizes = measure(directory, largest=2)
    assert sizes.largest_repos == [("did:plc:large", 31), ("did:web:a.sqlite.example", 30)]
    assert (sizes.repo_files, sizes.parts["repos/"]) == (3, 62)


def test_links_are_not_followed(directory: DataDirectory, tmp_path: Path) -> None:
    put(tmp_path / "elsewhere" / "file", 100_000)
    (directory.blobs / "link").symlink_to(tmp_path / "elsewhere")
    assert measure(directory).parts["blobs/"] < 1_000


def test_it_can_be_given_up(directory: DataDirectory) -> None:
    with pytest.raises(MeasuringStopped):
        measure(directory, give_up=lambda: True)
