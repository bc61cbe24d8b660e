"""Metrics and traces through opentelemetry-api, under the names that operators' dashboards know.

Without an SDK every call here is a no-op of a fraction of a microsecond. An exporter plugin that installs one later is
picked up by the instruments made before it. https://opentelemetry.io/docs/specs/otel/metrics/api/
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import Final

from opentelemetry import metrics, trace
from opentelemetry.metrics import Counter, Histogram, UpDownCounter
from opentelemetry.trace import Span, StatusCode, Tracer
from opentelemetry.util.types import AttributeValue

_SCOPE: Final = "tempest_pds"


@cache
def software_version() -> str:
    """Give the version of the installed distribution."""
    try:
        return version("tempest-pds")
    except PackageNotFoundError:
        return "0.0.0"


@dataclass(frozen=True, slots=True)
class Instrument:
    """What is known of an instrument before it is made; `docs/metrics.md` is written from it.

    Attributes:
        kind: `counter`, `up-down counter` or `histogram`.
        unit: as UCUM writes it; in braces, what is counted.
        attributes: each with the values it has; few and bounded, never what a caller can choose.
    """

    name: str
    kind: str
    unit: str
    description: str
    attributes: Mapping[str, str] = field(default_factory=dict)


INSTRUMENTS: Final = (
    Instrument(
        "xrpc.request.count",
        "counter",
        "{request}",
        "Answers, by method and status.",
        {
            "xrpc.method": "the NSID, or the path of a page; `other` for what is neither",
            "http.response.status_code": "the status; 0 when the client went away before an answer",
        },
    ),
    Instrument(
        "xrpc.request.duration",
        "histogram",
        "s",
        "From the head of a request to the end of its answer.",
        {"xrpc.method": "as above", "http.response.status_code": "as above"},
    ),
    Instrument(
        "repo.write.count",
        "counter",
        "{write}",
        "Records written, by action.",
        {"action": "`create`, `update`, `put` (either of the two) or `delete`"},
    ),
    Instrument("repo.write.duration", "histogram", "s", "From a parsed write to its durable commit."),
    Instrument("repo.commit.count", "counter", "{commit}", "Commits that became durable."),
    Instrument("repo.block.bytes", "counter", "By", "Bytes of the blocks in commits."),
    Instrument("firehose.subscriber.count", "up-down counter", "{subscriber}", "Open subscriptions."),
    Instrument("firehose.event.count", "counter", "{event}", "Events sequenced."),
    Instrument("firehose.backfill.count", "counter", "{event}", "Events read again from the log for a subscriber."),
    Instrument("blob.upload.count", "counter", "{blob}", "Blobs uploaded."),
    Instrument(
        "blob.bytes",
        "counter",
        "By",
        "Bytes of blobs, by direction.",
        {"direction": "`in` for uploads, `out` for downloads"},
    ),
    Instrument(
        "backup.count",
        "counter",
        "{backup}",
        "Backups for TEMPEST_BACKUP_STORE that ended, by result.",
        {"result": "`made` or `failed`"},
    ),
    Instrument(
        "sqlite.query.duration",
        "histogram",
        "s",
        "Time in SQLite, by kind of database: a statement that reads, or a transaction that writes.",
        {"db": "`account`, `sequencer` or `repo`", "operation": "`read` or `write`"},
    ),
)


class Instruments:
    """Every instrument of the server, made once by the composition root and handed to those who measure.

    Durations are in seconds, sizes in bytes. Their attributes are those of `INSTRUMENTS`: never a DID, a handle or a
    path that a caller can choose.
    """

    __slots__ = (
        "_tracer",
        "backup_count",
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
        known = {instrument.name: instrument for instrument in INSTRUMENTS}

        def counter(name: str) -> Counter:
            return meter.create_counter(name, unit=known[name].unit, description=known[name].description)

        def up_down_counter(name: str) -> UpDownCounter:
            return meter.create_up_down_counter(name, unit=known[name].unit, description=known[name].description)

        def histogram(name: str) -> Histogram:
            return meter.create_histogram(name, unit=known[name].unit, description=known[name].description)

        self.xrpc_request_count = counter("xrpc.request.count")
        self.xrpc_request_duration = histogram("xrpc.request.duration")
        self.repo_write_count = counter("repo.write.count")
        self.repo_write_duration = histogram("repo.write.duration")
        self.repo_commit_count = counter("repo.commit.count")
        self.repo_block_bytes = counter("repo.block.bytes")
        self.firehose_subscriber_count = up_down_counter("firehose.subscriber.count")
        self.firehose_event_count = counter("firehose.event.count")
        self.firehose_backfill_count = counter("firehose.backfill.count")
        self.blob_upload_count = counter("blob.upload.count")
        self.blob_bytes = counter("blob.bytes")
        self.backup_count = counter("backup.count")
        self.sqlite_query_duration = histogram("sqlite.query.duration")

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
