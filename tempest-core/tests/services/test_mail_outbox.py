"""The outbox of mails: what waits in it, and what it says of itself."""

import asyncio
import sqlite3

import pytest
from mail_office import CODE, Office, away, mail, rows_of
from structlog.typing import EventDict

from tempest_pds.services import mail_outbox
from tempest_pds.services.errors import NotEnoughResources
from tempest_pds_plugins.errors import MailRefused


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
