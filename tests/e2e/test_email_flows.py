"""Codes by mail, from the request to the mailbox and back: real servers, a real mail server, the official clients."""

import json
import re
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from atproto import Client, models
from atproto_client.exceptions import BadRequestError, UnauthorizedError
from tests.support.account import Account, CallRefused, sign_up
from tests.support.chromium import Chromium
from tests.support.node import Node
from tests.support.process import ServerProcess, json_request
from tests.support.reference import PlcDirectory, ReferencePds
from tests.support.server import Tempest
from tests.support.smtp_server import Received, SmtpServer, Trouble

HERE = Path(__file__).parent
CODE = re.compile(r"\b[A-Z2-7]{5}-[A-Z2-7]{5}\b")
SERVER = "com.atproto.server"


@dataclass
class Mailbox:
    """What a mail server has taken, and the codes in it that were used already."""

    relay: SmtpServer
    seen: set[str] = field(default_factory=set)

    def next_code(self, address: str) -> str:
        """Wait for a code that nobody has seen, in a mail to an address."""
        found: list[str] = []

        def has_come(mails: list[Received]) -> bool:
            texts = [mail.text for mail in mails if mail.recipients == (address,)]
            found[:] = [code for text in texts for code in CODE.findall(text) if code not in self.seen]
            return bool(found)

        self.relay.wait_until(has_come)
        self.seen.update(found)
        return found[-1]

    def wait_for(self, address: str, subject: str) -> Received:
        """Wait for a mail to an address under a subject."""

        def matching(mails: list[Received]) -> list[Received]:
            return [mail for mail in mails if mail.recipients == (address,) and mail.subject == subject]

        return matching(self.relay.wait_until(lambda mails: bool(matching(mails))))[-1]


@pytest.fixture(scope="module")
def mailbox() -> Iterator[Mailbox]:
    with SmtpServer() as relay:
        yield Mailbox(relay)


@pytest.fixture(scope="module")
def mailing_reference(
    node: Node, plc: PlcDirectory, mailbox: Mailbox, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ReferencePds]:
    settings = {
        "PDS_EMAIL_SMTP_URL": f"smtp://localhost:{mailbox.relay.port}",
        "PDS_EMAIL_FROM_ADDRESS": "reference@example.com",
    }
    with ReferencePds(node, tmp_path_factory.mktemp("mailing") / "reference", plc.url, **settings) as server:
        yield server


@pytest.fixture(scope="module")
def mailing_tempest(mailbox: Mailbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tempest]:
    with Tempest(tmp_path_factory.mktemp("mailing") / "tempest", **mailbox.relay.settings()) as server:
        yield server


