"""Metrics and traces through opentelemetry-api, under the names that operators' dashboards know.

Without an SDK every call here is a no-op of a fraction of a microsecond. An exporter plugin that installs one later is
picked up by the instruments made before it. https://opentelemetry.io/docs/specs/otel/metrics/api/
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from typing import Final

from opentelemetry import metrics, trace
from opentelemetry.metrics import Counter, Histogram, UpDownCounter
from opentelemetry.trace import Span, StatusCode, Tracer
from opentelemetry.util.types import AttributeValue

_SCOPE: Final = "tempest_pds"


def software_version() -> str:
    """Give the version of the installed distribution."""
    try:
        return version("tempest-pds")
    except PackageNotFoundError:
        return "0.0.0"


class Instruments:
    """Every instrument of the server, made once by the composition root and handed to those who measure.

    Durations are in seconds, sizes in bytes. Attributes are few and bounded: a method, a status, an outcome; never a
    DID, a handle or a path that a caller can choose.
    """

    __slots__ = (
        "_tracer",
        "blob_bytes",
        "blob_upload_count",
        "firehose_backfill_count",
        "firehose_event_count",
        "firehose_subscriber_count",
        "repo_block_bytes",
        "repo_commit_count",
        "repo_write_count",
        "repo_write_duration",
        "sqlite_query_duration",
        "xrpc_request_count",
        "xrpc_request_duration",
    )

    def __init__(self) -> None:
        meter = metrics.get_meter(_SCOPE, software_version())
        self._tracer: Tracer = trace.get_tracer(_SCOPE, software_version())
        self.xrpc_request_count: Counter = meter.create_counter(
            "xrpc.request.count", unit="{request}", description="Answers, by method and status."
        )
        self.xrpc_request_duration: Histogram = meter.create_histogram(
            "xrpc.request.duration", unit="s", description="From the head of a request to the end of its answer."
        )
        self.repo_write_count: Counter = meter.create_counter(
            "repo.write.count", unit="{write}", description="Records created, updated and deleted, by action."
        )
        self.repo_write_duration: Histogram = meter.create_histogram(
            "repo.write.duration", unit="s", description="From a parsed write to its durable commit."
        )
        self.repo_commit_count: Counter = meter.create_counter(
            "repo.commit.count", unit="{commit}", description="Commits that became durable."
        )
        self.repo_block_bytes: Counter = meter.create_counter(
            "repo.block.bytes", unit="By", description="Bytes of the blocks in commits."
        )
        self.firehose_subscriber_count: UpDownCounter = meter.create_up_down_counter(
            "firehose.subscriber.count", unit="{subscriber}", description="Open subscriptions."
        )
        self.firehose_event_count: Counter = meter.create_counter(
            "firehose.event.count", unit="{event}", description="Events sequenced, by kind."
        )
        self.firehose_backfill_count: Counter = meter.create_counter(
            "firehose.backfill.count", unit="{event}", description="Events sent again from the log."
        )
        self.blob_upload_count: Counter = meter.create_counter(
            "blob.upload.count", unit="{blob}", description="Blobs uploaded, by outcome."
        )
        self.blob_bytes: Counter = meter.create_counter(
            "blob.bytes", unit="By", description="Bytes of blobs, by direction."
        )
        self.sqlite_query_duration: Histogram = meter.create_histogram(
            "sqlite.query.duration", unit="s", description="Time in SQLite, by kind of database."
        )

    def start_request_span(self, name: str, attributes: Mapping[str, AttributeValue] | None = None) -> Span:
        """Start a span that is not made current; the caller ends it."""
        return self._tracer.start_span(name, kind=trace.SpanKind.SERVER, attributes=attributes)

    @contextmanager
    def span(self, name: str, attributes: Mapping[str, AttributeValue] | None = None) -> Iterator[Span]:
        """Trace a piece of work; an exception is recorded by its type, as its text may hold what is private.

        Costs some 8 µs even without an SDK: for a use case, never for a block in a loop.
        """
        with self._tracer.start_as_current_span(
            name, attributes=attributes, record_exception=False, set_status_on_exception=False
        ) as span:
            try:
                yield span
            except Exception as error:
                span.set_status(StatusCode.ERROR, type(error).__name__)
                raise
