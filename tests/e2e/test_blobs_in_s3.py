"""A server whose blobs lie in S3: what a client sees, also while the store is out, and what is in the bucket then."""

import http.client
import json
import os
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.support.account import Account, CallRefused, post, sign_up
from tests.support.process import free_port
from tests.support.s3_server import KEY_ID, SECRET, S3Server
from tests.support.server import Tempest

LARGE = 12 * 1024 * 1024
DURING = "3jzfcijpj2z2a"
IMPATIENT = {"RETRIES": "0", "CONNECT_TIMEOUT": "1", "READ_TIMEOUT": "1"}


class Deployment:
    """A Tempest, the S3 server behind it, and an account with one blob of 12 MiB in a record."""

    def __init__(self, folder: Path, s3: S3Server) -> None:
        self.s3 = s3
        self.bucket = s3.make_bucket()
        settings = s3.settings("TEMPEST_BLOB_S3_", self.bucket, PREFIX="blobs", **IMPATIENT)
        self.server = Tempest(folder, TEMPEST_BLOB_STORE="s3", TEMPEST_LOG_LEVEL="debug", **settings).start()
        self.account = sign_up(self.server, "s3")
        self.content = os.urandom(LARGE)
        self.blob = self.upload(self.content)
        self.write(self.blob)

    @property
    def cid(self) -> str:
        return str(self.blob["ref"]["$link"])

    def upload(self, content: bytes) -> dict[str, Any]:
        return upload(self.account, content)

    def write(self, blob: dict[str, Any], rkey: str | None = None) -> Any:
        record = {**post("with a video"), "embed": {"$type": "app.bsky.embed.video", "video": blob}}
        more = {} if rkey is None else {"rkey": rkey}
        return self.account.procedure(
            "com.atproto.repo.createRecord",
            repo=self.account.did,
            collection="app.bsky.feed.post",
            record=record,
            **more,
        )

    def read(self, cid: str, span: str | None = None) -> tuple[int, bytes]:
        url = f"{self.server.url}/xrpc/com.atproto.sync.getBlob?did={self.account.did}&cid={cid}"
        request = urllib.request.Request(url, headers={"Range": span} if span else {})
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, answer.read()

    def objects(self) -> list[str]:
        found = self.s3.client.list_objects_v2(Bucket=self.bucket).get("Contents", [])
        return [item["Key"] for item in found]


