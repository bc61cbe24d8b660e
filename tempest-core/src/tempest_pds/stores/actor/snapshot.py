"""A repo file as it was at one moment, for reads that take longer than that: exports and proofs.

The snapshot has a connection of its own, in a read transaction, so no write disturbs it, and any one thread may use it.
While it is open the write-ahead log cannot be reset: close it soon.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from types import TracebackType

from sqlalchemy import bindparam, select

from tempest_pds.protocol.data_model.cid import CID
from tempest_pds.stores.actor import statements as sql
from tempest_pds.stores.actor.batch import NodeChanges
from tempest_pds.stores.actor.commit_row import Root
from tempest_pds.stores.actor.tables import NODE, RECORD
from tempest_pds.stores.statement import Statement

_FETCH = 256

_RECORDS = Statement(select(RECORD.c.path, RECORD.c.cid, RECORD.c.value).order_by(RECORD.c.path))
_NODES_SINCE = Statement(select(NODE.c.cid, NODE.c.block).where(NODE.c.rev > bindparam("rev")), "rev")
_RECORDS_SINCE = Statement(select(RECORD.c.cid, RECORD.c.value).where(RECORD.c.rev > bindparam("rev")), "rev")


class Snapshot:
    """One state of a repo file; a source of its nodes. Use it in a `with` block."""

    def __init__(self, connection: sqlite3.Connection, root: Root | None, unwritten: NodeChanges) -> None:
        """Take over a connection that is in a read transaction; `unwritten` is what of the tree is not in the file."""
        self._connection = connection
        self._root = root
        self._unwritten = unwritten

    def __enter__(self) -> Snapshot:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the state; may be called twice."""
        self._connection.close()

    def head(self) -> Root | None:
        """Return where the repo stood; None before its first commit."""
        return self._root

    def get(self, cid: CID) -> bytes | None:
        """Return a node of the tree; the block source of the tree."""
        held = self._unwritten.nodes.get(cid.raw)
        if held is not None:
            return held[2]
        row = self._connection.execute(sql.SELECT_NODE.sql, (cid.raw,)).fetchone()
        return None if row is None else bytes(row[0])

    def records(self) -> Iterator[tuple[str, bytes, bytes]]:
        """Yield the path, binary CID and block of every record, in the order of the tree."""
        yield from self._rows(_RECORDS.sql, ())

    def blocks_since(self, rev: str) -> Iterator[tuple[bytes, bytes]]:
        """Yield the binary CID and block of every node and record that a commit after `rev` wrote, the newest commit's
        own block left out."""
        unwritten = self._unwritten
        for raw, block in self._rows(_NODES_SINCE.sql, (rev,)):
            if raw not in unwritten.removed and raw not in unwritten.nodes:
                yield raw, block
        for raw, written, block in unwritten.nodes.values():
            if written > rev:
                yield raw, block
        yield from self._rows(_RECORDS_SINCE.sql, (rev,))

    def _rows(self, text: str, arguments: tuple[str, ...]) -> Iterator[tuple]:  # type: ignore[type-arg]
        cursor = self._connection.execute(text, arguments)
        while rows := cursor.fetchmany(_FETCH):
            yield from rows
