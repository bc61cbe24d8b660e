"""The conformance kit, against a server that checks signatures."""

from pathlib import Path

import pytest
from tests.support.s3_server import S3Server

from tempest_pds_backup_s3.plugin import create
from tempest_pds_plugins import BackupSink, InvalidSettings, PluginContext, StoreFull, streams
from tempest_pds_plugins.testing import BackupSinkContract
from tempest_pds_plugins.testing.chunks import MIB, large


class TestS3BackupSink(BackupSinkContract):
    @pytest.fixture
    def backup_sink(self, s3_server: S3Server, tmp_path: Path) -> BackupSink:
        environment = s3_server.settings("TEMPEST_BACKUP_S3_", s3_server.make_bucket())
        return create(environment, PluginContext(data_dir=tmp_path))


async def test_a_prefix_keeps_to_its_folder(s3_server: S3Server, tmp_path: Path) -> None:
    """In a bucket that holds other things too: blobs, and names that a backup cannot have."""
    bucket = s3_server.make_bucket()
    others = ["backups", "backups/.hidden", "backups/older/a.zip", "public/did:plc:a/bafk"]
    for key in others:
        s3_server.client.put_object(Bucket=bucket, Key=key, Body=b"somebody else's")
    environment = s3_server.settings("TEMPEST_BACKUP_S3_", bucket, PREFIX="backups/")
    sink = create(environment, PluginContext(data_dir=tmp_path))
    await sink.open()
    await sink.put("a.zip", streams.of(b"PK"))
    assert [(stat.name, stat.size) async for stat in sink.list()] == [("a.zip", 2)]
    assert sink.location("a.zip") == f"{s3_server.url}/{bucket}/backups/a.zip"
    await sink.delete("a.zip")
    await sink.close()
    assert [item["Key"] for item in s3_server.client.list_objects_v2(Bucket=bucket)["Contents"]] == others


async def test_an_archive_goes_in_parts_of_the_size_that_is_set(s3_server: S3Server, tmp_path: Path) -> None:
    """It has at most 10,000 of them, so the size bounds what can be kept."""
    bucket = s3_server.make_bucket()
    environment = s3_server.settings("TEMPEST_BACKUP_S3_", bucket, PART_MIB="8")
    sink = create(environment, PluginContext(data_dir=tmp_path))
    await sink.open()
    await sink.put("a.zip", large(20 * MIB))
    await sink.close()
    assert s3_server.client.head_object(Bucket=bucket, Key="a.zip")["ETag"].endswith('-3"')
    assert sink.location("a.zip") == f"{s3_server.url}/{bucket}/a.zip"


async def test_a_wrong_bucket_names_the_setting_of_the_backups(s3_server: S3Server, tmp_path: Path) -> None:
    sink = create(s3_server.settings("TEMPEST_BACKUP_S3_", "no-such-bucket"), PluginContext(data_dir=tmp_path))
    with pytest.raises(InvalidSettings, match="create it, or change TEMPEST_BACKUP_S3_BUCKET"):
        await sink.open()
    await sink.close()


async def test_an_archive_with_too_many_parts_is_refused_whole(
    s3_server: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """S3 takes 10,000; the real limit would take 60 GB to reach."""
    monkeypatch.setattr("tempest_pds_blob_s3.upload.MOST_PARTS", 2)
    bucket = s3_server.make_bucket()
    sink = create(s3_server.settings("TEMPEST_BACKUP_S3_", bucket), PluginContext(data_dir=tmp_path))
    await sink.open()
    with pytest.raises(StoreFull, match="TEMPEST_BACKUP_S3_PART_MIB"):
        await sink.put("a.zip", large(20 * MIB))
    assert [stat async for stat in sink.list()] == []
    assert s3_server.uploads(bucket) == []
    await sink.close()
