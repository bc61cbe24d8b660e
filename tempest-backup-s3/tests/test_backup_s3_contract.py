"""The conformance kit, against a server that checks signatures."""

from pathlib import Path

import pytest
from tests.support.s3_server import S3Server

from tempest_pds_backup_s3.plugin import create
from tempest_pds_plugins import BackupSink, PluginContext
from tempest_pds_plugins.testing import BackupSinkContract


class TestS3BackupSink(BackupSinkContract):
    @pytest.fixture
    def backup_sink(self, s3_server: S3Server, tmp_path: Path) -> BackupSink:
        environment = s3_server.settings("TEMPEST_BACKUP_S3_", s3_server.make_bucket())
        return create(environment, PluginContext(data_dir=tmp_path))


class TestS3BackupSinkBelowAPrefix(BackupSinkContract):
    """In a bucket that holds other things too: blobs, and names that a backup cannot have."""

    @pytest.fixture
    def backup_sink(self, s3_server: S3Server, tmp_path: Path) -> BackupSink:
        bucket = s3_server.make_bucket()
        for key in ("public/did:plc:a/bafk", "backups", "backups/older/a.zip", "backups/.hidden"):
            s3_server.client().put_object(Bucket=bucket, Key=key, Body=b"somebody else's")
        environment = s3_server.settings("TEMPEST_BACKUP_S3_", bucket, PREFIX="backups/")
        return create(environment, PluginContext(data_dir=tmp_path))
