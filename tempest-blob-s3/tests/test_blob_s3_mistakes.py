"""What an operator can get wrong: opening the store refuses it in one line that names the setting and no secret."""

import http.server
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.process import free_port
from tests.support.s3_server import GUEST_KEY_ID, GUEST_SECRET, KEY_ID, REGION, SECRET, S3Server

from tempest_pds_blob_s3.plugin import create
from tempest_pds_plugins import InvalidSettings, PluginContext, PluginError, StoreUnavailable, streams
from tempest_pds_plugins.testing.chunks import MIB, Broken, breaking, large

NAMES = "TEMPEST_BLOB_S3_"
RIGHTS = (
    "s3:ListBucket",
    "s3:ListBucketMultipartUploads",
    "s3:GetObject",
    "s3:PutObject",
    "s3:DeleteObject",
    "s3:AbortMultipartUpload",
)


async def refusal(environment: dict[str, str], folder: Path) -> PluginError:
    """Open a store, which is expected to refuse."""
    store = create(environment, PluginContext(data_dir=folder))
    with pytest.raises(PluginError) as caught:
        await store.open()
    await store.close()
    message = str(caught.value)
    assert "\n" not in message
    assert SECRET not in message
    assert KEY_ID not in message
    return caught.value


@pytest.mark.parametrize(
    ("changed", "wanted"),
    [
        ({"BUCKET": "no-such-bucket"}, "has no bucket 'no-such-bucket': create it, or change TEMPEST_BLOB_S3_BUCKET"),
        ({"BUCKET": "no"}, "'no' is no name of a bucket: change TEMPEST_BLOB_S3_BUCKET"),
        ({"BUCKET": "no bucket!"}, "'no bucket!' is no name of a bucket: change TEMPEST_BLOB_S3_BUCKET"),
        ({"ACCESS_KEY_ID": "a-stranger"}, "does not know the access key: change TEMPEST_BLOB_S3_ACCESS_KEY_ID"),
        ({"SECRET_ACCESS_KEY": "a-wrong-secret"}, "does not fit the access key: change TEMPEST_BLOB_S3_SECRET_ACCESS"),
        ({"REGION": "else where"}, "set TEMPEST_BLOB_S3_REGION to the name of a region"),
        ({"ENDPOINT": "http://s3.invalid"}, "http://s3.invalid does not resolve: change TEMPEST_BLOB_S3_ENDPOINT"),
    ],
    ids=lambda value: " ".join(value.values()) if isinstance(value, dict) else "",
)
async def test_a_wrong_setting(s3_server: S3Server, tmp_path: Path, changed: dict[str, str], wanted: str) -> None:
    """The server's own bucket stands behind all of them but what is changed: it would open otherwise."""
    environment = s3_server.settings(NAMES, s3_server.make_bucket(), **changed)
    error = await refusal(environment, tmp_path)
    assert isinstance(error, InvalidSettings)
    assert wanted in str(error)
    assert "a-wrong-secret" not in str(error)


async def test_the_server_of_the_tests_checks_signatures(s3_server: S3Server) -> None:
    """Or all that is proven with it would be proven of nothing."""
    import boto3
    from botocore.exceptions import ClientError

    bucket = s3_server.make_bucket()
    stranger = boto3.client(
        "s3",
        endpoint_url=s3_server.url,
        region_name=REGION,
        aws_access_key_id=KEY_ID,
        aws_secret_access_key="a-wrong-secret",
    )
    with pytest.raises(ClientError) as caught:
        stranger.put_object(Bucket=bucket, Key="k", Body=b"x")
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403
    assert "Contents" not in s3_server.client.list_objects_v2(Bucket=bucket)


async def test_a_store_that_does_not_answer(s3_server: S3Server, tmp_path: Path) -> None:
    """Not certainly a mistake, so the line says both what to wait for and what to change."""
    endpoint = f"http://127.0.0.1:{free_port()}"
    error = await refusal(s3_server.settings(NAMES, "bucket", ENDPOINT=endpoint, RETRIES="0"), tmp_path)
    assert isinstance(error, StoreUnavailable)
    assert str(error) == (
        f"the store at {endpoint} does not answer (connection refused); if it never did, change "
        "TEMPEST_BLOB_S3_ENDPOINT"
    )


