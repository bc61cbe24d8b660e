"""What reaches a collector, and what a collector that is away, slow or unwilling costs."""

import asyncio
import logging
import threading
from pathlib import Path

import pytest
from opentelemetry import metrics, trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.trace import TracerProvider
from tests.support.collector import Collector, total

from tempest_pds_otel.otlp_exporter import OtlpExporter
from tempest_pds_otel.plugin import create_prometheus
from tempest_pds_otel.settings import OtlpSettings, ResourceSettings
from tempest_pds_plugins import PluginContext, ServiceIdentity, TelemetryExporter
from tempest_pds_plugins.settings import read

SERVICE = ServiceIdentity("tempest-pds", "1.2.3", "pds.example.com")
# With a collector that will not answer in any time.
SHORT = 0.5


def otlp(url: str, patience: float = 20, **settings: str) -> OtlpExporter:
    environment = {"OTEL_EXPORTER_OTLP_ENDPOINT": url, "TEMPEST_OTEL_INTERVAL": "600", **settings}
    return OtlpExporter(read(OtlpSettings, environment), read(ResourceSettings, environment), patience=patience)


def prometheus() -> TelemetryExporter:
    return create_prometheus({}, PluginContext(data_dir=Path()))


def meters() -> MeterProvider:
    provider = metrics.get_meter_provider()
    assert isinstance(provider, MeterProvider)
    return provider


def tracers() -> TracerProvider:
    provider = trace.get_tracer_provider()
    assert isinstance(provider, TracerProvider)
    return provider


def measure(times: int = 1) -> None:
    """Count and trace, as the server does."""
    counter = meters().get_meter("test").create_counter("things")
    for _ in range(times):
        counter.add(1, {"kind": "a"})
        tracers().get_tracer("test").start_span("thing").end()


async def test_stop_sends_what_was_gathered() -> None:
    with Collector() as collector:
        exporter = otlp(collector.url)
        exporter.start(SERVICE)
        measure(3)
        await exporter.stop()
        assert total(collector.metrics["things"]) == 3
        assert [span.name for span in collector.spans] == ["thing"] * 3


async def test_flush_sends_at_once() -> None:
    with Collector() as collector:
        exporter = otlp(collector.url)
        exporter.start(SERVICE)
        measure()
        await exporter.flush()
        assert total(collector.metrics["things"]) == 1
        assert len(collector.spans) == 1
        await exporter.stop()


async def test_measurements_are_sent_at_the_interval() -> None:
    with Collector() as collector:
        exporter = otlp(collector.url, TEMPEST_OTEL_INTERVAL="0.05")
        exporter.start(SERVICE)
        measure()
        await asyncio.to_thread(collector.wait, lambda collector: "things" in collector.metrics)
        await exporter.stop()


async def test_the_server_is_named_as_core_names_it_unless_the_operator_says_otherwise() -> None:
    with Collector() as collector:
        exporter = otlp(collector.url, OTEL_RESOURCE_ATTRIBUTES="service.version=9,deployment.environment=home")
        exporter.start(SERVICE)
        measure()
        await exporter.stop()
    wanted = {
        "service.name": "tempest-pds",
        "service.version": "9",
        "service.instance.id": "pds.example.com",
        "deployment.environment": "home",
    }
    for resource in collector.resources.values():
        assert wanted.items() <= resource.items()
    assert set(collector.resources) == {"/v1/metrics", "/v1/traces"}


async def test_headers_go_along() -> None:
    with Collector() as collector:
        exporter = otlp(collector.url, OTEL_EXPORTER_OTLP_HEADERS="Authorization=Bearer%20s3cr3t")
        exporter.start(SERVICE)
        measure()
        await exporter.stop()
    assert [headers["authorization"] for headers in collector.headers.values()] == ["Bearer s3cr3t"] * 2


@pytest.mark.parametrize(
    ("settings", "paths"),
    [
        ({"OTEL_TRACES_EXPORTER": "none"}, {"/v1/metrics"}),
        ({"OTEL_METRICS_EXPORTER": "none"}, {"/v1/traces"}),
    ],
    ids=["metrics", "traces"],
)
async def test_one_signal_may_go_alone(settings: dict[str, str], paths: set[str]) -> None:
    with Collector() as collector:
        exporter, page = otlp(collector.url, **settings), prometheus()
        page.start(SERVICE)
        exporter.start(SERVICE)
        meters().get_meter("test").create_counter("things").add(1)
        trace.get_tracer("test", tracer_provider=trace.get_tracer_provider()).start_span("thing").end()
        await exporter.stop()
        await page.stop()
    assert set(collector.headers) == paths


