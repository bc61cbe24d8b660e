"""The registration of the telemetry exporters. Every server with it installed loads this: nothing heavy here."""

from tempest_pds_otel.settings import OtlpSettings, ResourceSettings
from tempest_pds_plugins import Adapter, Environment, PluginContext, TelemetryExporter, hookimpl
from tempest_pds_plugins.settings import declared, read


def create_otlp(environment: Environment, context: PluginContext) -> TelemetryExporter:
    """Make the exporter that sends to a collector."""
    settings, resource = read(OtlpSettings, environment), read(ResourceSettings, environment)
    from tempest_pds_otel.otlp_exporter import OtlpExporter

    return OtlpExporter(settings, resource)


def create_prometheus(environment: Environment, context: PluginContext) -> TelemetryExporter:
    """Make the exporter that Prometheus reads."""
    resource = read(ResourceSettings, environment)
    from tempest_pds_otel.prometheus_exporter import PrometheusExporter

    return PrometheusExporter(resource)


@hookimpl
def register_telemetry_exporters() -> list[Adapter[TelemetryExporter]]:
    """Offer OTLP and Prometheus."""
    resource = declared(ResourceSettings)
    return [
        Adapter(
            "otlp", create_otlp, (*declared(OtlpSettings), *resource), "an OpenTelemetry collector, by OTLP over HTTP"
        ),
        Adapter("prometheus", create_prometheus, resource, "a page for Prometheus to scrape"),
    ]
