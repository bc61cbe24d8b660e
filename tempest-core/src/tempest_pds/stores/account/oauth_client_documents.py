"""What clients have published that codes and sessions rest on, by its URL: documents and key sets, as JSON."""

from __future__ import annotations

from typing import Final, NamedTuple

from sqlalchemy import bindparam, delete
from sqlalchemy.dialects.sqlite import insert

from tempest_pds.stores.account.oauth_tables import OAUTH_CLIENT_DOCUMENT
from tempest_pds.stores.database import Database
from tempest_pds.stores.statement import Statement, delete_where, select_where

_T = OAUTH_CLIENT_DOCUMENT.c
_NAMES: Final = tuple(column.name for column in OAUTH_CLIENT_DOCUMENT.columns)
_insert = insert(OAUTH_CLIENT_DOCUMENT).values({name: bindparam(name) for name in _NAMES})
_PUT: Final = Statement(
    _insert.on_conflict_do_update(
        index_elements=[_T.url],
        set_={"document": _insert.excluded.document, "heard_at": _insert.excluded.heard_at},
        where=_insert.excluded.heard_at > _T.heard_at,
    ),
    *_NAMES,
)
_GET: Final = select_where(OAUTH_CLIENT_DOCUMENT, _T.url)
_DELETE: Final = delete_where(OAUTH_CLIENT_DOCUMENT, _T.url)
_DELETE_OLD: Final = Statement(delete(OAUTH_CLIENT_DOCUMENT).where(_T.heard_at <= bindparam("before")), "before")


class ClientDocument(NamedTuple):
    """One document; `heard_at` in microseconds since 1970."""

    url: str
    document: bytes
    heard_at: int


class OAuthClientDocuments:
    """All of them. Methods that write join the transaction they are called in."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def get(self, url: str) -> ClientDocument | None:
        """Return what is kept of a URL."""
        row = self._database.one(_GET, (url,))
        return None if row is None else ClientDocument(*row)

    def put(self, document: ClientDocument) -> None:
        """Keep a document, unless a younger one is kept."""
        with self._database.transaction() as transaction:
            transaction.run(_PUT, document)

    def delete(self, url: str) -> bool:
        """Forget what a URL had."""
        with self._database.transaction() as transaction:
            return transaction.run(_DELETE, (url,)) > 0

    def delete_old(self, before: int) -> int:
        """Forget what was heard before; return how much that was."""
        with self._database.transaction() as transaction:
            return transaction.run(_DELETE_OLD, (before,))
