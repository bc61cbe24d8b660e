"""A mail that an administrator has the server send, from the request to the relay, through deaths of either."""

import base64
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.account import Account, sign_up
from tests.support.process import json_request
from tests.support.server import Tempest
from tests.support.smtp_server import PASSWORD, Certificates, SmtpServer, Trouble

from tempest_pds.stores.key_files import KeyFiles

CONTENT = "Your report 7f3a9c21 was looked into."


@pytest.fixture
def relay(tmp_path: Path) -> Iterator[SmtpServer]:
    with SmtpServer(starttls=Certificates(tmp_path), sign_in=True) as relay:
        yield relay


@pytest.fixture
def server(relay: SmtpServer, tmp_path: Path) -> Iterator[Tempest]:
    with Tempest(tmp_path / "data", **relay.settings()) as server:
        yield server


def send_email(server: Tempest, account: Account, subject: str) -> None:
    token = KeyFiles(server.folder / "keys").load_or_create("admin_token").hex()
    basic = base64.b64encode(f"admin:{token}".encode()).decode()
    body = {"recipientDid": account.did, "senderDid": account.did, "content": CONTENT, "subject": subject}
    status, answer = json_request(
        f"{server.url}/xrpc/com.atproto.admin.sendEmail", body, headers={"Authorization": f"Basic {basic}"}
    )
    assert (status, answer) == (200, {"sent": True})


def test_a_mail_goes_to_the_account_and_its_text_not_to_the_log(relay: SmtpServer, server: Tempest) -> None:
    account = sign_up(server)
    send_email(server, account, "About your report")
    [received] = relay.wait_for()
    assert received.recipients == (f"{account.handle}@mail.test",)
    assert (received.subject, received.encrypted) == ("About your report", True)
    assert CONTENT in received.text
    deadline = time.monotonic() + 20
    while "mail.handed_over" not in (log := server.log.read_text()):
        assert time.monotonic() < deadline, log
        time.sleep(0.02)
    for secret in (CONTENT, "7f3a9c21", PASSWORD):
        assert secret not in log


def test_a_relay_that_hangs_holds_up_no_request_and_a_kill_loses_no_mail(relay: SmtpServer, server: Tempest) -> None:
    account = sign_up(server)
    relay.script["DATA"] = Trouble.HANGS
    started = time.monotonic()
    for number in range(5):
        send_email(server, account, str(number))
    assert time.monotonic() - started < 5
    relay.wait_for_command("DATA")
    server.kill()
    relay.script.clear()
    server.start()
    # One that the relay had taken when the server died comes twice, as the same mail.
    received = relay.wait_until(lambda mails: {mail.subject for mail in mails} == {"0", "1", "2", "3", "4"})
    assert len({each.message["Message-ID"] for each in received}) == 5


def test_the_server_starts_and_works_without_its_relay(relay: SmtpServer, server: Tempest) -> None:
    server.stop()
    relay.stop()
    server.start()
    account = sign_up(server)
    send_email(server, account, "later")
    relay.start()
    assert [each.subject for each in relay.wait_for()] == ["later"]
