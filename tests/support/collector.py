"""A collector of OpenTelemetry, as far as a test needs one: takes OTLP over HTTP and tells what came."""

import gzip
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from types import TracebackType
from typing import Self

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from tests.support.stub_server import Request, StubServer


class Collector(StubServer):
    """Takes whatever it is sent. What came is in `metrics`, `spans`, `resources` and `headers`.

    Args:
        status: of its answers.
        hold: until this is set, it answers nobody.
    """

    def __init__(self, status: int = 200, hold: threading.Event | None = None) -> None:
        super().__init__()
        self.metrics: dict[str, Metric] = {}
        self.spans: list[Span] = []
        self.resources: dict[str, dict[str, object]] = {}
        self.headers: dict[str, Mapping[str, str]] = {}
        self.asked = 0
        self._status = status
        self._hold = hold
        self._changed = threading.Condition()

    def answer(self, request: Request) -> None:
        body = request.content
        if request.headers["Content-Encoding"] == "gzip":
            body = gzip.decompress(body)
        self._take(request.path, body, {name.lower(): value for name, value in request.headers.items()})
        if self._hold is not None:
            self._hold.wait(60)
        request.send(self._status, b"")

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._hold is not None:
            self._hold.set()
        super().__exit__(kind, value, trace)

    def wait(self, condition: Callable[[Self], bool], seconds: float = 30) -> None:
        """Wait until what came fulfils a condition; fail after a while, with what came."""
        deadline = time.monotonic() + seconds
        with self._changed:
            while not condition(self):
                left = deadline - time.monotonic()
                assert left > 0, f"came: {sorted(self.metrics)}, {len(self.spans)} spans"
                self._changed.wait(left)

    def _take(self, path: str, body: bytes, headers: Mapping[str, str]) -> None:
        with self._changed:
            self.asked += 1
            self.headers[path] = headers
            if path == "/v1/metrics":
                for resource in ExportMetricsServiceRequest.FromString(body).resource_metrics:
                    self.resources[path] = _plain(resource.resource.attributes)
                    for scope in resource.scope_metrics:
                        self.metrics.update({metric.name: metric for metric in scope.metrics})
            elif path == "/v1/traces":
                for traced in ExportTraceServiceRequest.FromString(body).resource_spans:
                    self.resources[path] = _plain(traced.resource.attributes)
                    self.spans += [span for scope in traced.scope_spans for span in scope.spans]
            self._changed.notify_all()


def attributes_of(metric: Metric) -> set[str]:
    """Give the names of the attributes of a metric's points."""
    data = getattr(metric, str(metric.WhichOneof("data")))
    return {pair.key for point in data.data_points for pair in point.attributes}


def total(metric: Metric) -> float:
    """Add up the points of a metric; of a histogram, count what was recorded."""
    if metric.WhichOneof("data") == "histogram":
        return float(sum(point.count for point in metric.histogram.data_points))
    points = metric.sum.data_points or metric.gauge.data_points
    return float(sum(point.as_int or point.as_double for point in points))


def _plain(pairs: Iterable[KeyValue]) -> dict[str, object]:
    return {pair.key: _value(pair.value) for pair in pairs}


def _value(value: AnyValue) -> object:
    return getattr(value, str(value.WhichOneof("value")))
