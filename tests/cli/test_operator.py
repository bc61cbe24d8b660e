"""What commands make of a server's answers: refusals, and answers that break off."""

import os
import signal
import socket
import threading
from collections.abc import Iterator

import pytest
from tests.cli.conftest import Site
from tests.support.process import free_port
from tests.support.server import Tempest

from tempest_pds.cli.operator import CallRefused, Operator, OperatorError
from tempest_pds.cli.running_server import RunningServer
from tempest_pds.cli.transport import ServerUnreachable
from tempest_pds.http.server import bind, loopback_url
from tempest_pds.stores.control_file import Control


@pytest.fixture
def operator(site: Site) -> Iterator[Operator]:
    with Operator.connect(site.server.env) as operator:
        yield operator


def test_a_refusal_has_the_name_and_the_words_of_the_server(operator: Operator) -> None:
    with pytest.raises(CallRefused, match="no such account") as refused:
        operator.call("/xrpc/_admin/account", params={"account": "nobody.test"})
    assert (refused.value.status, refused.value.error) == (400, "AccountNotFound")


def test_a_long_task_that_fails_is_a_refusal(operator: Operator) -> None:
    with pytest.raises(CallRefused) as refused:
        operator.stream("/xrpc/_admin/repo/rebuild", {"did": "did:plc:nobodyyyyyyyyyyyyyyyyyyy"})
    assert (refused.value.status, refused.value.error) == (0, "RepoNotFound")


def test_a_long_task_tells_its_progress(operator: Operator, site: Site) -> None:
    told: list[tuple[str, int, int | None]] = []
    result = operator.stream(
        "/xrpc/_admin/repo/verify", {"dids": [site.alice.did]}, on_progress=lambda *step: told.append(step)
    )
    assert result["repositories"] == 1
    assert told
    assert all(0 <= done <= (total or done) for _, done, total in told)


def test_a_download_that_is_left_early_holds_nothing_up(operator: Operator, site: Site) -> None:
    chunks = operator.download("com.atproto.sync.getRepo", params={"did": site.alice.did})
    assert next(iter(chunks))
    chunks.close()
    assert operator.call("com.atproto.server.describeServer", anonymous=True)["did"]


class BrokenServer:
    """Answers each request with the same bytes, and hangs up."""

    def __init__(self, answer: bytes) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._answer = answer
        threading.Thread(target=self._serve, daemon=True).start()
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def _serve(self) -> None:
        connection, _ = self._listener.accept()
        with connection:
            connection.recv(65536)
            connection.sendall(self._answer)
        self._listener.close()


CHUNKED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        CHUNKED + b"5\r\n{}",
        CHUNKED + b'1f\r\n{"progress": {"what": "blobs", "d\r\n',
        CHUNKED + b"3\r\n[]\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.7\r\n",
    ],
    ids=["nothing", "in a chunk", "in a line", "no object", "too short", "empty", "another protocol"],
)
def test_a_long_task_whose_answer_breaks_off_is_no_success(answer: bytes) -> None:
    operator = Operator(RunningServer(Control(BrokenServer(answer).url, "token", 1)), offline=False)
    with pytest.raises(ServerUnreachable):
        operator.stream("/xrpc/_admin/blobs/scrub")


def test_nobody_there_is_told_as_such() -> None:
    operator = Operator(RunningServer(Control(f"http://127.0.0.1:{free_port()}", "token", 1)), offline=False)
    with pytest.raises(ServerUnreachable, match="does not answer"):
        operator.call("/xrpc/_admin/control")


def test_a_server_that_hangs_is_not_waited_for(server: Tempest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempest_pds.cli.running_server._SECONDS_TO_GREET", 0.3)
    monkeypatch.setattr("tempest_pds.cli.operator._SECONDS_TO_START", 0.1)
    server.start()
    os.kill(server.pid, signal.SIGSTOP)
    try:
        with pytest.raises(OperatorError, match=f"process {server.pid}.*takes no commands"):
            Operator.connect(server.env)
    finally:
        os.kill(server.pid, signal.SIGCONT)


@pytest.mark.parametrize(
    ("address", "host"), [("127.0.0.1", "127.0.0.1"), ("0.0.0.0", "127.0.0.1"), ("::1", "[::1]"), ("::", "[::1]")]
)
def test_a_server_is_reached_from_its_own_machine(address: str, host: str) -> None:
    with bind(address, 0) as listener:
        assert loopback_url(listener) == f"http://{host}:{listener.getsockname()[1]}"
