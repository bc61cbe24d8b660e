"""The page that Prometheus reads."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from opentelemetry import metrics, trace
from opentelemetry.sdk.trace import TracerProvider
from prometheus_client.parser import text_string_to_metric_families

from tempest_pds_otel.plugin import create_prometheus
from tempest_pds_plugins import PluginContext, ServiceIdentity, TelemetryExporter

SERVICE = ServiceIdentity("tempest-pds", "1.2.3", "pds.example.com")


@pytest.fixture
async def exporter() -> AsyncIterator[TelemetryExporter]:
    environment = {"OTEL_RESOURCE_ATTRIBUTES": "deployment.environment=home"}
    made = create_prometheus(environment, PluginContext(data_dir=Path()))
    made.start(SERVICE)
    yield made
    await made.stop()


def samples(exporter: TelemetryExporter) -> dict[str, list[dict[str, str]]]:
    """Give the labels of every sample on the page, by name."""
    page = exporter.exposition()
    assert page is not None
    found: dict[str, list[dict[str, str]]] = {}
    for family in text_string_to_metric_families(page.body.decode()):
        for sample in family.samples:
            found.setdefault(sample.name, []).append(sample.labels)
    return found


def test_names_have_the_unit_and_attributes_are_labels(exporter: TelemetryExporter) -> None:
    meter = metrics.get_meter_provider().get_meter("test")
    meter.create_counter("blob.bytes", "By").add(5, {"xrpc.method": "a"})
    assert samples(exporter)["blob_bytes_total"] == [{"xrpc_method": "a"}]


@pytest.mark.parametrize("name", ["xrpc.request.duration", "repo.write.duration", "sqlite.query.duration"])
def test_a_millisecond_is_told_from_a_second(name: str, exporter: TelemetryExporter) -> None:
    metrics.get_meter_provider().get_meter("test").create_histogram(name, "s").record(0.002)
    buckets = samples(exporter)[f"{name.replace('.', '_')}_seconds_bucket"]
    ends = [float(bucket["le"]) for bucket in buckets]
    assert sum(end <= 0.001 for end in ends) >= 1
    assert sum(0.001 < end < 1 for end in ends) >= 5
    assert sum(1 < end < float("inf") for end in ends) >= 1


def test_the_page_says_whose_it_is(exporter: TelemetryExporter) -> None:
    metrics.get_meter_provider().get_meter("test").create_counter("things").add(1)
    [labels] = samples(exporter)["target_info"]
    wanted = {
        "service_name": "tempest-pds",
        "service_version": "1.2.3",
        "service_instance_id": "pds.example.com",
        "deployment_environment": "home",
    }
    assert wanted.items() <= labels.items()


def test_the_page_tells_of_the_process(exporter: TelemetryExporter) -> None:
    wanted = {"process_resident_memory_bytes", "process_open_fds", "process_max_fds", "process_start_time_seconds"}
    assert wanted <= samples(exporter).keys()


def test_traces_are_left_alone(exporter: TelemetryExporter) -> None:
    """A tracer that nobody reads would cost every request a span."""
    assert not isinstance(trace.get_tracer_provider(), TracerProvider)


async def test_a_page_after_the_end_is_whole_and_empty_of_measurements(exporter: TelemetryExporter) -> None:
    metrics.get_meter_provider().get_meter("test").create_counter("things").add(1)
    await exporter.stop()
    assert "things_total" not in samples(exporter)
