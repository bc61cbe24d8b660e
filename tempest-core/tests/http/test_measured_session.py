"""What an operator's dashboard sees of a session: metrics and traces, collected by the SDK of OpenTelemetry."""

import asyncio
import math
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from opentelemetry import metrics, trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import HistogramDataPoint, InMemoryMetricReader, Metric, NumberDataPoint
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind
from websockets.asyncio.client import connect
from whole_server import PNG, User, WholeServer, whole_server

OPERATOR_GUIDE = {
    "xrpc.request.count": "{request}",
    "xrpc.request.duration": "s",
    "repo.write.count": "{write}",
    "repo.write.duration": "s",
    "repo.commit.count": "{commit}",
    "repo.block.bytes": "By",
    "firehose.subscriber.count": "{subscriber}",
    "firehose.event.count": "{event}",
    "firehose.backfill.count": "{event}",
    "blob.upload.count": "{blob}",
    "blob.bytes": "By",
    "sqlite.query.duration": "s",
}


class Dashboard:
    """The metrics by name and attributes, and the spans that ended."""

    def __init__(self, reader: InMemoryMetricReader, spans: InMemorySpanExporter) -> None:
        self._reader = reader
        self._spans = spans

    def metrics(self) -> dict[str, Metric]:
        data = self._reader.get_metrics_data()
        assert data is not None
        scopes = [scope for resource in data.resource_metrics for scope in resource.scope_metrics]
        return {metric.name: metric for scope in scopes for metric in scope.metrics}

    def spans(self) -> tuple[ReadableSpan, ...]:
        return self._spans.get_finished_spans()


@pytest.fixture
def dashboard(monkeypatch: pytest.MonkeyPatch) -> Dashboard:
    reader, exporter = InMemoryMetricReader(), InMemorySpanExporter()
    tracers = TracerProvider()
    tracers.add_span_processor(SimpleSpanProcessor(exporter))
    # The providers of the process can be set once; those of a test must go with it.
    monkeypatch.setattr(metrics, "get_meter", MeterProvider([reader]).get_meter)
    monkeypatch.setattr(trace, "get_tracer", tracers.get_tracer)
    monkeypatch.setattr(trace, "get_tracer_provider", lambda: tracers)
    return Dashboard(reader, exporter)


@pytest.fixture
async def server(dashboard: Dashboard, tmp_path: Path) -> AsyncIterator[WholeServer]:
    async with whole_server(tmp_path) as server:
        yield server


def total(metric: Metric, **attributes: object) -> float:
    """Add up the points that have these attributes; of a histogram, count what was recorded."""
    matching = [
        point for point in metric.data.data_points if attributes.items() <= dict(point.attributes or {}).items()
    ]
    return math.fsum(
        point.count if isinstance(point, HistogramDataPoint) else point.value
        for point in matching
        if isinstance(point, HistogramDataPoint | NumberDataPoint)
    )


async def live_a_little(server: WholeServer) -> User:
    """Write, upload, read, fail, and follow the firehose from its beginning."""
    alice = await server.sign_up("alice")
    cid = await alice.picture()
    writes = [
        {"$type": f"com.atproto.repo.applyWrites#{action}", "collection": "com.example.note", "rkey": "a", **value}
        for action, value in (("create", {"value": {"$type": "com.example.note"}}), ("delete", {}))
    ]
    for write in writes:
        given = {"repo": alice.did, "writes": [write]}
        assert (await alice.post("com.atproto.repo.applyWrites", given)).status_code == 200
    await server.anybody("com.atproto.sync.getBlob", did=alice.did, cid=cid)
    await server.anybody("com.atproto.sync.getBlob", did=alice.did, cid="rubbish")
    await server.anybody("com.example.nothing")
    await server.http.get("/a/path/of/the/callers/choice")
    return alice


async def test_the_metrics_are_those_of_the_operator_guide_and_count_what_happened(
    dashboard: Dashboard, tmp_path: Path
) -> None:
    async with whole_server(tmp_path) as server:
        await live_a_little(server)
    # After a restart the events come from the log: a backfill.
    async with whole_server(tmp_path) as server:
        address = f"ws://127.0.0.1:{server.port}/xrpc/com.atproto.sync.subscribeRepos?cursor=0"
        async with connect(address) as socket:
            for _ in range(7):
                await asyncio.wait_for(socket.recv(), 5)
            seen = dashboard.metrics()
            assert total(seen["firehose.subscriber.count"]) == 1
        async with asyncio.timeout(10):
            while total(dashboard.metrics()["firehose.subscriber.count"]):  # noqa: ASYNC110 - by a socket that closes
                await asyncio.sleep(0.01)
    assert {name: metric.unit for name, metric in seen.items()} == OPERATOR_GUIDE
    requests = seen["xrpc.request.count"]
    create = {"xrpc.method": "com.atproto.repo.createRecord", "http.response.status_code": 200}
    blob = {"xrpc.method": "com.atproto.sync.getBlob"}
    assert total(requests, **create) == total(seen["xrpc.request.duration"], **create) == 1
    assert total(requests, **blob, **{"http.response.status_code": 200}) == 1
    assert total(requests, **blob, **{"http.response.status_code": 400}) == 1
    assert total(requests, **{"xrpc.method": "other"}) == 2
    assert total(seen["repo.write.count"], action="create") == 2
    assert total(seen["repo.write.count"], action="delete") == 1
    assert total(seen["repo.write.duration"]) == 3
    assert total(seen["repo.commit.count"]) == 3
    assert total(seen["repo.block.bytes"]) > 500
    assert total(seen["firehose.event.count"]) == total(seen["firehose.backfill.count"]) == 7
    assert total(seen["blob.upload.count"]) == 1
    assert total(seen["blob.bytes"], direction="in") == total(seen["blob.bytes"], direction="out") == len(PNG)
    for kind in ("account", "sequencer", "repo"):
        assert total(seen["sqlite.query.duration"], db=kind) > 0


async def test_no_attribute_is_of_a_callers_choice(server: WholeServer, dashboard: Dashboard) -> None:
    """An attribute that anybody can choose makes a new series each time, and tells who did what."""
    alice = await live_a_little(server)
    for name in ("com.example.one", "com.example.two", alice.did, "app.bsky.feed.getTimeline"):
        await alice.get(name, headers={"Atproto-Proxy": "did:web:localhost%3A1#x"})
    values = {
        str(value)
        for metric in dashboard.metrics().values()
        for point in metric.data.data_points
        for value in dict(point.attributes or {}).values()
    }
    texts = {value for value in values if not value.isdecimal()}
    assert not [text for text in texts if alice.did in text or "example" in text or "/" in text]
    assert "app.bsky.feed.getTimeline" in texts


async def test_each_request_is_a_span_named_by_its_method(server: WholeServer, dashboard: Dashboard) -> None:
    alice = await live_a_little(server)
    spans = dashboard.spans()
    names = [span.name for span in spans]
    assert "com.atproto.server.createAccount" in names
    assert names.count("com.atproto.repo.applyWrites") == 2
    assert names.count("other") == 2
    asked = [span for span in spans if span.name == "com.atproto.sync.getBlob"]
    assert {span.kind for span in asked} == {SpanKind.SERVER}
    statuses = [dict(span.attributes or {})["http.response.status_code"] for span in asked]
    assert sorted(map(str, statuses)) == ["200", "400"]
    assert not [span for span in spans if alice.did in span.to_json() or alice.token in span.to_json()]