@pytest.mark.parametrize(
    ("sampler", "share", "least", "most"),
    [("always_off", "1", 0, 0), ("ALWAYS_ON", "0", 400, 400), ("parentbased_traceidratio", "0.25", 40, 180)],
)
async def test_the_sampler_chooses_what_is_traced(sampler: str, share: str, least: int, most: int) -> None:
    with Collector() as collector:
        exporter = otlp(collector.url, OTEL_TRACES_SAMPLER=sampler, OTEL_TRACES_SAMPLER_ARG=share)
        exporter.start(SERVICE)
        measure(400)
        await exporter.stop()
    assert least <= len(collector.spans) <= most


@pytest.mark.parametrize("page_first", [True, False])
async def test_both_exporters_see_the_same_measurements_in_either_order(page_first: bool) -> None:
    with Collector() as collector:
        exporter, page = otlp(collector.url), prometheus()
        for each in (page, exporter) if page_first else (exporter, page):
            each.start(SERVICE)
        measure(2)
        shown = page.exposition()
        assert shown is not None
        assert 'things_total{kind="a"} 2.0' in shown.body.decode().splitlines()
        await exporter.stop()
        await page.stop()
        assert total(collector.metrics["things"]) == 2
        assert len(collector.spans) == 2


async def test_the_page_lives_on_when_otlp_has_stopped() -> None:
    with Collector() as collector:
        exporter, page = otlp(collector.url), prometheus()
        exporter.start(SERVICE)
        page.start(SERVICE)
        await exporter.stop()
        measure(2)
        shown = page.exposition()
        assert shown is not None
        assert 'things_total{kind="a"} 2.0' in shown.body.decode().splitlines()
        await page.stop()


async def test_a_provider_that_cannot_be_joined_is_refused(providers: dict[str, object]) -> None:
    providers["metrics"] = metrics.NoOpMeterProvider()
    exporter = otlp("http://127.0.0.1:1")
    with pytest.raises(RuntimeError, match="meter provider"):
        exporter.start(SERVICE)
    await exporter.stop()


async def took(work: asyncio.Future[None] | asyncio.Task[None]) -> float:
    began = asyncio.get_running_loop().time()
    await work
    return asyncio.get_running_loop().time() - began


async def test_a_collector_that_never_answers_holds_up_neither_flush_nor_stop(
    said: list[str],
) -> None:
    with Collector(hold=threading.Event()) as collector:
        exporter = otlp(collector.url, SHORT)
        exporter.start(SERVICE)
        measure(10)
        assert await took(asyncio.create_task(exporter.flush())) < SHORT + 2
        assert await took(asyncio.create_task(exporter.stop())) < SHORT + 2
        assert collector.asked
    assert [line.partition(" within")[0].partition(" in time")[0] for line in said] == [
        "telemetry: the collector did not take everything",
        "telemetry: the collector did not take the last measurements or traces",
    ]


async def test_measuring_goes_on_while_a_collector_never_answers() -> None:
    """Spans are dropped, not waited for, once their queue is full; measurements add up."""
    with Collector(hold=threading.Event()) as collector:
        exporter = otlp(collector.url, SHORT, TEMPEST_OTEL_INTERVAL="0.05")
        exporter.start(SERVICE)
        async with asyncio.timeout(20):
            await asyncio.to_thread(measure, 5_000)
        await exporter.stop()


@pytest.mark.parametrize("status", [401, 503])
async def test_a_collector_that_refuses_is_logged_once_and_without_secrets(
    status: int, said: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    """At the level `debug` too, at which the HTTP client tells of each request with its whole URL."""
    caplog.set_level(logging.DEBUG)
    with Collector(status=status) as collector:
        exporter = otlp(
            f"{collector.url}/?key=s3cr3t-query", SHORT, OTEL_EXPORTER_OTLP_HEADERS="Authorization=Bearer%20s3cr3t"
        )
        exporter.start(SERVICE)
        for _ in range(3):
            measure()
            await exporter.flush()
        await exporter.stop()
    # Beside what the SDK says, it is told that a flush was too late, where it was.
    told = [line for line in said if line.startswith("telemetry: ") and "did not take" not in line]
    assert len(told) == 1
    assert ("Unauthorized" if status == 401 else "Service Unavailable") in told[0]
    assert not [line for line in said if "s3cr3t" in line]


async def test_a_collector_that_is_away_is_logged_with_the_reason(said: list[str]) -> None:
    exporter = otlp("http://127.0.0.1:1", SHORT, OTEL_TRACES_EXPORTER="none")
    exporter.start(SERVICE)
    meters().get_meter("test").create_counter("things").add(1)
    await exporter.stop()
    assert "Connection refused" in said[0]
