"""An in-memory reference of each contract: for tests and demonstrations, and the shortest thing that conforms."""

from tempest_pds_plugins.memory.backup_sink import MemoryBackupSink
from tempest_pds_plugins.memory.blob_store import MemoryBlobStore
from tempest_pds_plugins.memory.mailer import MemoryMailer
from tempest_pds_plugins.memory.telemetry_exporter import MemoryTelemetryExporter

__all__ = ["MemoryBackupSink", "MemoryBlobStore", "MemoryMailer", "MemoryTelemetryExporter"]
