"""The adapters that configuration selects: made before anything is touched, opened and closed with the server."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass

from tempest_pds.adapter_selection import AdapterKind, Selection
from tempest_pds.plugin_errors import AdapterUnusable
from tempest_pds.plugin_loading import one_line
from tempest_pds.plugins import PluginManager
from tempest_pds_plugins.adapters import PluginContext
from tempest_pds_plugins.blob_store import BlobStore
from tempest_pds_plugins.mailer import Mailer
from tempest_pds_plugins.telemetry_exporter import ServiceIdentity, TelemetryExporter


@dataclass(frozen=True, slots=True)
class SelectedAdapters:
    """The adapters of one server.

    A backup sink is made as well, although nothing makes backups yet: a name that nobody offers, or a setting that is
    missing, is told when the server starts, not when it is needed.
    """

    selection: Selection
    blob_store: BlobStore
    mailer: Mailer
    exporters: Sequence[TelemetryExporter]

    @classmethod
    def make(cls, plugins: PluginManager, environment: Mapping[str, str], context: PluginContext) -> SelectedAdapters:
        """Make them all, without I/O; raise UnknownAdapter, AdapterUnusable."""
        selection = Selection.from_environment(environment)
        plugins.create_backup_sink(selection.backup_sink, environment, context)
        return cls(
            selection,
            plugins.create_blob_store(selection.blob_store, environment, context),
            plugins.create_mailer(selection.mailer, environment, context),
            plugins.create_telemetry_exporters(selection.telemetry, environment, context),
        )

    async def open(self, context: PluginContext, stack: AsyncExitStack) -> None:
        """Start the exporters and open the blob store and the mailer; `stack` closes them, the exporters last.

        Raises AdapterUnusable, one line that names the setting.
        """
        service = ServiceIdentity("tempest-pds", context.version, context.hostname)
        for name, exporter in zip(self.selection.telemetry, self.exporters, strict=True):
            stack.push_async_callback(exporter.stop)
            try:
                exporter.start(service)
            except Exception as error:
                raise _unusable(AdapterKind.TELEMETRY, name, error) from error
        stack.push_async_callback(self.blob_store.close)
        try:
            await self.blob_store.open()
        except Exception as error:
            raise _unusable(AdapterKind.BLOB_STORE, self.selection.blob_store, error) from error
        stack.push_async_callback(self.mailer.close)
        try:
            await self.mailer.open()
        except Exception as error:
            raise _unusable(AdapterKind.MAILER, self.selection.mailer, error) from error


def _unusable(kind: AdapterKind, name: str, error: Exception) -> AdapterUnusable:
    return AdapterUnusable(f"{kind.setting}={name}: cannot be opened: {one_line(error)}")
