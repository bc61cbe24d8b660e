"""The adapters that configuration selects: made before anything is touched, opened and closed with the server."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass

from tempest_pds.adapter_selection import AdapterKind, Selection
from tempest_pds.plugin_errors import AdapterAway, AdapterUnusable
from tempest_pds.plugin_loading import one_line
from tempest_pds.plugins import PluginManager
from tempest_pds_plugins.adapters import PluginContext
from tempest_pds_plugins.backup_sink import BackupSink
from tempest_pds_plugins.blob_store import BlobStore
from tempest_pds_plugins.errors import AdapterUnavailable, PluginError
from tempest_pds_plugins.mailer import Mailer
from tempest_pds_plugins.telemetry_exporter import ServiceIdentity, TelemetryExporter


@dataclass(frozen=True, slots=True)
class SelectedAdapters:
    """The adapters of one server.

    All are made before anything is opened: a name that nobody offers, or a setting that is missing, is told when the
    server starts, not when it is needed. The backup sink is opened by `composition/backups.py`.
    """

    selection: Selection
    blob_store: BlobStore
    backup_sink: BackupSink
    mailer: Mailer
    exporters: Sequence[TelemetryExporter]

    @classmethod
    def make(cls, plugins: PluginManager, environment: Mapping[str, str], context: PluginContext) -> SelectedAdapters:
        """Make them all, without I/O; raise UnknownAdapter, AdapterUnusable."""
        selection = Selection.from_environment(environment)
        return cls(
            selection,
            plugins.create_blob_store(selection.blob_store, environment, context),
            plugins.create_backup_sink(selection.backup_sink, environment, context),
            plugins.create_mailer(selection.mailer, environment, context),
            plugins.create_telemetry_exporters(selection.telemetry, environment, context),
        )

    async def open(self, context: PluginContext, stack: AsyncExitStack) -> None:
        """Start the exporters and open the blob store and the mailer; `stack` closes them, the exporters last.

        Raises AdapterUnusable, one line that names the setting; AdapterAway where it may be usable later.
        """
        service = ServiceIdentity("tempest-pds", context.version, context.hostname)
        for name, exporter in zip(self.selection.telemetry, self.exporters, strict=True):
            stack.push_async_callback(exporter.stop)
            try:
                exporter.start(service)
            except Exception as error:
                raise unusable(AdapterKind.TELEMETRY, name, error) from error
        stack.push_async_callback(self.blob_store.close)
        try:
            await self.blob_store.open()
        except Exception as error:
            raise unusable(AdapterKind.BLOB_STORE, self.selection.blob_store, error) from error
        stack.push_async_callback(self.mailer.close)
        try:
            await self.mailer.open()
        except Exception as error:
            raise unusable(AdapterKind.MAILER, self.selection.mailer, error) from error

    def measurements(self) -> TelemetryExporter | None:
        """Give the exporter that lays out a page for a scraper, once it is started; None when none does."""
        return next((exporter for exporter in self.exporters if exporter.exposition() is not None), None)


def unusable(kind: AdapterKind, name: str, error: Exception) -> AdapterUnusable:
    """Say in one line that an adapter cannot be opened, and why."""
    # What an adapter raises on purpose is written to be read; of anything else, the class says the most.
    reason = " ".join(str(error).split()) if isinstance(error, PluginError) else one_line(error)
    made = AdapterAway if isinstance(error, AdapterUnavailable) else AdapterUnusable
    return made(f"{kind.setting}={name}: cannot be opened: {reason}")