@pytest.mark.parametrize("which", ["mailing_reference", "mailing_tempest"])
def test_the_typescript_client_confirms_changes_and_resets(
    which: str, node: Node, mailbox: Mailbox, request: pytest.FixtureRequest
) -> None:
    server: ServerProcess = request.getfixturevalue(which)
    checks = []
    with subprocess.Popen(
        node.command(HERE / "email_client.mjs", server.url),
        env=node.environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as client:
        assert client.stdin is not None
        assert client.stdout is not None
        for line in client.stdout:
            said = json.loads(line)
            if "mail_to" in said:
                client.stdin.write(mailbox.next_code(said["mail_to"]) + "\n")
                client.stdin.flush()
            else:
                checks.append(said)
    assert len(checks) == 6
    assert [check for check in checks if check["error"]] == []


def connect(server: Tempest, account: Account) -> Client:
    client = Client(base_url=f"{server.url}/xrpc")
    session = client.com.atproto.server.create_session(
        models.ComAtprotoServerCreateSession.Data(identifier=account.handle, password=account.password)
    )
    client._set_session("create", session)
    return client


def test_the_python_client_confirms_changes_and_resets(mailing_tempest: Tempest, mailbox: Mailbox) -> None:
    account = sign_up(mailing_tempest, "py")
    old, new = f"{account.handle}@mail.test", f"new-{account.handle}@mail.test"
    server = connect(mailing_tempest, account).com.atproto.server
    server.request_email_confirmation()
    server.confirm_email(models.ComAtprotoServerConfirmEmail.Data(email=old, token=mailbox.next_code(old)))
    assert server.get_session().email_confirmed
    assert server.request_email_update().token_required
    token = mailbox.next_code(old)
    with pytest.raises(BadRequestError) as refused:
        server.update_email(models.ComAtprotoServerUpdateEmail.Data(email=new))
    assert refused.value.response is not None
    assert refused.value.response.content.error == "TokenRequired"
    server.update_email(models.ComAtprotoServerUpdateEmail.Data(email=new, token=token))
    told = mailbox.wait_for(old, f"The e-mail address of @{account.handle} was changed")
    assert new not in told.text + told.html
    anybody = Client(base_url=f"{mailing_tempest.url}/xrpc").com.atproto.server
    anybody.request_password_reset(models.ComAtprotoServerRequestPasswordReset.Data(email=new))
    code = mailbox.next_code(new)
    brought = mailbox.wait_for(new, f"Reset the password of @{account.handle}")
    for part in (brought.text, brought.html):
        for needed in (code, f"@{account.handle}", "localhost", "15 minutes"):
            assert needed in " ".join(part.split())
    reset = models.ComAtprotoServerResetPassword.Data(token=code, password="another long password")
    anybody.reset_password(reset)
    mailbox.wait_for(new, f"The password of @{account.handle} was changed")
    with pytest.raises(UnauthorizedError):
        connect(mailing_tempest, account)
    account.password = "another long password"
    connect(mailing_tempest, account)


def test_an_address_without_an_account_is_answered_alike_and_mailed_nothing(
    mailing_tempest: Tempest, mailbox: Mailbox
) -> None:
    account = sign_up(mailing_tempest, "who")
    known, unknown = f"{account.handle}@mail.test", f"nobody-{account.handle}@mail.test"
    url = f"{mailing_tempest.url}/xrpc/{SERVER}.requestPasswordReset"
    assert json_request(url, {"email": unknown}) == json_request(url, {"email": known}) == (200, None)
    mailbox.next_code(known)
    assert not [mail for mail in mailbox.relay.received() if unknown in mail.recipients]


def test_an_address_is_anybody_s_until_somebody_confirms_it(mailing_tempest: Tempest, mailbox: Mailbox) -> None:
    first, free = sign_up(mailing_tempest, "first"), sign_up(mailing_tempest, "free")
    address = f"{first.handle}@mail.test"
    given = {"handle": f"x{first.handle}", "email": address.upper(), "password": "correct horse battery"}
    url = f"{mailing_tempest.url}/xrpc/{SERVER}"
    status, made = json_request(f"{url}.createAccount", given)
    assert status == 200
    assert isinstance(made, dict)
    second = Account(mailing_tempest, made["did"], made["handle"], "", made["accessJwt"], made["refreshJwt"])
    free.procedure(f"{SERVER}.updateEmail", email=address)
    assert json_request(f"{url}.requestPasswordReset", {"email": address}) == (200, None)
    for account in (first, second, free):
        assert f"@{account.handle}" in mailbox.wait_for(address, f"Reset the password of @{account.handle}").text
    mailbox.next_code(address)

    second.procedure(f"{SERVER}.requestEmailConfirmation")
    for account in (second, first):
        code = mailbox.next_code(address)
        if account is second:
            first.procedure(f"{SERVER}.requestEmailConfirmation")
            second.procedure(f"{SERVER}.confirmEmail", email=address, token=code)
        else:
            with pytest.raises(CallRefused, match="confirmed for another account here already"):
                first.procedure(f"{SERVER}.confirmEmail", email=address, token=code)
    late = {**given, "handle": f"y{first.handle}"}
    assert json_request(f"{url}.createAccount", late)[0] == 200
    told = mailbox.wait_for(address, f"The e-mail address of @{second.handle} was given for another account")
    # One such mail is sent a day, of the account that was looked at first once the address was confirmed.
    words, given_again = " ".join(told.text.split()), (late["handle"], first.handle, free.handle)
    assert any(f"gave this address for the account @{handle} on" in words for handle in given_again)
    login = {"identifier": address, "password": "correct horse battery"}
    _, session = json_request(f"{url}.createSession", login)
    assert isinstance(session, dict)
    assert session["did"] == second.did


def test_a_code_that_was_asked_for_outlives_the_server(mailing_tempest: Tempest, mailbox: Mailbox) -> None:
    account = sign_up(mailing_tempest, "kill")
    address = f"{account.handle}@mail.test"
    mailbox.relay.script["DATA"] = Trouble.HANGS
    account.procedure(f"{SERVER}.requestEmailConfirmation")
    mailing_tempest.kill()
    mailbox.relay.script.clear()
    mailing_tempest.start()
    account.procedure(f"{SERVER}.confirmEmail", email=address, token=mailbox.next_code(address))
    assert account.query(f"{SERVER}.getSession")["emailConfirmed"]


def test_no_code_and_no_address_is_in_the_log(mailing_tempest: Tempest, mailbox: Mailbox) -> None:
    account = sign_up(mailing_tempest, "log")
    address = f"{account.handle}@mail.test"
    before = mailing_tempest.log.read_text().count("mail.handed_over")
    account.procedure(f"{SERVER}.requestEmailConfirmation")
    code = mailbox.next_code(address)
    deadline = time.monotonic() + 20
    while (log := mailing_tempest.log.read_text()).count("mail.handed_over") == before:
        assert time.monotonic() < deadline, log
        time.sleep(0.02)
    assert code in mailbox.seen
    assert [secret for secret in (*mailbox.seen, "@mail.test") if secret in log] == []


@pytest.mark.parametrize(("width", "scheme"), [(700, "light"), (320, "dark")])
def test_a_mail_can_be_read_and_its_code_be_taken_with_one_click(
    mailing_tempest: Tempest, mailbox: Mailbox, browser: Chromium, tmp_path: Path, width: int, scheme: str
) -> None:
    account = sign_up(mailing_tempest, f"look-{scheme}"[:8])
    address = f"{account.handle}@mail.test"
    account.procedure(f"{SERVER}.requestEmailConfirmation")
    code = mailbox.next_code(address)
    page = tmp_path / "mail.html"
    page.write_text(mailbox.wait_for(address, f"Confirm your e-mail address for @{account.handle}").html)
    browser.show_as(width, scheme)
    browser.open(page.as_uri())
    browser.wait_for("document.querySelector('h1')")
    text = browser.evaluate("getComputedStyle(document.body).color")
    assert text == {"light": "rgb(0, 0, 0)", "dark": "rgb(255, 255, 255)"}[scheme]
    assert browser.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert browser.evaluate("performance.getEntriesByType('resource').length") == 0
    where = browser.evaluate(
        f"(r => [r.x + r.width / 2, r.y + r.height / 2, r.height])("
        f"[...document.querySelectorAll('p')].find(p => p.textContent === '{code}').getBoundingClientRect())"
    )
    for kind in ("mousePressed", "mouseReleased"):
        browser.call("Input.dispatchMouseEvent", type=kind, x=where[0], y=where[1], button="left", clickCount=1)
    assert browser.evaluate("getSelection().toString().trim()") == code
    assert where[2] < 100, "the code is on one line"
    assert browser.complaints == []
