"""The in-memory references conform."""

from collections.abc import Sequence

import pytest

from tempest_pds_plugins import BackupSink, BlobStore, Mail, Mailer, TelemetryExporter
from tempest_pds_plugins.memory import MemoryBackupSink, MemoryBlobStore, MemoryMailer, MemoryTelemetryExporter
from tempest_pds_plugins.testing import (
    BackupSinkContract,
    BlobStoreContract,
    MailerContract,
    TelemetryExporterContract,
)


class TestMemoryBlobStore(BlobStoreContract):
    holds_blobs_in_memory = True

    @pytest.fixture
    def blob_store(self) -> BlobStore:
        return MemoryBlobStore()


class TestMemoryBackupSink(BackupSinkContract):
    holds_backups_in_memory = True

    @pytest.fixture
    def backup_sink(self) -> BackupSink:
        return MemoryBackupSink()


class TestMemoryMailer(MailerContract):
    @pytest.fixture
    def mailer(self) -> Mailer:
        return MemoryMailer()

    async def delivered(self, mailer: Mailer) -> Sequence[Mail]:
        assert isinstance(mailer, MemoryMailer)
        return mailer.sent


class TestMemoryTelemetryExporter(TelemetryExporterContract):
    @pytest.fixture
    def telemetry_exporter(self) -> TelemetryExporter:
        return MemoryTelemetryExporter()