async def test_a_name_that_cannot_be_looked_up_now(
    s3_server: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As at boot, before the network is there: no mistake, so the next start may do."""

    def nobody_answers(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    monkeypatch.setattr(socket, "getaddrinfo", nobody_answers)
    settings = s3_server.settings(NAMES, "bucket", ENDPOINT="http://s3.example.com", RETRIES="0")
    error = await refusal(settings, tmp_path)
    assert isinstance(error, StoreUnavailable)
    assert "does not answer (its name cannot be looked up now); if it never did" in str(error)


async def test_an_endpoint_without_tls(s3_server: S3Server, tmp_path: Path) -> None:
    endpoint = s3_server.url.replace("http:", "https:")
    error = await refusal(s3_server.settings(NAMES, "bucket", ENDPOINT=endpoint, RETRIES="0"), tmp_path)
    assert isinstance(error, InvalidSettings)
    assert f"{endpoint} speaks no TLS that can be trusted: change TEMPEST_BLOB_S3_ENDPOINT" in str(error)


@pytest.fixture
def website() -> Iterator[str]:
    """What answers over HTTP and is no S3 store."""

    class Page(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(b"<html><p>Welcome!</html>")

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


async def test_an_endpoint_that_is_no_object_store(s3_server: S3Server, website: str, tmp_path: Path) -> None:
    error = await refusal(s3_server.settings(NAMES, "bucket", ENDPOINT=website, RETRIES="0"), tmp_path)
    assert isinstance(error, InvalidSettings)
    assert f"what answers at {website} is no S3 store: change TEMPEST_BLOB_S3_ENDPOINT" in str(error)


async def test_a_key_that_may_only_read(s3_server: S3Server, tmp_path: Path) -> None:
    """It is told when the server starts, not when somebody uploads."""
    bucket = s3_server.make_bucket()
    s3_server.let_guest(bucket, "s3:ListBucket", "s3:GetObject")
    guest = {"ACCESS_KEY_ID": GUEST_KEY_ID, "SECRET_ACCESS_KEY": GUEST_SECRET}
    error = await refusal(s3_server.settings(NAMES, bucket, **guest), tmp_path)
    assert isinstance(error, InvalidSettings)
    assert f"the access key may not read and write the bucket '{bucket}' (CreateMultipartUpload: Acc" in str(error)


async def test_a_key_that_may_only_read_and_write(s3_server: S3Server, tmp_path: Path) -> None:
    """The rights that the documentation asks for are enough, for all that a store does."""
    bucket = s3_server.make_bucket()
    s3_server.let_guest(bucket, *RIGHTS)
    guest = {"ACCESS_KEY_ID": GUEST_KEY_ID, "SECRET_ACCESS_KEY": GUEST_SECRET}
    store = create(s3_server.settings(NAMES, bucket, **guest), PluginContext(data_dir=tmp_path))
    await store.open()
    await store.put("small", streams.of(b"x"))
    await store.put("large", large(6 * MIB))
    with pytest.raises(Broken):
        await store.put("broken", breaking(bytes(6 * MIB)))
    await store.move("large", "moved")
    assert len(await streams.collect(await store.get("moved", 5))) == 6 * MIB - 5
    await store.delete("small")
    assert [stat.key async for stat in store.list()] == ["moved"]
    await store.close()
    assert s3_server.uploads(bucket) == []


async def test_a_wrong_region_that_the_store_puts_right(s3_server: S3Server, tmp_path: Path) -> None:
    """AWS, and the server of the tests, name the right one in their refusal."""
    store = create(s3_server.settings(NAMES, s3_server.make_bucket(), REGION="auto"), PluginContext(data_dir=tmp_path))
    await store.open()
    await store.put("k", streams.of(b"x"))
    assert await streams.collect(await store.get("k")) == b"x"
    await store.close()


async def test_a_profile_of_aws_that_is_not_there(
    s3_server: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """boto3 looks at the variables that other tools of AWS read, too."""
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    error = await refusal(s3_server.settings(NAMES, s3_server.make_bucket()), tmp_path)
    assert isinstance(error, InvalidSettings)
    assert "AWS_ variables" in str(error)
    assert "nobody" in str(error)


async def test_opening_leaves_nothing_in_the_bucket(s3_server: S3Server, tmp_path: Path) -> None:
    bucket = s3_server.make_bucket()
    store = create(s3_server.settings(NAMES, bucket), PluginContext(data_dir=tmp_path))
    await store.open()
    await store.put("k", streams.of(b"x"))
    await store.close()
    found = s3_server.client.list_objects_v2(Bucket=bucket)["Contents"]
    assert [item["Key"] for item in found] == ["k"]
    assert s3_server.uploads(bucket) == []
