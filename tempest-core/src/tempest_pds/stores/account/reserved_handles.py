"""Handles that nobody may take, beyond the names that are reserved everywhere."""

from __future__ import annotations

from sqlalchemy import bindparam
from sqlalchemy.dialects.sqlite import insert

from tempest_pds.protocol.syntax.handle import Handle
from tempest_pds.stores.account.tables import RESERVED_HANDLE
from tempest_pds.stores.database import Database
from tempest_pds.stores.statement import Statement, delete_where, select_where

_ADD = Statement(
    insert(RESERVED_HANDLE)
    .values(handle=bindparam("handle"), created_at=bindparam("created_at"))
    .on_conflict_do_nothing(),
    "handle",
    "created_at",
)
_GET = select_where(RESERVED_HANDLE, RESERVED_HANDLE.c.handle)
_DELETE = delete_where(RESERVED_HANDLE, RESERVED_HANDLE.c.handle)


class ReservedHandles:
    """The operator's own list. Methods that write join the transaction they are called in."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, handle: Handle, now: int) -> None:
        """Reserve a handle; an account that has it keeps it."""
        with self._database.transaction() as transaction:
            transaction.run(_ADD, (handle, now))

    def remove(self, handle: Handle) -> bool:
        """Free a handle; tell whether it was reserved."""
        with self._database.transaction() as transaction:
            return transaction.run(_DELETE, (handle,)) > 0

    def __contains__(self, handle: str) -> bool:
        return self._database.one(_GET, (handle,)) is not None
