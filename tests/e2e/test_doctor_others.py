"""What `tempest doctor` says of what is in other hands: identities, relays, the AppView, mail."""

import asyncio
from typing import Any

import pytest
from tests.support.account import Account
from tests.support.doctor_report import findings, only_failure, only_warning
from tests.support.examined_deployment import HOSTNAME, ExaminedDeployment
from tests.support.process import free_port

from tempest_pds.protocol.crypto.keys import generate_k256
from tempest_pds.protocol.identity.plc_operation import update
from tempest_pds.protocol.syntax.did import Did
from tempest_pds.remote.plc_directory import PlcDirectory
from tempest_pds.remote.safe_fetch import SafeFetch
from tempest_pds.stores.key_files import KeyFiles

# Identities


def change_document(examined: ExaminedDeployment, account: Account, **changes: Any) -> None:
    """Publish a PLC operation for an account, signed with the server's rotation key."""

    async def publish() -> None:
        fetch = SafeFetch(allow_private=True)
        try:
            directory = PlcDirectory(fetch, examined.tempest.env["TEMPEST_PLC_URL"])
            did = Did.parse(account.did)
            signer = KeyFiles(examined.tempest.folder / "keys").rotation_key()
            await directory.submit(did, update(await directory.last_operation(did), signer=signer, **changes))
        finally:
            await fetch.close()

    asyncio.run(publish())


def test_a_document_that_names_another_server(examined: ExaminedDeployment) -> None:
    account = examined.tempest.sign_up("moved")
    change_document(examined, account, pds_url="https://elsewhere.example.org")
    line = only_failure(examined.doctor("--only", "accounts", "--did", account.did))
    assert "names https://elsewhere.example.org as its server, and not https://pds.example.com" in line
    assert "if TEMPEST_PUBLIC_URL was another before, set it back" in line
    assert "if the account has moved away, deactivate it here" in line


def test_a_document_with_another_key(examined: ExaminedDeployment) -> None:
    account = examined.tempest.sign_up("rekeyed")
    change_document(examined, account, signing_key=generate_k256().public.did_key)
    line = only_failure(examined.doctor("--only", "accounts", "--did", account.did))
    assert "is not signed with the key in its document" in line
    assert "restore the account's key file in keys/signing" in line


def test_a_document_with_another_handle(examined: ExaminedDeployment) -> None:
    account = examined.tempest.sign_up("renamed")
    change_document(examined, account, handle=f"somebody.{HOSTNAME}")
    line = only_failure(examined.doctor("--only", "accounts", "--did", account.did))
    assert f"names the handle somebody.{HOSTNAME}, and this server {account.handle}" in line
    assert "com.atproto.identity.updateHandle" in line


def test_a_handle_that_leads_to_another_account(examined: ExaminedDeployment) -> None:
    account = examined.tempest.sign_up("taken")
    examined.dns.records[f"_atproto.{account.handle}", "TXT"] = [f'"did={examined.account.did}"']
    line = only_failure(examined.doctor("--only", "accounts", "--did", account.did))
    assert f"{account.handle} leads to {examined.account.did}, and not to {account.did}" in line
    assert f"correct the TXT record _atproto.{account.handle}" in line


def test_a_handle_that_leads_nowhere(examined: ExaminedDeployment) -> None:
    line = only_failure(examined.doctor("--only", "accounts", "--accounts", "1", proxy="host-lost"))
    assert f"neither a TXT record _atproto.{examined.account.handle} nor https://" in line
    assert "proxy for the Host header" in line


def test_an_account_that_the_directory_does_not_know(examined: ExaminedDeployment) -> None:
    line = only_failure(examined.doctor("--only", "accounts", "--did", "did:plc:aaaaaaaaaaaaaaaaaaaaaaaa"))
    assert "does not exist for the directory" in line
    assert "TEMPEST_PLC_URL" in line


