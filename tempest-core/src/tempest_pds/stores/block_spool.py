"""Blocks of a repository that somebody sends, on disk while it is found out whether they are one.

A throwaway SQLite file: nothing in it survives a crash, so nothing is ever synced. Blocks lie in the order in which
they came, which is mostly that in which they are read again, with an index over their CIDs.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from sqlalchemy import Column, Integer, LargeBinary, MetaData, Table, bindparam, select
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.schema import CreateTable

from tempest_pds.protocol.data_model.cid import CID
from tempest_pds.stores.statement import DIALECT, Statement

_CACHE_KIB: Final = 4096

_METADATA: Final = MetaData()
_BLOCK: Final = Table(
    "block",
    _METADATA,
    Column("id", Integer, primary_key=True),
    Column("cid", LargeBinary, nullable=False, unique=True),
    Column("block", LargeBinary, nullable=False),
)
_BLOB: Final = Table(
    "blob",
    _METADATA,
    Column("cid", LargeBinary, primary_key=True, nullable=False),
    sqlite_with_rowid=False,
)

_PUT = Statement(
    insert(_BLOCK).values(cid=bindparam("cid"), block=bindparam("block")).on_conflict_do_nothing(), "cid", "block"
)
_GET = Statement(select(_BLOCK.c.block).where(_BLOCK.c.cid == bindparam("cid")), "cid")
_PUT_BLOB = Statement(insert(_BLOB).values(cid=bindparam("cid")).on_conflict_do_nothing(), "cid")
_GET_BLOB = Statement(select(_BLOB.c.cid).where(_BLOB.c.cid == bindparam("cid")), "cid")


class BlockSpool:
    """A source of blocks that holds as many as the disk does, in a few MB of memory.

    For one thread at a time, whichever it is. `open` makes the file, `close` removes it, whatever came in between.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._open: sqlite3.Connection | None = None

    def open(self) -> None:
        """Make the file."""
        self._open = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False)
        execute = self._open.execute
        execute("PRAGMA journal_mode=OFF")
        execute("PRAGMA synchronous=OFF")
        execute(f"PRAGMA cache_size=-{_CACHE_KIB}")
        # One transaction to the end: what does not fit into the cache goes to the file by itself.
        execute("BEGIN")
        for table in _METADATA.sorted_tables:
            execute(str(CreateTable(table).compile(dialect=DIALECT)))

    @property
    def _connection(self) -> sqlite3.Connection:
        assert self._open is not None, "open() comes first"
        return self._open

    def put(self, blocks: Iterable[tuple[CID, bytes]]) -> None:
        """Keep blocks whose CIDs have been checked; one that is here already is passed over."""
        self._connection.executemany(_PUT.sql, ((cid.raw, block) for cid, block in blocks))

    def get(self, cid: CID, /) -> bytes | None:
        """Return a block, or None when it is not here."""
        row = self._connection.execute(_GET.sql, (cid.raw,)).fetchone()
        return None if row is None else row[0]

    def note_blobs(self, cids: Iterable[CID]) -> None:
        """Note blobs that the records refer to."""
        self._connection.executemany(_PUT_BLOB.sql, ((cid.raw,) for cid in cids))

    def refers_to(self, cid: CID) -> bool:
        """Tell whether a blob was noted."""
        return self._connection.execute(_GET_BLOB.sql, (cid.raw,)).fetchone() is not None

    def close(self) -> None:
        """Forget everything."""
        if self._open is not None:
            self._open.close()
        self._path.unlink(missing_ok=True)
