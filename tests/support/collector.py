"""A collector of OpenTelemetry, as far as a test needs one: takes OTLP over HTTP and tells what came."""

import gzip
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric
from opentelemetry.proto.trace.v1.trace_pb2 import Span


class Collector:
    """Listens from `with` to its end. What it was sent is in `metrics`, `spans`, `resources` and `headers`.

    Args:
        status: of its answers.
        hold: until this is set, it answers nobody.
    """

    def __init__(self, status: int = 200, hold: threading.Event | None = None) -> None:
        self.metrics: dict[str, Metric] = {}
        self.spans: list[Span] = []
        self.resources: dict[str, dict[str, object]] = {}
        self.headers: dict[str, Mapping[str, str]] = {}
        self.asked = 0
        self._status = status
        self._hold = hold
        self._changed = threading.Condition()
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if self.headers["Content-Encoding"] == "gzip":
                    body = gzip.decompress(body)
                collector._take(self.path, body, {name.lower(): value for name, value in self.headers.items()})
                if collector._hold is not None:
                    collector._hold.wait(60)
                self.send_response(collector._status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=[0.02], daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._hold is not None:
            self._hold.set()
        self._server.shutdown()
        self._server.server_close()

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
