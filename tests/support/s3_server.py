"""An S3 server of the tests' own, which checks signatures: versitygw, built from `tests/s3_server` when first wanted.

`python -m tests.support.s3_server` builds it. The program is kept outside the repository, below ~/.cache/tempest-tests
or the folder that TEMPEST_TEST_TOOLS names, once for each state of its sources.
"""

from __future__ import annotations

import fcntl
import functools
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from tests.support.process import ServerProcess, free_port

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

SOURCES = Path(__file__).parent.parent / "s3_server"
KEY_ID, SECRET, REGION = "tempest-tests", "a-secret-of-the-tests", "test-region-1"
GUEST_KEY_ID, GUEST_SECRET = "guest-of-the-tests", "the-secret-of-a-guest"


class S3ServerMissing(Exception):
    """The program is not there and cannot be built."""


def build() -> Path:
    """Return the program, built if need be. Raises S3ServerMissing."""
    sources = b"".join((SOURCES / name).read_bytes() for name in ("main.go", "flat.go", "go.mod", "go.sum"))
    cache = Path(os.environ.get("TEMPEST_TEST_TOOLS") or Path.home() / ".cache" / "tempest-tests")
    program = cache / f"s3server-{hashlib.sha256(sources).hexdigest()[:16]}"
    if program.exists():
        return program
    go = shutil.which("go")
    if go is None:
        raise S3ServerMissing("the tests' S3 server is built with Go 1.25 or later, which is not on the PATH")
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "s3server.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not program.exists():
            # The name of a finished program, in one step: whoever sees it may run it.
            unfinished = program.with_suffix(".unfinished")
            done = subprocess.run(
                [go, "build", "-o", str(unfinished), "."], cwd=SOURCES, capture_output=True, text=True
            )
            if done.returncode:
                raise S3ServerMissing(f"the tests' S3 server could not be built:\n{done.stderr[-2000:]}")
            unfinished.replace(program)
    return program


class S3Server(ServerProcess):
    """The server over one folder, on a free port; a bucket for each test."""

    name = "S3 server"
    health_path = "/health"

    def __init__(self, program: Path, folder: Path) -> None:
        port = free_port()
        folder.mkdir(parents=True, exist_ok=True)
        accounts = folder.parent / f"{folder.name}-accounts"
        accounts.mkdir(exist_ok=True)
        guest = {"access": GUEST_KEY_ID, "secret": GUEST_SECRET, "role": "user"}
        (accounts / "users.json").write_text(json.dumps({"accessAccounts": {GUEST_KEY_ID: guest}}))
        command = [str(program), f"127.0.0.1:{port}", str(folder), REGION, str(accounts)]
        env = {"PATH": os.environ["PATH"], "ROOT_ACCESS_KEY": KEY_ID, "ROOT_SECRET_KEY": SECRET}
        super().__init__(command, env, folder, port)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def pause(self) -> None:
        """Let it stand still: connections are held and nothing is answered."""
        os.kill(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        os.kill(self.pid, signal.SIGCONT)

    @functools.cached_property
    def client(self) -> S3Client:
        """A client of the test's own, which looks at what the adapter did."""
        import boto3
        from botocore.config import Config

        return boto3.client(
            "s3",
            endpoint_url=self.url,
            aws_access_key_id=KEY_ID,
            aws_secret_access_key=SECRET,
            region_name=REGION,
            config=Config(s3={"addressing_style": "path"}, retries={"total_max_attempts": 2}),
        )

    def make_bucket(self) -> str:
        name = f"bucket-{uuid4().hex[:12]}"
        self.client.create_bucket(Bucket=name)
        return name

    def let_guest(self, bucket: str, *actions: str) -> None:
        """Allow the guest's key some actions in a bucket, and no others."""
        resources = [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"]
        statements = [
            {
                "Effect": "Allow",
                "Principal": {"AWS": [GUEST_KEY_ID]},
                "Action": action,
                "Resource": resources[not action.startswith("s3:ListBucket")],
            }
            for action in actions
        ]
        policy = {"Version": "2012-10-17", "Statement": statements}
        self.client.put_bucket_policy(Bucket=bucket, Policy=json.dumps(policy))

    def settings(self, family: str, bucket: str, **changed: str) -> dict[str, str]:
        """Return the environment of an adapter: `family` is TEMPEST_BLOB_S3_ or TEMPEST_BACKUP_S3_."""
        values: dict[str, Any] = {
            "ENDPOINT": self.url,
            "BUCKET": bucket,
            "REGION": REGION,
            "ACCESS_KEY_ID": KEY_ID,
            "SECRET_ACCESS_KEY": SECRET,
            **changed,
        }
        return {f"{family}{name}": value for name, value in values.items()}

    def uploads(self, bucket: str) -> list[str]:
        """List the keys of the multipart uploads that are neither completed nor aborted."""
        return [upload["Key"] for upload in self.client.list_multipart_uploads(Bucket=bucket).get("Uploads", ())]


def program_or_skip() -> Path:
    """Return the program; where it cannot be built, skip the test, and in CI fail it."""
    try:
        return build()
    except S3ServerMissing as missing:
        if os.environ.get("CI") == "true":
            pytest.fail(str(missing))
        pytest.skip(str(missing))


@contextmanager
def descriptions_read_once() -> Iterator[None]:
    """Let every client of the process share what botocore reads of S3: two megabytes of JSON, which a server reads once
    and these tests would for each store that they open."""
    import botocore.loaders

    shared = botocore.loaders.create_loader(None)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("botocore.session.create_loader", lambda *_: shared)
        yield


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """A server that all tests of a session share. It goes on running."""
    with S3Server(program_or_skip(), tmp_path_factory.mktemp("s3") / "objects") as server, descriptions_read_once():
        yield server


@pytest.fixture
def lone_s3_server(tmp_path: Path) -> Iterator[S3Server]:
    """A server of the test's own, which it may stop and start."""
    with S3Server(program_or_skip(), tmp_path / "objects") as server:
        yield server


if __name__ == "__main__":
    try:
        print(build())
    except S3ServerMissing as missing:
        sys.exit(str(missing))
