"""When mails are tried again, and when they are given up."""

from mail_office import CODE, Office, away, mail
from structlog.typing import EventDict

from tempest_pds.services.mail_outbox import MailOutbox, RetryPace
from tempest_pds_plugins.errors import MailPostponed, MailRefused


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


async def test_a_success_ends_the_failing(office: Office) -> None:
    office.relay.trouble = away
    await office.outbox.post(mail())
    await office.until(lambda: office.outbox.standing().failing_since is not None, "failing")
    office.relay.trouble = lambda mail: None
    await office.outbox.post(mail("two"))
    await office.until(lambda: office.outbox.standing().failing_since is None, "the end of it")
