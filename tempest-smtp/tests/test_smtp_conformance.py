"""The conformance kit over a real mail server: in clear text, and as one signs in over STARTTLS."""

from collections.abc import Callable, Sequence

import pytest
from tests.support.smtp_server import PASSWORD, USERNAME, SmtpServer

from tempest_pds_plugins import Mail, Mailer
from tempest_pds_plugins.testing import MailerContract

MakeMailer = Callable[..., Mailer]


def as_mails(server: SmtpServer) -> list[Mail]:
    return [Mail(one.recipients[0], one.subject, one.text, one.html) for one in server.received()]


class TestInClearText(MailerContract):
    @pytest.fixture
    def mailer(self, clear_server: SmtpServer, make_mailer: MakeMailer) -> Mailer:
        self.server = clear_server
        return make_mailer(clear_server, TEMPEST_SMTP_TLS="false")

    async def delivered(self, mailer: Mailer) -> Sequence[Mail]:
        return as_mails(self.server)


class TestOverStarttls(MailerContract):
    @pytest.fixture
    def mailer(self, server: SmtpServer, make_mailer: MakeMailer) -> Mailer:
        self.server = server
        return make_mailer(server, TEMPEST_SMTP_USERNAME=USERNAME, TEMPEST_SMTP_PASSWORD=PASSWORD)

    async def delivered(self, mailer: Mailer) -> Sequence[Mail]:
        return as_mails(self.server)
