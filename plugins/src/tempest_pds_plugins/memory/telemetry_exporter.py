"""A telemetry exporter that notes what it is asked to do."""

from tempest_pds_plugins.telemetry_exporter import Exposition, ServiceIdentity, TelemetryExporter


class MemoryTelemetryExporter(TelemetryExporter):
    """Set no provider; show the service and the number of flushes as a page."""

    def __init__(self) -> None:
        self.service: ServiceIdentity | None = None
        self.flushes = 0
        self.stopped = False

    def start(self, service: ServiceIdentity) -> None:
        self.service = service

    async def flush(self) -> None:
        self.flushes += 1

    async def stop(self) -> None:
        if not self.stopped:
            self.stopped = True
            await self.flush()

    def exposition(self) -> Exposition | None:
        name = self.service.name if self.service else ""
        return Exposition("text/plain; charset=utf-8", f"{name} {self.flushes}\n".encode())
