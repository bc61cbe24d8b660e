"""Accounts: who is hosted here, under which handle and e-mail address, and in which status."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import ColumnElement, and_, bindparam, func, or_, select, update

from tempest_pds.protocol.data_model.cid import CID
from tempest_pds.protocol.errors import TempestError
from tempest_pds.protocol.syntax.did import Did
from tempest_pds.protocol.syntax.handle import Handle
from tempest_pds.stores.account.tables import ACCOUNT, REPO_HEAD
from tempest_pds.stores.database import Database
from tempest_pds.stores.statement import Row, Statement, delete_where, insert_into, paged, select_where, update_where

_INSERT = insert_into(ACCOUNT)
_BY_DID = select_where(ACCOUNT, ACCOUNT.c.did)
_BY_HANDLE = select_where(ACCOUNT, ACCOUNT.c.handle)
_with_email = select(ACCOUNT).where(ACCOUNT.c.email == bindparam("email"))
_BY_CONFIRMED_EMAIL = Statement(_with_email.where(ACCOUNT.c.email_confirmed_at.is_not(None)), "email")
_BY_EMAIL = Statement(paged(_with_email.order_by(ACCOUNT.c.email_given_at, ACCOUNT.c.did)), "email", "count")
_SET_HANDLE = update_where(ACCOUNT, ["handle"], ACCOUNT.c.did)
_SET_EMAIL = update_where(ACCOUNT, ["email", "email_confirmed_at", "email_given_at"], ACCOUNT.c.did)
_SET_CONFIRMED = update_where(ACCOUNT, ["email_confirmed_at"], ACCOUNT.c.did)
_SET_PASSWORD = update_where(ACCOUNT, ["password_hash", "sessions_ended_at"], ACCOUNT.c.did)
_SET_DEACTIVATED = update_where(ACCOUNT, ["deactivated_at", "delete_after"], ACCOUNT.c.did)
_SET_SUSPENDED = update_where(ACCOUNT, ["suspended_at"], ACCOUNT.c.did)
_SET_TAKEDOWN = update_where(ACCOUNT, ["takedown_ref"], ACCOUNT.c.did)
_SET_INVITES = update_where(ACCOUNT, ["invites_disabled", "invite_note"], ACCOUNT.c.did)
_DELETE = delete_where(ACCOUNT, ACCOUNT.c.did)
ALL_DIDS = Statement(select(ACCOUNT.c.did, ACCOUNT.c.created_at).order_by(ACCOUNT.c.did))
"""The DID of every account, and when it was made."""
_COUNT = Statement(select(func.count()).select_from(ACCOUNT))
# In the order of `Account.status`: a takedown hides a suspension, which hides a deactivation.
_COUNT_BY_STATUS = Statement(
    select(
        func.count(),
        func.count().filter(ACCOUNT.c.takedown_ref.is_not(None)),
        func.count().filter(ACCOUNT.c.takedown_ref.is_(None), ACCOUNT.c.suspended_at.is_not(None)),
        func.count().filter(
            ACCOUNT.c.takedown_ref.is_(None), ACCOUNT.c.suspended_at.is_(None), ACCOUNT.c.deactivated_at.is_not(None)
        ),
    ).select_from(ACCOUNT)
)
_DUE = Statement(
    select(ACCOUNT.c.did)
    .where(
        ACCOUNT.c.delete_after <= bindparam("now"), ACCOUNT.c.takedown_ref.is_(None), ACCOUNT.c.suspended_at.is_(None)
    )
    .order_by(ACCOUNT.c.delete_after),
    "now",
)
_BLOCKED = Statement(
    select(ACCOUNT.c.did).where(ACCOUNT.c.takedown_ref.is_not(None) | ACCOUNT.c.suspended_at.is_not(None))
)
_PUT_OFF = Statement(
    update(ACCOUNT).where(ACCOUNT.c.delete_after < bindparam("until")).values(delete_after=bindparam("until")),
    "until",
    "until",
)

_MAX_VARIABLES: Final = 500


class AccountExists(TempestError):
    """An account of that DID is here already."""


class HandleTaken(TempestError):
    """Another account here has that handle."""


class EmailTaken(TempestError):
    """Another account here has confirmed that e-mail address."""


class AccountStatus(StrEnum):
    """What the world is told of an account; the values of `com.atproto.sync.getRepoStatus`, and `active`."""

    ACTIVE = "active"
    DEACTIVATED = "deactivated"
    SUSPENDED = "suspended"
    TAKENDOWN = "takendown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """One account. Times are microseconds since 1970.

    Attributes:
        handle: None when it has none that is valid.
        password_hash: None for an account that nobody logs in to with a password.
        delete_after: when a deactivated account is to be deleted; None for never.
        sessions_ended_at: access tokens from before are worth nothing; None when none have been ended.
        email_given_at: since when it has its address; None for one that is being made, which has it from then on.
    """

    did: Did
    handle: Handle | None
    created_at: int
    email: str | None = None
    email_confirmed_at: int | None = None
    password_hash: str | None = None
    deactivated_at: int | None = None
    delete_after: int | None = None
    suspended_at: int | None = None
    takedown_ref: str | None = None
    invites_disabled: bool = False
    invite_note: str | None = None
    sessions_ended_at: int | None = None
    email_given_at: int | None = None

    @property
    def status(self) -> AccountStatus:
        """The status that counts: a takedown hides a suspension, which hides a deactivation."""
        if self.takedown_ref is not None:
            return AccountStatus.TAKENDOWN
        if self.suspended_at is not None:
            return AccountStatus.SUSPENDED
        if self.deactivated_at is not None:
            return AccountStatus.DEACTIVATED
        return AccountStatus.ACTIVE

    @property
    def is_active(self) -> bool:
        """Whether the account's repo is served to everybody."""
        return self.status is AccountStatus.ACTIVE

    @property
    def is_takendown(self) -> bool:
        """Whether a moderator took the account down."""
        return self.takedown_ref is not None

    @property
    def is_deactivated(self) -> bool:
        """Whether the owner switched the account off, or has not yet switched it on."""
        return self.deactivated_at is not None

    @property
    def email_confirmed(self) -> bool:
        """Whether the owner proved to read the mail."""
        return self.email_confirmed_at is not None


