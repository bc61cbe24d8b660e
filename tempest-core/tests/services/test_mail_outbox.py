"""The outbox of mails, over a real account file and a mailer that does what the test says."""

import asyncio
import sqlite3
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest
import structlog
from structlog.testing import capture_logs
from structlog.typing import EventDict

from tempest_pds.services import mail_outbox
from tempest_pds.services.account_writer import AccountWriter
from tempest_pds.services.errors import NotEnoughResources
from tempest_pds.services.mail_outbox import MailOutbox, RetryPace
from tempest_pds.stores.account.account_store import AccountStore
from tempest_pds_plugins.errors import MailPostponed, MailRefused, MailUnavailable
from tempest_pds_plugins.mailer import Mail, Mailer

CODE = "ABCDE-FGHIJ"


class Clock:
    def __init__(self) -> None:
        self.now = 1_700_000_000.0

    def __call__(self) -> float:
        return self.now


class Relay(Mailer):
    """Takes mails, or raises what `trouble` makes; waits in between while it is held."""

    def __init__(self) -> None:
        self.tried: list[Mail] = []
        self.sent: list[Mail] = []
        self.trouble: Callable[[Mail], Exception | None] = lambda mail: None
        self.open_for_mail = asyncio.Event()
        self.open_for_mail.set()
        self.most_at_once = 0
        self._at_once = 0

    async def send(self, mail: Mail) -> None:
        self._at_once += 1
        self.most_at_once = max(self.most_at_once, self._at_once)
        self.tried.append(mail)
        try:
            await self.open_for_mail.wait()
            trouble = self.trouble(mail)
            if trouble is not None:
                raise trouble
            self.sent.append(mail)
        finally:
            self._at_once -= 1

    def subjects(self) -> list[str]:
        return [mail.subject for mail in self.sent]


class Office:
    """An outbox with all that it works with, which can be started again over the same file."""

    def __init__(self, folder: Path) -> None:
        self.store = AccountStore(folder / "account.sqlite")
        self.writer = AccountWriter()
        self.relay = Relay()
        self.clock = Clock()
        self.outbox = self.new_outbox()

    def new_outbox(self, first_seconds: float = 30.0) -> MailOutbox:
        return MailOutbox(
            self.store,
            self.writer,
            self.relay,
            pace=RetryPace(first_seconds),
            clock=self.clock,
            spread=lambda: 0.5,
        )

    async def restart(self) -> None:
        await self.outbox.close()
        self.outbox = self.new_outbox()
        self.outbox.start()

    async def until(self, condition: Callable[[], bool], what: str = "what was waited for") -> None:
        deadline = time.monotonic() + 10
        while not condition():
            assert time.monotonic() < deadline, f"never: {what}"
            await asyncio.sleep(0.005)

    def waiting(self) -> int:
        return self.outbox.standing().waiting

    def attempts(self) -> list[int]:
        return [waiting.attempts for waiting in self.store.waiting_mails.soonest(100)]

    def pauses(self) -> list[float]:
        return [each.next_attempt_at / 1_000_000 - self.clock.now for each in self.store.waiting_mails.soonest(100)]


def mail(subject: str = "one", to: str = "alice@example.org") -> Mail:
    return Mail(to, subject, f"Your code is {CODE}.", f"<b>{CODE}</b>")


def away(_: Mail) -> Exception:
    return MailUnavailable("mail.test:587 cannot be reached: <alice@example.org> must wait\nfor ever")


@pytest.fixture
async def office(tmp_path: Path) -> AsyncIterator[Office]:
    office = Office(tmp_path)
    office.outbox.start()
    yield office
    office.relay.open_for_mail.set()
    await office.outbox.close()
    office.writer.close()
    office.store.close()


@pytest.fixture
def logged() -> Iterator[list[EventDict]]:
    structlog.reset_defaults()
    with capture_logs() as events:
        yield events


def rows_of(office: Office) -> int:
    """Count the rows on a connection of its own: what a process after this one would find."""
    connection = sqlite3.connect(office.store.database.path)
    try:
        return int(connection.execute("SELECT count(*) FROM mail_outbox").fetchone()[0])
    finally:
        connection.close()


