"""An owner deletes the account: com.atproto.server.requestAccountDelete, deleteAccount.

It takes two proofs: the account's own password, which no app password stands in for, and a code that was mailed. The
password is looked at first, so that who does not know it learns nothing of the code, and cannot use it up.
"""

from __future__ import annotations

from tempest_pds.protocol.syntax.did import Did
from tempest_pds.services.account_deletion import AccountDeletion
from tempest_pds.services.account_writer import AccountWriter
from tempest_pds.services.email_codes import CodeOutbox, EmailCodes
from tempest_pds.services.errors import AuthenticationRequired, InvalidRequest
from tempest_pds.services.mail_texts import MailTexts
from tempest_pds.services.origin import NOWHERE, Origin
from tempest_pds.services.passwords import MAX_LOGIN_LENGTH, Passwords
from tempest_pds.services.security_event_kinds import EventKind
from tempest_pds.services.security_events import SecurityEvents
from tempest_pds.stores.account.account_store import AccountStore
from tempest_pds.stores.account.accounts import Account
from tempest_pds.stores.account.email_tokens import EmailTokenPurpose


class OwnerDeletion:
    """Delete an account for its owner."""

    def __init__(
        self,
        *,
        store: AccountStore,
        writer: AccountWriter,
        passwords: Passwords,
        codes: EmailCodes,
        deletion: AccountDeletion,
        outbox: CodeOutbox,
        texts: MailTexts,
        events: SecurityEvents,
    ) -> None:
        self._store = store
        self._writer = writer
        self._passwords = passwords
        self._codes = codes
        self._deletion = deletion
        self._outbox = outbox
        self._texts = texts
        self._events = events

    async def request(self, did: Did, origin: Origin = NOWHERE) -> None:
        """Mail the code that a deletion takes.

        Raises:
            InvalidRequest: no such account, or it has no e-mail address.
            NotEnoughResources: thousands of mails wait already.
        """
        account = self._store.accounts.get(did)
        if account is None:
            raise InvalidRequest("account not found")
        await self._codes.send(account, EmailTokenPurpose.DELETE_ACCOUNT)
        await self._writer.run(self._events.add, did, EventKind.DELETION_ASKED, origin)

    async def delete(self, did: Did, password: str, code: str) -> None:
        """Delete an account and all that it has, whatever its status, and tell its owner.

        Raises:
            AuthenticationRequired: no such account, or not its password; which of the two is not told.
            InvalidToken, ExpiredToken: not the code, or not any more.
            RepoBusy: its repository is being replaced; nothing has happened, and the code is still good.
            NotEnoughResources: too many logins at once.
        """
        if len(password) > MAX_LOGIN_LENGTH:
            raise AuthenticationRequired("Password too long. Consider resetting your password.")
        account = self._store.accounts.get(did)
        proven = None if account is None else account.password_hash
        if not await self._passwords.verify(proven, password):
            raise AuthenticationRequired("Invalid did or password")
        self._codes.check(did, EmailTokenPurpose.DELETE_ACCOUNT, code)

        def still_proven(account: Account) -> None:
            if account.password_hash != proven:
                raise AuthenticationRequired("Invalid did or password")
            self._codes.use(did, EmailTokenPurpose.DELETE_ACCOUNT, code)
            told = self._texts.account_deleted(account)
            if told is not None:
                self._outbox.add(told)

        await self._deletion.delete(did, still_proven)
