"""What the SDK says reaches the log now and then, and without secrets."""

import logging
from collections.abc import Iterator

import pytest

from tempest_pds_otel.sdk_log import QUIET_SECONDS, SdkLog


class Clock:
    """Seconds, as a test sets them."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(autouse=True)
def _nobody_else_listens() -> None:
    """An exporter that gave up on its collector stays at the SDK's loggers, and keeps them from the log."""
    logger = logging.getLogger("opentelemetry")
    logger.handlers.clear()
    logger.propagate = True


@pytest.fixture
def sdk_log(clock: Clock) -> Iterator[SdkLog]:
    made = SdkLog({"s3cr3t"}, clock)
    made.open()
    yield made
    made.close()


SPANS = logging.getLogger("opentelemetry.exporter.otlp.proto.http.trace_exporter")
METRICS = logging.getLogger("opentelemetry.exporter.otlp.proto.http.metric_exporter")
SDK = logging.getLogger("opentelemetry.sdk")


def test_exporters_are_heard_once_until_a_while_has_passed(sdk_log: SdkLog, clock: Clock, said: list[str]) -> None:
    SPANS.error("no answer from %s", "collector")
    METRICS.warning("no answer either")
    assert said == ["telemetry: no answer from collector"]
    clock.now = QUIET_SECONDS
    SPANS.error("still none")
    assert said[1:] == ["telemetry: still none; 1 more lines like it in the last minutes"]


def test_what_the_sdk_says_of_something_else_is_heard(sdk_log: SdkLog, said: list[str]) -> None:
    SPANS.error("no answer")
    SDK.warning("queue full")
    assert said[1:] == ["telemetry: queue full"]


def test_secrets_are_taken_out(sdk_log: SdkLog, said: list[str]) -> None:
    SDK.warning("header %s is wrong", "Bearer s3cr3t")
    assert said == ["telemetry: header Bearer [redacted] is wrong"]


def test_an_exception_is_told_by_its_type_alone(sdk_log: SdkLog, said: list[str]) -> None:
    try:
        raise ValueError("s3cr3t")
    except ValueError:
        SDK.exception("while exporting")
    assert said == ["telemetry: while exporting (ValueError)"]


def test_once_muted_nothing_is_heard(sdk_log: SdkLog, said: list[str]) -> None:
    sdk_log.mute()
    SPANS.error("no answer")
    assert said == []


def test_when_the_last_is_closed_the_sdk_speaks_for_itself_again(said: list[str]) -> None:
    first, second = SdkLog(), SdkLog()
    first.open()
    second.open()
    first.close()
    assert not logging.getLogger("opentelemetry").propagate
    second.close()
    SDK.warning("queue full")
    assert said == ["queue full"]
