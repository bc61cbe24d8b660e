"""Backups of a server that goes on writing: one moment of it, whole or not at all, and for its owner alone."""

import json
import sqlite3
import tarfile
import time
from pathlib import Path

import pytest
from tests.support.account import sign_up
from tests.support.backups import picture, read_blob, restored, spawn, tempest, tempest_json
from tests.support.frames import Subscription
from tests.support.process import StartFailed
from tests.support.server import Tempest
from tests.support.steady_writer import SteadyWriter

WRITERS = 6


class TestOfAServerThatWrites:
    """The cut: every account as it was at one moment, while nobody had to stop."""

    def test_the_backup_shows_one_moment(self, lone_tempest: Tempest, tmp_path: Path) -> None:
        server = lone_tempest.start()
        writers = [SteadyWriter(sign_up(server, "busy"), seed) for seed in range(WRITERS)]
        kept = {writer.account.did: picture(writer.account, writer.account.did.encode() * 500) for writer in writers}
        for writer in writers:
            writer.start()
        deadline = time.monotonic() + 20
        while min(len(writer.revs) for writer in writers) < 20 and time.monotonic() < deadline:
            time.sleep(0.01)
        made = tempest_json(server.env, "backup", "create")
        after = [len(writer.revs) for writer in writers]
        while min(len(w.revs) - n for w, n in zip(writers, after, strict=True)) < 5 and time.monotonic() < deadline:
            time.sleep(0.01)
        for writer in writers:
            writer.stop()
            assert writer.failure is None

        # By the firehose, where every repository stood at the moment that the backup says it shows.
        heads: dict[str, str] = {}
        with Subscription(server, 0) as feed:
            while (frame := feed.next()) is not None and frame.seq <= made["lastSeq"]:
                if frame.kind == "#commit":
                    heads[frame.body["repo"]] = frame.body["rev"]
        assert frame is not None
        assert frame.seq > made["lastSeq"], "there was writing after the cut"
        found = self.heads_in(Path(made["location"]), tmp_path)
        assert found == heads

        tempest(server.env, "backup", "verify", made["location"])
        copy = restored(Path(made["location"]), tmp_path / "copy")
        with copy:
            for did, cid in kept.items():
                assert read_blob(copy, did, cid) == did.encode() * 500

    @staticmethod
    def heads_in(archive: Path, folder: Path) -> dict[str, str]:
        """Read the revision of each repository in an archive with nothing but tar and SQLite."""
        with tarfile.open(archive) as tar:
            tar.extractall(folder / "plain", filter="data")
        manifest = json.loads((folder / "plain" / "manifest.json").read_bytes())
        files = [file["path"] for file in manifest["files"] if file["path"].startswith("repos/")]
        heads = {}
        for path in files:
            with sqlite3.connect(folder / "plain" / path) as database:
                did, rev = database.execute("SELECT did, rev FROM root").fetchone()
            heads[did] = rev
        return heads

    def test_blobs_removed_meanwhile_are_in_it(self, lone_tempest: Tempest, tmp_path: Path) -> None:
        """What the cut refers to has to be there, although its last record is deleted while blobs are copied."""
        server = lone_tempest.start()
        account = sign_up(server, "fickle")
        contents = {picture(account, bytes([number]) * 200_000): number for number in range(60)}
        listed = account.query("com.atproto.repo.listRecords", repo=account.did, collection="com.example.picture")
        child = spawn(server.env, "backup", "create")
        for record in listed["records"]:
            rkey = record["uri"].rpartition("/")[2]
            account.procedure(
                "com.atproto.repo.deleteRecord", repo=account.did, collection="com.example.picture", rkey=rkey
            )
        assert child.wait(60) == 0
        tempest(server.env, "backup", "verify")
        assert contents

    def test_accounts_made_and_deactivated_meanwhile_do_no_harm(self, lone_tempest: Tempest) -> None:
        server = lone_tempest.start()
        for _ in range(5):
            sign_up(server, "early").post("hello")
        child = spawn(server.env, "backup", "create")
        while child.poll() is None:
            account = sign_up(server, "late")
            account.procedure("com.atproto.server.deactivateAccount")
        assert child.returncode == 0
        tempest(server.env, "backup", "verify")


class TestKilled:
    """Nothing half done is ever taken for done."""

    def test_while_a_backup_is_made(self, lone_tempest: Tempest) -> None:
        server = lone_tempest.start()
        account = sign_up(server, "large")
        for number in range(20):
            picture(account, bytes([number]) * 3_000_000)
        before = tempest_json(server.env, "backup", "create")["name"]
        folder = server.folder / "backups" / ".unfinished"
        child = spawn(server.env, "backup", "create")
        deadline = time.monotonic() + 30
        while not any(folder.iterdir()) and time.monotonic() < deadline:
            time.sleep(0.001)
        server.kill()
        child.wait(30)
        assert any(folder.iterdir()), "it was killed in the middle"
        listed = [row["name"] for row in tempest_json(server.env, "backup", "list")]
        assert listed == [before]
        with server:
            assert not any(folder.iterdir())
            account.post("still here")
        tempest(server.env, "backup", "verify")


class TestEncrypted:
    def test_only_the_key_opens_it(self, tmp_path: Path) -> None:
        recipient = tempest({**Tempest(tmp_path / "none").env}, "backup", "new-key", tmp_path / "key.txt")[0]
        assert (tmp_path / "key.txt").stat().st_mode & 0o777 == 0o600
        name, _, value = recipient.strip().partition("=")
        with Tempest(tmp_path / "data", **{name: value}) as server:
            account = sign_up(server, "secret")
            cid = picture(account, b"private" * 10_000)
            made = tempest_json(server.env, "backup", "create")
            assert made["encrypted"]
            data = Path(made["location"]).read_bytes()
            assert data.startswith(b"age-encryption.org/v1")
            assert account.did.encode() not in data
            _, told = tempest(server.env, "backup", "verify", code=2)
            assert "--identity" in told
            tempest(server.env, "backup", "new-key", tmp_path / "other.txt")
            _, told = tempest(server.env, "backup", "verify", "--identity", tmp_path / "other.txt", code=2)
            assert "another key" in told
            tempest(server.env, "backup", "verify", "--identity", tmp_path / "key.txt")
        copy = Tempest(tmp_path / "copy")
        words = ("--input", made["location"], "--identity", tmp_path / "key.txt")
        tempest(copy.env, "backup", "restore", *words)
        with copy:
            assert read_blob(copy, account.did, cid) == b"private" * 10_000
        half = tmp_path / "half.tar.age"
        half.write_bytes(data[:-100])
        _, told = tempest(copy.env, "backup", "verify", half, "--identity", tmp_path / "key.txt", code=2)
        assert "was changed, or ends too early" in told

    def test_a_wrong_recipient_keeps_the_server_from_starting(self, tmp_path: Path) -> None:
        server = Tempest(tmp_path / "data", TEMPEST_BACKUP_RECIPIENT="age1nonsense")
        with pytest.raises(StartFailed, match="TEMPEST_BACKUP_RECIPIENT must be an age recipient"):
            server.start()
