"""A repo file as it was at one moment, for reads that take longer than that: exports and proofs.

The snapshot has a connection of its own, in a read transaction, so no write disturbs it, and any one thread may use it.
While it is open the write-ahead log cannot be reset: close it soon.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from types import TracebackType
from typing import Final, TypeAlias

from sqlalchemy import bindparam, select

from tempest_pds.protocol.data_model.cid import CID
from tempest_pds.stores.actor import statements as sql
from tempest_pds.stores.actor.batch import NO_NODE_CHANGES, NodeChanges
from tempest_pds.stores.actor.commit_row import Root
from tempest_pds.stores.actor.tables import NODE, RECORD
from tempest_pds.stores.statement import Statement

_PAGE_BYTES: Final = 128 * 1024

_NODES = Statement(select(NODE.c.cid, NODE.c.block).where(NODE.c.rev > bindparam("rev")), "rev")
_RECORDS = Statement(
    select(RECORD.c.cid, RECORD.c.value).where(RECORD.c.rev > bindparam("rev")).order_by(RECORD.c.path), "rev"
)

Block: TypeAlias = tuple[bytes, bytes]
"""A block, after its binary CID."""


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

    @property
    def connection(self) -> sqlite3.Connection:
        """The connection, for other reads of the same state."""
        return self._connection

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

    def node_pages(self, since: str = "") -> Iterator[list[Block]]:
        """Yield the nodes of the tree that commits after `since` wrote, by the page and in no order."""
        unwritten = self._unwritten
        kept = [(raw, block) for raw, written, block in unwritten.nodes.values() if written > since]
        if kept:
            yield kept
        for page in self._pages(_NODES.sql, since):
            if unwritten is not NO_NODE_CHANGES:
                page = [row for row in page if row[0] not in unwritten.removed and row[0] not in unwritten.nodes]
            if page:
                yield page

    def record_pages(self, since: str = "") -> Iterator[list[Block]]:
        """Yield the records that commits after `since` wrote, by the page and in the order of the tree."""
        return self._pages(_RECORDS.sql, since)

    def _pages(self, text: str, since: str) -> Iterator[list[Block]]:
        page: list[Block] = []
        size = 0
        # Not by a number of rows: of the largest records, a few hundred would fill the memory.
        for row in self._connection.execute(text, (since,)):
            page.append(row)
            size += len(row[1])
            if size >= _PAGE_BYTES:
                yield page
                page, size = [], 0
        if page:
            yield page


class AllBlocks:
    """A snapshot as a source of its nodes and its records."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot

    def get(self, cid: CID, /) -> bytes | None:
        """Return a node or a record, or None when it is not here."""
        block = self._snapshot.get(cid)
        if block is None:
            row = self._snapshot.connection.execute(sql.SELECT_RECORD_BLOCK.sql, (cid.raw, 1)).fetchone()
            block = None if row is None else bytes(row[0])
        return block
