"""What the administrator does with accounts: com.atproto.admin.getAccountInfo, searchAccounts, updateAccount…

Takedowns are in `moderation`, invite codes in `invites`, the end of an account in `account_deletion`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from tempest_pds.protocol.syntax.did import Did
from tempest_pds.services.account_hooks import AccountHooks
from tempest_pds.services.account_writer import AccountWriter
from tempest_pds.services.email_codes import CodeOutbox, EmailCodes
from tempest_pds.services.email_rules import parse_email
from tempest_pds.services.errors import AccountNotFound, InvalidRequest, NotFound
from tempest_pds.services.html_text import text_of_html
from tempest_pds.services.identities import Identities
from tempest_pds.services.mail_texts import MailTexts
from tempest_pds.services.password_rules import check_new_password
from tempest_pds.services.passwords import Passwords
from tempest_pds.services.security_event_kinds import EventKind
from tempest_pds.services.security_events import SecurityEvents
from tempest_pds.services.timestamps import now_us
from tempest_pds.stores.account.account_store import AccountStore
from tempest_pds.stores.account.accounts import Account
from tempest_pds.stores.account.email_tokens import EmailTokenPurpose
from tempest_pds.stores.account.invite_codes import InviteCode
from tempest_pds_plugins.errors import InvalidMail
from tempest_pds_plugins.mailer import Mail


class Outbox(CodeOutbox, Protocol):
    """Where mails go that are to be sent."""

    async def post(self, mail: Mail) -> None:
        """Take a mail; it will be sent, later, when this returns."""
        ...


@dataclass(frozen=True, slots=True)
class AccountInfo:
    """An account as its administrator sees it.

    Attributes:
        invites: its own codes.
        invited_by: the code that it was made with.
    """

    account: Account
    invites: Sequence[InviteCode]
    invited_by: InviteCode | None


class Administration:
    """Look at accounts, and change what their owners could change.

    Args:
        outbox: takes what is to be mailed.
    """

    def __init__(
        self,
        *,
        store: AccountStore,
        writer: AccountWriter,
        passwords: Passwords,
        identities: Identities,
        hooks: AccountHooks,
        codes: EmailCodes,
        outbox: Outbox,
        texts: MailTexts,
        events: SecurityEvents,
    ) -> None:
        self._store = store
        self._writer = writer
        self._passwords = passwords
        self._identities = identities
        self._hooks = hooks
        self._codes = codes
        self._outbox = outbox
        self._texts = texts
        self._events = events

    # Looking

    def info(self, did: Did) -> AccountInfo:
        """Tell what is known of an account; raise NotFound."""
        found = self.infos([did])
        if not found:
            raise NotFound("Account not found")
        return found[0]

    def infos(self, dids: Sequence[Did]) -> list[AccountInfo]:
        """Tell what is known of accounts; those that are not here are left out."""
        accounts = self._store.accounts.many(dids)
        return self._with_invites([accounts[did] for did in dict.fromkeys(dids) if did in accounts])

    def search(self, text: str | None, limit: int, cursor: str | None) -> tuple[list[AccountInfo], str | None]:
        """List a page of the accounts whose handle or e-mail address contains a text, or whose DID it is; or of all.

        Raises:
            InvalidRequest: a cursor that is not one of ours.
        """
        after = None if cursor is None else _parse_cursor(cursor)
        accounts = self._store.accounts
        found = accounts.search(text, limit, after) if text else accounts.page(limit, after)
        last = found[-1] if len(found) == limit else None
        return self._with_invites(found), None if last is None else f"{last.created_at}::{last.did}"

    def _with_invites(self, accounts: Sequence[Account]) -> list[AccountInfo]:
        dids = [account.did for account in accounts]
        invites = self._store.invite_codes.of_accounts(dids)
        invited_by = self._store.invite_codes.used_by(dids)
        return [AccountInfo(account, invites[account.did], invited_by.get(account.did)) for account in accounts]

    # Changing

    async def set_email(self, identifier: str, email: str) -> Did:
        """Give an account another e-mail address, which is not confirmed, and tell the old one; give its DID.

        Args:
            identifier: the account's DID or handle.

        Raises:
            InvalidRequest: no such account, or an address that it cannot have.
        """
        accounts = self._store.accounts
        account = accounts.get(identifier) if identifier.startswith("did:") else accounts.by_handle(identifier)
        if account is None:
            raise InvalidRequest(f"Account does not exist: {identifier}")
        address = parse_email(email)
        await self._writer.run(self._store_email, account.did, address)
        self._outbox.stir()
        self._tell(account, "email")
        return account.did

    async def set_handle(self, did: Did, handle: str) -> None:
        """Give an account another handle, a reserved name too; raise as `Identities.update_handle` does."""
        await self._identities.update_handle(did, handle, allow_reserved=True)

    async def set_password(self, did: Did, password: str) -> None:
        """Give an account another password, end its sessions, and tell its owner; app passwords stay.

        Raises:
            InvalidPassword: it is too short or too long.
            AccountNotFound: no such account.
        """
        account = self._find(did)
        password_hash = await self._passwords.hash(check_new_password(password))
        await self._writer.run(self._store_password, did, password_hash)
        self._outbox.stir()
        self._tell(account, "password")

    async def send_mail(self, did: Did, content: str, subject: str) -> None:
        """Write to an account's owner; it is in the outbox when this returns.

        Args:
            content: HTML, as moderation tools write it; what has no tag in it is plain text.

        Raises:
            InvalidRequest: no such account, it has no address, or a subject of several lines.
            MethodNotImplemented: this server sends no mail.
        """
        self._codes.require_mail()
        account = self._store.accounts.get(did)
        if account is None:
            raise InvalidRequest("Recipient not found")
        if account.email is None:
            raise InvalidRequest("account does not have an email address")
        text = text_of_html(content)
        try:
            mail = (
                Mail(account.email, subject, content) if text is None else Mail(account.email, subject, text, content)
            )
        except InvalidMail as error:
            raise InvalidRequest(str(error)) from error
        await self._outbox.post(mail)

    def _find(self, did: Did) -> Account:
        account = self._store.accounts.get(did)
        if account is None:
            raise AccountNotFound("Account not found")
        return account

    def _tell(self, account: Account, change: str) -> None:
        self._hooks.notify("account_changed", did=str(account.did), handle=account.handle, change=change)

    # In the thread that writes accounts

    def _store_email(self, did: Did, email: str) -> None:
        with self._store.transaction():
            account = self._store.accounts.get(did)
            self._store.accounts.set_email(did, email, given_at=now_us())
            self._events.add(did, EventKind.EMAIL_SET)
            # Codes that were sent to the old address are worth nothing now.
            self._store.email_tokens.delete_all(did)
            if account is not None and account.email != email:
                self._add(self._texts.email_set(account))

    def _store_password(self, did: Did, password_hash: str) -> None:
        with self._store.transaction():
            account = self._store.accounts.get(did)
            if account is None:
                raise AccountNotFound("Account not found")
            self._store.accounts.set_password(did, password_hash, now_us())
            self._store.email_tokens.delete(did, EmailTokenPurpose.RESET_PASSWORD)
            self._store.end_sessions(did)
            self._events.add(did, EventKind.PASSWORD_SET)
            self._add(self._texts.password_set(account))

    def _add(self, told: Mail | None) -> None:
        if told is not None:
            self._outbox.add(told)


def _parse_cursor(cursor: str) -> tuple[int, str]:
    number, separator, did = cursor.partition("::")
    if not separator or not number.isdecimal() or len(number) > 18 or not did:
        raise InvalidRequest("Malformed cursor")
    return int(number), did
