"""An owner who is signed in, and has just proved to know the password, sets another."""

from __future__ import annotations

from collections.abc import Callable

from tempest_pds.protocol.syntax.did import Did
from tempest_pds.services.account_hooks import AccountHooks
from tempest_pds.services.account_writer import AccountWriter
from tempest_pds.services.email_codes import CodeOutbox
from tempest_pds.services.errors import AccountNotFound
from tempest_pds.services.mail_texts import MailTexts
from tempest_pds.services.origin import NOWHERE, Origin
from tempest_pds.services.password_rules import check_new_password
from tempest_pds.services.passwords import Passwords
from tempest_pds.services.security_event_kinds import EventKind
from tempest_pds.services.security_events import SecurityEvents
from tempest_pds.services.timestamps import now_us
from tempest_pds.stores.account.account_store import AccountStore


class PasswordChange:
    """Change passwords.

    Args:
        now: microseconds since 1970.
    """

    def __init__(
        self,
        *,
        store: AccountStore,
        writer: AccountWriter,
        passwords: Passwords,
        outbox: CodeOutbox,
        texts: MailTexts,
        hooks: AccountHooks,
        events: SecurityEvents,
        now: Callable[[], int] = now_us,
    ) -> None:
        self._store = store
        self._writer = writer
        self._passwords = passwords
        self._outbox = outbox
        self._texts = texts
        self._hooks = hooks
        self._events = events
        self._now = now

    async def change(self, did: Did, password: str, origin: Origin = NOWHERE) -> None:
        """Set another password, end the account's sessions and sign-ins everywhere, and tell its owner by mail.

        App passwords stay, as they do after a reset.

        Raises:
            InvalidPassword: it is too short or too long.
            AccountNotFound: the account is gone.
            NotEnoughResources: too many passwords are being hashed.
        """
        check_new_password(password)
        password_hash = await self._passwords.hash(password)
        handle = await self._writer.run(self._store_password, did, password_hash, origin)
        self._outbox.stir()
        self._hooks.notify("account_changed", did=str(did), handle=handle, change="password")

    # In the thread that writes accounts

    def _store_password(self, did: Did, password_hash: str, origin: Origin) -> str | None:
        with self._store.transaction():
            account = self._store.accounts.get(did)
            if account is None:
                raise AccountNotFound("Account not found")
            self._store.accounts.set_password(did, password_hash, self._now())
            self._store.end_sessions(did)
            self._events.add(did, EventKind.PASSWORD_CHANGED, origin)
            told = self._texts.password_changed(account)
            if told is not None:
                self._outbox.add(told)
        return account.handle
