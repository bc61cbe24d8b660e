"""The e-mail address of an account: com.atproto.server.requestEmailConfirmation, confirmEmail, requestEmailUpdate…

An address is confirmed with a code that was mailed to it. One that is confirmed is changed with a code too, which was
mailed to it as well; one that is not can be changed by whoever is signed in with the account's password. The new
address is not confirmed, and the old one is told, in the transaction that makes the change.

An account may be given any address, also one that another has: who types it in must not learn who is here. Only one of
them can confirm it. The first that does keeps it, whoever has a code later: nobody is to lose the way to reset a
password because the code that came in a mail was given away for another account. Who has a code reads that mailbox, and
may be told.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from tempest_pds.protocol.syntax.did import Did
from tempest_pds.services.account_hooks import AccountHooks
from tempest_pds.services.account_writer import AccountWriter
from tempest_pds.services.address_notices import AddressNotices
from tempest_pds.services.email_codes import CodeOutbox, EmailCodes
from tempest_pds.services.email_rules import EmailRules
from tempest_pds.services.errors import AccountNotFound, InvalidEmail, InvalidRequest, TokenRequired
from tempest_pds.services.mail_texts import MailTexts
from tempest_pds.services.origin import NOWHERE, Origin
from tempest_pds.services.security_event_kinds import EventKind
from tempest_pds.services.security_events import SecurityEvents
from tempest_pds.services.timestamps import now_us
from tempest_pds.stores.account.account_store import AccountStore
from tempest_pds.stores.account.accounts import Account, EmailTaken
from tempest_pds.stores.account.email_tokens import EmailTokenPurpose
from tempest_pds_plugins.mailer import Mail


class EmailConfirmedElsewhere(InvalidRequest):
    """An address that another account has confirmed already; clients know it as InvalidRequest."""

    name = "InvalidRequest"


class EmailAddresses:
    """Confirm and change addresses.

    Args:
        now: microseconds since 1970.
    """

    def __init__(
        self,
        *,
        store: AccountStore,
        writer: AccountWriter,
        codes: EmailCodes,
        outbox: CodeOutbox,
        texts: MailTexts,
        rules: EmailRules,
        hooks: AccountHooks,
        notices: AddressNotices,
        events: SecurityEvents,
        now: Callable[[], int] = now_us,
    ) -> None:
        self._store = store
        self._writer = writer
        self._codes = codes
        self._outbox = outbox
        self._texts = texts
        self._rules = rules
        self._hooks = hooks
        self._notices = notices
        self._events = events
        self._now = now

    async def request_confirmation(self, did: Did) -> None:
        """Mail a code to an account's address; raise InvalidRequest, or as `EmailCodes.send` does."""
        await self._codes.send(self._find(did), EmailTokenPurpose.CONFIRM_EMAIL)

    async def confirm(self, did: Did, email: str, code: str, origin: Origin = NOWHERE) -> None:
        """Note that the owner reads the mail of the account's address.

        Raises:
            AccountNotFound: no such account.
            InvalidEmail: that is not its address.
            InvalidToken, ExpiredToken: of the code.
            EmailConfirmedElsewhere: another account has, which only who has the right code learns.
        """
        account = self._store.accounts.get(did)
        if account is None:
            raise AccountNotFound("user not found")
        if account.email != email.lower():
            raise InvalidEmail("invalid email")
        self._codes.check(did, EmailTokenPurpose.CONFIRM_EMAIL, code)
        try:
            await self._writer.run(self._store_confirmation, account, code, origin)
        except EmailTaken as error:
            raise EmailConfirmedElsewhere(
                "This email address is confirmed for another account here already. Please use a different email."
            ) from error

    async def request_change(self, did: Did) -> bool:
        """Mail the code that a change takes; tell whether it takes one. Raises as `request_confirmation`."""
        account = self._find(did)
        if account.email is None:
            raise InvalidRequest("account does not have an email address")
        if account.email_confirmed:
            await self._codes.send(account, EmailTokenPurpose.UPDATE_EMAIL)
        return account.email_confirmed

    async def change(self, did: Did, email: str, code: str | None = None, origin: Origin = NOWHERE) -> None:
        """Give an account another address, which is not confirmed, and tell the old one.

        Whether another account has that address changes nothing here; who has confirmed it is told.

        Raises:
            InvalidRequest: no such account, or an address that it cannot have.
            TokenRequired: the present address is confirmed, and there is no code.
            InvalidToken, ExpiredToken: of the code.
        """
        address = self._rules.parse(email)
        account = self._find(did)
        if not code and account.email_confirmed:
            raise TokenRequired("confirmation token required")
        if code:
            self._codes.check(did, EmailTokenPurpose.UPDATE_EMAIL, code)
        told = None if account.email == address else self._texts.email_changed(account)
        changed = await self._writer.run(self._store_change, account, address, code, told, origin)
        self._outbox.stir()
        self._notices.consider(changed)
        self._hooks.notify("account_changed", did=str(did), handle=account.handle, change="email")

    def _find(self, did: Did) -> Account:
        account = self._store.accounts.get(did)
        if account is None:
            raise InvalidRequest("account not found")
        return account

    # In the thread that writes accounts

    def _store_confirmation(self, account: Account, code: str, origin: Origin) -> None:
        with self._store.transaction():
            # A code goes with the address that it was mailed to: after a change of it there is none.
            self._codes.use(account.did, EmailTokenPurpose.CONFIRM_EMAIL, code)
            self._store.accounts.confirm_email(account.did, self._now())
            self._events.add(account.did, EventKind.EMAIL_CONFIRMED, origin)

    def _store_change(
        self, account: Account, address: str, code: str | None, told: Mail | None, origin: Origin
    ) -> Account:
        did = account.did
        with self._store.transaction():
            current = self._store.accounts.get(did)
            if current is None or (current.email, current.email_confirmed) != (account.email, account.email_confirmed):
                raise InvalidRequest("The account has just been changed, try again")
            if code:
                self._codes.use(did, EmailTokenPurpose.UPDATE_EMAIL, code)
            # The same one again is had since it was given first.
            since = current.email_given_at if current.email == address else None
            self._store.accounts.set_email(did, address, given_at=self._now() if since is None else since)
            # Codes that were sent to the old address are worth nothing now.
            self._store.email_tokens.delete_all(did)
            self._events.add(did, EventKind.EMAIL_CHANGED, origin)
            if told is not None:
                self._outbox.add(told)
        return replace(account, email=address, email_confirmed_at=None)
