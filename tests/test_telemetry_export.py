"""A whole server with both exporters: what a collector gets, what Prometheus reads, and who may read it."""

import base64
import http.client
import json
import re
import signal
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from tests.support.account import sign_up
from tests.support.collector import Collector, attributes_of, total
from tests.support.observed import COLLECTOR_SECRET, METRICS_TOKEN, Observed, read_page, samples
from tests.support.server import Tempest

from tempest_pds.telemetry import INSTRUMENTS


def test_every_metric_reaches_the_collector(observed: Observed) -> None:
    names = {instrument.name for instrument in INSTRUMENTS}
    observed.collector.wait(lambda collector: names <= collector.metrics.keys())
    assert observed.collector.metrics.keys() == names


def test_metrics_arrive_with_their_units_and_attributes(observed: Observed) -> None:
    observed.collector.wait(lambda collector: len(collector.metrics) == len(INSTRUMENTS))
    came = observed.collector.metrics
    assert {name: (metric.unit, attributes_of(metric)) for name, metric in came.items()} == {
        each.name: (each.unit, set(each.attributes)) for each in INSTRUMENTS
    }


def test_both_exporters_count_the_same(observed: Observed) -> None:
    status, _, page = observed.page()
    assert status == 200
    wanted = sum(sample.value for sample in samples(page)["repo_write_count_total"])
    assert wanted == 2  # since the restart
    observed.collector.wait(lambda collector: total(collector.metrics["repo.write.count"]) == wanted)


def test_the_collector_is_told_whose_they_are(observed: Observed) -> None:
    observed.collector.wait(lambda collector: {"/v1/metrics", "/v1/traces"} <= collector.resources.keys())
    for resource in observed.collector.resources.values():
        assert resource["service.name"] == "tempest-pds"
        assert re.fullmatch(r"\d+\.\d+\.\d+", str(resource["service.version"]))
        assert resource["service.instance.id"] == "localhost"
        assert resource["deployment.environment"] == "test"


def test_requests_arrive_as_traces(observed: Observed) -> None:
    def created(collector: Collector) -> bool:
        return any(span.name == "com.atproto.repo.createRecord" for span in collector.spans)

    observed.collector.wait(created)
    assert not [span for span in observed.collector.spans if observed.account.did in str(span)]


def test_the_collector_gets_its_credentials(observed: Observed) -> None:
    observed.collector.wait(lambda collector: {"/v1/metrics", "/v1/traces"} <= collector.headers.keys())
    for path in ("/v1/metrics", "/v1/traces"):
        assert observed.collector.headers[path]["authorization"] == f"Bearer {COLLECTOR_SECRET}"


def test_every_metric_is_on_the_page(observed: Observed) -> None:
    _, media_type, page = observed.page()
    assert media_type == "text/plain; version=0.0.4; charset=utf-8"
    for instrument in INSTRUMENTS:
        assert any(name.startswith(instrument.name.replace(".", "_")) for name in samples(page)), instrument.name


def test_the_administrator_may_read_the_page(observed: Observed) -> None:
    basic = base64.b64encode(f"admin:{observed.admin_token}".encode()).decode()
    assert observed.page(f"Bearer {observed.admin_token}")[0] == 200
    assert observed.page(f"Basic {basic}")[0] == 200


@pytest.mark.parametrize(
    "authorization",
    [
        None,
        "Bearer",
        f"Bearer {METRICS_TOKEN}x",
        f"Bearer {METRICS_TOKEN[:-1]}",
        f"Basic {METRICS_TOKEN}",
        f"Token {METRICS_TOKEN}",
        "Bearer wrong",
    ],
)
def test_nobody_else_may(authorization: str | None, observed: Observed) -> None:
    status, _, body = observed.page(authorization)
    assert status in {400, 401}
    assert "_total" not in body


def test_an_account_s_token_does_not_open_the_page(observed: Observed) -> None:
    status, _, body = observed.page(f"Bearer {observed.account.access}")
    assert status == 401
    assert "_total" not in body


def test_the_token_of_the_page_opens_nothing_else(observed: Observed) -> None:
    request = urllib.request.Request(
        f"{observed.server.url}/xrpc/com.atproto.server.createInviteCode",
        json.dumps({"useCount": 1}).encode(),
        {"Authorization": f"Bearer {METRICS_TOKEN}", "Content-Type": "application/json"},
    )
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(request, timeout=20)
    assert refused.value.code == 401


