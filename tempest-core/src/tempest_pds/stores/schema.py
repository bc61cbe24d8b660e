"""The schema of one kind of database file, and its version.

A new file is made by running the DDL of the Core tables and writing the newest revision in `alembic_version`; a test
holds that equal to what the migrations make. Alembic is imported only when a file turns out to be older.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

from sqlalchemy import MetaData
from sqlalchemy.schema import CreateIndex, CreateTable

from tempest_pds.protocol.errors import TempestError
from tempest_pds.stores.statement import DIALECT


class SchemaTooNew(TempestError):
    """A database file written by a newer Tempest than this one."""


@dataclass(frozen=True, slots=True)
class Schema:
    """The tables of one kind of file (`account`, `sequencer` or `repo`) and the revision they stand for."""

    kind: str
    metadata: MetaData
    head: str

    def version_of(self, connection: sqlite3.Connection) -> str | None:
        """Read the revision of a file; None when the file is empty."""
        try:
            row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
        except sqlite3.OperationalError as error:
            if "no such table" not in str(error):
                raise
            return None
        return str(row[0]) if row else None

    def create(self, connection: sqlite3.Connection) -> None:
        """Make every table in an empty file, in one transaction."""
        connection.execute("BEGIN IMMEDIATE")
        try:
            for table in self.metadata.sorted_tables:
                connection.execute(str(CreateTable(table).compile(dialect=DIALECT)))
                for index in sorted(table.indexes, key=lambda index: str(index.name)):
                    connection.execute(str(CreateIndex(index).compile(dialect=DIALECT)))
            connection.execute(
                "CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL, "
                "CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num))"
            )
            connection.execute("INSERT INTO alembic_version (version_num) VALUES (?)", (self.head,))
            connection.execute("COMMIT")
        except BaseException:
            connection.execute("ROLLBACK")
            raise
