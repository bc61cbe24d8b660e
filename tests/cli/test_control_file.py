"""How a command finds the server: control.json, while it runs, after it stopped, and after it was killed."""

import json
import os
import threading
import urllib.request
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import ClassVar

import pytest
from tests.support.process import json_request
from tests.support.server import Tempest

from tempest_pds.cli.operator import Operator, OperatorError
from tempest_pds.stores.control_file import Control, ControlFile
from tempest_pds.stores.data_directory import DataDirectory


def control(server: Tempest) -> Control:
    found = ControlFile(server.folder).read()
    assert found is not None
    return found


def test_the_file_is_the_owners_alone_and_its_token_is_the_administrators(server: Tempest) -> None:
    server.start()
    assert (server.folder / "control.json").stat().st_mode & 0o777 == 0o600
    found = control(server)
    assert (found.url, found.pid) == (f"http://127.0.0.1:{server.port}", server.pid)
    headers = {"Authorization": f"Bearer {found.token}"}
    assert json_request(f"{server.url}/xrpc/_admin/control", headers=headers)[0] == 200
    assert found.token not in server.log.read_text()


def test_what_its_token_comes_with_is_not_limited(server: Tempest) -> None:
    server.env["TEMPEST_RATE_LIMITS_ENABLED"] = "true"
    server.start()
    for bypass, limited in (("a guess", True), (control(server).token, False)):
        url = f"{server.url}/xrpc/com.atproto.server.describeServer"
        request = urllib.request.Request(url, headers={"X-RateLimit-Bypass": bypass})
        with urllib.request.urlopen(request, timeout=10) as answer:
            assert ("ratelimit-limit" in answer.headers) is limited


def test_a_server_on_all_addresses_is_reached_by_loopback(server: Tempest) -> None:
    server.env["TEMPEST_BIND_ADDRESS"] = "0.0.0.0"
    server.start()
    assert control(server).url == f"http://127.0.0.1:{server.port}"


def test_it_is_gone_after_a_stop_and_its_token_with_it(server: Tempest) -> None:
    server.start()
    old = control(server)
    server.stop()
    assert not (server.folder / "control.json").exists()
    server.start()
    headers = {"Authorization": f"Bearer {old.token}"}
    assert json_request(f"{server.url}/xrpc/_admin/control", headers=headers)[0] == 401


def test_a_stale_one_does_not_confuse(server: Tempest) -> None:
    server.start()
    server.kill()
    assert (server.folder / "control.json").exists()
    with Operator.connect(server.env) as operator:
        assert operator.offline
        assert operator.call("/xrpc/_admin/control")["pid"] == os.getpid()
    server.start()
    with Operator.connect(server.env) as operator:
        assert not operator.offline
        assert operator.call("/xrpc/_admin/control")["pid"] == server.pid


def test_a_stale_one_whose_port_somebody_else_has_does_not_confuse(server: Tempest, tmp_path: Path) -> None:
    server.start()
    server.kill()
    other = Tempest(tmp_path / "other", PORT=str(server.port))
    other.port = server.port
    with other:
        assert other.running
        with Operator.connect(server.env) as operator:
            assert operator.offline


class Impostor(BaseHTTPRequestHandler):
    """Says that it is the process of the control file, to whoever asks."""

    pid = 0
    asked: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        self.asked.append(str(self.headers["Authorization"]))
        body = json.dumps({"pid": self.pid}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def test_a_stale_one_is_not_used_whatever_answers_at_its_port(server: Tempest) -> None:
    """Any user of the machine may have the port of a server that was killed, and know what pid it had."""
    server.start()
    server.kill()
    Impostor.pid = control(server).pid
    with HTTPServer(("127.0.0.1", server.port), Impostor) as impostor:
        threading.Thread(target=impostor.serve_forever, args=(0.02,), daemon=True).start()
        try:
            with Operator.connect(server.env) as operator:
                assert operator.offline
        finally:
            impostor.shutdown()
    assert Impostor.asked == []


def test_a_stale_one_is_not_used_while_another_process_owns_the_directory(
    server: Tempest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempest_pds.cli.operator._SECONDS_TO_START", 0.2)
    server.start()
    server.kill()
    Impostor.pid = control(server).pid
    with HTTPServer(("127.0.0.1", server.port), Impostor) as impostor:
        threading.Thread(target=impostor.serve_forever, args=(0.02,), daemon=True).start()
        try:
            with DataDirectory(server.folder).lock(), pytest.raises(OperatorError, match="takes no commands yet"):
                Operator.connect(server.env)
        finally:
            impostor.shutdown()
    assert Impostor.asked == []


def test_a_directory_where_no_server_ran_is_told_in_a_line(server: Tempest) -> None:
    with pytest.raises(OperatorError, match="set TEMPEST_DATA_DIR"):
        Operator.connect(server.env)
    assert not server.folder.exists()


def test_a_directory_in_use_that_takes_no_commands_is_told_in_a_line(
    server: Tempest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempest_pds.cli.operator._SECONDS_TO_START", 0.2)
    server.start()
    server.stop()
    with DataDirectory(server.folder).lock(), pytest.raises(OperatorError, match=f"process {os.getpid()}"):
        Operator.connect(server.env)


def test_the_settings_of_localhost_on_a_public_servers_data_are_refused(server: Tempest) -> None:
    server.start()
    server.stop()
    (server.folder / "repos" / "aa").mkdir()
    (server.folder / "repos" / "aa" / "did_plc_ewvi7nxzyoun6zhxrhs64oiz.sqlite").touch()
    (server.folder / "plc_ledger.jsonl").unlink(missing_ok=True)
    with pytest.raises(OperatorError, match="the server's environment"):
        Operator.connect(server.env)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a directory away")
def test_a_directory_of_another_user_is_not_opened(server: Tempest) -> None:
    server.start()
    server.stop()
    os.chown(server.folder, 65534, 65534)
    with pytest.raises(OperatorError, match=r"belongs to \w+; run this command as that user"):
        Operator.connect(server.env)


@pytest.mark.parametrize("content", ["", "{}", "[]", json.dumps({"url": "nonsense", "token": "t", "pid": 1})])
def test_a_file_of_nonsense_does_not_confuse(server: Tempest, content: str) -> None:
    server.start()
    server.stop()
    (server.folder / "control.json").write_text(content)
    with Operator.connect(server.env) as operator:
        assert operator.offline