def test_the_page_is_read_only_and_kept_by_nobody(observed: Observed) -> None:
    assert observed.page(method="POST")[0] == 405
    connection = http.client.HTTPConnection("127.0.0.1", observed.server.port, timeout=20)
    connection.request("HEAD", "/metrics", headers={"Authorization": f"Bearer {METRICS_TOKEN}"})
    answer = connection.getresponse()
    assert (answer.status, answer.read()) == (200, b"")
    assert answer.headers["Cache-Control"] == "no-store"
    connection.close()


def test_guesses_are_limited(tmp_path: Path) -> None:
    """As they are everywhere for the administrator's token; whoever has the token reads on."""
    settings = {"TEMPEST_TELEMETRY": "prometheus", "TEMPEST_METRICS_TOKEN": METRICS_TOKEN}
    with Tempest(tmp_path / "data", **settings, TEMPEST_RATE_LIMITS_ENABLED="true") as server:
        assert {read_page(server, f"Bearer wrong-{number}")[0] for number in range(40)} == {401, 429}
        assert read_page(server, f"Bearer {METRICS_TOKEN}")[0] == 200


def test_secrets_stand_in_no_log(observed: Observed) -> None:
    observed.page("Bearer a-wrong-token-that-somebody-sent")
    observed.collector.wait(lambda collector: collector.asked > 1)
    log = observed.server.log.read_text()
    assert "/metrics" in log
    for secret in (METRICS_TOKEN, COLLECTOR_SECRET, "a-wrong-token"):
        assert secret not in log


def test_without_an_exporter_there_is_no_page(tmp_path: Path) -> None:
    with Tempest(tmp_path / "data", TEMPEST_METRICS_TOKEN=METRICS_TOKEN) as server:
        assert read_page(server, f"Bearer {METRICS_TOKEN}")[0] == 404


def test_a_stop_sends_the_last_measurements_and_traces(tmp_path: Path) -> None:
    """The interval is longer than the server lives."""
    with Collector() as collector:
        settings = {"TEMPEST_TELEMETRY": "otlp", "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url}
        server = Tempest(tmp_path / "data", **settings, OTEL_BSP_SCHEDULE_DELAY="600000").start()
        sign_up(server)
        assert collector.asked == 0
        assert server.stop() == -signal.SIGTERM
        assert total(collector.metrics["xrpc.request.count"]) > 0
        assert "com.atproto.server.createAccount" in [span.name for span in collector.spans]


@pytest.mark.parametrize("away", [True, False], ids=["away", "silent"])
def test_a_collector_that_does_not_answer_holds_nothing_up(away: bool, tmp_path: Path) -> None:
    """Neither the start, nor requests, nor the end; and it is told once."""
    with Collector(hold=threading.Event()) as collector:
        settings = {
            "TEMPEST_TELEMETRY": "otlp,prometheus",
            "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1" if away else collector.url,
            "TEMPEST_OTEL_INTERVAL": "0.1",
            "OTEL_BSP_SCHEDULE_DELAY": "50",
            "OTEL_EXPORTER_OTLP_TIMEOUT": "1",
        }
        server = Tempest(tmp_path / "data", **settings).start()
        alice = sign_up(server)
        deadline = time.monotonic() + 20
        while "telemetry: " not in server.log.read_text():
            alice.post("hello")
            assert time.monotonic() < deadline, server.log_tail()
        began = time.monotonic()
        for _ in range(20):
            alice.post("hello")
        assert time.monotonic() - began < 10
        began = time.monotonic()
        assert server.stop() == -signal.SIGTERM
        assert time.monotonic() - began < 15
    lines = [line for line in server.log.read_text().splitlines() if "telemetry: " in line]
    assert len([line for line in lines if "did not take" not in line]) == 1


def test_a_wrong_setting_is_told_in_one_line(tmp_path: Path) -> None:
    server = Tempest(tmp_path / "data", TEMPEST_TELEMETRY="otlp", OTEL_EXPORTER_OTLP_HEADERS=COLLECTOR_SECRET)
    server.spawn()
    assert server._child is not None
    assert server._child.wait(60) == 2
    [line] = server.log.read_text().splitlines()
    assert line == (
        "tempest: TEMPEST_TELEMETRY=otlp: set OTEL_EXPORTER_OTLP_HEADERS to name=value, with commas between several"
    )
