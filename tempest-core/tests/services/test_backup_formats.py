"""What an archive is made of: manifest, tar, names, encryption."""

from __future__ import annotations

import asyncio
import io
import tarfile
import threading
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyrage
import pytest
from backup_world import unpack
from hypothesis import given
from hypothesis import strategies as st

from tempest_pds.services.backup import tar
from tempest_pds.services.backup.archive import SCHEMAS
from tempest_pds.services.backup.encryption import (
    EncryptionUnusable,
    decrypted,
    encrypted,
    identities,
    new_identity,
    recipient,
)
from tempest_pds.services.backup.errors import BackupDamaged, BackupTooNew, NotABackup
from tempest_pds.services.backup.manifest import MANIFEST, ArchivedFile, Manifest
from tempest_pds.services.backup.names import Retention, made_at, name_for
from tempest_pds_plugins import streams
from tempest_pds_plugins.backup_sink import BackupStat
from tempest_pds_plugins.keys import check_name

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
paths = st.from_regex(r"[a-z0-9._-]{1,120}(/[a-z0-9:._%-]{1,200}){0,3}", fullmatch=True)


def manifest(**changes: Any) -> Manifest:
    known: dict[str, Any] = {
        "created_at": "2026-05-01T12:00:00Z",
        "created_us": 1,
        "hostname": "pds.test",
        "public_url": "https://pds.test",
        "software": "1.2.3",
        "schemas": SCHEMAS,
        "last_seq": 5,
        "applied_seq": 5,
        "accounts": 0,
        "files": (),
    }
    return Manifest(**(known | changes))


def archive(*members: tuple[str, bytes], end: bool = True) -> bytes:
    data = b"".join(tar.header(name, len(body), 0) + body + tar.padding(len(body)) for name, body in members)
    return data + (tar.END if end else b"")


class TestManifest:
    @given(
        files=st.lists(
            st.builds(ArchivedFile, paths, st.integers(0, 1 << 50), st.text("0123456789abcdef")), max_size=5
        ),
        missing=st.lists(st.text(), max_size=3),
        last=st.integers(0, 1 << 53),
    )
    def test_what_is_written_is_read(self, files: list[ArchivedFile], missing: list[str], last: int) -> None:
        written = manifest(files=tuple(files), missing_blobs=tuple(missing), last_seq=last)
        assert Manifest.decode(written.encode()) == written

    @given(st.binary(max_size=200))
    def test_anything_else_is_no_backup(self, data: bytes) -> None:
        with pytest.raises(NotABackup):
            Manifest.decode(data)

    @pytest.mark.parametrize("data", [b"[]", b"{}", b"null", b'{"format": "tempest-backup", "version": 1}'])
    def test_other_json_is_no_backup(self, data: bytes) -> None:
        with pytest.raises(NotABackup):
            Manifest.decode(data)

    def test_a_later_format_says_so(self) -> None:
        with pytest.raises(BackupTooNew):
            Manifest.decode(manifest().encode().replace(b'"version": 1', b'"version": 2'))


class TestTar:
    @given(st.dictionaries(paths, st.binary(max_size=3000), max_size=6))
    def test_any_tar_reads_what_is_written(self, files: dict[str, bytes]) -> None:
        with tarfile.open(fileobj=io.BytesIO(archive(*files.items()))) as opened:
            found = {info.name: opened.extractfile(info).read() for info in opened}  # type: ignore[union-attr]
        assert found == files

    async def test_members_come_in_order_with_their_bytes(self) -> None:
        data = archive(("a", b"1" * 1000), ("b/" + "c" * 150, b""), ("d", b"2"))
        found = [(member.name, await streams.collect(member.chunks)) async for member in tar.members(io.BytesIO(data))]
        assert found == [("a", b"1" * 1000), ("b/" + "c" * 150, b""), ("d", b"2")]

    async def test_a_member_that_is_not_read_is_passed_over(self) -> None:
        data = archive(("a", b"1" * 100_000), ("b", b"2"))
        assert [member.name async for member in tar.members(io.BytesIO(data))] == ["a", "b"]

    async def test_a_link_is_refused(self) -> None:
        info = tarfile.TarInfo("keys/x")
        info.type, info.linkname = tarfile.SYMTYPE, "/etc/passwd"
        with pytest.raises(NotABackup, match="is not a file"):
            async for _ in tar.members(io.BytesIO(info.tobuf() + tar.END)):
                pass


