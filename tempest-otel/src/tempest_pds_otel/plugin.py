"""The registration of the telemetry exporters. Every server with it installed loads this: nothing heavy here."""

from tempest_pds_otel.settings import OtlpSettings
from tempest_pds_plugins import Adapter, AdapterNotCarried, Environment, PluginContext, TelemetryExporter, hookimpl
from tempest_pds_plugins.settings import declared


def create_otlp(environment: Environment, context: PluginContext) -> TelemetryExporter:
    """Refuse, before anybody sets up what would not be used: this version cannot do the adapter's work."""
    raise _not_carried("OTLP")


def create_prometheus(environment: Environment, context: PluginContext) -> TelemetryExporter:
    """Refuse, before anybody sets up what would not be used: this version cannot do the adapter's work."""
    raise _not_carried("Prometheus")


def _not_carried(name: str) -> AdapterNotCarried:
    return AdapterNotCarried(
        f"this version of tempest-pds-otel does not carry the work of the {name} exporter yet; "
        "take it out of TEMPEST_TELEMETRY, or install a later version"
    )


@hookimpl
def register_telemetry_exporters() -> list[Adapter[TelemetryExporter]]:
    """Offer OTLP and Prometheus."""
    return [
        Adapter("otlp", create_otlp, declared(OtlpSettings), "an OpenTelemetry collector, by OTLP over HTTP"),
        Adapter("prometheus", create_prometheus, summary="a page for Prometheus to scrape"),
    ]
