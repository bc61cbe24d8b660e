"""A database as it is at one moment, held still while it is copied: what a backup is made of.

Pinning takes half a millisecond and blocks nobody. The copy may then take its time, in any thread: writers go on, and
only the write-ahead log cannot begin anew until the pin is let go of.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path
from types import TracebackType

from tempest_pds.stores.database import Database, unusable
from tempest_pds.stores.statement import Row, Statement

_PAGES_AT_ONCE = 1_024


class PinnedDatabase:
    """One state of a database file. Use it in a `with` block, or close it."""

    def __init__(self, database: Database) -> None:
        """Pin what is committed now; raise DatabaseDamaged, DatabaseUnusable."""
        self._path = database.path
        self._connection = database.open_reader()
        try:
            self._connection.execute("BEGIN")
            # SQLite takes its snapshot at the first read.
            self._connection.execute("SELECT version_num FROM alembic_version").fetchone()
        except BaseException as error:
            self._connection.close()
            if isinstance(error, sqlite3.Error):
                raise unusable(self._path, error) from error
            raise

    def all(self, statement: Statement) -> list[Row]:
        """Read every row of a statement without arguments, in this state; raise DatabaseDamaged, DatabaseUnusable."""
        try:
            return self._connection.execute(statement.sql).fetchall()
        except sqlite3.Error as error:
            raise unusable(self._path, error) from error

    def copy_to(self, path: Path) -> None:
        """Copy this state into a new file, by SQLite's backup interface: a whole database, with no log beside it.

        Raises DatabaseDamaged, DatabaseUnusable.
        """
        path.unlink(missing_ok=True)
        target = sqlite3.connect(path, isolation_level=None)
        try:
            # Whoever reads the copy has it checked; whoever loses it makes another.
            target.execute("PRAGMA synchronous=OFF")
            self._connection.backup(target, pages=_PAGES_AT_ONCE, sleep=0)
            # A page that is no page is copied as it is; reading the copy's schema finds the worst of it.
            target.execute("SELECT count(*) FROM sqlite_schema").fetchone()
        except sqlite3.Error as error:
            raise unusable(self._path, error) from error
        finally:
            target.close()

    def close(self) -> None:
        """Let go of the state; may be called twice."""
        self._connection.close()

    def __enter__(self) -> PinnedDatabase:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()
