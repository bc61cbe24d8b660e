import io
import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from tempest_pds.logs import LogWriter, RequestLog, configure_logs, redact_path, redact_text


@pytest.fixture(autouse=True)
def _restore() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()
    logging.captureWarnings(False)
    for name in ("uvicorn.error", "uvicorn.access", "blacksheep.server"):
        logging.getLogger(name).setLevel(logging.NOTSET)


def lines(stream: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_an_event_is_one_json_object_without_secrets() -> None:
    stream = io.StringIO()
    configure_logs("info", "json", stream)
    structlog.get_logger().info(
        "login",
        password="hunter2",
        access_jwt="abc",
        headers={"Authorization": "Bearer abcdef", "Accept": "x"},
        url="https://x/?token=abcdef&limit=5",
        token_count=3,
        did="did:plc:abc",
    )
    text = stream.getvalue()
    assert not any(secret in text for secret in ("hunter2", "abcdef", '"abc"'))
    event = lines(stream)[0]
    assert event["event"] == "login"
    assert event["did"] == "did:plc:abc"
    assert event["url"] == "https://x/?token=[redacted]&limit=5"


def test_a_traceback_is_searched_for_tokens_too() -> None:
    stream = io.StringIO()
    configure_logs("info", "json", stream)
    try:
        raise ValueError("Bearer eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJ4In0.c2ln")
    except ValueError as error:
        structlog.get_logger().error("failed", exc_info=error)
    assert "eyJ" not in stream.getvalue()
    assert "ValueError" in stream.getvalue()


def test_what_libraries_log_comes_along_and_the_noisy_ones_are_silent() -> None:
    stream = io.StringIO()
    configure_logs("info", "json", stream)
    logging.getLogger("some.library").warning("careful with %s", "password=hunter2")
    logging.getLogger("some.library").debug("not this")
    logging.getLogger("uvicorn.error").info("WebSocket /x?token=secret")
    logging.getLogger("blacksheep.server").info("GET /x?token=secret")
    assert [(line["logger"], line["event"]) for line in lines(stream)] == [
        ("some.library", "careful with password=[redacted]")
    ]


def test_the_level_cuts_what_is_less_important() -> None:
    stream = io.StringIO()
    configure_logs("warning", "console", stream)
    structlog.get_logger().info("no")
    structlog.get_logger().warning("yes")
    assert "no" not in stream.getvalue()
    assert "yes" in stream.getvalue()


def test_request_lines_are_kept_for_a_moment_and_come_before_what_follows() -> None:
    stream = io.StringIO()
    writer = configure_logs("info", "json", stream)
    log = RequestLog(writer, "json")
    assert log.add("GET", "com.atproto.repo.getRecord", 200, 0.00123, "10.0.0.1", None)
    assert not log.add("GET", '/a"b\\c\x07ü', 404, 0.1, "::1", "did:plc:abc")
    assert stream.getvalue() == ""
    structlog.get_logger().info("later")
    first, second, third = lines(stream)
    assert first["target"] == "com.atproto.repo.getRecord"
    assert first["ms"] == 1.23
    assert second["target"] == '/a"b\\c\x07ü'
    assert second["did"] == "did:plc:abc"
    assert third["event"] == "later"


def test_a_crowd_of_request_lines_is_written_by_itself() -> None:
    stream = io.StringIO()
    log = RequestLog(LogWriter(stream), "console")
    for _ in range(500):
        log.add("GET", "/\n\x1b[31m", 200, 0.001, "10.0.0.1", None)
    assert stream.getvalue().count("\n") >= 200
    assert "\x1b" not in stream.getvalue()


def test_a_broken_stream_stops_nothing() -> None:
    stream = io.StringIO()
    writer = LogWriter(stream)
    stream.close()
    writer.write("x")


@pytest.mark.parametrize(
    "text",
    [
        "Authorization: Bearer s3cret",
        "basic s3cret",
        "dpop s3cret",
        "?password=s3cret&x",
        "code=s3cret",
        "client_secret=s3cret",
    ],
)
def test_texts_lose_what_looks_like_a_secret(text: str) -> None:
    assert "s3cret" not in redact_text(text)


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/admin/accounts",
        "/xrpc/com.atproto.server.getSession",
        "/wp-login.php",
        "/.well-known/oauth-authorization-server",
        "/api/v1/",
        "//a",
        "/Autodiscover/Autodiscover.xml",
        "/HNAP",
    ],
)
def test_an_address_that_leads_nowhere_is_logged(path: str) -> None:
    assert redact_path(path) == path


@pytest.mark.parametrize(
    "secret",
    [
        "9f86d081884c7d659a2feaa0c55ad015",
        "eyJhbGciOi.eyJzdWIi.c2ln",
        "T6RnebyjBMksiSqkKp2taDp6SItdXeVvXs1PDaoxIDw",
        "abcd-efgh-ijkl-mnop",
        "localhost-ab2de-fghij",
        "pds-example-com-abcde-fghij",
        "ABCDE-FGHIJ",
        "correct%20horse",
        "correcthorsebatterystaple",
        "rFwIAURyCAaMemo-UqmV",
        "p\xe4ssword",
    ],
)
def test_what_may_be_a_secret_in_it_is_not(secret: str) -> None:
    assert redact_path(f"/xrpc/{secret}/x") == "/xrpc/[redacted]/x"
