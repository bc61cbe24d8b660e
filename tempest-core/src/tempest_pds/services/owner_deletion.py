"""An owner deletes the account: com.atproto.server.requestAccountDelete, deleteAccount.

It takes the account's own password, which no app password stands in for, a code that was mailed, and the code of an
account that has a second factor. They are looked at in an order in which who does not know the one before learns
nothing of the next, and cannot use it up.
"""

from __future__ import annotations

from tempest_pds.protocol.syntax.did import Did
from tempest_pds.services.account_deletion import AccountDeletion
from tempest_pds.services.account_writer import AccountWriter
from tempest_pds.services.email_codes import CodeOutbox, EmailCodes
from tempest_pds.services.errors import AuthenticationRequired, InvalidRequest
from tempest_pds.services.mail_texts import MailTexts
from tempest_pds.services.origin import NOWHERE, Origin
from tempest_pds.services.second_factor.visitor import Visitor
from tempest_pds.services.security_event_kinds import EventKind
from tempest_pds.services.security_events import SecurityEvents
from tempest_pds.services.sign_in import SignIn
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
        sign_in: SignIn,
        codes: EmailCodes,
        deletion: AccountDeletion,
        outbox: CodeOutbox,
        texts: MailTexts,
        events: SecurityEvents,
    ) -> None:
        self._store = store
        self._writer = writer
        self._sign_in = sign_in
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

    async def delete(
        self,
        did: Did,
        password: str,
        code: str,
        visitor: Visitor,
        factor_code: str | None = None,
        *,
        factor_given: bool = False,
    ) -> None:
        """Delete an account and all that it has, whatever its status, and tell its owner.

        Args:
            factor_given: whether the second factor was given just now, as pages ask for it before.

        Raises:
            AuthenticationRequired: no such account, or not its password; which of the two is not told.
            InvalidToken, ExpiredToken: not the mailed code, or not any more; or not the code of the second factor.
            AuthFactorTokenRequired: the account has a second factor, and there is no code of it.
            TooManyTries: there were too many wrong codes of the second factor.
            RepoBusy: its repository is being replaced; nothing has happened, and the mailed code is still good.
            NotEnoughResources: too many logins at once.
        """
        account = await self._sign_in.own_password(did, password, visitor, "Invalid did or password")
        proven = account.password_hash
        self._codes.check(did, EmailTokenPurpose.DELETE_ACCOUNT, code)
        if not factor_given:
            await self._sign_in.require_code(did, factor_code, visitor)

        def still_proven(account: Account) -> None:
            if account.password_hash != proven:
                raise AuthenticationRequired("Invalid did or password")
            self._codes.use(did, EmailTokenPurpose.DELETE_ACCOUNT, code)
            told = self._texts.account_deleted(account)
            if told is not None:
                self._outbox.add(told)

        await self._deletion.delete(did, still_proven)
