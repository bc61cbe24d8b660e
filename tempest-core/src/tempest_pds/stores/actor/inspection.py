"""All of a repo file at one moment, row by row and in the order of paths: for whoever checks it or builds it anew.

Nothing read here is trusted to be in order. What SQLite itself cannot read comes out as `RepoFileDamaged`.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from typing import NamedTuple

from sqlalchemy import bindparam, literal_column, select, text

from tempest_pds.protocol.data_model.cid import CID
from tempest_pds.protocol.errors import TempestError
from tempest_pds.stores.actor.commit_row import Root
from tempest_pds.stores.actor.snapshot import Block, Snapshot
from tempest_pds.stores.actor.store import ActorStore
from tempest_pds.stores.actor.tables import BACKLINK, BLOB, RECORD, RECORD_BLOB
from tempest_pds.stores.statement import Row, Statement

_RECORDS = Statement(select(RECORD.c.path, RECORD.c.cid, RECORD.c.value).order_by(RECORD.c.path))
_USES = Statement(select(RECORD_BLOB.c.path, RECORD_BLOB.c.cid).order_by(RECORD_BLOB.c.path, RECORD_BLOB.c.cid))
_BACKLINKS = Statement(select(BACKLINK.c.path, BACKLINK.c.subject).order_by(BACKLINK.c.path))
_BLOBS = Statement(select(BLOB.c.cid, BLOB.c.size, BLOB.c.status, BLOB.c.changed_at).order_by(BLOB.c.cid))
_USED = Statement(select(RECORD_BLOB.c.cid).distinct().order_by(RECORD_BLOB.c.cid))
_QUICK_CHECK = Statement(text("PRAGMA quick_check(3)"))
_COUNT = Statement(select(literal_column("count(*)")).select_from(RECORD))
_BLOB = Statement(select(BLOB.c.size, BLOB.c.status).where(BLOB.c.cid == bindparam("cid")), "cid")


class RepoFileDamaged(TempestError):
    """SQLite cannot read a repo file."""


class RecordLine(NamedTuple):
    """A record as it lies there: `cid` is 36 bytes if all is well, `value` hashes to it if all is well."""

    path: str
    cid: bytes
    value: bytes


class BlobLine(NamedTuple):
    """A blob's row; `changed_at` in µs since 1970."""

    cid: CID
    size: int
    status: str
    changed_at: int


class Inspection:
    """One state of a repo file. Use it in a `with` block, in one thread; a source of the tree's nodes.

    While it is open the write-ahead log cannot be reset.
    """

    def __init__(self, store: ActorStore) -> None:
        try:
            self._snapshot: Snapshot = store.snapshot()
        except sqlite3.DatabaseError as error:
            raise _damaged(store.did, error) from error
        self._connection = self._snapshot.connection
        self._did = store.did

    def __enter__(self) -> Inspection:
        return self

    def __exit__(self, *_: object) -> None:
        self._snapshot.close()

    def root(self) -> Root | None:
        """Return where the repo stands; None before its first commit."""
        return self._snapshot.head()

    def get(self, cid: CID) -> bytes | None:
        """Return a node of the tree."""
        try:
            return self._snapshot.get(cid)
        except sqlite3.DatabaseError as error:
            raise _damaged(self._did, error) from error

    def nodes(self) -> Iterator[Block]:
        """Yield every node, in no order."""
        try:
            for page in self._snapshot.node_pages():
                yield from page
        except sqlite3.DatabaseError as error:
            raise _damaged(self._did, error) from error

    def record_count(self) -> int:
        """Count the records; takes time in proportion to them."""
        return int(next(self._rows(_COUNT))[0])

    def records(self) -> Iterator[RecordLine]:
        """Yield every record, taken down or not, in the order of the tree."""
        return map(RecordLine._make, self._rows(_RECORDS))

    def blob_uses(self) -> Iterator[tuple[str, bytes]]:
        """Yield which record refers to which blob, in the order of the tree."""
        return ((path, cid) for path, cid in self._rows(_USES))

    def backlinks(self) -> Iterator[tuple[str, str]]:
        """Yield what likes, follows, reposts and blocks are about, in the order of the tree."""
        return ((path, subject) for path, subject in self._rows(_BACKLINKS))

    def blobs(self) -> Iterator[BlobLine]:
        """Yield the blobs that were uploaded, by CID."""
        for cid, size, status, changed_at in self._rows(_BLOBS):
            yield BlobLine(CID(cid), size, status, changed_at)

    def used_blobs(self) -> Iterator[CID]:
        """Yield the blobs that records refer to, uploaded or not, by CID."""
        return (CID(row[0]) for row in self._rows(_USED))

    def has_blob(self, cid: CID) -> bool:
        """Tell whether a blob was uploaded."""
        return next(self._rows(_BLOB, (cid.raw,)), None) is not None

    def quick_check(self) -> list[str]:
        """Have SQLite look through the file's pages; return what it finds wrong, at most three things."""
        return [row[0] for row in self._rows(_QUICK_CHECK) if row[0] != "ok"]

    def _rows(self, statement: Statement, arguments: tuple[bytes, ...] = ()) -> Iterator[Row]:
        try:
            # No `yield from`: whoever stops early would close the cursor, after the connection may be closed already.
            for row in self._connection.execute(statement.sql, arguments):  # noqa: UP028
                yield row
        except sqlite3.DatabaseError as error:
            raise _damaged(self._did, error) from error


def _damaged(did: str, error: sqlite3.DatabaseError) -> RepoFileDamaged:
    return RepoFileDamaged(f"the repository file of {did} cannot be read: {error}")
