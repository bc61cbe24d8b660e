"""The settings of the S3 backup sink, and what is light about its registration."""

import subprocess
import sys
from pathlib import Path

import pytest

from tempest_pds_backup_s3.plugin import create
from tempest_pds_backup_s3.settings import S3Settings
from tempest_pds_plugins import InvalidSettings, PluginContext
from tempest_pds_plugins.settings import declared, read

GUIDE = {
    "TEMPEST_BACKUP_S3_ENDPOINT": "https://0123456789abcdef.r2.cloudflarestorage.com",
    "TEMPEST_BACKUP_S3_BUCKET": "tempest-backups",
    "TEMPEST_BACKUP_S3_REGION": "auto",
    "TEMPEST_BACKUP_S3_ACCESS_KEY_ID": "id",
    "TEMPEST_BACKUP_S3_SECRET_ACCESS_KEY": "s3cr3t",
}
MIB = 1024 * 1024


def test_registration_imports_nothing_heavy() -> None:
    """A server that has it installed, and not selected, pays for three small modules."""
    probe = "import tempest_pds_backup_s3.plugin as p, sys; p.register_backup_sinks(); print(*sorted(sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True).stdout.split()
    assert "tempest_pds_backup_s3.settings" in loaded
    for heavy in ("boto3", "botocore", "urllib3"):
        assert heavy not in loaded


def test_the_settings_of_the_guide_suffice(tmp_path: Path) -> None:
    sink = create(GUIDE, PluginContext(data_dir=tmp_path))
    expected = "https://0123456789abcdef.r2.cloudflarestorage.com/tempest-backups/a.zip"
    assert sink.location("a.zip") == expected


def test_the_size_of_a_part_can_be_chosen() -> None:
    assert read(S3Settings, GUIDE).location().part_size == 6 * MIB
    assert read(S3Settings, {**GUIDE, "TEMPEST_BACKUP_S3_PART_MIB": "64"}).location().part_size == 64 * MIB


@pytest.mark.parametrize("given", ["4", "513"])
def test_a_part_of_a_size_that_no_store_takes_is_refused(given: str) -> None:
    """S3's parts are of 5 MiB at least, but for the last."""
    with pytest.raises(InvalidSettings, match="set TEMPEST_BACKUP_S3_PART_MIB to a number from 5 to 512"):
        read(S3Settings, {**GUIDE, "TEMPEST_BACKUP_S3_PART_MIB": given}).location()


def test_what_cannot_be_used_names_its_own_setting() -> None:
    with pytest.raises(InvalidSettings, match="set TEMPEST_BACKUP_S3_ENDPOINT to a URL"):
        read(S3Settings, {**GUIDE, "TEMPEST_BACKUP_S3_ENDPOINT": "r2"}).location()


def test_settings_that_are_missing_are_named() -> None:
    with pytest.raises(InvalidSettings) as caught:
        read(S3Settings, {})
    for name in ("BUCKET", "ACCESS_KEY_ID", "SECRET_ACCESS_KEY"):
        assert f"TEMPEST_BACKUP_S3_{name}" in str(caught.value)


def test_no_secret_is_shown() -> None:
    settings = read(S3Settings, GUIDE)
    assert "s3cr3t" not in repr(settings)
    secret = [setting.name for setting in declared(S3Settings) if setting.secret]
    assert secret == ["TEMPEST_BACKUP_S3_SECRET_ACCESS_KEY"]
