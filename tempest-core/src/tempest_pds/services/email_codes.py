"""The codes that are mailed to an account's owner, who proves with one that he reads its mail.

A code is good for one purpose, once, for a quarter of an hour; a new one ends the one before it. The hash of a code and
the mail that brings it are stored in one transaction: there is no code that nobody was sent.

Fifty random bits are beyond guessing at the rate at which anybody may call a method, from one address. From many
addresses at once, who guesses at the code of one account has ten tries.
"""

from __future__ import annotations

import base64
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final, Protocol
from uuid import uuid4

from tempest_pds.protocol.syntax.did import Did
from tempest_pds.services.account_writer import AccountWriter
from tempest_pds.services.errors import ExpiredToken, InvalidRequest, InvalidToken, MethodNotImplemented
from tempest_pds.services.mail_texts import MailTexts
from tempest_pds.services.nobody import NOBODY
from tempest_pds.services.timestamps import SECOND, now_us
from tempest_pds.stores.account.account_store import AccountStore
from tempest_pds.stores.account.accounts import Account
from tempest_pds.stores.account.email_tokens import (
    LIFETIME_US,
    EmailTokenExpired,
    EmailTokenInvalid,
    EmailTokenPurpose,
)
from tempest_pds_plugins.mailer import Mail

MOST_GUESSES: Final = 10
MOST_SOON: Final = 3
"""As many codes within an hour may go to an account while those before them are still good."""
MOST_TO_AN_ADDRESS: Final = 15
"""As many codes within an hour go to an address by accounts that have not confirmed it, in all: as one may ask for."""
_HOUR_US: Final = 3600 * SECOND
# For so long after its time a code is told to be expired, and not to be none.
_REMEMBERED_US: Final = 3600 * SECOND


class CodeOutbox(Protocol):
    """Where mails go that are to be sent: `mail_outbox.MailOutbox`."""

    def add(self, mail: Mail, lifetime_seconds: float = ...) -> None:
        """Take a mail, in the thread that writes accounts and in its transaction."""
        ...

    def stir(self) -> None:
        """Send what was taken."""
        ...


@dataclass(frozen=True, slots=True)
class _Draft:
    """A code for an account, and the mail that brings it."""

    account: Account
    code: str
    mail: Mail


