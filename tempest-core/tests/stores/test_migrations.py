"""Files of an older version: a revision after the first, added here to a copy of the scripts of each kind."""

from __future__ import annotations

import shutil
import sqlite3
import stat
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from alembic.config import Config

from tempest_pds.protocol.errors import TempestError
from tempest_pds.stores.account.account_schema import SCHEMA as ACCOUNT_SCHEMA
from tempest_pds.stores.account.account_store import AccountStore
from tempest_pds.stores.actor.tables import SCHEMA as REPO_SCHEMA
from tempest_pds.stores.database import Database, DatabaseUnusable, connect
from tempest_pds.stores.migrations import runner
from tempest_pds.stores.schema import Schema
from tempest_pds.stores.sequencer.tables import SCHEMA as SEQUENCER_SCHEMA

SCRIPTS = Path(runner.__file__).parent
SCHEMAS = pytest.mark.parametrize(
    "schema", [ACCOUNT_SCHEMA, REPO_SCHEMA, SEQUENCER_SCHEMA], ids=lambda schema: schema.kind
)
SECOND = """
import sqlalchemy as sa
from alembic import op

revision, down_revision, branch_labels, depends_on = "{head}", "{before}", None, None


def upgrade() -> None:
    {body}
"""
Second = Callable[[Schema, str], Schema]


