"""Database files as an older release has left them."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Final

from tempest_pds.stores.migrations.runner import upgrade
from tempest_pds.stores.schema import Schema

BEFORE_OAUTH: Final = "account_0004"
"""The revision of `account.sqlite` before there was a provider of OAuth, browsers or second factors."""


def make_older(path: Path, schema: Schema, revision: str) -> None:
    """Turn a file that nobody has open into one of an older revision, with the rows that this one knew."""
    older = path.with_name(f"older-{path.name}")
    upgrade(older, schema, revision)
    connection = sqlite3.connect(older, isolation_level=None)
    connection.execute("ATTACH ? AS newer", (str(path),))
    connection.execute("BEGIN")
    named = "SELECT name FROM main.sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
    for [table] in connection.execute(named).fetchall():
        if table != "alembic_version":
            columns = ", ".join(row[1] for row in connection.execute(f"PRAGMA main.table_info({table})"))
            connection.execute(f"INSERT INTO main.{table} ({columns}) SELECT {columns} FROM newer.{table}")
    connection.execute("COMMIT")
    connection.close()
    older.replace(path)
