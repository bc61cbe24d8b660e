"""An e-mail address that somebody gives here although another account has confirmed it: its owner is told by mail.

Who gave it must not learn of that other account. So, as for a password reset, all of it happens a moment after the
answer, and costs the server about the same where there is nobody to tell.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import structlog

from tempest_pds.services.account_writer import AccountWriter
from tempest_pds.services.afterwards import Afterwards, a_moment
from tempest_pds.services.email_codes import CodeOutbox, EmailCodes
from tempest_pds.services.mail_texts import MailTexts
from tempest_pds.services.nobody import NOBODY
from tempest_pds.services.security_event_kinds import EventKind
from tempest_pds.services.security_events import SecurityEvents
from tempest_pds.stores.account.account_store import AccountStore
from tempest_pds.stores.account.accounts import Account
from tempest_pds_plugins.mailer import Mail

_log = structlog.get_logger("tempest_pds.address_notices")


class AddressNotices:
    """Tell owners of confirmed addresses, each once a day at most.

    Args:
        pause: gives the seconds to wait after the answer.
    """

    def __init__(
        self,
        *,
        store: AccountStore,
        writer: AccountWriter,
        codes: EmailCodes,
        outbox: CodeOutbox,
        texts: MailTexts,
        events: SecurityEvents,
        pause: Callable[[], float] = a_moment,
    ) -> None:
        self._store = store
        self._writer = writer
        self._codes = codes
        self._outbox = outbox
        self._texts = texts
        self._events = events
        self._afterwards = Afterwards(_log, "address_notice.not_sent", pause)

    def consider(self, account: Account) -> None:
        """Tell, soon, whoever has confirmed the address that an account was given just now, if anybody has."""
        if not self._afterwards.is_full:
            self._afterwards.do(partial(self._tell, account))

    async def close(self) -> None:
        """Do what is not done yet."""
        await self._afterwards.close()

    async def _tell(self, account: Account) -> None:
        try:
            found = self._store.accounts.by_email(account.email or "")
            owner = found if found is not None and found.email_confirmed and found.did != account.did else None
            mail = self._texts.address_given(owner or NOBODY, account)
            await self._writer.run(self._store_notice, owner, mail)
        finally:
            self._outbox.stir()

    # In the thread that writes accounts

    def _store_notice(self, owner: Account | None, mail: Mail) -> None:
        with self._store.transaction():
            if owner is not None and self._events.add_once_a_day(owner.did, EventKind.EMAIL_GIVEN_AGAIN):
                self._outbox.add(mail)
            else:
                self._codes.write_nothing(mail)
