"""What a backup brings back: the servers that are restored from one, and what a restore refuses."""

import hashlib
import json
import os
import random
import sqlite3
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.account import Account, CallRefused, sign_up
from tests.support.backups import kill, picture, read_blob, restored, spawn, tempest, tempest_json
from tests.support.consumer import Consumer
from tests.support.frames import Frame, Subscription
from tests.support.node import Node
from tests.support.process import StartFailed, json_request
from tests.support.server import Tempest


def last_seq(server: Tempest) -> int:
    """Return the number of the newest event there is."""
    marker = sign_up(server, "marker")
    with Subscription(server, 0) as feed:
        while (frame := feed.next()) is not None:
            if frame.kind == "#sync" and frame.body["did"] == marker.did:
                return frame.seq
    raise AssertionError("the server closed the firehose")


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tempest]:
    """A server with accounts that nobody writes to any more."""
    with Tempest(tmp_path_factory.mktemp("source") / "data") as server:
        yield server


@pytest.fixture(scope="module")
def accounts(source: Tempest) -> list[Account]:
    made = [sign_up(source, "kept") for _ in range(3)]
    for account in made:
        for number in range(4):
            account.post(f"post {number}")
    return made


@pytest.fixture(scope="module")
def pictures(accounts: list[Account]) -> dict[str, bytes]:
    """The bytes of one picture of each account, by its CID."""
    data = [hashlib.sha256(account.did.encode()).digest() * 2_000 for account in accounts]
    return {picture(account, image): image for account, image in zip(accounts, data, strict=True)}


@pytest.fixture(scope="module")
def archive(source: Tempest, pictures: dict[str, bytes]) -> Path:
    """A backup of it."""
    return Path(tempest_json(source.env, "backup", "create")["location"])


@pytest.fixture(scope="module")
def lost(source: Tempest, accounts: list[Account], archive: Path) -> str:
    """A post that the old server took after the backup: the account that wrote it."""
    accounts[1].post("after the backup")
    return accounts[1].did


@pytest.fixture(scope="module")
def server(archive: Path, lost: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tempest]:
    """The server that was restored from it."""
    with restored(archive, tmp_path_factory.mktemp("restored") / "data") as server:
        yield server


class TestRestored:
    """A server that was restored, as clients and relays see it."""

    def test_blobs_are_what_they_were(
        self, server: Tempest, accounts: list[Account], pictures: dict[str, bytes]
    ) -> None:
        for account, (cid, data) in zip(accounts, pictures.items(), strict=True):
            assert read_blob(server, account.did, cid) == data

    def test_records_are_what_they_were(self, server: Tempest, source: Tempest, accounts: list[Account]) -> None:
        for account in (accounts[0], accounts[2]):
            query = f"/xrpc/com.atproto.repo.listRecords?repo={account.did}&collection=app.bsky.feed.post"
            before, after = json_request(source.url + query), json_request(server.url + query)
            assert after == before
            assert after[0] == 200

    def test_accounts_log_in_and_write(self, server: Tempest, accounts: list[Account]) -> None:
        body = {"identifier": accounts[0].handle, "password": accounts[0].password}
        status, session = json_request(f"{server.url}/xrpc/com.atproto.server.createSession", body)
        assert status == 200
        assert isinstance(session, dict)
        again = Account(server, session["did"], accounts[0].handle, "", session["accessJwt"], session["refreshJwt"])
        again.post("after the restore")

    def test_the_firehose_goes_on_above_all_that_was_announced(
        self, server: Tempest, source: Tempest, accounts: list[Account], lost: str
    ) -> None:
        """A relay that has read to the end of the old server, further than the backup, hears of every account."""
        seen = last_seq(source)
        wanted = {each.did for each in accounts}
        told: dict[str, list[Frame]] = {did: [] for did in wanted}
        with Subscription(server, seen) as feed:
            while not all(any(frame.kind == "#sync" for frame in frames) for frames in told.values()):
                frame = feed.next()
                assert frame is not None
                assert frame.kind != "error", frame.body
                assert frame.seq > seen
                seen = frame.seq
                if frame.body.get("did") in wanted:
                    told[frame.body["did"]].append(frame)
        for frames in told.values():
            assert [frame.kind for frame in frames] == ["#identity", "#account", "#sync"]

    def test_revisions_rise_above_those_the_old_server_made_since(
        self, server: Tempest, source: Tempest, accounts: list[Account]
    ) -> None:
        query = "/xrpc/com.atproto.sync.getLatestCommit?did="
        for account in accounts:
            before, after = (
                json_request(source.url + query + account.did),
                json_request(server.url + query + account.did),
            )
            assert isinstance(before[1], dict)
            assert isinstance(after[1], dict)
            assert after[1]["rev"] > before[1]["rev"]

    def test_the_official_consumer_accepts_what_it_announces(
        self, server: Tempest, accounts: list[Account], node: Node
    ) -> None:
        wanted = {account.did for account in accounts}
        with Consumer(node, server.url, None, 0) as consumer:
            consumer.until(
                lambda events: wanted <= {event["did"] for event in events if event["event"] == "sync"}, timeout=30
            )

    def test_the_next_start_announces_nothing_again(self, archive: Path, tmp_path: Path) -> None:
        server = restored(archive, tmp_path / "data")
        with server, Subscription(server, 0) as feed:
            frame = feed.next()
            while frame is not None and frame.kind != "#sync":
                frame = feed.next()
            assert frame is not None
        with server, Subscription(server) as feed:
            assert feed.quiet()


