"""A forgotten password: com.atproto.server.requestPasswordReset, resetPassword.

Whoever asks for a reset must not learn whether an address has an account here. So the request is answered before the
address is looked up, which happens a moment later: neither what is answered nor when depends on it. And what happens
then costs the server about the same whether no account has the address or several, at a moment that nobody can foresee,
so that no request of another kind tells it by its own time. Only the mails themselves go out, or do not.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Final

import structlog

from tempest_pds.protocol.syntax.did import Did
from tempest_pds.services.account_hooks import AccountHooks
from tempest_pds.services.account_writer import AccountWriter
from tempest_pds.services.afterwards import Afterwards, a_moment
from tempest_pds.services.email_codes import CodeOutbox, EmailCodes
from tempest_pds.services.errors import InvalidToken, NotEnoughResources
from tempest_pds.services.mail_texts import MailTexts
from tempest_pds.services.origin import NOWHERE, Origin
from tempest_pds.services.password_rules import check_new_password
from tempest_pds.services.passwords import Passwords
from tempest_pds.services.security_event_kinds import EventKind
from tempest_pds.services.security_events import SecurityEvents
from tempest_pds.services.timestamps import now_us
from tempest_pds.stores.account.account_store import AccountStore
from tempest_pds.stores.account.email_tokens import EmailTokenPurpose

# Longer than any address that an account may have; what waits stays in memory.
_LONGEST: Final = 320
# Whoever asks again and again fills nobody's mailbox, and does not end the code that is on its way.
_AGAIN_AFTER_SECONDS: Final = 60
# Whoever signs up again and again with somebody's address must not have one request fill a mailbox.
MOST_ACCOUNTS: Final = 5
_RESET: Final = EmailTokenPurpose.RESET_PASSWORD

_log = structlog.get_logger("tempest_pds.password_reset")


class PasswordReset:
    """Mail a code to who has forgotten the password, and set another for who has the code.

    Args:
        pause: gives the seconds to wait after the answer.
    """

    def __init__(
        self,
        *,
        store: AccountStore,
        writer: AccountWriter,
        codes: EmailCodes,
        passwords: Passwords,
        outbox: CodeOutbox,
        texts: MailTexts,
        hooks: AccountHooks,
        events: SecurityEvents,
        pause: Callable[[], float] = a_moment,
    ) -> None:
        self._store = store
        self._writer = writer
        self._codes = codes
        self._passwords = passwords
        self._outbox = outbox
        self._texts = texts
        self._hooks = hooks
        self._events = events
        self._afterwards = Afterwards(_log, "password_reset.not_sent", pause)

    def request(self, email: str) -> None:
        """Have a code mailed to an address, soon, if it is that of an account; nobody is told whether it is.

        That is the account that has confirmed it, or else each of the five that have it longest: each has a mail and a
        code of its own.

        Raises:
            MethodNotImplemented: this server sends no mail.
            NotEnoughResources: many requests wait already.
        """
        self._codes.require_mail()
        if self._afterwards.is_full:
            raise NotEnoughResources("Too many requests at once, try again in a moment")
        self._afterwards.do(partial(self._send, email.strip()[:_LONGEST]))

    async def close(self) -> None:
        """Do what was asked for and not done yet."""
        await self._afterwards.close()

    async def reset(self, code: str, password: str, origin: Origin = NOWHERE) -> None:
        """Set another password for the account that was sent a code, end its sessions, and tell its owner.

        App passwords stay, as they do when the administrator sets a password.

        Raises:
            InvalidPassword: it is too short or too long.
            InvalidToken, ExpiredToken: of the code.
            NotEnoughResources: too many passwords are being hashed.
        """
        check_new_password(password)
        did = self._codes.owner(_RESET, code)
        password_hash = await self._passwords.hash(password)
        handle = await self._writer.run(self._store_password, did, code, password_hash, origin)
        self._outbox.stir()
        self._hooks.notify("account_changed", did=str(did), handle=handle, change="password")

    async def _send(self, email: str) -> None:
        accounts = self._store.accounts.with_email(email, MOST_ACCOUNTS)
        await self._codes.send_to_some(accounts, _RESET, count=MOST_ACCOUNTS, again_after_seconds=_AGAIN_AFTER_SECONDS)

    # In the thread that writes accounts

    def _store_password(self, did: Did, code: str, password_hash: str, origin: Origin) -> str | None:
        with self._store.transaction():
            account = self._store.accounts.get(did)
            if account is None or self._codes.owner(_RESET, code) != did:
                raise InvalidToken("Token is invalid")
            self._codes.use(did, _RESET, code)
            self._store.accounts.set_password(did, password_hash, now_us())
            self._store.end_sessions(did)
            self._events.add(did, EventKind.PASSWORD_RESET, origin)
            told = self._texts.password_reset(account)
            if told is not None:
                self._outbox.add(told)
        return account.handle