def test_a_handle_that_the_server_does_not_know(examined: ExaminedDeployment) -> None:
    line = only_failure(examined.doctor("--only", "accounts", "--handle", f"nobody.{HOSTNAME}"))
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
def test_what_a_relay_says(examined: ExaminedDeployment, status: str, level: str, cause: str, cure: str) -> None:
    examined.relay.hosts[HOSTNAME] = {"hostname": HOSTNAME, "status": status}
    result = examined.doctor("--only", "relays")
    (line,) = findings(result, level)
    assert cause in line
    assert cure in line
    assert result.exit_code == (1 if level == "failure" else 0)


def test_a_relay_that_does_not_know_the_server_is_asked_only_if_one_says_so(examined: ExaminedDeployment) -> None:
    examined.relay.hosts = {}
    assert "tempest doctor --request-crawl" in only_failure(examined.doctor("--only", "relays"))
    assert examined.relay.crawls == []
    assert "was asked to crawl it just now" in only_warning(examined.doctor("--only", "relays", "--request-crawl"))
    assert examined.relay.crawls == [HOSTNAME]


def test_a_relay_that_refuses_to_crawl(examined: ExaminedDeployment) -> None:
    examined.relay.hosts = {}
    examined.relay.refuses_crawls = True
    line = only_failure(examined.doctor("--only", "relays", "--request-crawl"))
    assert "refuses to crawl it: 400 host server unreachable" in line


def test_a_relay_s_limit_of_accounts(examined: ExaminedDeployment) -> None:
    examined.relay.hosts[HOSTNAME]["accountCount"] = 95
    line = only_warning(examined.doctor("--only", "relays"))
    assert "counts 95 accounts here; relays take 100" in line
    assert "raise the limit of this host" in line


def test_a_relay_that_is_ahead_of_the_firehose(examined: ExaminedDeployment) -> None:
    """As after an old copy of the data was put back."""
    examined.relay.hosts[HOSTNAME]["seq"] = 1_000_000
    line = only_failure(examined.doctor("--only", "relays"))
    assert "this is an older copy of the data" in line
    assert "tempest backup restore" in line


def test_a_relay_that_lags_behind(examined: ExaminedDeployment) -> None:
    for number in range(100):
        examined.account.post(f"number {number}")
    examined.relay.hosts[HOSTNAME]["seq"] = 1
    line = only_warning(examined.doctor("--only", "relays"))
    assert "has read up to 1, and the firehose is at" in line


@pytest.mark.parametrize(
    ("check", "name", "cause", "cure"),
    [
        ("relays", "TEMPEST_CRAWLERS", "the connection is refused", "take the relay out of TEMPEST_CRAWLERS"),
        ("plc", "TEMPEST_PLC_URL", "nobody can sign up", "look at TEMPEST_PLC_URL"),
        ("appview", "TEMPEST_APPVIEW_URL", "clients see no timeline", "look at TEMPEST_APPVIEW_URL"),
    ],
)
def test_a_service_that_cannot_be_reached(
    examined: ExaminedDeployment, check: str, name: str, cause: str, cure: str
) -> None:
    line = only_failure(examined.doctor("--only", check, settings={name: f"http://127.0.0.1:{free_port()}"}))
    assert cause in line
    assert cure in line


def test_a_mail_server_that_is_down(examined: ExaminedDeployment) -> None:
    pytest.importorskip("tempest_pds_smtp.smtp_mailer", reason="the SMTP adapter does not send yet")
    smtp = {"HOST": "127.0.0.1", "PORT": str(free_port()), "FROM_ADDRESS": "pds@example.com"}
    settings = {"TEMPEST_SMTP_ENABLED": "true", **{f"TEMPEST_SMTP_{name}": text for name, text in smtp.items()}}
    line = only_failure(examined.doctor("--only", "mail", settings=settings))
    assert "would not get a mail through" in line
    assert "look at host, port, TLS and password" in line
