"""Deletions that are not finished: the account's row is gone, and its files may not be yet."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import bindparam, select
from sqlalchemy.dialects.sqlite import insert

from tempest_pds.protocol.syntax.did import Did
from tempest_pds.protocol.syntax.handle import Handle
from tempest_pds.stores.account.tables import ACCOUNT_DELETION
from tempest_pds.stores.database import Database
from tempest_pds.stores.statement import Statement, delete_where, select_where

_T = ACCOUNT_DELETION.c
_names = ("did", "handle", "deleted_at")
_ADD = Statement(
    insert(ACCOUNT_DELETION).values({name: bindparam(name) for name in _names}).on_conflict_do_nothing(), *_names
)
_GET = select_where(ACCOUNT_DELETION, _T.did)
_ALL = Statement(select(ACCOUNT_DELETION).order_by(_T.deleted_at, _T.did))
_DELETE = delete_where(ACCOUNT_DELETION, _T.did)


@dataclass(frozen=True, slots=True)
class AccountDeletion:
    """One deletion under way; `handle` is the one that the account had, `deleted_at` microseconds since 1970."""

    did: Did
    handle: Handle | None
    deleted_at: int


class AccountDeletions:
    """The deletions that are to be finished. Methods that write join the transaction they are called in."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, did: str, handle: str | None, now: int) -> None:
        """Begin a deletion, in the transaction that deletes the account's row."""
        with self._database.transaction() as transaction:
            transaction.run(_ADD, (did, handle, now))

    def get(self, did: str) -> AccountDeletion | None:
        """Find the unfinished deletion of an account."""
        row = self._database.one(_GET, (did,))
        return None if row is None else _deletion(row)

    def all(self) -> list[AccountDeletion]:
        """Return every unfinished deletion, the oldest first."""
        return [_deletion(row) for row in self._database.all(_ALL)]

    def finish(self, did: str) -> bool:
        """Note that nothing of the account is left."""
        with self._database.transaction() as transaction:
            return transaction.run(_DELETE, (did,)) > 0


def _deletion(row: Any) -> AccountDeletion:
    return AccountDeletion(Did(row[0]), None if row[1] is None else Handle(row[1]), row[2])
