"""`tempest doctor` on a whole examined: sound, behind a proxy that is wrong, and with the operator's own mistakes."""

import json
import subprocess

import pytest
from click.testing import CliRunner
from tests.support.account import sign_up
from tests.support.doctor_report import findings, only_failure, only_warning
from tests.support.examined_deployment import ExaminedDeployment
from tests.support.process import free_port, json_request
from tests.support.server import Tempest

from tempest_pds.cli.doctor_command import doctor

# Sound


def test_a_sound_deployment_has_no_failure(examined: ExaminedDeployment) -> None:
    result = examined.doctor("--accounts", "1")
    assert findings(result, "failure") == []
    assert result.exit_code == 0
    sound = {line.split()[0] for line in findings(result, "ok")}
    assert sound >= {"settings", "data", "clock", "dns", "tls", "http", "proxy", "websocket", "well-known", "plc"}
    assert sound >= {"accounts", "relays", "appview", "blobs"}


def test_the_server_goes_on_as_if_nothing_had_been(examined: ExaminedDeployment) -> None:
    """The data directory keeps its owner, and nothing in it is touched."""
    data = examined.tempest.folder
    before = sorted(str(path) for path in data.rglob("*"))
    assert examined.doctor("--accounts", "1").exit_code == 0
    assert sorted(str(path) for path in data.rglob("*")) == before
    assert (data / "lock").read_text().strip() == str(examined.tempest.pid)
    assert examined.account.post("still here")["uri"]


def test_from_another_machine_the_outside_is_checked(examined: ExaminedDeployment) -> None:
    result = examined.doctor("--handle", examined.account.handle, outside=True)
    assert findings(result, "failure") == []
    assert {line.split()[0] for line in findings(result, "skipped")} == {
        *("settings", "data", "limits", "mail", "blobs", "backups")
    }
    sound = {line.split()[0] for line in findings(result, "ok")}
    assert sound >= {"dns", "tls", "http", "proxy", "websocket", "well-known", "accounts", "relays"}


