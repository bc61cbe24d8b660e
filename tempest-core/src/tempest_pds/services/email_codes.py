"""The codes that are mailed to an account's owner, who proves with one that he reads its mail.

A code is good for one purpose, once, for a quarter of an hour; a new one ends the one before it. The hash of a code and
the mail that brings it are stored in one transaction: there is no code that nobody was sent.
"""

from __future__ import annotations

import base64
import secrets
from collections.abc import Callable
from typing import Final, Protocol

from tempest_pds.protocol.syntax.did import Did
from tempest_pds.services.account_writer import AccountWriter
from tempest_pds.services.errors import ExpiredToken, InvalidRequest, InvalidToken
from tempest_pds.services.mail_texts import MailTexts
from tempest_pds.services.timestamps import now_us
from tempest_pds.stores.account.account_store import AccountStore
from tempest_pds.stores.account.accounts import Account
from tempest_pds.stores.account.email_tokens import (
    LIFETIME_US,
    EmailTokenExpired,
    EmailTokenInvalid,
    EmailTokenPurpose,
)
from tempest_pds_plugins.mailer import Mail

_SECOND: Final = 1_000_000


class CodeOutbox(Protocol):
    """Where mails go that are to be sent: `mail_outbox.MailOutbox`."""

    def add(self, mail: Mail, lifetime_seconds: float) -> None:
        """Take a mail, in the thread that writes accounts and in its transaction."""
        ...

    def stir(self) -> None:
        """Send what was taken."""
        ...


class EmailCodes:
    """Mail codes, and take them back.

    Args:
        now: microseconds since 1970.
    """

    def __init__(
        self,
        *,
        store: AccountStore,
        writer: AccountWriter,
        outbox: CodeOutbox,
        texts: MailTexts,
        now: Callable[[], int] = now_us,
    ) -> None:
        self._store = store
        self._writer = writer
        self._outbox = outbox
        self._texts = texts
        self._now = now

    async def send(self, account: Account, purpose: EmailTokenPurpose) -> None:
        """Make a code for an account, and have it mailed to its address; the mail is on the disk when this returns.

        Raises:
            InvalidRequest: the account has no e-mail address.
            NotEnoughResources: thousands of mails wait already.
        """
        if account.email is None:
            raise InvalidRequest("account does not have an email address")
        code = new_code()
        await self._writer.run(self._store_code, account.did, purpose, code, self._texts.code(account, purpose, code))
        self._outbox.stir()

    def check(self, did: Did, purpose: EmailTokenPurpose, code: str) -> None:
        """Pass if this is the code that the account was sent for this purpose; raise InvalidToken or ExpiredToken."""
        if self.owner(purpose, code) != did:
            raise InvalidToken("Token is invalid")

    def owner(self, purpose: EmailTokenPurpose, code: str) -> Did:
        """Tell which account was sent this code; raise InvalidToken or ExpiredToken."""
        try:
            return self._store.email_tokens.owner(purpose, code, self._now())
        except EmailTokenExpired as error:
            raise ExpiredToken("Token is expired") from error
        except EmailTokenInvalid as error:
            raise InvalidToken("Token is invalid") from error

    def use(self, did: Did, purpose: EmailTokenPurpose, code: str) -> None:
        """Check a code and end it, in the thread that writes accounts and in its transaction; raises as `check`."""
        self.check(did, purpose, code)
        self._store.email_tokens.delete(did, purpose)

    def _store_code(self, did: Did, purpose: EmailTokenPurpose, code: str, mail: Mail) -> None:
        with self._store.transaction():
            self._store.email_tokens.put(did, purpose, code, self._now())
            self._outbox.add(mail, LIFETIME_US / _SECOND)


def new_code() -> str:
    """Make a code of fifty random bits, as the reference server writes them: `XXXXX-XXXXX`, in base32."""
    text = base64.b32encode(secrets.token_bytes(7)).decode()[:10]
    return f"{text[:5]}-{text[5:]}"
