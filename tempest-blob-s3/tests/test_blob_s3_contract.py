"""The conformance kit, against a server that checks signatures."""

from pathlib import Path

import pytest
from tests.support.s3_server import S3Server

from tempest_pds_blob_s3.plugin import create
from tempest_pds_plugins import BlobStore, PluginContext
from tempest_pds_plugins.testing import BlobStoreContract


class TestS3BlobStore(BlobStoreContract):
    @pytest.fixture
    def blob_store(self, s3_server: S3Server, tmp_path: Path) -> BlobStore:
        environment = s3_server.settings("TEMPEST_BLOB_S3_", s3_server.make_bucket())
        return create(environment, PluginContext(data_dir=tmp_path))


class TestS3BlobStoreBelowAPrefix(BlobStoreContract):
    """In a bucket that holds other things too, with short names beside Tempest's."""

    many = 40

    @pytest.fixture
    def blob_store(self, s3_server: S3Server, tmp_path: Path) -> BlobStore:
        bucket = s3_server.make_bucket()
        for key in ("tempest", "tempest0", "other/k", "tempest/not a blob's key"):
            s3_server.client.put_object(Bucket=bucket, Key=key, Body=b"somebody else's")
        environment = s3_server.settings("TEMPEST_BLOB_S3_", bucket, PREFIX="tempest")
        return create(environment, PluginContext(data_dir=tmp_path))