async def test_a_mail_is_on_the_disk_when_post_returns_and_gone_once_it_was_sent(office: Office) -> None:
    office.relay.open_for_mail.clear()
    await office.outbox.post(mail())
    assert rows_of(office) == 1
    office.relay.open_for_mail.set()
    await office.until(lambda: office.waiting() == 0, "sent")
    assert rows_of(office) == 0
    [sent] = office.relay.sent
    assert (sent.to, sent.subject, sent.text, sent.html) == (mail().to, "one", mail().text, mail().html)


async def test_post_waits_for_no_mail_server(office: Office) -> None:
    office.relay.open_for_mail.clear()
    async with asyncio.timeout(5):
        for number in range(20):
            await office.outbox.post(mail(str(number)))
    assert office.relay.sent == []
    assert office.waiting() == 20


async def test_a_few_are_sent_at_once_in_the_order_of_posting(office: Office) -> None:
    office.relay.open_for_mail.clear()
    for number in range(11):
        await office.outbox.post(mail(f"{number:02d}"))
    await office.until(lambda: len(office.relay.tried) == 4, "begun")
    office.relay.open_for_mail.set()
    await office.until(lambda: office.waiting() == 0, "sent")
    assert office.relay.most_at_once == 4
    assert sorted(office.relay.subjects()) == [f"{number:02d}" for number in range(11)]
    assert [each.subject for each in office.relay.tried[:4]] == ["00", "01", "02", "03"]


async def test_what_a_mailer_did_not_take_is_tried_again_under_the_same_id(office: Office) -> None:
    office.relay.trouble = away
    await office.outbox.post(mail())
    await office.until(lambda: office.attempts() == [1], "one attempt")
    office.relay.trouble = lambda mail: None
    office.clock.now += 30
    await office.outbox.post(mail("another"))  # which has the outbox look at the clock
    await office.until(lambda: office.waiting() == 0, "sent")
    assert len({tried.id for tried in office.relay.tried if tried.subject == "one"}) == 1
    assert len({tried.id for tried in office.relay.tried}) == 2


async def test_the_pause_doubles_up_to_half_an_hour(office: Office) -> None:
    office.relay.trouble = away
    await office.outbox.post(mail())
    pauses = []
    for attempts in range(1, 10):
        await office.until(lambda count=attempts: office.attempts() == [count], "an attempt")  # type: ignore[misc]
        pauses += [round(pause) for pause in office.pauses()]
        office.clock.now += pauses[-1] + 1
        office.outbox._stirred.set()
    assert pauses == [30, 60, 120, 240, 480, 960, 1800, 1800, 1800]


def test_pauses_are_spread_so_that_mails_do_not_come_all_at_once() -> None:
    pace = RetryPace(first_seconds=100)
    assert (pace.pause(1, 0.0), pace.pause(1, 1.0)) == (75, 125)
    assert pace.pause(10_000, 0.5) == 1800


async def test_a_pause_ends_by_itself(office: Office) -> None:
    await office.outbox.close()
    office.outbox = MailOutbox(office.store, office.writer, office.relay, pace=RetryPace(0.05, 0.05))
    office.outbox.start()
    office.relay.trouble = lambda mail: None if len(office.relay.tried) > 3 else away(mail)
    await office.outbox.post(mail())
    await office.until(lambda: office.waiting() == 0, "sent")
    assert len(office.relay.tried) == 4


async def test_after_a_day_a_mail_is_given_up(office: Office, logged: list[EventDict]) -> None:
    office.relay.trouble = away
    await office.outbox.post(mail())
    for _ in range(200):
        if office.waiting() == 0:
            break
        tried = len(office.relay.tried)
        office.clock.now += 1801
        office.outbox._stirred.set()
        await office.until(
            lambda count=tried: len(office.relay.tried) > count or office.waiting() == 0,  # type: ignore[misc]
            "an attempt",
        )
        await office.until(lambda: not office.outbox._sending, "its end")
    assert office.waiting() == 0
    assert 40 < len(office.relay.tried) < 60
    assert office.outbox.standing().given_up == 1
    assert [event["log_level"] for event in logged if event["event"] == "mail.given_up"] == ["error"]


async def test_a_mail_past_its_time_is_not_sent(office: Office) -> None:
    office.relay.trouble = away
    await office.outbox.post(mail(), lifetime_seconds=900)
    await office.until(lambda: office.attempts() == [1], "one attempt")
    await office.outbox.close()
    office.relay.trouble = lambda mail: None
    office.clock.now += 901
    await office.restart()
    await office.until(lambda: office.waiting() == 0, "dropped")
    assert office.relay.sent == []
    assert office.outbox.standing().given_up == 1


