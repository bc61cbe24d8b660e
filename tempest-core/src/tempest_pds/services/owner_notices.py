"""Mails that tell owners what was done with their accounts, beside the event that they can read about it.

Some of it a program can do a hundred times a day, as who has taken an account over might, so that nobody reads the one
mail that counts. So of each kind an account is mailed a few a day, and each of them says so; the events are all there.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import structlog

from tempest_pds.services.email_codes import CodeOutbox
from tempest_pds.services.errors import NotEnoughResources
from tempest_pds.services.mail_texts import MailTexts
from tempest_pds.services.origin import Origin
from tempest_pds.services.security_event_kinds import EventKind
from tempest_pds.services.security_events import SecurityEvents
from tempest_pds.services.timestamps import SECOND, now_us
from tempest_pds.stores.account.account_store import AccountStore
from tempest_pds.stores.account.accounts import Account
from tempest_pds_plugins.mailer import Mail

MOST_A_DAY: Final = 5
"""Of one kind and account. `mail_texts` says the number in words."""

_DAY_US: Final = 24 * 3600 * SECOND

_log = structlog.get_logger("tempest_pds.owner_notices")


class OwnerNotices:
    """Note events that owners are mailed of too.

    All but `stir` are called in the thread that writes accounts, in the transaction of what they tell. None fails for
    an outbox that is full: what happened may have happened elsewhere already, and is told by its event.

    Args:
        now: microseconds since 1970.
    """

    def __init__(
        self,
        *,
        store: AccountStore,
        outbox: CodeOutbox,
        texts: MailTexts,
        events: SecurityEvents,
        now: Callable[[], int] = now_us,
    ) -> None:
        self._store = store
        self._outbox = outbox
        self._texts = texts
        self._events = events
        self._now = now

    def stir(self) -> None:
        """Have the mails sent, once the transaction is over."""
        self._outbox.stir()

    def handle_changed(self, before: Account, handle: str, origin: Origin) -> None:
        """Tell of another handle; the same one again is none, and must not use up the mails of a day."""
        if before.handle != handle:
            mail = self._texts.handle_changed(before, handle)
            self._add(before, EventKind.HANDLE_CHANGED, mail, origin, handle=handle)

    def password_changed(self, account: Account, origin: Origin) -> None:
        """Tell of a password that was set by who is signed in."""
        self._add(account, EventKind.PASSWORD_CHANGED, self._texts.password_changed(account), origin)

    def second_factor_added(self, account: Account, origin: Origin, **detail: str) -> None:
        """Tell of an authenticator app or a passkey that was added."""
        self._add(account, EventKind.SECOND_FACTOR_ADDED, self._texts.second_step_added(account), origin, **detail)

    def second_factor_removed(self, account: Account, origin: Origin, **detail: str) -> None:
        """Tell of one that was removed."""
        self._add(account, EventKind.SECOND_FACTOR_REMOVED, self._texts.second_step_removed(account), origin, **detail)

    def app_password_made(self, account: Account, name: str, origin: Origin) -> None:
        """Tell of a new app password."""
        self._add(account, EventKind.APP_PASSWORD_MADE, self._texts.app_password_made(account), origin, name=name)

    def recovery_code_used(self, account: Account, left: int, origin: Origin) -> None:
        """Tell of a recovery code that was used, and how many are left."""
        mail = self._texts.recovery_code_used(account, left)
        self._add(account, EventKind.RECOVERY_CODE_USED, mail, origin, left=str(left))

    def _add(self, account: Account, kind: EventKind, mail: Mail | None, origin: Origin, **detail: str) -> None:
        told = self._store.security_events.count(account.did, kind, self._now() - _DAY_US)
        self._events.add(account.did, kind, origin, **detail)
        if mail is None or told >= MOST_A_DAY:
            return
        try:
            self._outbox.add(mail)
        except NotEnoughResources as error:
            _log.warning("owner_notice.not_sent", kind=kind.value, error=str(error))
