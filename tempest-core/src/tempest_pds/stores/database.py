"""One SQLite file, held open by one reading and one writing connection.

Traps this module keeps away from the rest:

* Opening a connection costs more than most reads, so both are held. The reading one serves the event loop's thread,
  where a point read is cheaper than a hop to any other; the writing one is opened by the first transaction.
* Statements of two threads that overlap on one connection share a snapshot, that of the first of them: the second would
  not see what was committed in between, even by its own thread. So reads take a lock, to their last row.
* Python's own transaction handling commits behind one's back, so it is off (`isolation_level=None`) and every
  transaction is spelled BEGIN IMMEDIATE … COMMIT.
* SQLite before 3.51.3 may corrupt a file when one connection checkpoints while another writes. Automatic checkpoints
  are off, and `checkpoint()` runs on the writing connection, under the lock that every transaction takes.
"""

from __future__ import annotations

import os
import sqlite3
import sys
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from threading import Lock, RLock, get_ident
from time import perf_counter
from types import TracebackType
from typing import Final, Literal, TypeAlias

from sqlalchemy import ClauseElement

from tempest_pds.protocol.errors import TempestError
from tempest_pds.stores.schema import Schema
from tempest_pds.stores.statement import Arguments, Row, Statement, compile_once

QueryObserver: TypeAlias = Callable[[str, str, float], None]
"""Told the kind of database, `read` or `write`, and the seconds a statement or a transaction took."""

Synchronous = Literal["OFF", "NORMAL", "FULL"]

_FRAME_BYTES: Final = 24 + 4096


def sqlite_version() -> tuple[int, ...]:
    """Give the version of the SQLite that Python brings."""
    return sqlite3.sqlite_version_info


def connect(
    path: Path, *, cache_kib: int, synchronous: Synchronous = "NORMAL", query_only: bool = False
) -> sqlite3.Connection:
    """Open a connection that any one thread at a time may use, in WAL mode, without automatic checkpoints."""
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, cached_statements=48, timeout=10)
    execute = connection.execute
    execute(f"PRAGMA cache_size=-{cache_kib}")
    if query_only:
        execute("PRAGMA query_only=ON")
        return connection
    execute("PRAGMA journal_mode=WAL")
    execute(f"PRAGMA synchronous={synchronous}")
    execute("PRAGMA wal_autocheckpoint=0")
    execute("PRAGMA foreign_keys=ON")
    execute("PRAGMA journal_size_limit=16777216")
    return connection


class DatabaseClosed(TempestError):
    """A write to a file that was closed, and perhaps deleted."""


class DatabaseUnusable(TempestError):
    """A file that SQLite does not open: damaged, not a database, or not to be read or written."""


class DatabaseDamaged(DatabaseUnusable):
    """A file whose content is no database, or not a whole one."""


def unusable(path: Path, error: sqlite3.Error) -> DatabaseUnusable:
    """Tell a damaged file from one that cannot be used at the moment."""
    # The low byte is the primary code: https://sqlite.org/rescode.html
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    kind = DatabaseDamaged if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB) else DatabaseUnusable
    return kind(f"cannot open {path}: {error}")


class Transaction:
    """One BEGIN IMMEDIATE … COMMIT on the writing connection; leaving by an exception rolls back.

    Begun inside another one of the same thread, it joins that one, which alone commits or rolls back.
    """

    __slots__ = ("_connection", "_database", "_joined", "_started")

    def __init__(self, database: Database) -> None:
        self._database = database

    def __enter__(self) -> Transaction:
        database = self._database
        database.write_lock.acquire()
        try:
            self._connection = database.writer
            self._joined = database.writing_thread is not None
            if not self._joined:
                self._started = perf_counter()
                self._connection.execute("BEGIN IMMEDIATE")
                database.writing_thread = get_ident()
        except BaseException:
            database.write_lock.release()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        database = self._database
        if self._joined:
            database.write_lock.release()
            return
        try:
            if kind is None:
                try:
                    with database.commit_lock:
                        self._connection.execute("COMMIT")
                        for callback in database.after_commit:
                            callback()
                except BaseException:
                    self._roll_back()
                    raise
            else:
                self._roll_back()
        finally:
            database.writing_thread = None
            database.after_commit.clear()
            database.write_lock.release()
        database.observed("write", self._started)

    def _roll_back(self) -> None:
        if self._connection.in_transaction:
            self._connection.execute("ROLLBACK")

    def after_commit(self, callback: Callable[[], None]) -> None:
        """Call `callback` once what is written can be read, in one step with that for whoever holds `commit_lock`."""
        self._database.after_commit.append(callback)

    def run(self, statement: Statement, arguments: Arguments = ()) -> int:
        """Run a statement and return how many rows it changed."""
        return self._connection.execute(statement.sql, arguments).rowcount

    def run_many(self, statement: Statement, rows: Iterable[Arguments]) -> int:
        """Run a statement for each row of arguments and return how many rows changed in all."""
        return self._connection.executemany(statement.sql, rows).rowcount

    def one(self, statement: Statement, arguments: Arguments = ()) -> Row | None:
        """Read the first row, seeing what this transaction has written."""
        row: Row | None = self._connection.execute(statement.sql, arguments).fetchone()
        return row

    def all(self, statement: Statement, arguments: Arguments = ()) -> list[Row]:
        """Read every row, seeing what this transaction has written."""
        return self._connection.execute(statement.sql, arguments).fetchall()

    def run_clause(self, clause: ClauseElement) -> int:
        """Run a clause put together for this call and return how many rows it changed."""
        sql, arguments = compile_once(clause)
        return self._connection.execute(sql, arguments).rowcount