class TestRestore:
    """The command, and what it refuses."""

    def test_from_an_extracted_folder(self, archive: Path, tmp_path: Path) -> None:
        with tarfile.open(archive) as tar:
            tar.extractall(tmp_path / "extracted", filter="data")
        with restored(tmp_path / "extracted", tmp_path / "data"):
            pass

    def test_a_folder_with_data_is_refused_and_not_touched(self, archive: Path, tmp_path: Path) -> None:
        target = tmp_path / "data"
        target.mkdir()
        (target / "notes.txt").write_text("mine")
        server = Tempest(target)
        _, told = tempest(server.env, "backup", "restore", "--input", archive, code=2)
        assert "holds data (notes.txt)" in told
        assert "--force" in told
        assert [path.name for path in target.iterdir()] == ["notes.txt"]

    def test_an_empty_volume_is_no_data(self, archive: Path, tmp_path: Path) -> None:
        target = tmp_path / "data"
        for name in ("lost+found", "repos", "keys/signing"):
            (target / name).mkdir(parents=True)
        with restored(archive, target):
            pass

    def test_force_puts_what_is_there_aside(self, archive: Path, tmp_path: Path) -> None:
        server = Tempest(tmp_path / "data")
        with server:
            old = sign_up(server, "old")
        tempest(server.env, "backup", "restore", "--input", archive, "--force")
        with server:
            status, _ = json_request(f"{server.url}/xrpc/com.atproto.sync.getLatestCommit?did={old.did}")
            assert status == 400
        aside = next((tmp_path / "data").glob("replaced-*"))
        with Tempest(aside) as before:
            status, _ = json_request(f"{before.url}/xrpc/com.atproto.sync.getLatestCommit?did={old.did}")
            assert status == 200

    def test_a_running_server_keeps_its_data(self, archive: Path, lone_tempest: Tempest) -> None:
        server = lone_tempest.start()
        _, told = tempest(server.env, "backup", "restore", "--input", archive, "--force", code=2)
        assert "in use by another Tempest" in told
        sign_up(server, "still").post("here")

    def test_something_else_is_no_backup(self, tmp_path: Path) -> None:
        (tmp_path / "some.tar").write_bytes(b"x" * 20_000)
        server = Tempest(tmp_path / "data")
        _, told = tempest(server.env, "backup", "restore", "--input", tmp_path / "some.tar", code=2)
        assert told.startswith("tempest: this is no whole backup")
        with pytest.raises(StartFailed, match="has not come to its end"):
            server.start()

    @pytest.mark.parametrize("part", [0.1, 0.5, 0.99])
    def test_half_a_backup_is_refused(self, archive: Path, tmp_path: Path, part: float) -> None:
        half = tmp_path / "half.tar"
        data = archive.read_bytes()
        half.write_bytes(data[: int(len(data) * part)])
        env = Tempest(tmp_path / "data").env
        _, told = tempest(env, "backup", "verify", half, code=2)
        assert told.startswith("tempest: this is no whole backup")

    def test_a_changed_byte_is_found_wherever_it_is(self, archive: Path, tmp_path: Path) -> None:
        env = Tempest(tmp_path / "data").env
        data = archive.read_bytes()
        changed = tmp_path / "changed.tar"
        with tarfile.open(archive) as tar:
            spans = {info.name: (info.offset_data, info.size) for info in tar}
        dice = random.Random(1)
        blob = next(name for name in spans if name.startswith("blobs/"))
        key = next(name for name in spans if name.startswith("keys/signing/"))
        repo = next(name for name in spans if name.startswith("repos/"))
        for name in (blob, key, repo, "account.sqlite", "sequencer.sqlite"):
            start, size = spans[name]
            at = start + dice.randrange(size)
            changed.write_bytes(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])
            said = tempest(env, "backup", "verify", changed, code=1 if name == blob else 2)
            assert "damaged" in said[0] if name == blob else name in said[1]

    def test_the_newest_of_another_server_is_not_ours(self, source: Tempest, archive: Path) -> None:
        """Several servers may keep their backups in one place."""
        folder = source.folder / "backups"
        strange = folder / "tempest-other.example-20990101T000000Z.tar"
        strange.write_bytes(b"of somebody else")
        try:
            assert json.loads(tempest(source.env, "backup", "verify", "--json")[0])["backup"] == archive.name
        finally:
            strange.unlink()

    def test_a_store_of_blobs_that_is_away_is_told_before_anything_is_touched(
        self, archive: Path, tmp_path: Path
    ) -> None:
        target = tmp_path / "data"
        target.mkdir()
        (target / "account.sqlite").write_text("old")
        settings = {
            "TEMPEST_BLOB_STORE": "s3",
            "TEMPEST_BLOB_S3_ENDPOINT": "http://127.0.0.1:9",
            "TEMPEST_BLOB_S3_BUCKET": "blobs",
            "TEMPEST_BLOB_S3_ACCESS_KEY_ID": "key",
            "TEMPEST_BLOB_S3_SECRET_ACCESS_KEY": "secret",
        }
        server = Tempest(target, **settings)
        _, told = tempest(server.env, "backup", "restore", "--input", archive, "--force", code=2)
        assert told.startswith("tempest: ")
        assert "TEMPEST_BLOB_S3_ENDPOINT" in told
        assert (target / "account.sqlite").read_text() == "old"

    def test_a_damaged_one_is_finished_when_it_is_all_there_is(self, archive: Path, tmp_path: Path) -> None:
        damaged = tmp_path / "damaged.tar"
        data = bytearray(archive.read_bytes())
        with tarfile.open(archive) as tar:
            blob = next(info for info in tar if info.name.startswith("blobs/"))
        data[blob.offset_data] ^= 1
        damaged.write_bytes(data)
        server = Tempest(tmp_path / "data")
        listed, told = tempest(server.env, "backup", "restore", "--input", damaged, code=1)
        assert blob.name.rpartition("/")[2] in listed
        assert "--accept-problems" in told
        with pytest.raises(StartFailed):
            server.start()
        words = ("--input", damaged, "--accept-problems")
        listed, told = tempest(server.env, "backup", "restore", *words, code=1)
        assert blob.name.rpartition("/")[2] in listed
        assert "is restored, with 2 problems" in listed
        assert "will be numbered above" in told
        with server:
            pass

    def test_backups_are_private_whatever_the_umask(self, source: Tempest, archive: Path, tmp_path: Path) -> None:
        assert archive.stat().st_mode & 0o077 == 0
        target = tmp_path / "new" / "data"
        with restored(archive, target):
            pass
        seen = [path for path in target.rglob("*") if path.stat().st_mode & 0o077]
        assert (target.stat().st_mode & 0o077, seen) == (0, [])

    @pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
    def test_what_root_restores_belongs_to_the_owner_of_the_target(self, archive: Path, tmp_path: Path) -> None:
        target = tmp_path / "data"
        target.mkdir()
        os.chown(target, 65534, 65534)
        _, told = tempest(Tempest(target).env, "backup", "restore", "--input", archive)
        assert {path.stat().st_uid for path in target.rglob("*")} == {65534}
        assert "chown" not in told
        _, told = tempest(Tempest(tmp_path / "of-root").env, "backup", "restore", "--input", archive)
        assert "chown -R" in told

    def test_a_list_in_the_wrong_folder_says_so(self, tmp_path: Path) -> None:
        _, told = tempest(Tempest(tmp_path / "nothing").env, "backup", "list", code=2)
        assert "set TEMPEST_DATA_DIR" in told

    def test_a_store_that_is_away_hides_no_local_backups(self, source: Tempest, archive: Path) -> None:
        settings = {
            "TEMPEST_BACKUP_STORE": "s3",
            "TEMPEST_BACKUP_S3_ENDPOINT": "http://127.0.0.1:9",
            "TEMPEST_BACKUP_S3_BUCKET": "backups",
            "TEMPEST_BACKUP_S3_ACCESS_KEY_ID": "key",
            "TEMPEST_BACKUP_S3_SECRET_ACCESS_KEY": "secret",
        }
        listed, told = tempest(source.env | settings, "backup", "list", code=1)
        assert archive.name in listed
        assert "TEMPEST_BACKUP_STORE=s3: cannot be opened" in told

    def test_an_unknown_name_says_where_to_look(self, source: Tempest) -> None:
        _, told = tempest(source.env, "backup", "verify", "nothing.tar", code=2)
        assert "`tempest backup list`" in told


