"""Bring an older database file up to date with Alembic.

Alembic's `op` and `context` are module globals: six threads migrating six files at once killed the process. So one
migration runs at a time, under one lock. This module is imported only when a file is older; importing Alembic takes
longer than opening a hundred files.
"""

from __future__ import annotations

import threading
from collections import Counter
from pathlib import Path
from typing import Final

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from alembic.util.exc import CommandError
from sqlalchemy import Connection, create_engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from tempest_pds.protocol.errors import TempestError
from tempest_pds.stores.database import connect
from tempest_pds.stores.schema import Schema, SchemaTooNew

_ONE_AT_A_TIME: Final = threading.Lock()


class MigrationFailed(TempestError):
    """A migration that would leave references to rows that are gone; the file is as it was."""


def alembic_config(kind: str) -> Config:
    """Return the configuration of the migrations of `account`, `sequencer` or `repo` files."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / kind).replace("%", "%%"))
    return config


def upgrade(path: Path, schema: Schema, revision: str = "head") -> None:
    """Run the migrations that a file lacks, in one transaction, or change nothing.

    Raises SchemaTooNew, MigrationFailed; sqlite3.Error where SQLite cannot do it, as when the disk is full.
    """
    engine = create_engine("sqlite://", creator=lambda: connect(path, cache_kib=2048), poolclass=NullPool)
    try:
        with _ONE_AT_A_TIME, engine.connect() as connection:
            _upgrade(connection, path, schema, revision)
    except DBAPIError as error:
        # Whoever opens a file knows SQLite's own errors, and tells a full disk from a damaged file by them.
        raise error.orig or error from error


def _upgrade(connection: Connection, path: Path, schema: Schema, revision: str) -> None:
    # SQLite alters a table by making another and dropping the first, which must not cascade to what refers to it.
    connection.exec_driver_sql("PRAGMA foreign_keys=OFF")
    connection.exec_driver_sql("BEGIN IMMEDIATE")
    try:
        _migrate(connection, path, schema, revision)
        connection.commit()
    except CommandError as error:
        connection.rollback()
        if _is_known(connection, schema):
            raise
        raise SchemaTooNew(f"{path} was written by a newer Tempest than this one; upgrade Tempest") from error
    except BaseException:
        connection.rollback()
        raise


def _migrate(connection: Connection, path: Path, schema: Schema, revision: str) -> None:
    config = alembic_config(schema.kind)
    config.attributes["connection"] = connection
    config.attributes["metadata"] = schema.metadata
    # An operator's own hand in the file may have left some, and the server ran with them.
    before = _dangling(connection)
    command.upgrade(config, revision)
    if made := _dangling(connection) - before:
        table, gone = next(iter(made))
        raise MigrationFailed(f"{path} cannot be migrated: rows of {table} would refer to rows of {gone} that are gone")


def _dangling(connection: Connection) -> Counter[tuple[str, str]]:
    """Count the rows that refer to others which are not there, by the two tables."""
    return Counter((row[0], row[2]) for row in connection.exec_driver_sql("PRAGMA foreign_key_check"))


def _is_known(connection: Connection, schema: Schema) -> bool:
    version = connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar()
    known = {script.revision for script in ScriptDirectory.from_config(alembic_config(schema.kind)).walk_revisions()}
    return version is None or version in known
