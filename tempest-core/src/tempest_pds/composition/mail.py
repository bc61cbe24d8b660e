"""The outbox of mails, made and started. Part of the composition root."""

from __future__ import annotations

from contextlib import AsyncExitStack

from tempest_pds.services.account_writer import AccountWriter
from tempest_pds.services.mail_outbox import MailOutbox, RetryPace
from tempest_pds.settings import Settings
from tempest_pds.stores.account.account_store import AccountStore
from tempest_pds_plugins.mailer import Mailer


def open_mail(
    settings: Settings,
    accounts: AccountStore,
    writer: AccountWriter,
    mailer: Mailer,
    stack: AsyncExitStack,
    *,
    sending: bool,
    mail_goes_out: bool,
) -> MailOutbox:
    """Start to send what waits; the stack stops it, before `writer` and `mailer` are closed.

    Args:
        sending: false where nobody stays to learn what becomes of a mail, so that it would be sent again and again.
            What is posted waits for the next start of the server.
        mail_goes_out: whether the mailer does more than to write to the log.
    """
    pace = RetryPace(first_seconds=settings.mail_retry_seconds)
    outbox = MailOutbox(accounts, writer, mailer, mail_goes_out=mail_goes_out, pace=pace)
    if sending:
        outbox.start()
        stack.push_async_callback(outbox.close)
    return outbox
