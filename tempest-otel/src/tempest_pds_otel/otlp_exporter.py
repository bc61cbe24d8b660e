"""OTLP over HTTP: metrics at intervals and traces in batches, sent to a collector by threads of the SDK.

A collector that is slow or away costs the server nothing but memory for some thousand spans, after which spans are
dropped; measurements add up meanwhile and lose nothing.
"""

import logging
from typing import Any, Final

from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from tempest_pds_otel.deadline import all_within
from tempest_pds_otel.providers import meter_provider, resource_of, sampler_of, tracer_provider
from tempest_pds_otel.sdk_log import SdkLog
from tempest_pds_otel.settings import OtlpSettings, ResourceSettings
from tempest_pds_plugins import ServiceIdentity, TelemetryExporter

PATIENCE_SECONDS: Final = 3.0

_log: Final = logging.getLogger(__name__)


class OtlpExporter(TelemetryExporter):
    """Send to a collector.

    Args:
        patience: how many seconds `flush` and `stop` wait for the collector.
    """

    def __init__(
        self, settings: OtlpSettings, resource: ResourceSettings, *, patience: float = PATIENCE_SECONDS
    ) -> None:
        self._patience = patience
        self._settings = settings
        self._resource = resource
        self._sdk_log = SdkLog(settings.secrets())
        self._exporters: list[OTLPMetricExporter | OTLPSpanExporter] = []
        self._meters: MeterProvider | None = None
        self._reader: _Reader | None = None
        self._spans: BatchSpanProcessor | None = None

    def start(self, service: ServiceIdentity) -> None:
        """Set or join the providers; the first connection is made by a thread, when there is something to send."""
        settings = self._settings
        resource = resource_of(service, self._resource)
        self._sdk_log.open()
        if settings.metrics == "otlp":
            self._meters = meter_provider(resource)
            measurements = OTLPMetricExporter(settings.url_of("metrics"), headers=dict(settings.headers_of("metrics")))
            self._exporters.append(measurements)
            self._reader = _Reader(measurements, export_interval_millis=settings.interval * 1000)
            self._meters.add_metric_reader(self._reader)
        if settings.traces == "otlp":
            tracers = tracer_provider(resource, sampler_of(settings.sampler, settings.sampled))
            spans = OTLPSpanExporter(settings.url_of("traces"), headers=dict(settings.headers_of("traces")))
            self._exporters.append(spans)
            self._spans = BatchSpanProcessor(spans)
            tracers.add_span_processor(self._spans)

    async def flush(self) -> None:
        """Send what has been gathered; a collector that is late is left to the threads."""
        works = [part.force_flush for part in (self._reader, self._spans) if part is not None]
        if not await all_within(self._patience, *works):
            _log.warning("telemetry: the collector did not take everything within %g seconds", self._patience)

    async def stop(self) -> None:
        """Send what is left, and leave the providers to whoever else uses them."""
        meters, reader, spans = self._meters, self._reader, self._spans
        self._meters = self._reader = self._spans = None
        works = [part.shutdown for part in (reader, spans) if part is not None]
        in_time = await all_within(self._patience, *works)
        if meters is not None and reader is not None:
            meters.remove_metric_reader(reader)
        if in_time:
            self._sdk_log.close()
            return
        _log.warning("telemetry: the collector did not take the last measurements or traces in time")
        # The threads are left to the end of the process: they try no more, and say no more.
        self._sdk_log.mute()
        for exporter in self._exporters:
            exporter.shutdown()


class _Reader(PeriodicExportingMetricReader):
    """The SDK's, which may be told twice to end: by us, and by the provider that it is taken from."""

    _ending = False

    def shutdown(self, timeout_millis: float = 30_000, **kwargs: Any) -> None:
        """Send once more and end."""
        if not self._ending:
            self._ending = True
            super().shutdown(timeout_millis, **kwargs)
