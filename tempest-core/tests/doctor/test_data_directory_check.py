"""What the doctor says of a data directory: where it is, how full, and who can read its secrets."""

import os
import sys
from pathlib import Path
from typing import Any

import pytest

from tempest_pds.doctor.checks import data_directory
from tempest_pds.doctor.file_system import file_system_of
from tempest_pds.stores.data_directory import DataDirectory
from tempest_pds.stores.key_files import KeyFiles
from tempest_pds.stores.oauth_key_file import OAuthKey, OAuthKeyFile

MOUNTS = """\
overlay / overlay rw,relatime,lowerdir=/l 0 0
proc /proc proc rw 0 0
/dev/sda1 /var/lib ext4 rw,relatime 0 0
tmpfs /var/lib/tempest/tmp tmpfs rw 0 0
10.0.0.1:/export /mnt/a\\040volume nfs4 rw 0 0
/dev/sdb1 /mnt/a\\040volume xfs rw 0 0
"""


@pytest.mark.parametrize(
    ("folder", "kind"),
    [
        ("/srv/tempest", "overlay"),
        ("/var/lib/tempest", "ext4"),
        ("/var/library", "overlay"),
        ("/var/lib/tempest/tmp/x", "tmpfs"),
        ("/mnt/a volume/tempest", "xfs"),
    ],
    ids=["the root", "a mount above", "a name that only begins like one", "the nearest", "the last on one point"],
)
def test_the_file_system_of_a_folder(folder: str, kind: str, tmp_path: Path) -> None:
    mounts = tmp_path / "mounts"
    mounts.write_text(MOUNTS)
    assert file_system_of(Path(folder), mounts) == kind


def test_a_system_that_does_not_tell(tmp_path: Path) -> None:
    assert file_system_of(tmp_path, tmp_path / "none") is None


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has a folder in memory that is always there")
def test_data_in_memory_is_a_warning(examine: Any) -> None:
    folder = Path("/dev/shm") / f"tempest-doctor-{os.getpid()}"
    folder.mkdir()
    try:
        found = examine("data", TEMPEST_DATA_DIR=str(folder))
    finally:
        folder.rmdir()
    assert [(status, cure) for status, detail, cure in found if "in memory (tmpfs)" in detail] == [
        ("warning", "use a durable volume")
    ]


def test_a_sound_directory(examine: Any, data: DataDirectory) -> None:
    KeyFiles(data.keys).rotation_key()
    found = examine("data", "--min-free", "0")
    details = [detail for status, detail, _ in found if status == "ok"]
    assert f"{data.root} is there, and can be written" in details
    assert "keys and secrets are readable by their owner only" in details


@pytest.mark.parametrize("what", ["does not exist", "is a file"])
def test_no_directory(examine: Any, tmp_path: Path, what: str) -> None:
    path = tmp_path / "other"
    if what == "is a file":
        path.touch()
    ((status, detail, cure),) = examine("data", TEMPEST_DATA_DIR=str(path))
    assert (status, detail) == ("failure", f"TEMPEST_DATA_DIR {path} {what}")
    assert "mount the volume there" in cure


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_directory_that_cannot_be_written(examine: Any, data: DataDirectory) -> None:
    data.root.chmod(0o500)
    status, detail, cure = examine("data")[0]
    data.root.chmod(0o700)
    assert status == "failure"
    assert "cannot be written by this user" in detail
    assert "run the doctor as the user that runs the server" in cure


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_a_file_of_somebody_else(examine: Any, data: DataDirectory) -> None:
    """As after a command that root ran."""
    os.chown(data.tmp, 12345, 12345)
    status, detail, cure = examine("data")[0]
    assert status == "failure"
    assert f"{data.tmp} belongs to user 12345" in detail
    assert f"chown -R 0 {data.root}" in cure


def test_a_disk_that_is_nearly_full(examine: Any) -> None:
    (found,) = [found for found in examine("data", "--min-free", "100") if "nearly full" in found[1]]
    assert found[0] == "warning"
    assert "every write fails" in found[1]
    assert "enlarge the volume" in found[2]


def test_a_disk_with_less_room_than_twice_the_data(examine: Any, data: DataDirectory) -> None:
    """Sparse: it is only said to be that long."""
    free = os.statvfs(data.root).f_bavail * os.statvfs(data.root).f_frsize
    with (data.blobs / "large").open("wb") as file:
        file.truncate(free)
    (found,) = [found for found in examine("data", "--min-free", "0") if "twice the data" in found[1]]
    assert found[0] == "warning"
    assert "TEMPEST_BACKUP_STORE" in found[2]


def test_a_very_large_directory_is_not_walked_to_its_end(
    examine: Any, data: DataDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(data_directory, "_MOST_FILES", 2)
    assert any(detail.endswith(" or more") for _, detail, _ in examine("data", "--min-free", "0"))


@pytest.mark.parametrize(
    ("name", "cure"),
    [
        ("keys", "chmod -R go-rwx "),
        ("keys/plc_rotation.key", "chmod -R go-rwx "),
        ("control.json", "start the server again"),
        ("oauth_jwks.json", "tempest oauth rotate-keys --now"),
    ],
)
def test_a_secret_that_others_can_read(examine: Any, data: DataDirectory, name: str, cure: str) -> None:
    KeyFiles(data.keys).rotation_key()
    OAuthKeyFile(data.oauth_keys).write([OAuthKey.make(0)])
    (data.root / "control.json").touch(0o600)
    (data.root / name).chmod(0o740)
    (found,) = [found for found in examine("data") if found[0] == "failure"]
    assert f"{data.root / name} can be read by other users" in found[1]
    assert cure in found[2]


def test_oauth_keys_that_are_damaged(examine: Any, data: DataDirectory) -> None:
    data.oauth_keys.touch(0o600)
    (found,) = [found for found in examine("data") if found[0] == "failure"]
    assert f"{data.oauth_keys} is damaged" in found[1]
    assert "the server does not start" in found[1]
    assert "put it back from a backup, or remove it" in found[2]


def test_a_restore_that_has_not_come_to_its_end(examine: Any, data: DataDirectory) -> None:
    data.unfinished.touch()
    assert [(status, cure) for status, detail, cure in examine("data") if "has not come to its end" in detail] == [
        ("failure", "run `tempest backup restore` again")
    ]
