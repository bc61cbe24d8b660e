"""What the doctor says of the machine and the environment: settings, clock and limits."""

import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from time import time
from typing import Any

import pytest

from tempest_pds.stores.data_directory import DataDirectory


def test_settings_that_leave_nothing_weak(examine: Any, public: dict[str, str]) -> None:
    assert [status for status, _, _ in examine("settings", **public)] == ["ok"]


@pytest.mark.parametrize(
    ("name", "value", "cause", "cure"),
    [
        ("TEMPEST_SSRF_PROTECTION", "false", "machines of your own network", "remove the setting"),
        ("TEMPEST_TRUSTED_PROXY_COUNT", "0", "all clients share one address", "1 behind Caddy alone"),
        ("TEMPEST_RATE_LIMITS_ENABLED", "false", "passwords can be guessed", "TEMPEST_RATE_LIMIT_BYPASS_KEY"),
        ("TEMPEST_DURABILITY", "process", "a loss of power", "remove the setting"),
        ("TEMPEST_CRAWLRES", "https://bsky.network", "nothing reads", "call it TEMPEST_CRAWLERS"),
    ],
)
def test_a_setting_that_is_weak(
    examine: Any, public: dict[str, str], name: str, value: str, cause: str, cure: str
) -> None:
    (found,) = [found for found in examine("settings", **{**public, name: value}) if found[0] == "warning"]
    assert name in found[1]
    assert cause in found[1]
    assert cure in found[2]


@pytest.mark.parametrize(("protected", "status"), [("true", "failure"), ("false", "warning")])
def test_a_name_that_is_not_public(examine: Any, public: dict[str, str], protected: str, status: str) -> None:
    """A private network may have such names of its own."""
    own = {"TEMPEST_HANDLE_DOMAINS": ".home.internal,.example.com", "TEMPEST_SSRF_PROTECTION": protected}
    (found,) = [found for found in examine("settings", **public, **own) if "no public name" in found[1]]
    assert (found[0], "home.internal" in found[1]) == (status, True)
    assert "TEMPEST_HANDLE_DOMAINS" in found[2]


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"TEMPEST_HOSTNAME": "pds.example.com"}, "a server called pds.example.com (TEMPEST_HOSTNAME) also needs"),
        ({"TEMPEST_HOSTNAME": "https://pds.example.com/"}, "TEMPEST_HOSTNAME must be a bare hostname"),
        ({"TEMPEST_SSRF_PROTECTION": "perhaps"}, "TEMPEST_SSRF_PROTECTION must be true or false"),
        ({"PORT": "http"}, "PORT must be a whole number"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, dict) else None,
)
def test_settings_with_which_no_server_starts(examine: Any, settings: dict[str, str], problem: str) -> None:
    """However wrong they are, it is a finding."""
    ((status, detail, _),) = examine("settings", **settings)
    assert status == "failure"
    assert f"the server would not start: {problem}" in detail


def test_what_needs_settings_is_skipped_without(examine: Any) -> None:
    ((status, detail, _),) = examine("data", TEMPEST_HOSTNAME="pds.example.com")
    assert status == "skipped"
    assert "the settings cannot be read" in detail


def test_a_server_for_one_machine_has_no_outside(examine: Any) -> None:
    for check in ("dns", "tls", "proxy"):
        assert [status for status, _, _ in examine(check)] == ["skipped"]


@contextmanager
def clock_of_another(seconds: float) -> Iterator[str]:
    """Run a server whose clock goes wrong by so many seconds."""

    class Handler(BaseHTTPRequestHandler):
        def date_time_string(self, timestamp: float | None = None) -> str:
            return formatdate(time() + seconds, usegmt=True)

        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as the base class calls it
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.mark.parametrize(
    ("seconds", "status", "words"),
    [
        (0, "ok", "within"),
        (20, "ok", "within"),
        (100, "warning", "s behind http"),
        (-100, "warning", "s ahead of http"),
    ],
)
def test_the_clock_beside_another(examine: Any, seconds: float, status: str, words: str) -> None:
    with clock_of_another(seconds) as url:
        ((found, detail, cure),) = examine("clock", TEMPEST_PLC_URL=url)
    assert found == status
    assert words in detail
    assert ("timedatectl" in cure) is (status == "warning")


def test_the_limits_of_the_process_that_owns_the_directory(
    examine: Any, data: DataDirectory, public: dict[str, str]
) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with data.lock():
        resource.setrlimit(resource.RLIMIT_NOFILE, (1000, hard))
        try:
            status, detail, cure = examine("limits", **public)[0]
            on_localhost = examine("limits")[0]
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert status == "warning"
    assert f"the running server (process {os.getpid()}) may open 1000 files" in detail
    assert "LimitNOFILE=65536" in cure
    assert (on_localhost[0], on_localhost[2]) == ("note", "")
