"""The core's own adapters pass the conformance kit that everybody's must pass."""

from collections.abc import Iterator, MutableMapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import structlog

from tempest_pds.adapters.disk_blob_store import DiskBlobStore
from tempest_pds.adapters.local_backup_sink import LocalBackupSink
from tempest_pds.adapters.log_mailer import LogMailer
from tempest_pds.adapters.null_exporter import NullExporter
from tempest_pds_plugins import BackupSink, BlobStore, Mail, Mailer, TelemetryExporter
from tempest_pds_plugins.testing import (
    BackupSinkContract,
    BlobStoreContract,
    MailerContract,
    TelemetryExporterContract,
)


class TestDiskBlobStore(BlobStoreContract):
    @pytest.fixture
    def blob_store(self, tmp_path: Path) -> BlobStore:
        return DiskBlobStore(tmp_path / "blobs")


class TestDiskBlobStoreWithoutSync(BlobStoreContract):
    @pytest.fixture
    def blob_store(self, tmp_path: Path) -> BlobStore:
        return DiskBlobStore(tmp_path / "blobs", sync=False)


class TestLocalBackupSink(BackupSinkContract):
    @pytest.fixture
    def backup_sink(self, tmp_path: Path) -> BackupSink:
        return LocalBackupSink(tmp_path / "backups")


class TestLogMailer(MailerContract):
    logged: Sequence[MutableMapping[str, Any]]

    @pytest.fixture
    def mailer(self) -> Iterator[Mailer]:
        with structlog.testing.capture_logs() as self.logged:
            yield LogMailer(shows_text=True)

    async def delivered(self, mailer: Mailer) -> Sequence[Mail]:
        told = zip(self.logged[::2], self.logged[1::2], strict=True)
        return [Mail(line["to"], line["subject"], line["text"], more["html"]) for line, more in told]


class TestNullExporter(TelemetryExporterContract):
    @pytest.fixture
    def telemetry_exporter(self) -> TelemetryExporter:
        return NullExporter()


async def test_log_mailer_of_a_public_server_keeps_codes_out_of_the_log() -> None:
    with structlog.testing.capture_logs() as logged:
        await LogMailer(shows_text=False).send(Mail("alice@example.com", "Reset", "code ABCDE", "<b>ABCDE</b>"))
    assert "ABCDE" not in repr(logged)
    assert "TEMPEST_SMTP_ENABLED" in repr(logged)