class TestKilled:
    """Nothing half done is ever taken for done."""

    def test_while_a_backup_is_restored(self, archive: Path, tmp_path: Path) -> None:
        """At whatever moment: the server refuses what is there, and the restore is simply run again."""
        server = Tempest(tmp_path / "data")
        killed = 0
        for delay in (0.0, 0.02, 0.05, 0.1, 0.2):
            child = spawn(server.env, "backup", "restore", "--input", archive)
            deadline = time.monotonic() + 30
            while not (tmp_path / "data" / "restore-unfinished").exists() and child.poll() is None:
                assert time.monotonic() < deadline
                time.sleep(0.001)
            time.sleep(delay)
            if not kill(child):
                break
            killed += 1
            with pytest.raises(StartFailed, match=r"a restore into .* has not come to its end"):
                server.start()
        assert killed
        tempest(server.env, "backup", "restore", "--input", archive, "--force")
        with server:
            pass

    def test_while_what_was_there_is_put_aside(self, archive: Path, tmp_path: Path) -> None:
        """As the kill leaves it: marked, a part moved. Nothing of what was there is lost when it is run again."""
        server = Tempest(tmp_path / "data")
        with server:
            old = sign_up(server, "old")
        (tmp_path / "data" / "restore-unfinished").write_text("making room")
        aside = tmp_path / "data" / "replaced-20260101T000000Z"
        aside.mkdir()
        (tmp_path / "data" / "account.sqlite").rename(aside / "account.sqlite")
        tempest(server.env, "backup", "restore", "--input", archive)
        kept = list((tmp_path / "data").glob("replaced-*/repos/*/*.sqlite"))
        assert [path.name for path in kept] == [old.did.replace(":", "_") + ".sqlite"]


