"""A telemetry exporter that exports nothing: OpenTelemetry's own do-nothing providers stay in place."""

from tempest_pds_plugins.telemetry_exporter import ServiceIdentity, TelemetryExporter


class NullExporter(TelemetryExporter):
    """Leave measurements where they fall."""

    def start(self, service: ServiceIdentity) -> None:
        pass

    async def flush(self) -> None:
        pass

    async def stop(self) -> None:
        pass
