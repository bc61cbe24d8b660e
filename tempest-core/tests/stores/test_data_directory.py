"""One process owns the data directory, and keys are kept as private and whole as can be."""

from __future__ import annotations

import os
import re
import signal
import stat
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from tempest_pds.protocol.crypto.keys import generate_k256, generate_p256
from tempest_pds.stores import files
from tempest_pds.stores.data_directory import DataDirectory, DataDirectoryInUse, DataDirectoryUnusable
from tempest_pds.stores.key_files import (
    KeyFileBroken,
    KeyFiles,
    SigningKeyExists,
    SigningKeyNotFound,
    TooManyReserved,
)

DID = "did:plc:aaaaaaaaaaaaaaaaaaaaaaaa"

HOLD = """
import sys, time
from pathlib import Path
from tempest_pds.stores.data_directory import DataDirectory, DataDirectoryInUse
try:
    held = DataDirectory(Path(sys.argv[1])).lock()
except DataDirectoryInUse as error:
    sys.exit(str(error))
print("held", flush=True)
time.sleep(60)
"""


def hold(path: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def test_the_layout_is_made(tmp_path: Path) -> None:
    with DataDirectory(tmp_path / "a" / "b").lock() as data:
        assert data.locked
        for folder in (data.repos, data.blobs, data.keys, data.backups, data.tmp):
            assert folder.is_dir()
        assert stat.S_IMODE(data.keys.stat().st_mode) == 0o700
        assert data.accounts.name == "account.sqlite"
        assert data.sequencer.name == "sequencer.sqlite"


def test_a_second_process_is_refused_and_told_who_owns_it(tmp_path: Path) -> None:
    with DataDirectory(tmp_path).lock(), hold(tmp_path) as second:
        _, message = second.communicate(timeout=30)
        assert second.returncode == 1
        assert str(os.getpid()) in message
        assert len(message.strip().splitlines()) == 1


def test_the_lock_dies_with_its_process_however_it_dies(tmp_path: Path) -> None:
    with hold(tmp_path) as first:
        assert first.stdout is not None
        assert first.stdout.readline() == "held\n"
        with pytest.raises(DataDirectoryInUse, match=str(first.pid)):
            DataDirectory(tmp_path).lock()
        assert DataDirectory(tmp_path).owner() == first.pid
        first.send_signal(signal.SIGKILL)
        first.wait(timeout=30)
    assert DataDirectory(tmp_path).owner() is None
    with DataDirectory(tmp_path).lock():
        pass


def test_a_second_lock_in_the_same_process_is_refused(tmp_path: Path) -> None:
    with DataDirectory(tmp_path).lock(), pytest.raises(DataDirectoryInUse):
        DataDirectory(tmp_path).lock()
    with DataDirectory(tmp_path).lock():
        pass


def test_who_asks_for_the_owner_does_not_take_the_lock(tmp_path: Path) -> None:
    data = DataDirectory(tmp_path)
    assert data.owner() is None
    with data.lock():
        assert DataDirectory(tmp_path).owner() == os.getpid()
    assert data.owner() is None
    with data.lock():
        assert data.locked


def test_tmp_is_emptied_by_the_owner_only(tmp_path: Path) -> None:
    data = DataDirectory(tmp_path)
    data.create()
    (data.tmp / "folder").mkdir()
    (data.tmp / "folder" / "file").write_text("x")
    (data.tmp / "file").write_text("x")
    (data.tmp / "link").symlink_to(tmp_path)
    with data.lock():
        assert list(data.tmp.iterdir()) == []
        (data.tmp / "mine").write_text("x")
        with pytest.raises(DataDirectoryInUse):
            DataDirectory(tmp_path).lock()
        assert (data.tmp / "mine").exists()
    assert data.keys.exists()


def test_a_path_that_is_a_file_is_refused_in_words(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(DataDirectoryUnusable, match="file"):
        DataDirectory(tmp_path / "file").lock()


def test_a_crash_while_writing_leaves_the_old_file_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "key"
    files.write_atomically(path, b"old", mode=0o600)

    def fail(_: int) -> None:
        raise OSError("the disk is gone")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="gone"):
        files.write_atomically(path, b"new", mode=0o600)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("generate", [generate_k256, generate_p256])
def test_a_signing_key_comes_back_the_same(tmp_path: Path, generate: object) -> None:
    assert callable(generate)
    key = generate()
    KeyFiles(tmp_path).put_signing_key(DID, key)
    again = KeyFiles(tmp_path).signing_key(DID)
    assert (again.raw, again.curve, again.public.did_key) == (key.raw, key.curve, key.public.did_key)


def test_every_key_file_is_private(tmp_path: Path) -> None:
    keys = KeyFiles(tmp_path / "keys")
    (tmp_path / "keys").mkdir(mode=0o700)
    previous = os.umask(0)
    try:
        keys.put_signing_key(DID, generate_k256())
        keys.rotation_key()
        keys.load_or_create("secret_key_base")
        keys.reserve_key(DID)
    finally:
        os.umask(previous)
    found = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(found) == 5
    assert {stat.S_IMODE(path.stat().st_mode) for path in found} == {0o600}
    assert {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.rglob("*") if path.is_dir()} == {0o700}


def test_a_signing_key_is_not_overwritten_unless_asked(tmp_path: Path) -> None:
    keys = KeyFiles(tmp_path)
    first, second = generate_k256(), generate_k256()
    keys.put_signing_key(DID, first)
    keys.put_signing_key(DID, first)
    with pytest.raises(SigningKeyExists):
        keys.put_signing_key(DID, second)
    assert keys.signing_key(DID).raw == first.raw
    keys.put_signing_key(DID, second, replace=True)
    assert keys.signing_key(DID).raw == second.raw
    keys.delete_signing_key(DID)
    with pytest.raises(SigningKeyNotFound):
        keys.signing_key(DID)


@pytest.mark.parametrize("content", [b"", b"k256 12", b"\xff\xfe", b"k256 " + b"00" * 32, b"k257 " + b"11" * 32])
def test_a_broken_key_file_is_told_apart_from_a_missing_one(tmp_path: Path, content: bytes) -> None:
    keys = KeyFiles(tmp_path)
    keys.put_signing_key(DID, generate_k256())
    path = next((tmp_path / "signing").rglob("*.key"))
    path.write_bytes(content)
    with pytest.raises(KeyFileBroken, match="signing"):
        KeyFiles(tmp_path).signing_key(DID)


def test_the_same_did_reserves_the_same_key(tmp_path: Path) -> None:
    keys = KeyFiles(tmp_path)
    first = keys.reserve_key(DID)
    assert KeyFiles(tmp_path).reserve_key(DID).raw == first.raw
    assert keys.reserve_key().raw != keys.reserve_key().raw
    found = keys.reserved_key(first.public.did_key)
    assert found is not None
    assert found.raw == first.raw
    assert keys.reserved_key("did:key:z../../../secret") is None
    keys.release_reserved_key(first.public.did_key, DID)
    assert keys.reserved_key(first.public.did_key) is None
    assert keys.reserved_key_for(DID) is None


def test_a_reserved_key_that_nobody_asks_for_in_a_week_is_forgotten(tmp_path: Path) -> None:
    keys = KeyFiles(tmp_path)
    old, nameless, asked_again = keys.reserve_key(DID), keys.reserve_key(), keys.reserve_key("did:web:other.test")
    for key in (old, nameless, asked_again):
        os.utime(tmp_path / "reserved" / f"{key.public.did_key.rpartition(':')[2]}.key", (1, 1))
    assert keys.reserve_key("did:web:other.test").raw == asked_again.raw
    young = keys.reserve_key("did:web:young.test")
    assert keys.forget_unclaimed_keys(time.time()) == 2
    assert keys.reserved_key_for(DID) is None
    left = [keys.reserved_key_for(did) for did in ("did:web:other.test", "did:web:young.test")]
    assert [key and key.raw for key in left] == [asked_again.raw, young.raw]
    assert len(list((tmp_path / "reserved" / "by-did").iterdir())) == 2
    assert keys.reserve_key(DID).raw != old.raw
    assert KeyFiles(tmp_path / "nothing").forget_unclaimed_keys(0) == 0


def test_keys_are_reserved_for_so_many_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempest_pds.stores.key_files.MAX_RESERVED", 2)
    keys = KeyFiles(tmp_path)
    first = keys.reserve_key(DID)
    keys.reserve_key()
    for again in (keys, KeyFiles(tmp_path)):
        with pytest.raises(TooManyReserved):
            again.reserve_key()
        assert again.reserve_key(DID).raw == first.raw
    keys.release_reserved_key(first.public.did_key, DID)
    keys.reserve_key()


def test_secrets_are_made_once(tmp_path: Path) -> None:
    keys = KeyFiles(tmp_path)
    secret = keys.load_or_create("secret_key_base")
    assert len(secret) == 32
    assert KeyFiles(tmp_path).load_or_create("secret_key_base") == secret
    assert keys.load_or_create("other") != secret
    assert keys.rotation_key().raw == KeyFiles(tmp_path).rotation_key().raw
    with pytest.raises(ValueError, match="name"):
        keys.load_or_create("../other")
    (tmp_path / "secret_other").write_text("short")
    with pytest.raises(KeyFileBroken):
        keys.load_or_create("other")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be another user for a while")
def test_a_directory_of_another_user_says_whose_it_is_and_what_to_do() -> None:
    with tempfile.TemporaryDirectory() as folder:
        # Where pytest keeps its folders, nobody else may enter.
        Path(folder).chmod(0o755)
        data = DataDirectory(Path(folder) / "data")
        data.create()
        data.root.chmod(0o755)
        os.seteuid(65534)
        try:
            with pytest.raises(DataDirectoryUnusable) as caught:
                data.lock()
        finally:
            os.seteuid(0)
    assert str(caught.value).startswith(f"cannot use the data directory {data.root}: {data.root} belongs to root, and ")
    assert re.search(rf"; `chown -R \S+: {data.root}`$", str(caught.value))