class TestDrill:
    def test_it_proves_that_the_newest_can_be_restored(self, source: Tempest, archive: Path) -> None:
        report = tempest_json(source.env, "backup", "drill")
        assert report["ok"], report
        assert [step["what"] for step in report["steps"]] == [
            "restore",
            "start",
            "health",
            "describeServer",
            "admin status",
            "accounts",
            "handles",
            "repositories",
            "blobs",
            "firehose",
        ]

    def test_a_log_without_recent_events_is_no_failure(self, source: Tempest, archive: Path, tmp_path: Path) -> None:
        """As on a quiet server: the firehose begins with a notice that the cursor is older than what it keeps."""
        with tarfile.open(archive) as tar:
            tar.extractall(tmp_path / "old", filter="data")
        with sqlite3.connect(tmp_path / "old" / "sequencer.sqlite") as log:
            log.execute("UPDATE event SET time_us = time_us - 400 * 3600 * 1000000")
        log.close()
        manifest = json.loads((tmp_path / "old" / "manifest.json").read_bytes())
        data = (tmp_path / "old" / "sequencer.sqlite").read_bytes()
        for file in manifest["files"]:
            if file["path"] == "sequencer.sqlite":
                file.update(size=len(data), sha256=hashlib.sha256(data).hexdigest())
        (tmp_path / "old" / "manifest.json").write_text(json.dumps(manifest))
        report = tempest_json(source.env, "backup", "drill", tmp_path / "old")
        assert report["ok"], report

    def test_a_damaged_backup_fails_it(self, source: Tempest, archive: Path, tmp_path: Path) -> None:
        damaged = tmp_path / "damaged.tar"
        data = bytearray(archive.read_bytes())
        with tarfile.open(archive) as tar:
            at = tar.getmember("sequencer.sqlite").offset_data
        data[at + 5000] ^= 1
        damaged.write_bytes(data)
        told, _ = tempest(source.env, "backup", "drill", damaged, code=1)
        assert told.startswith("FAILED restore: sequencer.sqlite in the backup is missing, or not what")


class TestRefused:
    def test_no_upload_without_a_store(self, source: Tempest) -> None:
        _, told = tempest(source.env, "backup", "create", "--upload", code=2)
        assert "TEMPEST_BACKUP_STORE" in told

    def test_an_account_cannot_make_one(self, source: Tempest, accounts: list[Account]) -> None:
        with pytest.raises(CallRefused) as refused:
            accounts[0]._call("/xrpc/_admin/backups/create", {})
        assert refused.value.status in {400, 401}
