"""Mails survive the death of the server and of the mail server: all services in a child process, and a real relay."""

import random
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.mail_poster import MailPoster
from tests.support.smtp_server import PASSWORD, USERNAME, Certificates, SmtpServer, Trouble

from tempest_pds.cli.operator import Operator
from tempest_pds_plugins import Mail

CODE = "ABCDE-FGHIJ"


def mail(subject: str) -> Mail:
    return Mail("alice@example.org", subject, f"Your code is {CODE}.\n", f"<p>{CODE}</p>\n")


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture
def relay(certificates: Certificates) -> Iterator[SmtpServer]:
    """A mail server that wants STARTTLS and a password; started by the test."""
    relay = SmtpServer(starttls=certificates, sign_in=True)
    yield relay
    relay.stop()


@pytest.fixture
def poster(relay: SmtpServer, tmp_path: Path) -> Iterator[MailPoster]:
    """A server that sends by the relay; started by the test."""
    poster = MailPoster(tmp_path / "data", relay.settings())
    yield poster
    poster.stop()


def test_a_mail_arrives_encrypted_with_text_and_html(relay: SmtpServer, poster: MailPoster) -> None:
    relay.start()
    poster.start().post(mail("Grüße"))
    [received] = relay.wait_for()
    assert (received.encrypted, received.user, received.subject) == (True, USERNAME, "Grüße")
    assert (received.recipients, received.text.strip()) == (("alice@example.org",), f"Your code is {CODE}.")
    assert received.html.strip() == f"<p>{CODE}</p>"


def test_a_mail_waits_for_a_relay_that_is_away(relay: SmtpServer, poster: MailPoster) -> None:
    """And whoever posts it does not."""
    poster.start()
    started = time.monotonic()
    poster.post(mail("one"))
    assert time.monotonic() - started < 5
    deadline = time.monotonic() + 20
    while "mail.postponed" not in poster.log.read_text():
        assert time.monotonic() < deadline, poster.log.read_text()
        time.sleep(0.05)
    relay.start()
    assert [received.subject for received in relay.wait_for()] == ["one"]


def test_a_relay_that_hangs_holds_up_neither_who_posts_nor_the_end(relay: SmtpServer, poster: MailPoster) -> None:
    relay.start()
    relay.script["EHLO"] = Trouble.HANGS
    poster.start()
    started = time.monotonic()
    for number in range(6):
        poster.post(mail(str(number)))
    assert time.monotonic() - started < 5
    relay.wait_for_command("EHLO")
    stopping = time.monotonic()
    poster.stop()
    assert time.monotonic() - stopping < 10
    relay.script.clear()
    poster.start()
    assert sorted(received.subject for received in relay.wait_for(6)) == [str(number) for number in range(6)]


def test_a_kill_between_post_and_delivery_loses_nothing(relay: SmtpServer, poster: MailPoster) -> None:
    poster.start().post(mail("one"))
    poster.kill()
    relay.start()
    poster.start()
    assert [received.subject for received in relay.wait_for()] == ["one"]


def test_a_kill_while_the_text_is_sent_loses_nothing(relay: SmtpServer, poster: MailPoster) -> None:
    relay.start()
    relay.script["DATA"] = Trouble.HANGS
    poster.start().post(mail("one"))
    relay.wait_for_command("DATA")
    poster.kill()
    assert relay.received() == []
    relay.script.clear()
    poster.start()
    assert [received.subject for received in relay.wait_for()] == ["one"]


def test_a_mail_whose_answer_was_lost_comes_twice_as_one(relay: SmtpServer, poster: MailPoster) -> None:
    """At least once: the relay took it, and nobody was told. The second one has the Message-ID of the first."""
    relay.start()
    relay.script["DATA"] = Trouble.TAKES_AND_DROPS
    poster.start().post(mail("one"))
    relay.wait_for()
    poster.kill()
    relay.script.clear()
    poster.start()
    assert len({received.message["Message-ID"] for received in relay.wait_for(2)}) == 1


def kill_and_count(relay: SmtpServer, poster: MailPoster, rounds: int, *, seed: int) -> None:
    """Kill the server at any instant while it sends; then every mail has arrived, as one."""
    instants = random.Random(seed)
    relay.start()
    posted = 0
    for _ in range(rounds):
        poster.start()
        for _ in range(6):
            poster.post(mail(str(posted)))
            posted += 1
        time.sleep(instants.uniform(0, 0.06))
        poster.kill()
    poster.start().post(mail(str(posted)))
    received = relay.wait_until(lambda mails: len({mail.subject for mail in mails}) > posted, timeout=60)
    ids: dict[str, set[str]] = {}
    for each in received:
        ids.setdefault(each.subject, set()).add(each.message["Message-ID"])
    assert Counter(len(each) for each in ids.values()) == {1: posted + 1}


def test_mails_survive_kill_9_at_any_instant(relay: SmtpServer, poster: MailPoster) -> None:
    kill_and_count(relay, poster, rounds=4, seed=1)


@pytest.mark.long
def test_mails_survive_kill_9_many_times(relay: SmtpServer, poster: MailPoster) -> None:
    kill_and_count(relay, poster, rounds=80, seed=int(time.time()))


def test_neither_code_nor_password_nor_address_is_in_the_log(relay: SmtpServer, poster: MailPoster) -> None:
    relay.start()
    relay.script["DATA"] = f"451 4.7.1 alice@example.org must wait for {CODE}"
    poster.start().post(mail("a private subject"))
    relay.wait_for_command("DATA")
    relay.script["DATA"] = f"550 5.7.1 no {CODE} for alice@example.org"
    deadline = time.monotonic() + 20
    while "mail.given_up" not in (log := poster.log.read_text()):
        assert time.monotonic() < deadline, log
        time.sleep(0.05)
    for secret in (CODE, PASSWORD, "alice@", "private"):
        assert secret not in log


def test_a_command_without_a_server_sends_nothing_of_what_waits(
    relay: SmtpServer, poster: MailPoster, tmp_path: Path
) -> None:
    """It opens the application for a moment, and would be gone before it knew what became of a mail."""
    poster.start().post(mail("one"))
    poster.stop()
    relay.start()
    environ = {"TEMPEST_DATA_DIR": str(tmp_path / "data"), **relay.settings()}
    for _ in range(2):
        with Operator.connect(environ) as operator:
            assert operator.offline
            assert operator.call("/xrpc/_admin/status")["mail"]["waiting"] == 1
    assert relay.received() == []
    poster.start()
    assert [received.subject for received in relay.wait_for()] == ["one"]