def upload(account: Account, content: bytes) -> dict[str, Any]:
    headers = {"Authorization": f"Bearer {account.access}", "Content-Type": "video/mp4"}
    url = f"{account.server.url}/xrpc/com.atproto.repo.uploadBlob"
    request = urllib.request.Request(url, data=content, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            blob: dict[str, Any] = json.loads(answer.read())["blob"]
            return blob
    except urllib.error.HTTPError as refused:
        raise CallRefused(refused.code, json.loads(refused.read())) from None


@pytest.fixture
def deployment(lone_s3_server: S3Server, tmp_path: Path) -> Iterator[Deployment]:
    made = Deployment(tmp_path / "data", lone_s3_server)
    yield made
    made.server.stop()


def test_a_blob_is_stored_read_and_outlives_a_restart(deployment: Deployment) -> None:
    key = f"blobs/public/{deployment.account.did}/{deployment.cid}"
    assert deployment.objects() == [key]
    assert not list((deployment.server.folder / "blobs").rglob("*,")), "and no blob is in the data directory"
    deployment.server.restart()
    status, content = deployment.read(deployment.cid)
    assert (status, content == deployment.content) == (200, True)
    status, content = deployment.read(deployment.cid, "bytes=6000000-6999999")
    assert (status, content == deployment.content[6_000_000:7_000_000]) == (206, True)
    assert not list((deployment.server.folder / "tmp").rglob("upload*"))


def test_no_log_holds_a_secret_or_a_signature(deployment: Deployment) -> None:
    """Not even at the level of debug, at which boto3 would write every request with its signature."""
    deployment.s3.kill()
    with pytest.raises(CallRefused):
        deployment.upload(b"an upload that comes to nothing")
    log = deployment.server.log.read_text()
    assert "does not answer (connection refused)" in log, "the reason is told there"
    for secret in (SECRET, KEY_ID, "AWS4-HMAC-SHA256", "Signature"):
        assert secret not in log


def test_an_outage_fails_requests_and_loses_nothing(deployment: Deployment) -> None:
    """The protocol's error with its status, nothing half visible, and all is well again without a restart."""
    unused = deployment.upload(b"an upload that a record will refer to")
    before = deployment.objects()
    deployment.s3.kill()

    with pytest.raises(CallRefused) as refused:
        deployment.upload(b"an upload that comes to nothing")
    assert (refused.value.status, refused.value.name) == (503, "NotEnoughResources")
    assert deployment.s3.url not in str(refused.value)
    with pytest.raises(urllib.error.HTTPError) as failed:
        deployment.read(deployment.cid)
    assert failed.value.code == 503
    assert json.loads(failed.value.read())["error"] == "NotEnoughResources"
    # A record that refers to a blob which cannot be moved into place is not written at all.
    with pytest.raises(CallRefused) as refused:
        deployment.write(unused, DURING)
    assert (refused.value.status, refused.value.name) == (503, "NotEnoughResources")
    with pytest.raises(CallRefused, match="RecordNotFound"):
        deployment.account.query(
            "com.atproto.repo.getRecord", repo=deployment.account.did, collection="app.bsky.feed.post", rkey=DURING
        )
    # What needs no blob goes on.
    deployment.account.post("written during the outage")
    assert deployment.server.running

    deployment.s3.start()
    assert deployment.objects() == before
    assert deployment.read(deployment.cid)[1] == deployment.content
    deployment.write(unused, DURING)
    assert deployment.read(str(unused["ref"]["$link"]))[1] == b"an upload that a record will refer to"
    again = deployment.upload(b"an upload that comes to nothing")
    deployment.write(again)
    assert len(deployment.objects()) == 3
    assert all(key.startswith("blobs/public/") for key in deployment.objects())


def test_an_outage_in_the_middle_of_a_download_breaks_the_answer_off(deployment: Deployment) -> None:
    """A client must not take half a blob for the whole one."""
    url = f"{deployment.server.url}/xrpc/com.atproto.sync.getBlob?did={deployment.account.did}&cid={deployment.cid}"
    with urllib.request.urlopen(url, timeout=30) as answer:
        assert answer.read(65_536) == deployment.content[:65_536]
        deployment.s3.pause()
        with pytest.raises((http.client.IncompleteRead, ConnectionError)):
            answer.read()
    deployment.s3.resume()
    assert deployment.read(deployment.cid)[1] == deployment.content


@pytest.mark.parametrize(
    ("changed", "code", "wanted"),
    [
        ({"BUCKET": "no-such-bucket"}, 2, "has no bucket 'no-such-bucket': create it, or change TEMPEST_BLOB_S3_"),
        ({"SECRET_ACCESS_KEY": "a-wrong-secret"}, 2, "change TEMPEST_BLOB_S3_SECRET_ACCESS_KEY"),
        ({"ENDPOINT": "http://127.0.0.1:1"}, 75, "does not answer (connection refused); if it never did, change"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, dict) else "",
)
def test_a_server_that_cannot_use_its_bucket_refuses_to_start_in_one_line(
    s3_server: S3Server, tmp_path: Path, changed: dict[str, str], code: int, wanted: str
) -> None:
    settings = s3_server.settings("TEMPEST_BLOB_S3_", s3_server.make_bucket(), **{**IMPATIENT, **changed})
    server = Tempest(tmp_path / "data", TEMPEST_BLOB_STORE="s3", **settings)
    done = subprocess.run(
        server.command, env={**server.env, "PORT": str(free_port())}, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == code
    [line] = [line for line in done.stderr.splitlines() if line.startswith("tempest: ")]
    assert line.startswith("tempest: TEMPEST_BLOB_STORE=s3: cannot be opened: ")
    assert wanted in line
    assert "a-wrong-secret" not in done.stderr + done.stdout


def test_no_server_that_keeps_its_blobs_at_home_imports_boto3() -> None:
    """With everything installed, as in this environment: registration is light."""
    probe = (
        "import os, sys\n"
        "from tempest_pds.plugins import PluginManager\n"
        "plugins = PluginManager.load({})\n"
        "plugins.require_sound()\n"
        "assert 'tempest_pds_blob_s3.plugin' in sys.modules and 'tempest_pds_backup_s3.plugin' in sys.modules\n"
        "print(*[name for name in ('boto3', 'botocore', 'urllib3') if name in sys.modules])\n"
    )
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
