"""Bring an older database file up to date with Alembic.

Alembic's `op` and `context` are module globals: six threads migrating six files at once killed the process. So one
migration runs at a time, under one lock. This module is imported only when a file is older; importing Alembic takes
longer than opening a hundred files.
"""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Final

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from alembic.util.exc import CommandError
from sqlalchemy import Connection, create_engine
from sqlalchemy.pool import NullPool

from tempest_pds.protocol.errors import TempestError
from tempest_pds.stores.database import connect
from tempest_pds.stores.schema import Schema, SchemaTooNew

_ONE_AT_A_TIME: Final = threading.Lock()


class MigrationFailed(TempestError):
    """A migration that left references to rows that are gone; the file is as it was."""


def alembic_config(kind: str) -> Config:
    """Return the configuration of the migrations of `account`, `sequencer` or `repo` files."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / kind).replace("%", "%%"))
    return config


def upgrade(path: Path, schema: Schema, revision: str = "head") -> None:
    """Run the migrations that a file lacks, in one transaction; raise SchemaTooNew, having changed nothing."""
    engine = create_engine("sqlite://", creator=lambda: connect(path, cache_kib=2048), poolclass=NullPool)
    with _ONE_AT_A_TIME, engine.connect() as connection:
        # SQLite alters a table by making another and dropping the first, which must not cascade to what refers to it.
        connection.exec_driver_sql("PRAGMA foreign_keys=OFF")
        connection.exec_driver_sql("BEGIN IMMEDIATE")
        try:
            _upgrade(connection, schema, revision)
        except CommandError as error:
            connection.rollback()
            if _is_known(connection, schema):
                raise
            raise SchemaTooNew(f"{path} was written by a newer Tempest than this one; upgrade Tempest") from error
        except BaseException:
            connection.rollback()
            raise
        connection.commit()


def _upgrade(connection: Connection, schema: Schema, revision: str) -> None:
    config = alembic_config(schema.kind)
    config.attributes["connection"] = connection
    config.attributes["metadata"] = schema.metadata
    command.upgrade(config, revision)
    broken = connection.exec_driver_sql("PRAGMA foreign_key_check").fetchall()
    if broken:
        raise MigrationFailed(f"rows of {broken[0][0]} refer to rows of {broken[0][2]} that are gone")


def _is_known(connection: Connection, schema: Schema) -> bool:
    version = connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar()
    known = {script.revision for script in ScriptDirectory.from_config(alembic_config(schema.kind)).walk_revisions()}
    return version is None or version in known
