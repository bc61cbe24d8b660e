"""`tempest health`, which a container engine runs every half minute."""

import http.server
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest


class Answer(http.server.BaseHTTPRequestHandler):
    """Answers `/xrpc/_health` as the server that listens says."""

    def do_GET(self) -> None:
        status, body = self.server.answer if self.path == "/xrpc/_health" else (404, b"")  # type: ignore[attr-defined]
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Keep quiet."""


@pytest.fixture
def listener() -> Iterator[http.server.HTTPServer]:
    with http.server.HTTPServer(("127.0.0.1", 0), Answer) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def health(**env: str) -> tuple[int, str, str]:
    command = [sys.executable, "-m", "tempest_pds.cli.main", "health"]
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=30)
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize("address", [{}, {"TEMPEST_BIND_ADDRESS": "0.0.0.0"}, {"TEMPEST_BIND_ADDRESS": "127.0.0.1"}])
def test_a_server_that_is_well(listener: http.server.HTTPServer, address: dict[str, str]) -> None:
    listener.answer = (200, b'{"version": "9.9.9"}')  # type: ignore[attr-defined]
    assert health(PORT=str(listener.server_port), **address) == (0, "Tempest 9.9.9 is well\n", "")


def test_a_server_that_is_not_well(listener: http.server.HTTPServer) -> None:
    listener.answer = (503, b'{"version": "9.9.9", "error": "Service Unavailable"}')  # type: ignore[attr-defined]
    port = listener.server_port
    assert health(PORT=str(port)) == (1, "", f"tempest: 127.0.0.1 port {port} answers 503\n")


@pytest.mark.parametrize("body", [b"<html>", b"[]", b"{}"])
def test_a_server_of_another_kind(listener: http.server.HTTPServer, body: bytes) -> None:
    listener.answer = (200, body)  # type: ignore[attr-defined]
    port = listener.server_port
    assert health(PORT=str(port)) == (1, "", f"tempest: what answers on 127.0.0.1 port {port} is no Tempest\n")


def test_nobody_there(listener: http.server.HTTPServer) -> None:
    port = listener.server_port
    code, _, said = health(PORT=str(port), TEMPEST_BIND_ADDRESS="127.0.0.2")
    assert (code, said) == (1, f"tempest: 127.0.0.2 port {port} does not answer: Connection refused\n")


def test_that_the_port_is_not_set_is_told_where_nobody_answers() -> None:
    """On an address of this machine where nothing ever listens."""
    code, _, said = health(TEMPEST_BIND_ADDRESS="127.0.0.2")
    assert (code, said) == (
        1,
        "tempest: 127.0.0.2 port 4000 does not answer: Connection refused (PORT is not set)\n",
    )


def test_a_port_that_is_none() -> None:
    assert health(PORT="http") == (1, "", "tempest: PORT must be a whole number, at most 65535\n")


def test_it_imports_nothing_of_the_server() -> None:
    """It runs often, beside a server that needs the processor."""
    code = (
        "import sys; sys.argv = ['tempest', 'health']; import tempest_pds.cli.main as command\n"
        "try: command.main()\n"
        "except SystemExit: print(sorted(n for n in sys.modules if n.split('.')[0] in "
        "('sqlalchemy', 'blacksheep', 'uvicorn', 'aiohttp', 'structlog', 'stevedore', 'opentelemetry')))"
    )
    done = subprocess.run([sys.executable, "-c", code], env={"PORT": "1"}, capture_output=True, text=True, timeout=30)
    assert done.stdout == "[]\n"
