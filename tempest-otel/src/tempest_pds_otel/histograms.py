"""The histograms: where their buckets end.

OpenTelemetry's own buckets are made for milliseconds, and would put every request of a second or less into the first.
"""

from collections.abc import Mapping
from typing import Final

from opentelemetry.sdk.metrics.view import ExplicitBucketHistogramAggregation, View

# In seconds. A read takes some 20 µs and a durable write some milliseconds; a download of a whole repository minutes.
BUCKETS: Final[Mapping[str, tuple[float, ...]]] = {
    "xrpc.request.duration": (
        0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 120.0,
    ),
    "repo.write.duration": (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0),
    "sqlite.query.duration": (
        0.00001, 0.000025, 0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05, 0.25, 1.0, 5.0,
    ),
}  # fmt: skip


def views() -> list[View]:
    """Give each histogram its buckets."""
    return [
        View(instrument_name=name, aggregation=ExplicitBucketHistogramAggregation(boundaries))
        for name, boundaries in BUCKETS.items()
    ]
