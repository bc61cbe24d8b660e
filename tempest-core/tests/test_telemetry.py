import pytest
from opentelemetry import metrics

from tempest_pds.telemetry import Instruments

# Of the guide, and of what it does not know.
NAMES = {
    "xrpc.request.count",
    "xrpc.request.duration",
    "repo.write.count",
    "repo.write.duration",
    "repo.commit.count",
    "repo.block.bytes",
    "firehose.subscriber.count",
    "firehose.event.count",
    "firehose.backfill.count",
    "blob.upload.count",
    "blob.bytes",
    "sqlite.query.duration",
}
MORE = {"backup.count"}


def test_the_instruments_bear_the_names_of_the_operator_guide(monkeypatch: pytest.MonkeyPatch) -> None:
    made: set[str] = set()

    class Meter:
        def __getattr__(self, kind: str) -> object:
            return lambda name, **_: made.add(name)

    monkeypatch.setattr(metrics, "get_meter", lambda *_: Meter())
    Instruments()
    assert made == NAMES | MORE


def test_a_span_hands_an_exception_on() -> None:
    with pytest.raises(KeyError), Instruments().span("work", {"a": 1}):
        raise KeyError("private")
