"""The restore drill of the operator's guide, step by step: from a server under load to one on another host."""

import json
import secrets
import shutil
import tarfile
import urllib.request
from pathlib import Path
from typing import Any

from tests.support.account import sign_up
from tests.support.backups import picture, read_blob, tempest, tempest_json
from tests.support.frames import Subscription
from tests.support.process import json_request
from tests.support.reference import PlcDirectory
from tests.support.s3_server import S3Server
from tests.support.server import Tempest
from tests.support.steady_writer import COLLECTION, SteadyWriter

from tempest_pds.protocol.data_model import car
from tempest_pds.protocol.syntax.did import Did
from tempest_pds.repo.block_source import MemoryBlockSource
from tempest_pds.repo.verify import verify_repo
from tempest_pds.stores.key_files import KeyFiles

ADMIN_TOKEN = secrets.token_urlsafe(24)
WRITERS = 4


def public_server(folder: Path, hostname: str, plc: PlcDirectory, **settings: str) -> Tempest:
    """A server with the settings of a public one; this machine's loopback stands for the network."""
    env = Tempest(folder).env
    hashed = tempest(env, "hash-token", stdin=ADMIN_TOKEN + "\n")[0].strip()
    return Tempest(
        folder,
        plc.url,
        TEMPEST_HOSTNAME=hostname,
        TEMPEST_PUBLIC_URL=f"https://{hostname}",
        TEMPEST_BIND_ADDRESS="127.0.0.1",
        TEMPEST_HANDLE_DOMAINS=".test",
        TEMPEST_INVITE_REQUIRED="false",
        TEMPEST_ADMIN_TOKEN_HASH=hashed,
        TEMPEST_CRAWLERS="http://127.0.0.1:9",
        **settings,
    )


def get(server: Tempest, path: str, headers: dict[str, str] | None = None) -> bytes:
    request = urllib.request.Request(server.url + path, headers=headers or {})
    with urllib.request.urlopen(request, timeout=30) as answer:
        body: bytes = answer.read()
        return body


def test_the_drill(s3_server: S3Server, plc: PlcDirectory, tmp_path: Path) -> None:
    blobs, backups = s3_server.make_bucket(), s3_server.make_bucket()
    shared = {
        "SECRET_KEY_BASE": secrets.token_hex(32),
        "TEMPEST_PLC_ROTATION_KEY": secrets.token_hex(32),
        "TEMPEST_BLOB_STORE": "s3",
        **s3_server.settings("TEMPEST_BLOB_S3_", blobs),
        "TEMPEST_BACKUP_STORE": "s3",
        **s3_server.settings("TEMPEST_BACKUP_S3_", backups),
    }
    live = public_server(tmp_path / "live", "pds.test", plc, **shared)
    with live:
        writers = [SteadyWriter(sign_up(live, "drill"), seed) for seed in range(WRITERS)]
        kept = {writer.account.did: picture(writer.account, writer.account.did.encode() * 300) for writer in writers}
        for writer in writers:
            writer.start()

        # 1. Create a backup from the running server, and upload it.
        made = tempest_json(live.env, "backup", "create", "--upload")
        assert set(made["secretsElsewhere"]) >= {"SECRET_KEY_BASE", "TEMPEST_PLC_ROTATION_KEY"}
        for writer in writers:
            writer.stop()
            assert writer.failure is None
            assert writer.revs, "it wrote meanwhile"

        # 2. The archive exists in the backup bucket.
        listed = tempest_json(live.env, "backup", "list")
        assert [(row["name"], row["store"]) for row in listed] == [(made["name"], "s3")]

    # Destroy it: the disk, and the bucket of blobs with it.
    shutil.rmtree(tmp_path / "live")
    client = s3_server.client
    for entry in client.list_objects_v2(Bucket=blobs).get("Contents", ()):
        client.delete_object(Bucket=blobs, Key=entry["Key"])

    # 3. Download and extract the archive into a temporary workspace.
    (entry,) = client.list_objects_v2(Bucket=backups)["Contents"]
    client.download_file(backups, entry["Key"], str(tmp_path / "backup.tar"))
    with tarfile.open(tmp_path / "backup.tar") as archive:
        archive.extractall(tmp_path / "extracted", filter="data")
    last_seq = json.loads((tmp_path / "extracted" / "manifest.json").read_bytes())["last_seq"]
    assert last_seq == made["lastSeq"]

    # 4. and 5. Restore into an empty directory, for a server of another name.
    target = tmp_path / "restored"
    target.mkdir()
    test = public_server(target, "restored.test", plc, **shared)
    tempest(test.env, "backup", "restore", "--input", tmp_path / "extracted", "--target", target)

    # 6. Start it with the same variables, except for the host name.
    with test:
        # 7. Health, describeServer, admin status, blob read, repo read, handle, WebSocket.
        assert json.loads(get(test, "/xrpc/_health"))["version"]
        described = json.loads(get(test, "/xrpc/com.atproto.server.describeServer"))
        assert described["did"] == "did:web:restored.test"
        status = json.loads(get(test, "/xrpc/_admin/status", {"Authorization": f"Bearer {ADMIN_TOKEN}"}))
        assert status["accounts"]["total"] == WRITERS
        refused, _ = json_request(f"{test.url}/xrpc/_admin/status", headers={"Authorization": "Bearer wrong"})
        assert refused == 401
        for writer in writers:
            did, handle = writer.account.did, writer.account.handle
            assert read_blob(test, did, kept[did]) == did.encode() * 300
            read_repository(test, target, writer)
            resolved = json.loads(get(test, f"/xrpc/com.atproto.identity.resolveHandle?handle={handle}"))
            assert resolved["did"] == did
            assert get(test, "/.well-known/atproto-did", {"Host": handle}).decode() == did
        waiting = set(kept)
        with Subscription(test, last_seq) as feed:
            while waiting:
                frame = feed.next()
                assert frame is not None
                assert frame.seq > last_seq
                if frame.kind == "#sync":
                    waiting.discard(frame.body["did"])
        # And it can be written to again.
        session: Any = json_request(
            f"{test.url}/xrpc/com.atproto.server.createSession",
            {"identifier": writers[0].account.handle, "password": writers[0].account.password},
        )[1]
        status_code, _ = json_request(
            f"{test.url}/xrpc/com.atproto.repo.createRecord",
            {"repo": session["did"], "collection": COLLECTION, "record": {"$type": COLLECTION, "text": "back"}},
            headers={"Authorization": f"Bearer {session['accessJwt']}"},
        )
        assert status_code == 200


def read_repository(server: Tempest, data: Path, writer: SteadyWriter) -> None:
    """Export a repository and verify it; it holds what was acknowledged, as far as the backup goes."""
    did = writer.account.did
    roots, blocks = car.decode(get(server, f"/xrpc/com.atproto.sync.getRepo?did={did}"))
    key = KeyFiles(data / "keys").signing_key(did).public
    commit, records = verify_repo(MemoryBlockSource(blocks), roots[0], did=Did.parse(did), key=key)
    held = {record.path.partition("/")[2]: str(record.cid) for record in records if record.path.startswith(COLLECTION)}
    assert held, "what was written before and during the backup is there"
    # What it holds and the writer does not was changed or deleted by writes after the backup.
    assert set(held.values()) & set(writer.contents.values())
    assert commit.rev > writer.revs[0]
