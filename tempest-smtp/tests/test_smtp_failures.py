"""What a mail server may do to a mail, and what becomes of it: refused for good, or to be tried again."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable

import pytest
import pytest_asyncio
from tests.support.smtp_server import SmtpServer, Trouble

from tempest_pds_plugins import Mail, Mailer, MailPostponed, MailRefused, MailUnavailable

MakeMailer = Callable[..., Mailer]
CODE = "ABCDE-FGHIJ"
MAIL = Mail(
    "alice@example.org",
    "Your code",
    f"Your code is {CODE}.\n",
    f'<a href="https://pds.example.com/confirm?code={CODE}">{CODE}</a>',
)


@pytest_asyncio.fixture
async def mailer(clear_server: SmtpServer, make_mailer: MakeMailer) -> AsyncIterator[Mailer]:
    mailer = make_mailer(clear_server, TEMPEST_SMTP_TLS="false")
    await mailer.open()
    yield mailer
    await mailer.close()


@pytest_asyncio.fixture
async def impatient(clear_server: SmtpServer, make_mailer: MakeMailer) -> Mailer:
    """A mailer that waits a fifth of a second for an answer, and one second for that to the content."""
    mailer = make_mailer(clear_server, TEMPEST_SMTP_TLS="false", TEMPEST_SMTP_TIMEOUT="0.2")
    await mailer.open()
    return mailer


@pytest.mark.parametrize("command", ["RCPT", "DATA"])
async def test_a_permanent_answer_refuses_the_mail(clear_server: SmtpServer, mailer: Mailer, command: str) -> None:
    clear_server.script[command] = "550 5.1.1 No such user here"
    with pytest.raises(MailRefused, match=r"localhost:\d+ refuses the (recipient|mail): 550 5\.1\.1 No such user here"):
        await mailer.send(MAIL)
    assert clear_server.received() == []


@pytest.mark.parametrize("command", ["EHLO", "MAIL", "RCPT", "DATA"])
async def test_a_passing_answer_is_no_refusal(clear_server: SmtpServer, mailer: Mailer, command: str) -> None:
    clear_server.script[command] = "451 4.7.1 Greylisted, come back in 300 seconds"
    with pytest.raises(MailUnavailable, match=r"451 4\.7\.1 Greylisted, come back in 300 seconds"):
        await mailer.send(MAIL)
    del clear_server.script[command]
    await mailer.send(MAIL)
    assert len(clear_server.received()) == 1


@pytest.mark.parametrize("command", ["RCPT", "DATA"])
async def test_a_passing_answer_to_the_recipient_or_the_content_postpones_that_mail_alone(
    clear_server: SmtpServer, mailer: Mailer, command: str
) -> None:
    clear_server.script[command] = "451 4.7.1 Greylisted"
    with pytest.raises(MailPostponed):
        await mailer.send(MAIL)


@pytest.mark.parametrize(
    ("command", "answer"),
    [
        ("EHLO", "451 4.3.0 Try later"),
        ("MAIL", "451 4.3.0 Try later"),
        ("RCPT", "421 4.3.2 Shutting down"),
        ("DATA", "421 4.3.2 Shutting down"),
    ],
)
async def test_an_answer_that_every_mail_would_get_is_of_the_mail_server(
    clear_server: SmtpServer, mailer: Mailer, command: str, answer: str
) -> None:
    clear_server.script[command] = answer
    with pytest.raises(MailUnavailable) as caught:
        await mailer.send(MAIL)
    assert not isinstance(caught.value, MailPostponed)


async def test_a_refused_sender_is_for_the_operator_to_change(clear_server: SmtpServer, mailer: Mailer) -> None:
    clear_server.script["MAIL"] = "550 5.7.1 Sender not allowed"
    with pytest.raises(MailUnavailable, match=r"TEMPEST_SMTP_FROM_ADDRESS: 550 5\.7\.1 Sender not allowed"):
        await mailer.send(MAIL)


@pytest.mark.parametrize("command", ["EHLO", "MAIL", "RCPT", "DATA"])
async def test_a_cut_connection_is_no_refusal(clear_server: SmtpServer, mailer: Mailer, command: str) -> None:
    clear_server.script[command] = Trouble.DROPS
    with pytest.raises(MailUnavailable, match="closed the connection"):
        await mailer.send(MAIL)
    assert clear_server.received() == []


async def test_a_connection_cut_before_the_answer_counts_as_not_sent(clear_server: SmtpServer, mailer: Mailer) -> None:
    """The mail has arrived, and nobody can know: it is sent again, under the same Message-ID."""
    clear_server.script["DATA"] = Trouble.TAKES_AND_DROPS
    mail = Mail("alice@example.org", "s", "t", id="the-same")
    with pytest.raises(MailUnavailable):
        await mailer.send(mail)
    clear_server.script.clear()
    await mailer.send(mail)
    assert [received.message["Message-ID"] for received in clear_server.received()] == ["<the-same@example.com>"] * 2


@pytest.mark.parametrize("command", ["EHLO", "MAIL", "RCPT", "DATA"])
async def test_a_silent_server_is_given_up_after_the_timeout(
    clear_server: SmtpServer, impatient: Mailer, command: str
) -> None:
    clear_server.script[command] = Trouble.HANGS
    with pytest.raises(MailUnavailable, match="did not answer within"):
        async with asyncio.timeout(10):
            await impatient.send(MAIL)


async def test_a_server_that_does_not_even_greet_is_given_up(make_mailer: MakeMailer) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        mailer = make_mailer(listener.getsockname()[1], TEMPEST_SMTP_TLS="false", TEMPEST_SMTP_TIMEOUT="0.2")
        with pytest.raises(MailUnavailable, match="did not answer within"):
            async with asyncio.timeout(10):
                await mailer.send(MAIL)


async def test_what_does_not_speak_smtp_is_told(make_mailer: MakeMailer) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await writer.drain()
        writer.close()

    listening = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with listening:
        mailer = make_mailer(listening.sockets[0].getsockname()[1], TEMPEST_SMTP_TLS="false")
        with pytest.raises(MailUnavailable):
            await mailer.send(MAIL)


@pytest.mark.parametrize("host", ["localhost", "mail.invalid"])
async def test_a_server_that_is_not_there_is_told_by_name(make_mailer: MakeMailer, host: str) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))  # taken, and not listening
        mailer = make_mailer(closed.getsockname()[1], TEMPEST_SMTP_HOST=host, TEMPEST_SMTP_TLS="false")
        with pytest.raises(MailUnavailable, match=rf"^{host}:\d+ cannot be reached: ."):
            await mailer.send(MAIL)


@pytest.mark.parametrize(
    "answer",
    [
        f"550 5.7.1 Rejected: your message says '{CODE}'",
        f"550 5.7.1 URL https://pds.example.com/confirm?code={CODE} is listed",
        f"451 4.7.1 try later {CODE.lower()}",
    ],
)
async def test_an_answer_that_repeats_the_code_is_told_by_its_number(
    clear_server: SmtpServer, mailer: Mailer, answer: str
) -> None:
    clear_server.script["DATA"] = answer
    with pytest.raises((MailRefused, MailUnavailable)) as caught:
        await mailer.send(MAIL)
    assert CODE.casefold() not in str(caught.value).casefold()
    assert answer[:3] in str(caught.value)
    assert caught.value.__cause__ is None


async def test_an_answer_of_many_lines_becomes_one(clear_server: SmtpServer, mailer: Mailer) -> None:
    clear_server.script["RCPT"] = "550-5.7.1 First\r\n550-5.7.1 second\x1b[31m\r\n550 5.7.1 " + "x" * 400
    with pytest.raises(MailRefused) as caught:
        await mailer.send(MAIL)
    message = str(caught.value)
    assert message.isprintable()
    assert "First 5.7.1 second" in message
    assert len(message) < 400


async def test_a_mail_that_was_taken_is_sent_whatever_happens_afterwards(
    clear_server: SmtpServer, impatient: Mailer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A goodbye that is cut off does not make a mail go out twice."""
    from aiosmtpd.smtp import SMTP

    async def cut(connection: SMTP, argument: str) -> None:
        assert connection.transport is not None
        connection.transport.abort()  # type: ignore[attr-defined]  # it is a transport that writes

    monkeypatch.setattr(SMTP, "smtp_QUIT", cut)
    await impatient.send(MAIL)
    assert len(clear_server.received()) == 1