def test_the_report_as_json_and_as_a_process(examined: ExaminedDeployment) -> None:
    """The same results, and an exit code for scripts."""
    environment = {**examined.tempest.env, "TEMPEST_MAILER": "pigeon"}
    done = subprocess.run(
        [*examined.command(), "--json", "--only", "plc", "--only", "mail"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
    )
    report = json.loads(done.stdout)
    assert done.returncode == 1
    assert done.stderr == ""
    assert report["ok"] is False
    assert report["summary"] == {"ok": 1, "note": 0, "skipped": 0, "warning": 0, "failure": 1}
    assert [(result["check"], result["status"]) for result in report["results"]] == [("plc", "ok"), ("mail", "failure")]
    assert "TEMPEST_MAILER=pigeon" in report["results"][1]["detail"]
    assert report["results"][1]["cure"]


def test_no_secret_is_in_the_report(examined: ExaminedDeployment) -> None:
    report = examined.doctor().output + examined.doctor("--json").output
    secrets = [examined.tempest.env[name] for name in ("SECRET_KEY_BASE", "TEMPEST_ADMIN_TOKEN_HASH")]
    secrets += [path.read_text().split()[-1] for path in (examined.tempest.folder / "keys").rglob("*.key")]
    assert len(secrets) >= 4
    assert not [secret for secret in secrets if secret in report]


# The proxy


@pytest.mark.parametrize(
    ("proxy", "check", "cause", "cure"),
    [
        ("no-upgrade", "websocket", "does not upgrade WebSockets", "proxy_set_header Upgrade"),
        ("host-lost", "proxy", "does not pass the Host header on", "proxy_set_header Host $host"),
        ("no-well-known", "proxy", "did.json answers 403", "pass /.well-known/ of every host name on"),
        ("relay-name", "http", "Server: atproto-relay", "remove or change the Server header"),
        ("nobody-behind", "http", "answers 502: the proxy does not reach the server", "compare the address"),
        ("something-else", "http", "not as a PDS does", "pass all paths of this host on"),
        ("closed", "http", "the connection is refused", "start the server and the proxy"),
        ("other-server", "http", "leads to another server", "let DNS and the proxy lead to this machine"),
        ("nobody-behind", "websocket", "answered with 502", "see http"),
        ("something-else", "well-known", "not JSON", "mend what the check http says"),
    ],
)
def test_a_proxy_that_is_wrong(examined: ExaminedDeployment, proxy: str, check: str, cause: str, cure: str) -> None:
    failures = findings(examined.doctor("--only", check, proxy=proxy), "failure")
    assert failures
    assert any(cause in line and cure in line.partition(". Cure: ")[2] for line in failures), failures


def test_a_proxy_that_refuses_large_bodies(examined: ExaminedDeployment) -> None:
    """Told of each setting that it is too small for."""
    failures = findings(examined.doctor("--only", "proxy", proxy="small-bodies"), "failure")
    for line, name in zip(failures, ("TEMPEST_BLOB_MAX_BYTES", "TEMPEST_REPO_IMPORT_MAX_BYTES"), strict=True):
        assert name in line
        assert "by itself, with status 413" in line
        assert "client_max_body_size" in line


def test_a_proxy_that_believes_what_clients_claim(examined: ExaminedDeployment) -> None:
    line = only_warning(examined.doctor("--only", "proxy", proxy="claims-believed"))
    assert "a client can choose the address" in line
    assert "TEMPEST_TRUSTED_PROXY_COUNT" in line


def test_metadata_of_oauth_that_names_another_server(examined: ExaminedDeployment) -> None:
    """Of the two documents one is right."""
    result = examined.doctor("--only", "well-known", proxy="oauth")
    line = only_failure(result)
    assert "oauth-authorization-server says https://old.example.com in place of https://pds.example.com" in line
    assert "set TEMPEST_PUBLIC_URL=https://pds.example.com" in line
    assert any("oauth-protected-resource names https://pds.example.com" in line for line in findings(result, "ok"))


# The server itself


def test_a_server_for_one_machine(lone_tempest: Tempest) -> None:
    """Without one setting: it keeps its own ledger of DIDs, and has no outside."""
    lone_tempest.start()
    account = sign_up(lone_tempest)
    result = CliRunner().invoke(doctor, [], env=lone_tempest.env)
    assert findings(result, "failure") == []
    assert result.exit_code == 0
    assert any(line.startswith("accounts") and "the one account" in line for line in findings(result, "ok"))
    assert {line.split()[0] for line in findings(result, "skipped")} == {"dns", "tls", "proxy"}
    assert account.did


def test_limits_that_the_doctor_itself_meets(lone_tempest: Tempest) -> None:
    """They are told as what they are, and the key of the server's environment lets it pass."""
    key = {"TEMPEST_RATE_LIMIT_BYPASS_KEY": "for the operator's own jobs"}
    lone_tempest.env |= {"TEMPEST_RATE_LIMITS_ENABLED": "true", **key}
    lone_tempest.start()
    sign_up(lone_tempest)
    while json_request(f"{lone_tempest.url}/xrpc/com.atproto.server.describeServer")[0] == 200:
        pass
    without = {name: text for name, text in lone_tempest.env.items() if name not in key}
    line = only_failure(CliRunner().invoke(doctor, ["--only", "accounts"], env=without))
    assert "the server limits requests, also those of the doctor" in line
    assert "TEMPEST_RATE_LIMIT_BYPASS_KEY" in line
    result = CliRunner().invoke(doctor, ["--only", "accounts"], env=lone_tempest.env)
    assert findings(result, "failure") == []


# The operator's own mistakes


def test_the_settings_of_another_server(examined: ExaminedDeployment) -> None:
    result = examined.doctor("--only", "http", settings={"TEMPEST_HANDLE_DOMAINS": ".example.net"})
    assert "give the doctor the server's own environment" in only_failure(result)


def test_settings_that_are_wrong_are_told_and_the_outside_is_checked_all_the_same(examined: ExaminedDeployment) -> None:
    result = examined.doctor("--only", "settings", "--only", "http", settings={"SECRET_KEY_BASE": "changeme"})
    assert "the server would not start: SECRET_KEY_BASE must be" in only_failure(result)
    assert any("answers as version" in line for line in findings(result, "ok"))


def test_no_server_here(examined: ExaminedDeployment) -> None:
    """The proxy leads to a server on another machine, say."""
    port = free_port()
    line = only_failure(examined.doctor("--only", "http", settings={"PORT": str(port)}))
    assert f"no server answers here at http://127.0.0.1:{port}" in line
    assert "tempest serve" in line