async def test_a_refused_mail_is_given_up_at_once_and_the_others_go_on(office: Office) -> None:
    office.relay.trouble = lambda mail: MailRefused("550 no such user") if mail.subject == "bad" else None
    await office.outbox.post(mail("bad"))
    await office.outbox.post(mail("good"))
    await office.until(lambda: office.waiting() == 0, "both gone")
    assert office.relay.subjects() == ["good"]
    assert len(office.relay.tried) == 2
    assert office.outbox.standing().given_up == 1


async def test_a_fault_of_the_mailer_is_no_refusal(office: Office, logged: list[EventDict]) -> None:
    office.relay.trouble = lambda mail: RuntimeError(mail.text)
    await office.outbox.post(mail())
    await office.until(lambda: office.attempts() == [1], "one attempt")
    assert office.outbox.standing().last_error == "a fault of the mailer: RuntimeError"
    assert CODE not in str(logged)


async def test_what_waits_goes_out_when_one_mail_was_taken_again(office: Office) -> None:
    """Nobody waits for the end of a long pause once the mail server is back."""
    office.relay.trouble = away
    for number in range(3):
        await office.outbox.post(mail(str(number)))
    await office.until(lambda: office.attempts() == [1, 1, 1], "one attempt each")
    office.relay.trouble = lambda mail: None
    await office.outbox.post(mail("new"))
    await office.until(lambda: office.waiting() == 0, "all sent")
    assert sorted(office.relay.subjects()) == ["0", "1", "2", "new"]


async def test_mails_that_alone_have_to_wait_are_not_tried_whenever_another_is_taken(office: Office) -> None:
    """A recipient's server that greylists says nothing of the mail server, which takes all others."""
    office.relay.trouble = lambda mail: MailPostponed("451 come back later") if mail.subject == "grey" else None
    for number in range(10):
        await office.outbox.post(mail("grey"))
        await office.outbox.post(mail(f"good {number}"))
    await office.until(lambda: len(office.relay.sent) == 10 and office.attempts() == [1] * 10, "one attempt each")
    await office.until(lambda: not office.outbox._sending, "the end of all attempts")
    assert [tried.subject for tried in office.relay.tried].count("grey") == 10
    assert [round(pause) for pause in office.pauses()] == [30] * 10
    assert office.outbox.standing().failing_since is None


async def test_a_mail_that_alone_has_to_wait_does_not_end_the_failing_of_the_mail_server(office: Office) -> None:
    office.relay.trouble = away
    await office.outbox.post(mail())
    await office.until(lambda: office.attempts() == [1], "one attempt")
    office.relay.trouble = lambda mail: MailPostponed("451 come back later")
    await office.outbox.post(mail("grey"))
    await office.until(lambda: office.attempts() == [1, 1], "one attempt each")
    assert office.outbox.standing().last_error is not None
    office.relay.trouble = lambda mail: None
    await office.outbox.post(mail("good"))
    await office.until(lambda: office.waiting() == 0, "all sent")


async def test_what_waits_goes_out_when_the_server_starts(office: Office) -> None:
    office.relay.trouble = away
    await office.outbox.post(mail())
    await office.until(lambda: office.attempts() == [1], "one attempt")
    office.relay.trouble = lambda mail: None
    await office.restart()
    await office.until(lambda: office.waiting() == 0, "sent")
    assert office.relay.subjects() == ["one"]


async def test_standing_tells_what_waits_and_what_is_wrong_without_addresses(office: Office) -> None:
    assert office.outbox.standing() == mail_outbox.MailStanding(0, None, None, None, 0)
    office.relay.trouble = away
    posted_at = office.clock.now
    await office.outbox.post(mail())
    await office.until(lambda: office.attempts() == [1], "one attempt")
    standing = office.outbox.standing()
    assert (standing.waiting, standing.oldest_posted_at, standing.failing_since) == (1, posted_at, posted_at)
    assert standing.last_error == "mail.test:587 cannot be reached: <(address)> must wait for ever"
    office.clock.now += 100
    office.outbox._stirred.set()
    await office.until(lambda: office.attempts() == [2], "two attempts")
    assert office.outbox.standing().failing_since == posted_at
    office.relay.trouble = lambda mail: None
    await office.restart()
    await office.until(lambda: office.waiting() == 0, "sent")
    assert office.outbox.standing() == mail_outbox.MailStanding(0, None, None, None, 0)


