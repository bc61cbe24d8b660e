"""The page that Prometheus reads: every metric of the server, and what the kernel knows of its process."""

import threading
from typing import Final

from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.sdk.metrics import MeterProvider
from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest

from tempest_pds_otel.providers import meter_provider, resource_of
from tempest_pds_otel.settings import ResourceSettings
from tempest_pds_plugins import Exposition, ServiceIdentity, TelemetryExporter

# Our names fit the oldest format, which every Prometheus reads.
CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"


class PrometheusExporter(TelemetryExporter):
    """Keep the measurements until somebody reads them. Traces are none of its business."""

    def __init__(self, resource: ResourceSettings) -> None:
        self._resource = resource
        self._registry = CollectorRegistry()
        self._meters: MeterProvider | None = None
        self._reader: PrometheusMetricReader | None = None
        # The reader gathers and writes in two steps; in between, another reading could take what was gathered.
        self._writing = threading.Lock()

    def start(self, service: ServiceIdentity) -> None:
        """Set or join the provider of metrics."""
        self._meters = meter_provider(resource_of(service, self._resource))
        self._reader = PrometheusMetricReader(scope_info_enabled=False, registry=self._registry)
        self._meters.add_metric_reader(self._reader)
        ProcessCollector(registry=self._registry)

    async def flush(self) -> None:
        """Do nothing: Prometheus comes by itself."""

    async def stop(self) -> None:
        """Forget the measurements."""
        meters, reader = self._meters, self._reader
        self._meters = self._reader = None
        if meters is not None and reader is not None:
            meters.remove_metric_reader(reader)

    def exposition(self) -> Exposition:
        """Write the page."""
        with self._writing:
            return Exposition(CONTENT_TYPE, generate_latest(self._registry))