@pytest.fixture
def second(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Second:
    """Write a revision that comes after the last one; return the schema as the version with it would have it."""

    def write(schema: Schema, body: str) -> Schema:
        scripts = tmp_path / "scripts" / schema.kind
        shutil.copytree(SCRIPTS / schema.kind, scripts, ignore=shutil.ignore_patterns("__pycache__"))
        head = f"{schema.kind}_later"
        (scripts / "versions" / f"{head}.py").write_text(SECOND.format(head=head, before=schema.head, body=body))

        def config(kind: str) -> Config:
            made = Config()
            made.set_main_option("script_location", str(tmp_path / "scripts" / kind))
            return made

        monkeypatch.setattr(runner, "alembic_config", config)
        return Schema(schema.kind, schema.metadata, head)

    return write


def older_file(path: Path, schema: Schema) -> str:
    """Make a file of the version at hand with one row in a table of its own; return the name of that table."""
    Database(path, schema).close()
    table = {"account": "reserved_handle", "repo": "preference", "sequencer": "meta"}[schema.kind]
    connection = sqlite3.connect(path)
    columns = [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]
    connection.execute(f"INSERT INTO {table} VALUES ({', '.join('7' for _ in columns)})")
    connection.commit()
    connection.close()
    return table


def rows(path: Path, table: str) -> list[tuple[object, ...]]:
    connection = sqlite3.connect(path)
    try:
        return connection.execute(f"SELECT * FROM {table}").fetchall()
    finally:
        connection.close()


@SCHEMAS
def test_an_older_file_is_brought_up_to_date_when_it_is_opened(tmp_path: Path, schema: Schema, second: Second) -> None:
    path = tmp_path / "old.sqlite"
    table = older_file(path, schema)
    [before] = rows(path, table)
    body = f'op.add_column("{table}", sa.Column("note", sa.Text(), server_default="new"))'
    newer = second(schema, body)
    Database(path, newer).close()
    assert rows(path, table) == [(*before, "new")]
    assert rows(path, "alembic_version") == [(newer.head,)]
    Database(path, newer).close()
    assert rows(path, table) == [(*before, "new")]


@SCHEMAS
def test_a_table_that_is_made_anew_keeps_its_rows(tmp_path: Path, schema: Schema, second: Second) -> None:
    """SQLite changes a column by copying the table; what refers to it must not be deleted with the first copy."""
    path = tmp_path / "old.sqlite"
    table = older_file(path, schema)
    before = rows(path, table)
    column = sqlite3.connect(path).execute(f"PRAGMA table_info({table})").fetchall()[-1][1]
    body = f'with op.batch_alter_table("{table}") as batch: batch.alter_column("{column}", nullable=True)'
    Database(path, second(schema, body)).close()
    assert rows(path, table) == before


@SCHEMAS
def test_a_migration_that_fails_leaves_the_file_as_it_was(tmp_path: Path, schema: Schema, second: Second) -> None:
    path = tmp_path / "old.sqlite"
    table = older_file(path, schema)
    before = rows(path, table)
    body = f'op.drop_table("{table}"); raise RuntimeError("halfway")'
    with pytest.raises(RuntimeError, match="halfway"):
        Database(path, second(schema, body))
    assert rows(path, table) == before
    assert rows(path, "alembic_version") == [(schema.head,)]
    Database(path, schema).close()


def app_password_of_account_seven(path: Path, *, with_its_account: bool) -> None:
    """Put a row into a file that refers to one of another table, which may be missing."""
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA foreign_keys=OFF")
    for table in ["account", "app_password"] if with_its_account else ["app_password"]:
        columns = ", ".join("'7'" for _ in connection.execute(f"PRAGMA table_info({table})"))
        connection.execute(f"INSERT INTO {table} VALUES ({columns})")
    connection.commit()
    connection.close()


def test_a_migration_that_leaves_dangling_references_is_undone(tmp_path: Path, second: Second) -> None:
    path = tmp_path / "old.sqlite"
    Database(path, ACCOUNT_SCHEMA).close()
    app_password_of_account_seven(path, with_its_account=True)
    with pytest.raises(TempestError, match=r"old\.sqlite .* app_password would refer to rows of account that are gone"):
        Database(path, second(ACCOUNT_SCHEMA, 'op.execute("DELETE FROM account")'))
    assert len(rows(path, "account")) == 1
    assert rows(path, "alembic_version") == [(ACCOUNT_SCHEMA.head,)]


def test_a_reference_that_dangled_before_holds_up_no_migration(tmp_path: Path, second: Second) -> None:
    """Whoever deletes an account's row with the shell of SQLite leaves such, as that obeys no foreign key."""
    path = tmp_path / "old.sqlite"
    Database(path, ACCOUNT_SCHEMA).close()
    app_password_of_account_seven(path, with_its_account=False)
    newer = second(ACCOUNT_SCHEMA, "pass")
    Database(path, newer).close()
    assert rows(path, "alembic_version") == [(newer.head,)]


def test_a_full_disk_stops_a_migration_in_one_line_and_leaves_the_file(
    tmp_path: Path, second: Second, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "old.sqlite"
    table = older_file(path, ACCOUNT_SCHEMA)
    newer = second(ACCOUNT_SCHEMA, f'op.execute("CREATE TABLE more AS SELECT * FROM {table}")')

    def connect_without_room(path: Path, *, cache_kib: int) -> sqlite3.Connection:
        connection = connect(path, cache_kib=cache_kib)
        [pages] = connection.execute("PRAGMA page_count").fetchone()
        connection.execute(f"PRAGMA max_page_count={pages}")
        return connection

    with monkeypatch.context() as full:
        full.setattr(runner, "connect", connect_without_room)
        with pytest.raises(DatabaseUnusable, match=r"^cannot open .*old\.sqlite: database or disk is full$"):
            Database(path, newer)
    assert rows(path, "alembic_version") == [(ACCOUNT_SCHEMA.head,)]
    Database(path, newer).close()
    assert rows(path, "more") == rows(path, table)


@SCHEMAS
def test_only_the_owner_may_read_a_file(tmp_path: Path, schema: Schema) -> None:
    path = tmp_path / "new.sqlite"
    database = Database(path, schema)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    for beside in tmp_path.glob("new.sqlite-*"):
        assert stat.S_IMODE(beside.stat().st_mode) == 0o600
    database.close()


def test_accounts_of_an_older_version_have_had_their_addresses_since_they_were_made(tmp_path: Path) -> None:
    path = tmp_path / "old.sqlite"
    runner.upgrade(path, ACCOUNT_SCHEMA, "account_0007")
    with closing(sqlite3.connect(path)) as connection, connection:
        fields = "did, email, created_at, invites_disabled"
        connection.execute(f"INSERT INTO account ({fields}) VALUES ('did:plc:b', 'a@example.com', 2, 0)")
        connection.execute(f"INSERT INTO account ({fields}) VALUES ('did:plc:a', 'a@example.com', 3, 0)")
    with closing(AccountStore(path)) as store:
        found = store.accounts.with_email("a@example.com", 5)
    assert [(account.did, account.email_given_at) for account in found] == [("did:plc:b", 2), ("did:plc:a", 3)]
