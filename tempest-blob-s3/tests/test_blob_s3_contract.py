"""The conformance kit, against a server that checks signatures."""

from pathlib import Path

import pytest
from tests.support.s3_server import S3Server

from tempest_pds_blob_s3.plugin import create
from tempest_pds_plugins import BlobStore, PluginContext, PluginError, streams
from tempest_pds_plugins.testing import BlobStoreContract


class TestS3BlobStore(BlobStoreContract):
    @pytest.fixture
    def blob_store(self, s3_server: S3Server, tmp_path: Path) -> BlobStore:
        environment = s3_server.settings("TEMPEST_BLOB_S3_", s3_server.make_bucket())
        return create(environment, PluginContext(data_dir=tmp_path))


async def test_a_prefix_keeps_to_its_folder(s3_server: S3Server, tmp_path: Path) -> None:
    """In a bucket that holds other things too, with short names beside Tempest's."""
    bucket = s3_server.make_bucket()
    others = ["other/k", "tempest", "tempest/not a blob's key", "tempest0", "tempest0/k"]
    for key in others:
        s3_server.client.put_object(Bucket=bucket, Key=key, Body=b"somebody else's")
    environment = s3_server.settings("TEMPEST_BLOB_S3_", bucket, PREFIX="tempest")
    store = create(environment, PluginContext(data_dir=tmp_path))
    await store.open()
    stat = await store.put("k", streams.of(b"ours"))
    await store.put("deleted", streams.of(b"x"))
    await store.delete("deleted")
    await store.move("k", "tempest/k")
    assert (stat.key, stat.size) == ("k", 4)
    assert (await store.stat("tempest/k")).key == "tempest/k"
    assert await streams.collect(await store.get("tempest/k")) == b"ours"
    for prefix in ("", "t", "tempest/"):
        assert [(stat.key, stat.size) async for stat in store.list(prefix)] == [("tempest/k", 4)]
    assert [stat async for stat in store.list("k")] == []
    for key in ("../other/k", "other/k"):
        with pytest.raises(PluginError):
            await store.stat(key)
    await store.close()
    found = [item["Key"] for item in s3_server.client.list_objects_v2(Bucket=bucket)["Contents"]]
    assert found == sorted([*others, "tempest/tempest/k"])