class TestExtract:
    @pytest.mark.parametrize("name", ["../evil", "/etc/evil", "keys/../../evil", "keys//x", "./keys", "blobs/../evil"])
    async def test_a_name_that_leads_elsewhere_is_refused(self, tmp_path: Path, name: str) -> None:
        with pytest.raises(NotABackup):
            await unpack(archive((name, b"x"), (MANIFEST, manifest().encode())), tmp_path / "out")
        assert not (tmp_path / "evil").exists()

    async def test_without_its_manifest_it_is_not_whole(self, tmp_path: Path) -> None:
        with pytest.raises(NotABackup, match="without its manifest"):
            await unpack(archive(("a", b"x")), tmp_path)

    async def test_what_comes_after_the_manifest_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(NotABackup, match="after its manifest"):
            await unpack(archive((MANIFEST, manifest().encode()), ("a", b"x")), tmp_path)

    async def test_a_file_that_is_missing_is_told(self, tmp_path: Path) -> None:
        listed = manifest(files=(ArchivedFile("a", 1, "00"),))
        with pytest.raises(BackupDamaged, match="a in the backup is missing"):
            await unpack(archive((MANIFEST, listed.encode())), tmp_path)

    async def test_blobs_that_are_missing_are_told(self, tmp_path: Path) -> None:
        with pytest.raises(BackupDamaged, match="has 0 blobs, and 2"):
            await unpack(archive((MANIFEST, manifest(blobs=2).encode())), tmp_path)

    async def test_a_newer_schema_is_refused(self, tmp_path: Path) -> None:
        newer = manifest(schemas=SCHEMAS | {"repo": "repo_9999"})
        with pytest.raises(BackupTooNew, match=r"by a newer Tempest than this one, 1\.2\.3"):
            await unpack(archive((MANIFEST, newer.encode())), tmp_path)


class TestNames:
    @given(
        st.from_regex(r"[a-z0-9]{1,60}(\.[a-z0-9]{1,60}){0,3}", fullmatch=True),
        st.datetimes(min_value=datetime(1000, 1, 1, tzinfo=UTC).replace(tzinfo=None)),
        st.booleans(),
    )
    def test_a_name_tells_its_moment(self, hostname: str, moment: datetime, is_encrypted: bool) -> None:
        moment = moment.replace(tzinfo=UTC, microsecond=0)
        name = check_name(name_for(hostname, moment, encrypted=is_encrypted))
        assert made_at(name) == moment

    @pytest.mark.parametrize(
        "name", ["notes.txt", "tempest-a-20260101T000000Z.zip", "tempest-a-20269901T000000Z.tar", ".history.json"]
    )
    def test_anything_else_has_none(self, name: str) -> None:
        assert made_at(name) is None

    @given(st.lists(st.integers(0, 400), unique=True), st.integers(1, 10), st.integers(0, 100))
    def test_retention(self, ages: list[int], count: int, days: int) -> None:
        """The newest are kept, and the young ones; nothing else is, and never nothing."""
        stats = [
            BackupStat(name_for("h.test", NOW - timedelta(days=age), encrypted=age % 2 == 0), 1, 0.0) for age in ages
        ]
        gone = Retention(count, days).superfluous(stats, "h.test", NOW)
        by_age = {stat.name: age for stat, age in zip(stats, ages, strict=True)}
        newest = set(sorted(ages)[:count])
        assert {by_age[name] for name in gone} == {age for age in ages if age not in newest and age > days}
        assert [by_age[name] for name in gone] == sorted((by_age[name] for name in gone), reverse=True)
        assert not ages or len(gone) < len(ages)


class TestEncryption:
    @given(st.lists(st.binary(max_size=200_000), max_size=4))
    def test_what_is_encrypted_is_decrypted(self, chunks: list[bytes]) -> None:
        secret, public = new_identity()
        key = pyrage.x25519.Identity.from_str(secret)

        async def there_and_back() -> bytes:
            return await streams.collect(decrypted(encrypted(streams.of_each(chunks), recipient(public)), [key]))

        assert asyncio.run(there_and_back()) == b"".join(chunks)

    async def test_age_itself_reads_it(self) -> None:
        secret, public = new_identity()
        data = await streams.collect(encrypted(streams.of(b"some", b"thing"), recipient(public)))
        assert pyrage.decrypt(data, [pyrage.x25519.Identity.from_str(secret)]) == b"something"

    async def test_what_the_stream_raises_comes_out(self) -> None:
        class Broken(Exception):
            pass

        async def breaking() -> AsyncIterator[bytes]:
            yield b"x" * 100_000
            raise Broken

        with pytest.raises(Broken):
            await streams.collect(encrypted(breaking(), recipient(new_identity()[1])))

    async def test_whoever_stops_early_leaves_no_thread(self) -> None:
        async def endless() -> AsyncIterator[bytes]:
            while True:
                yield b"x" * 100_000

        stream = encrypted(endless(), recipient(new_identity()[1]))
        await anext(stream)
        await streams.close(stream)
        assert not any(thread.name == "tempest-age" for thread in threading.enumerate())

    @pytest.mark.parametrize("text", ["", "# only a comment\n", "AGE-SECRET-KEY-1NONSENSE\n", "\xff"])
    def test_a_file_without_a_key_is_told(self, tmp_path: Path, text: str) -> None:
        (tmp_path / "key").write_text(text, "latin-1")
        with pytest.raises(EncryptionUnusable):
            identities(tmp_path / "key")

    def test_no_message_shows_a_key(self, tmp_path: Path) -> None:
        secret, _ = new_identity()
        other = "P" if secret.endswith("Q") else "Q"
        (tmp_path / "key").write_text(f"{secret[:-1]}{other}\n")
        with pytest.raises(EncryptionUnusable) as refused:
            identities(tmp_path / "key")
        assert secret[20:40] not in str(refused.value)
