"""What every `Mailer` must do."""

import asyncio
from collections.abc import AsyncIterator, Sequence

import pytest
import pytest_asyncio

from tempest_pds_plugins.mailer import Mail, Mailer


class MailerContract:
    """Subclass with a fixture `mailer` that returns a mailer, not opened, and say in `delivered` what has arrived.

    The text may come back with line ends of another kind and without line ends at its end, as mail servers have it.
    """

    pytestmark = pytest.mark.asyncio

    @pytest_asyncio.fixture
    async def opened(self, mailer: Mailer) -> AsyncIterator[Mailer]:
        await mailer.open()
        yield mailer
        await mailer.close()

    async def delivered(self, mailer: Mailer) -> Sequence[Mail]:
        """Return the mails that have arrived, in order, as whoever receives them sees them."""
        raise AssertionError("a subclass of MailerContract says what has been delivered")

    async def test_mail_arrives(self, opened: Mailer) -> None:
        await self._check(opened, Mail("alice@example.com", "Your code", "Your code is ABCDE-FGHIJ.\n"))

    @pytest.mark.parametrize("subject", ["", "é", "Ünïcödé — 日本語 🦋", "=?utf-8?q?not=20decoded?=", "a" * 300])
    async def test_subject_survives(self, opened: Mailer, subject: str) -> None:
        await self._check(opened, Mail("alice@example.com", subject, "text\n"))

    @pytest.mark.parametrize(
        "text",
        [
            ".\n",
            "..\n.\n.a\n",
            "From here\nFrom there\n",
            "日本語 🦋\n",
            "https://pds.example.com/confirm?code=" + "A" * 2000 + "\n",
            "a = b =3D c\n",
            "one\n\n\ntwo\n",
            "  indented\n\ttab\n",
        ],
    )
    async def test_text_survives(self, opened: Mailer, text: str) -> None:
        await self._check(opened, Mail("alice@example.com", "subject", text))

    async def test_html_stands_beside_the_text(self, opened: Mailer) -> None:
        await self._check(opened, Mail("alice@example.com", "subject", "plain\n", "<p>r&iacute;ch é</p>\n"))

    async def test_mails_at_once_all_arrive(self, opened: Mailer) -> None:
        mails = [Mail(f"user{number}@example.com", f"subject {number}", f"text {number}\n") for number in range(12)]
        await asyncio.gather(*[opened.send(mail) for mail in mails])
        arrived = [_settled(mail) for mail in await self.delivered(opened)]
        assert sorted(arrived, key=repr) == sorted([_settled(mail) for mail in mails], key=repr)

    async def test_same_mail_may_be_sent_again(self, opened: Mailer) -> None:
        """An outbox that does not know whether a mail has gone out sends it once more, under the same id."""
        mail = Mail("alice@example.com", "subject", "text\n", id="b3c1f0d2-1")
        await opened.send(mail)
        await opened.send(mail)
        assert [_settled(arrived) for arrived in await self.delivered(opened)] == [_settled(mail)] * 2

    async def test_check_sends_nothing(self, opened: Mailer) -> None:
        await opened.check()
        assert not await self.delivered(opened)
        await self._check(opened, Mail("alice@example.com", "subject", "text\n"))

    async def test_close_may_be_repeated(self, opened: Mailer) -> None:
        await opened.close()
        await opened.close()

    async def test_close_without_open(self, mailer: Mailer) -> None:
        await mailer.close()

    async def _check(self, mailer: Mailer, mail: Mail) -> None:
        await mailer.send(mail)
        assert [_settled(arrived) for arrived in await self.delivered(mailer)] == [_settled(mail)]


def _settled(mail: Mail) -> tuple[str, str, str, str]:
    return mail.to, mail.subject, "\n".join(mail.text.splitlines()), "\n".join(mail.html.splitlines())
