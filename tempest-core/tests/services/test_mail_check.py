"""What trying the mailer out tells the operator."""

import asyncio

import pytest

from tempest_pds.services import mail_check
from tempest_pds.services.mail_check import check_mailer, send_test_mail
from tempest_pds_plugins.errors import InvalidMail, MailRefused, MailUnavailable
from tempest_pds_plugins.mailer import Mail
from tempest_pds_plugins.memory import MemoryMailer


class Broken(MemoryMailer):
    def __init__(self, error: Exception) -> None:
        super().__init__()
        self._error = error

    async def send(self, mail: Mail) -> None:
        raise self._error

    async def check(self) -> None:
        raise self._error


class Silent(MemoryMailer):
    async def check(self) -> None:
        await asyncio.Event().wait()


async def test_a_mailer_that_works_has_no_trouble_and_a_check_sends_nothing() -> None:
    mailer = MemoryMailer()
    assert await check_mailer(mailer) is None
    assert mailer.sent == []


async def test_a_test_mail_says_where_it_comes_from() -> None:
    mailer = MemoryMailer()
    assert await send_test_mail(mailer, "alice@example.org", "pds.example.com") is None
    [sent] = mailer.sent
    assert (sent.to, sent.subject) == ("alice@example.org", "A test mail from pds.example.com")
    assert "pds.example.com" in sent.text


@pytest.mark.parametrize("error", [MailUnavailable("cannot be\nreached"), MailRefused("cannot be\nreached")])
async def test_trouble_is_one_line(error: Exception) -> None:
    assert await check_mailer(Broken(error)) == "cannot be reached"
    assert await send_test_mail(Broken(error), "alice@example.org", "localhost") == "cannot be reached"


async def test_a_fault_of_the_adapter_is_told_without_its_message() -> None:
    assert await check_mailer(Broken(KeyError("hunter2"))) == "a fault of the mailer: KeyError"


async def test_a_mailer_that_never_answers_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mail_check, "_SECONDS", 0.05)
    assert await check_mailer(Silent()) == "no result within 0.05 seconds"


async def test_a_text_that_is_no_address_is_the_operators_mistake() -> None:
    with pytest.raises(InvalidMail):
        await send_test_mail(MemoryMailer(), "nobody", "localhost")
