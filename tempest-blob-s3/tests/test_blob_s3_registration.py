"""The registration of tempest-pds-blob-s3: light, honest, and clear about its settings."""

import subprocess
import sys
from pathlib import Path

import pytest

from tempest_pds_blob_s3.plugin import register_blob_stores
from tempest_pds_blob_s3.settings import S3Settings
from tempest_pds_plugins import Adapter, AdapterNotCarried, BlobStore, InvalidSettings, PluginContext
from tempest_pds_plugins.settings import declared, read

COMPLETE = {
    "TEMPEST_BLOB_S3_ENDPOINT": "https://s3.example.com",
    "TEMPEST_BLOB_S3_BUCKET": "tempest",
    "TEMPEST_BLOB_S3_ACCESS_KEY_ID": "id",
    "TEMPEST_BLOB_S3_SECRET_ACCESS_KEY": "s3cr3t",
}


def test_registration_imports_nothing_heavy() -> None:
    """A server that has it installed, and not selected, pays for two small modules."""
    probe = "import tempest_pds_blob_s3.plugin as p, sys; p.register_blob_stores(); print(*sorted(sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True).stdout.split()
    for heavy in ("boto3", "botocore"):
        assert heavy not in loaded


@pytest.mark.parametrize("adapter", register_blob_stores(), ids=lambda adapter: adapter.name)
def test_selecting_it_refuses_in_one_line(adapter: Adapter[BlobStore], tmp_path: Path) -> None:
    with pytest.raises(AdapterNotCarried) as caught:
        adapter.create(COMPLETE, PluginContext(data_dir=tmp_path))
    assert "this version of tempest-pds-blob-s3" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_settings_are_read() -> None:
    settings = read(S3Settings, COMPLETE)
    assert (settings.bucket, settings.region, settings.secret_access_key) == ("tempest", "auto", "s3cr3t")


def test_settings_that_are_missing_are_named() -> None:
    with pytest.raises(InvalidSettings) as caught:
        read(S3Settings, {})
    for name in (
        "TEMPEST_BLOB_S3_ENDPOINT",
        "TEMPEST_BLOB_S3_BUCKET",
        "TEMPEST_BLOB_S3_ACCESS_KEY_ID",
        "TEMPEST_BLOB_S3_SECRET_ACCESS_KEY",
    ):
        assert name in str(caught.value)


def test_no_secret_is_shown() -> None:
    assert "s3cr3t" not in repr(read(S3Settings, COMPLETE))
    assert [setting.name for setting in declared(S3Settings) if setting.secret] == ["TEMPEST_BLOB_S3_SECRET_ACCESS_KEY"]
