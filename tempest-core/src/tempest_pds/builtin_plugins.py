"""The adapters that come with the core, offered as any plugin offers its own."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tempest_pds_plugins import Adapter, Environment, PluginContext, hookimpl, setting
from tempest_pds_plugins.settings import declared, read

if TYPE_CHECKING:
    from tempest_pds_plugins import BackupSink, BlobStore, Mailer, TelemetryExporter


@dataclass(frozen=True)
class DiskBlobStoreSettings:
    """The settings of the disk blob store."""

    sync: bool = setting(
        "TEMPEST_BLOB_LOCAL_SYNC", default=True, help="whether an upload waits until it would survive the loss of power"
    )


def _disk_blob_store(environment: Environment, context: PluginContext) -> "BlobStore":
    from tempest_pds.adapters.disk_blob_store import DiskBlobStore

    return DiskBlobStore(context.data_dir / "blobs", sync=read(DiskBlobStoreSettings, environment).sync)


def _local_backup_sink(environment: Environment, context: PluginContext) -> "BackupSink":
    from tempest_pds.adapters.local_backup_sink import LocalBackupSink

    return LocalBackupSink(context.data_dir / "backups")


def _log_mailer(environment: Environment, context: PluginContext) -> "Mailer":
    from tempest_pds.adapters.log_mailer import LogMailer

    return LogMailer(shows_text=context.is_local)


def _null_exporter(environment: Environment, context: PluginContext) -> "TelemetryExporter":
    from tempest_pds.adapters.null_exporter import NullExporter

    return NullExporter()


@hookimpl
def register_blob_stores() -> "list[Adapter[BlobStore]]":
    """Offer the disk."""
    return [Adapter("local", _disk_blob_store, declared(DiskBlobStoreSettings), "files in the data directory")]


@hookimpl
def register_backup_sinks() -> "list[Adapter[BackupSink]]":
    """Offer the disk."""
    return [Adapter("local", _local_backup_sink, summary="files in the data directory")]


@hookimpl
def register_mailers() -> "list[Adapter[Mailer]]":
    """Offer the log."""
    return [Adapter("log", _log_mailer, summary="sends nothing, writes to the log")]


@hookimpl
def register_telemetry_exporters() -> "list[Adapter[TelemetryExporter]]":
    """Offer nothing, by name."""
    return [Adapter("none", _null_exporter, summary="exports nothing")]