class EmailCodes:
    """Mail codes, and take them back.

    Args:
        mail_goes_out: false on a server that only logs that it would have sent a mail: nobody could ever learn a code.
        now: microseconds since 1970.
    """

    def __init__(
        self,
        *,
        store: AccountStore,
        writer: AccountWriter,
        outbox: CodeOutbox,
        texts: MailTexts,
        mail_goes_out: bool = True,
        now: Callable[[], int] = now_us,
    ) -> None:
        self._store = store
        self._writer = writer
        self._outbox = outbox
        self._texts = texts
        self._mail_goes_out = mail_goes_out
        self._now = now
        self._wrong: dict[tuple[Did, EmailTokenPurpose], int] = {}
        # When the last few were sent; touched in the thread that writes accounts only.
        self._sent: dict[tuple[Did, EmailTokenPurpose], list[int]] = {}
        self._to_address: dict[str, list[int]] = {}

    def require_mail(self) -> None:
        """Raise MethodNotImplemented on a server that sends no mail."""
        if not self._mail_goes_out:
            raise MethodNotImplemented("This server sends no email. Ask its operator for help.")

    async def send(self, account: Account, purpose: EmailTokenPurpose) -> None:
        """Make a code for an account, and have it mailed to its address; the mail is on the disk when this returns.

        An address that the account has not confirmed may be somebody else's, and be given to any number of accounts:
        beyond `MOST_TO_AN_ADDRESS` nothing is sent, and the code before stays good. Nobody is told, as it would tell
        who else has given that address.

        Raises:
            InvalidRequest: the account has no e-mail address, or is gone.
            MethodNotImplemented: this server sends no mail.
            NotEnoughResources: thousands of mails wait already.
        """
        self.require_mail()
        if account.email is None:
            raise InvalidRequest("account does not have an email address")
        code, now = new_code(), self._now()
        mail = self._texts.code(account, purpose, code, now + LIFETIME_US)
        await self._writer.run(self._store_code, _Draft(account, code, mail), purpose, now)
        self._outbox.stir()

    async def send_to_some(
        self, accounts: Sequence[Account], purpose: EmailTokenPurpose, *, count: int, again_after_seconds: int
    ) -> None:
        """Do what `send` does for each of up to `count` accounts, all that have an address, and at the cost of `count`.

        What there are too few for is done to no effect, so that nobody can tell how many there are by what it costs.
        An account that is gone, or whose mail goes elsewhere, since the request began counts as none. So does one that
        was sent a code less than `again_after_seconds` ago, or `MOST_SOON` within an hour of which the last is still
        good: strangers who ask for it from many addresses get six mails an hour sent at most, and the owner always has
        a code that works.

        Raises NotEnoughResources when thousands of mails wait already; nobody is sent a code then.
        """
        now = self._now()
        drafts = []
        for account in [*accounts, *[NOBODY] * count][:count]:
            code = new_code()
            drafts.append(_Draft(account, code, self._texts.code(account, purpose, code, now + LIFETIME_US)))
        await self._writer.run(self._store_drafts, drafts, purpose, now, now - again_after_seconds * SECOND)
        self._outbox.stir()

    def check(self, did: Did, purpose: EmailTokenPurpose, code: str) -> None:
        """Pass if this is the code that the account was sent for this purpose.

        Raises:
            ExpiredToken: it was, but its time is over.
            InvalidToken: it is not, or there were too many tries.
        """
        key = (did, purpose)
        if self._wrong.get(key, 0) >= MOST_GUESSES:
            raise InvalidToken("Token is invalid")
        try:
            self._store.email_tokens.check(did, purpose, code, self._now())
        except EmailTokenExpired as error:
            raise ExpiredToken("Token is expired") from error
        except EmailTokenInvalid as error:
            if self._store.email_tokens.sent_at(did, purpose) is not None:
                self._wrong[key] = self._wrong.get(key, 0) + 1
            raise InvalidToken("Token is invalid") from error

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

    async def forget_expired(self) -> None:
        """Sweep out codes that nobody used, and the tries at them."""
        await self._writer.run(self._sweep)

    # In the thread that writes accounts

    def write_nothing(self, mail: Mail) -> None:
        """Do to no effect what adding a mail to the outbox does, in the transaction that this is called in."""
        waiting, mail_id, now = self._store.waiting_mails, uuid4().hex, self._now()
        with self._store.transaction():
            waiting.standing()
            waiting.add(replace(mail, id=mail_id), now, now)
            waiting.delete(mail_id)

    def _store_code(self, draft: _Draft, purpose: EmailTokenPurpose, now: int) -> None:
        with self._store.transaction():
            if not self._is_current(draft.account):
                raise InvalidRequest("account not found")
            if self._is_flooded(draft, now):
                self.write_nothing(draft.mail)
                return
            self._put(draft, purpose, now)
        if not draft.account.email_confirmed:
            self._to_address.setdefault(draft.mail.to, []).append(now)
        self._wrong.pop((draft.account.did, purpose), None)

    def _store_drafts(self, drafts: Sequence[_Draft], purpose: EmailTokenPurpose, now: int, not_since: int) -> None:
        stored = []
        with self._store.transaction():
            for draft in drafts:
                is_current = self._is_current(draft.account)
                sent_at = self._store.email_tokens.sent_at(draft.account.did, purpose)
                is_enough = self._is_enough(draft.account.did, purpose, now)
                if not is_current or is_enough or (sent_at is not None and not_since < sent_at <= now):
                    self.write_nothing(draft.mail)
                else:
                    self._put(draft, purpose, now)
                    stored.append(draft.account.did)
        for did in stored:
            self._wrong.pop((did, purpose), None)
            self._sent[did, purpose] = [*self._sent.get((did, purpose), ())[1 - MOST_SOON :], now]

    def _is_enough(self, did: Did, purpose: EmailTokenPurpose, now: int) -> bool:
        """Tell whether an account was sent many codes lately, of which the last is still good."""
        sent = [at for at in self._sent.get((did, purpose), ()) if now - _HOUR_US < at <= now]
        return len(sent) >= MOST_SOON and now - sent[-1] < LIFETIME_US

    def _is_flooded(self, draft: _Draft, now: int) -> bool:
        lately = [at for at in self._to_address.get(draft.mail.to, ()) if now - _HOUR_US < at <= now]
        return len(lately) >= MOST_TO_AN_ADDRESS and not draft.account.email_confirmed

    def _is_current(self, account: Account) -> bool:
        """Tell whether an account is still here, and its mail goes to the same address."""
        current = self._store.accounts.get(account.did)
        return current is not None and current.email == account.email

    def _put(self, draft: _Draft, purpose: EmailTokenPurpose, now: int) -> None:
        self._store.email_tokens.put(draft.account.did, purpose, draft.code, now)
        self._outbox.add(draft.mail, LIFETIME_US / SECOND)

    def _sweep(self) -> None:
        tokens = self._store.email_tokens
        with self._store.transaction():
            tokens.delete_older_than(self._now() - LIFETIME_US - _REMEMBERED_US)
            for did, purpose in list(self._wrong):
                if tokens.sent_at(did, purpose) is None:
                    self._wrong.pop((did, purpose), None)
        before = self._now() - _HOUR_US
        for key, sent in list(self._sent.items()):
            if sent[-1] <= before:
                del self._sent[key]
        self._to_address = {
            address: lately
            for address, sent in self._to_address.items()
            if (lately := [at for at in sent if at > before])
        }


def new_code() -> str:
    """Make a code of fifty random bits, as the reference server writes them: `XXXXX-XXXXX`, in base32."""
    text = base64.b32encode(secrets.token_bytes(7)).decode()[:10]
    return f"{text[:5]}-{text[5:]}"