@dataclass(frozen=True, slots=True)
class HostedRepo:
    """An account with the head of its repo, as far as it is known: a row of `com.atproto.sync.listRepos`."""

    account: Account
    commit: CID | None
    rev: str | None


class Accounts:
    """The accounts of this server. Methods that write join the transaction they are called in.

    Attributes:
        changes: rises when a change of any account can be read: time to forget, for whoever remembers accounts.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self.changes = 0

    # Finding

    def get(self, did: str) -> Account | None:
        """Find an account by DID."""
        return _account_or_none(self._database.one(_BY_DID, (did,)))

    def by_handle(self, handle: str) -> Account | None:
        """Find an account by handle, whatever its case."""
        return _account_or_none(self._database.one(_BY_HANDLE, (handle,)))

    def by_email(self, email: str) -> Account | None:
        """Find an account by e-mail address, whatever its case: the first of `with_email`."""
        found = self.with_email(email, 1)
        return found[0] if found else None

    def with_email(self, email: str, limit: int) -> list[Account]:
        """Return the account that has confirmed an address, or else those that were given it, who has it longest first.

        How old an account is does not count: else whoever has an old one could be given another's address, and come
        before him.
        """
        # Both are asked for in any case: how long this takes must not tell whether somebody has confirmed it.
        confirmed = self._database.one(_BY_CONFIRMED_EMAIL, (email,))
        rows = self._database.all(_BY_EMAIL, (email, limit))
        return [_account(row) for row in (rows if confirmed is None else [confirmed])]

    def many(self, dids: Sequence[str]) -> dict[str, Account]:
        """Find several accounts by DID; those that are not here are left out."""
        found: dict[str, Account] = {}
        for start in range(0, len(dids), _MAX_VARIABLES):
            clause = select(ACCOUNT).where(ACCOUNT.c.did.in_(dids[start : start + _MAX_VARIABLES]))
            found.update((row[0], _account(row)) for row in self._database.all_of_clause(clause))
        return found

    def count(self) -> int:
        """Count all accounts, whatever their status."""
        row = self._database.one(_COUNT)
        return int(row[0]) if row else 0

    def count_by_status(self) -> dict[AccountStatus, int]:
        """Count the accounts of each status; looks at every row."""
        row = self._database.one(_COUNT_BY_STATUS)
        total, takendown, suspended, deactivated = row or (0, 0, 0, 0)
        return {
            AccountStatus.ACTIVE: total - takendown - suspended - deactivated,
            AccountStatus.DEACTIVATED: deactivated,
            AccountStatus.SUSPENDED: suspended,
            AccountStatus.TAKENDOWN: takendown,
        }

    def page(self, limit: int, after: tuple[int, str] | None = None) -> list[Account]:
        """Return up to `limit` accounts in order of (created_at, did), after that pair."""
        return [_account(row) for row in self._database.all_of_clause(_page(select(ACCOUNT), limit, after))]

    def repos(self, limit: int, after: tuple[int, str] | None = None) -> list[HostedRepo]:
        """Return a page of accounts with the heads of their repos, as `page` does."""
        joined = ACCOUNT.outerjoin(REPO_HEAD, REPO_HEAD.c.did == ACCOUNT.c.did)
        clause = select(ACCOUNT, REPO_HEAD.c.commit_cid, REPO_HEAD.c.rev).select_from(joined)
        return [
            HostedRepo(_account(row[:-2]), None if row[-2] is None else CID(row[-2]), row[-1])
            for row in self._database.all_of_clause(_page(clause, limit, after))
        ]

    def search(self, text: str, limit: int, after: tuple[int, str] | None = None) -> list[Account]:
        """Return a page of the accounts whose DID is `text`, or whose handle or e-mail address contains it."""
        clause = select(ACCOUNT).where(
            or_(
                ACCOUNT.c.did == text,
                ACCOUNT.c.handle.contains(text, autoescape=True),
                ACCOUNT.c.email.contains(text, autoescape=True),
            )
        )
        return [_account(row) for row in self._database.all_of_clause(_page(clause, limit, after))]

    def due_for_deletion(self, now: int) -> list[Did]:
        """Return the deactivated accounts whose `delete_after` has come, but those that a moderator keeps; a scan."""
        return [Did(row[0]) for row in self._database.all(_DUE, (now,))]

    def blocked(self) -> list[Did]:
        """Return the accounts that a moderator has taken down or suspended; a scan."""
        return [Did(row[0]) for row in self._database.all(_BLOCKED)]

    # Changing

    def create(self, account: Account) -> None:
        """Add an account; raise AccountExists or HandleTaken, and EmailTaken if its address is confirmed."""
        if account.email_given_at is None:
            account = replace(account, email_given_at=account.created_at)
        row = tuple(getattr(account, column.name) for column in ACCOUNT.columns)
        self._write(_INSERT, row)

    def set_handle(self, did: str, handle: Handle | None) -> bool:
        """Give an account another handle; raise HandleTaken. False when there is no such account."""
        return self._write(_SET_HANDLE, (handle, did))

    def set_email(self, did: str, email: str | None, confirmed_at: int | None = None, *, given_at: int) -> bool:
        """Give an account another e-mail address; raise EmailTaken if that is confirmed. False as above."""
        return self._write(_SET_EMAIL, (email, confirmed_at, given_at, did))

    def confirm_email(self, did: str, at: int) -> bool:
        """Note that the owner proved to read the mail; raise EmailTaken. False as above."""
        return self._write(_SET_CONFIRMED, (at, did))

    def set_password(self, did: str, password_hash: str | None, at: int) -> bool:
        """Set another password, and note that sessions end; they go by `AccountStore.end_sessions`."""
        return self._write(_SET_PASSWORD, (password_hash, at, did))

    def deactivate(self, did: str, at: int, delete_after: int | None = None) -> bool:
        """Switch an account off, and say when it is to be deleted."""
        return self._write(_SET_DEACTIVATED, (at, delete_after, did))

    def activate(self, did: str) -> bool:
        """Switch an account on, and forget that it was to be deleted."""
        return self._write(_SET_DEACTIVATED, (None, None, did))

    def put_off_deletions(self, until: int) -> bool:
        """Keep the accounts that are to be deleted before a time up to that time."""
        return self._write(_PUT_OFF, (until, until))

    def set_suspended(self, did: str, at: int | None) -> bool:
        """Suspend an account, or with None end that."""
        return self._write(_SET_SUSPENDED, (at, did))

    def set_takedown(self, did: str, reference: str | None) -> bool:
        """Take an account down, or with None put it back in the status it had."""
        return self._write(_SET_TAKEDOWN, (reference, did))

    def set_invites(self, did: str, *, disabled: bool, note: str | None = None) -> bool:
        """Say whether an account may have invite codes, and why."""
        return self._write(_SET_INVITES, (disabled, note, did))

    def delete(self, did: str) -> bool:
        """Delete an account with its sessions, app passwords and tokens; its handle is free again."""
        return self._write(_DELETE, (did,))

    def _changed(self) -> None:
        self.changes += 1

    def _write(self, statement: Statement, arguments: Sequence[Any]) -> bool:
        with self._database.transaction() as transaction:
            transaction.after_commit(self._changed)
            try:
                return transaction.run(statement, arguments) > 0
            except sqlite3.IntegrityError as error:
                message = str(error)
                if "account.handle" in message:
                    raise HandleTaken("Handle already taken") from error
                if "account.email" in message:
                    raise EmailTaken("Another account has confirmed that email address") from error
                if "account.did" in message:
                    raise AccountExists("There is an account of that DID") from error
                raise


def _page(clause: Any, limit: int, after: tuple[int, str] | None) -> Any:
    if after is not None:
        clause = clause.where(_comes_after(*after))
    return clause.order_by(ACCOUNT.c.created_at, ACCOUNT.c.did).limit(limit)


def _comes_after(created_at: int, did: str) -> ColumnElement[bool]:
    # The first half alone bounds the index; SQLite does not see through the OR.
    return and_(ACCOUNT.c.created_at >= created_at, or_(ACCOUNT.c.created_at > created_at, ACCOUNT.c.did > did))


def _account_or_none(row: Row | None) -> Account | None:
    return None if row is None else _account(row)


def _account(row: Row) -> Account:
    return Account(
        did=Did(row[0]),
        handle=None if row[1] is None else Handle(row[1]),
        email=row[2],
        email_confirmed_at=row[3],
        password_hash=row[4],
        created_at=row[5],
        deactivated_at=row[6],
        delete_after=row[7],
        suspended_at=row[8],
        takedown_ref=row[9],
        invites_disabled=bool(row[10]),
        invite_note=row[11],
        sessions_ended_at=row[12],
        email_given_at=row[13],
    )