class Database:
    """A SQLite file of one `Schema`, made or migrated when it is opened.

    `cache_kib` bounds the page cache of each of the two connections. `synchronous` is that of the writing one: FULL
    makes a commit survive the loss of power, NORMAL the death of the process.
    """

    def __init__(
        self,
        path: Path,
        schema: Schema,
        *,
        synchronous: Synchronous = "NORMAL",
        cache_kib: int = 512,
        observe: QueryObserver | None = None,
    ) -> None:
        self.path = path
        self.kind = schema.kind
        self.write_lock = RLock()
        self.read_lock = RLock()
        self.writing_thread: int | None = None
        self.commit_lock = Lock()
        self.closed = False
        self.after_commit: list[Callable[[], None]] = []
        self._synchronous = synchronous
        self._cache_kib = cache_kib
        self._observe = observe
        self._writer: sqlite3.Connection | None = None
        try:
            self.reader = self._open(schema)
        except sqlite3.Error as error:
            raise unusable(path, error) from error

    def _open(self, schema: Schema) -> sqlite3.Connection:
        """Open the reading connection, after making or migrating the file where that is wanted."""
        if self.path.exists():
            reader = connect(self.path, cache_kib=self._cache_kib, query_only=True)
            found = schema.version_of(reader)
            if found == schema.head:
                return reader
            reader.close()
        else:
            found = None
            # SQLite gives the files beside it the same mode; what cannot be made here, it tells better.
            with suppress(OSError):
                os.close(os.open(self.path, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o600))
        if found is None:
            schema.create(self.writer)
        else:
            from tempest_pds.stores.migrations.runner import upgrade  # Alembic costs 140 ms to import

            upgrade(self.path, schema)
        return connect(self.path, cache_kib=self._cache_kib, query_only=True)

    @property
    def writer(self) -> sqlite3.Connection:
        """The writing connection, opened at its first use; only under `write_lock`."""
        if self._writer is None:
            if self.closed:
                # Opening it now could bring back, empty, a file that was deleted.
                raise DatabaseClosed(f"{self.path.name} is closed")
            self._writer = connect(self.path, cache_kib=self._cache_kib, synchronous=self._synchronous)
        return self._writer

    def transaction(self) -> Transaction:
        """Begin a transaction, or join the one this thread is in: `with database.transaction() as transaction:`."""
        return Transaction(self)

    def one(self, statement: Statement, arguments: Arguments = ()) -> Row | None:
        """Read the first row of what is committed, or written by the transaction that this thread is in."""
        started = perf_counter()
        # A cursor that nobody holds is closed where its expression ends, and so within the lock.
        if self.writing_thread == get_ident():
            row: Row | None = self.writer.execute(statement.sql, arguments).fetchone()
        else:
            with self.read_lock:
                row = self.reader.execute(statement.sql, arguments).fetchone()
        self.observed("read", started)
        return row

    def all(self, statement: Statement, arguments: Arguments = ()) -> list[Row]:
        """Read every row; sees what `one` sees."""
        return self._all(statement.sql, arguments)

    def all_of_clause(self, clause: ClauseElement) -> list[Row]:
        """Read every row of a clause put together for this call; sees what `one` sees."""
        return self._all(*compile_once(clause))

    def _all(self, sql: str, arguments: Arguments) -> list[Row]:
        started = perf_counter()
        if self.writing_thread == get_ident():
            rows = self.writer.execute(sql, arguments).fetchall()
        else:
            with self.read_lock:
                rows = self.reader.execute(sql, arguments).fetchall()
        self.observed("read", started)
        return rows

    def observed(self, operation: str, started: float) -> None:
        """Report the time since `started` to whoever asked for it."""
        if self._observe is not None:
            self._observe(self.kind, operation, perf_counter() - started)

    def open_reader(self) -> sqlite3.Connection:
        """Open a reading connection of one's own, which the caller closes.

        A read transaction on it keeps the write-ahead log from being reset: end it soon.
        """
        return connect(self.path, cache_kib=256, query_only=True)

    def wal_bytes(self) -> int:
        """Tell how much of the write-ahead log is in use, in bytes: what a checkpoint works through.

        The file does not say: it keeps its size when SQLite begins it anew. The index beside it does, as a count of
        frames in the host's byte order at offset 16 (https://sqlite.org/walformat.html#the_wal_index_header).
        """
        try:
            with self.path.with_name(self.path.name + "-shm").open("rb", buffering=0) as index:
                index.seek(16)
                return int.from_bytes(index.read(4), sys.byteorder) * _FRAME_BYTES
        except FileNotFoundError:
            return 0

    def checkpoint(self, *, truncate: bool = False) -> bool:
        """Copy the write-ahead log into the file, on the writing connection; tell whether all of it was.

        False means that a reader held an older state; nothing is lost, and a later call finishes.
        """
        with self.write_lock:
            if self.closed:
                return True
            mode = "TRUNCATE" if truncate else "PASSIVE"
            busy, log, done = self.writer.execute(f"PRAGMA wal_checkpoint({mode})").fetchone()
        return not busy and log == done

    def sync(self) -> None:
        """Put on the disk what `synchronous=NORMAL` has committed: it then survives the loss of power."""
        try:
            descriptor = os.open(self.path.with_name(self.path.name + "-wal"), os.O_RDONLY)
        except FileNotFoundError:
            return  # all of it is in the file, where SQLite has synced it
        try:
            os.fdatasync(descriptor)
        finally:
            os.close(descriptor)

    def close(self) -> None:
        """Close both connections; closing the last one of a file that was written checkpoints it."""
        with self.write_lock:
            self.closed = True
            self.reader.close()
            if self._writer is not None:
                self._writer.close()
                self._writer = None