async def test_a_success_ends_the_failing(office: Office) -> None:
    office.relay.trouble = away
    await office.outbox.post(mail())
    await office.until(lambda: office.outbox.standing().failing_since is not None, "failing")
    office.relay.trouble = lambda mail: None
    await office.outbox.post(mail("two"))
    await office.until(lambda: office.outbox.standing().failing_since is None, "the end of it")


async def test_the_log_holds_neither_texts_nor_addresses(office: Office, logged: list[EventDict]) -> None:
    troubles = [away(mail()), MailRefused(f"550 alice@example.org: {'x' * 10}"), None]
    for number, trouble in enumerate(troubles):
        office.relay.trouble = lambda mail, trouble=trouble: trouble  # type: ignore[misc]
        await office.outbox.post(mail(f"a private subject {number}"))
        await office.until(lambda count=number: len(office.relay.tried) > count, "an attempt")  # type: ignore[misc]
        await office.until(lambda: not office.outbox._sending, "its end")
    assert {event["event"] for event in logged} == {"mail.postponed", "mail.given_up", "mail.handed_over"}
    assert all(event["domain"] == "example.org" for event in logged)
    for secret in (CODE, "alice@", "private"):
        assert secret not in str(logged)


async def test_close_does_not_wait_for_a_mail_server_that_hangs(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mail_outbox, "_GRACE_SECONDS", 0.05)
    office.relay.open_for_mail.clear()
    await office.outbox.post(mail())
    await office.until(lambda: len(office.relay.tried) == 1, "an attempt")
    async with asyncio.timeout(5):
        await office.outbox.close()
    assert rows_of(office) == 1
    office.relay.open_for_mail.set()
    await office.restart()
    await office.until(lambda: office.waiting() == 0, "sent")


async def test_close_lets_a_mail_that_is_being_sent_end(office: Office) -> None:
    """Otherwise it would go out twice."""
    office.relay.open_for_mail.clear()
    await office.outbox.post(mail())
    await office.until(lambda: len(office.relay.tried) == 1, "an attempt")
    closing = asyncio.create_task(office.outbox.close())
    await asyncio.sleep(0)
    office.relay.open_for_mail.set()
    await closing
    assert len(office.relay.sent) == 1
    assert rows_of(office) == 0


async def test_a_mail_whose_row_cannot_be_deleted_is_not_sent_over_and_over(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    await office.outbox.close()
    office.outbox = office.new_outbox(first_seconds=0.01)
    office.outbox.start()
    delete, refused = office.store.waiting_mails.delete, 0

    def fail_thrice(mail_id: str) -> None:
        nonlocal refused
        if refused < 3:
            refused += 1
            raise sqlite3.OperationalError("database or disk is full")
        delete(mail_id)

    monkeypatch.setattr(office.store.waiting_mails, "delete", fail_thrice)
    await office.outbox.post(mail())
    await office.until(lambda: office.waiting() == 0, "deleted")
    assert (refused, len(office.relay.tried)) == (3, 1)


async def test_a_read_that_fails_does_not_end_the_sending(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    await office.outbox.close()
    office.outbox = office.new_outbox(first_seconds=0.01)
    soonest, failed = office.store.waiting_mails.soonest, 0

    def fail_twice(limit: int) -> object:
        nonlocal failed
        if failed < 2:
            failed += 1
            raise sqlite3.OperationalError("disk I/O error")
        return soonest(limit)

    monkeypatch.setattr(office.store.waiting_mails, "soonest", fail_twice)
    office.outbox.start()
    await office.outbox.post(mail())
    await office.until(lambda: office.waiting() == 0, "sent")


async def test_more_than_thousands_of_waiting_mails_are_refused(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mail_outbox, "_MOST_WAITING", 2)
    office.relay.open_for_mail.clear()
    await office.outbox.post(mail("1"))
    await office.outbox.post(mail("2"))
    with pytest.raises(NotEnoughResources):
        await office.outbox.post(mail("3"))
    assert office.waiting() == 2
