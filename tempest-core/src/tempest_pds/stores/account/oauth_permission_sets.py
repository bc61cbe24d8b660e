"""Permission sets that somebody here has granted, as their publishers said them last."""

from __future__ import annotations

from typing import Final, NamedTuple

from sqlalchemy import bindparam, delete
from sqlalchemy.dialects.sqlite import insert

from tempest_pds.stores.account.oauth_tables import OAUTH_PERMISSION_SET
from tempest_pds.stores.database import Database
from tempest_pds.stores.statement import Statement, select_where

_T = OAUTH_PERMISSION_SET.c
_NAMES: Final = tuple(column.name for column in OAUTH_PERMISSION_SET.columns)
_insert = insert(OAUTH_PERMISSION_SET).values({name: bindparam(name) for name in _NAMES})
_ADD: Final = Statement(_insert.on_conflict_do_nothing(), *_NAMES)
_PUT: Final = Statement(
    _insert.on_conflict_do_update(
        index_elements=[_T.nsid],
        set_={"document": _insert.excluded.document, "used_at": _insert.excluded.used_at},
    ),
    *_NAMES,
)
_GET: Final = select_where(OAUTH_PERMISSION_SET, _T.nsid)
_DELETE_UNUSED: Final = Statement(delete(OAUTH_PERMISSION_SET).where(_T.used_at <= bindparam("before")), "before")


class KeptSet(NamedTuple):
    """A set: its Lexicon document as JSON, and when it was last of use, in microseconds since 1970."""

    document: str
    used_at: int


class OAuthPermissionSets:
    """All of them, by NSID. Methods that write join the transaction they are called in."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def get(self, nsid: str) -> KeptSet | None:
        """Return what is kept of a set."""
        row = self._database.one(_GET, (nsid,))
        return None if row is None else KeptSet(row[1], row[2])

    def add(self, nsid: str, document: str, now: int) -> None:
        """Keep a set, unless one of this name is kept already: what that says may be newer."""
        with self._database.transaction() as transaction:
            transaction.run(_ADD, (nsid, document, now))

    def put(self, nsid: str, document: str, now: int) -> None:
        """Keep what a publisher says now."""
        with self._database.transaction() as transaction:
            transaction.run(_PUT, (nsid, document, now))

    def delete_unused(self, before: int) -> int:
        """Forget the sets that were of no use since; return how many."""
        with self._database.transaction() as transaction:
            return transaction.run(_DELETE_UNUSED, (before,))
