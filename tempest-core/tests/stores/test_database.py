"""Transactions, checkpoints, and the schema of each kind of file."""

from __future__ import annotations

import sqlite3
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import bindparam, insert, select

from tempest_pds.stores.account.account_schema import SCHEMA as ACCOUNT_SCHEMA
from tempest_pds.stores.actor.tables import SCHEMA as REPO_SCHEMA
from tempest_pds.stores.database import Database
from tempest_pds.stores.migrations.runner import alembic_config, upgrade
from tempest_pds.stores.schema import Schema, SchemaTooNew
from tempest_pds.stores.sequencer.tables import META
from tempest_pds.stores.sequencer.tables import SCHEMA as SEQUENCER_SCHEMA
from tempest_pds.stores.statement import Statement, insert_into

SCHEMAS = [ACCOUNT_SCHEMA, SEQUENCER_SCHEMA, REPO_SCHEMA]
PUT = insert_into(META)
ALL = Statement(select(META.c.key).order_by(META.c.key))


class Halfway(Exception):
    """What goes wrong in the middle of a transaction."""


@pytest.fixture
def database(tmp_path: Path) -> Any:
    database = Database(tmp_path / "x.sqlite", SEQUENCER_SCHEMA)
    yield database
    database.close()


def keys(database: Database) -> list[str]:
    return [row[0] for row in database.all(ALL)]


def schema_of(path: Path) -> dict[tuple[str, str], str]:
    connection = sqlite3.connect(path)
    rows = connection.execute("SELECT type, name, sql FROM sqlite_master").fetchall()
    connection.close()
    return {(kind, name): "".join((sql or "").split()) for kind, name, sql in rows}


@pytest.mark.parametrize("schema", SCHEMAS, ids=lambda schema: schema.kind)
def test_a_new_file_is_what_the_migrations_make(tmp_path: Path, schema: Schema) -> None:
    upgrade(tmp_path / "migrated.sqlite", schema)
    Database(tmp_path / "new.sqlite", schema).close()
    assert schema_of(tmp_path / "new.sqlite") == schema_of(tmp_path / "migrated.sqlite")
    connection = sqlite3.connect(tmp_path / "migrated.sqlite")
    assert schema.version_of(connection) == schema.head
    connection.close()


@pytest.mark.parametrize("schema", SCHEMAS, ids=lambda schema: schema.kind)
def test_the_head_named_in_code_is_that_of_the_scripts(schema: Schema) -> None:
    from alembic.script import ScriptDirectory

    assert ScriptDirectory.from_config(alembic_config(schema.kind)).get_heads() == [schema.head]


@pytest.mark.parametrize("schema", SCHEMAS, ids=lambda schema: schema.kind)
def test_a_newer_file_is_refused_and_left_alone(tmp_path: Path, schema: Schema) -> None:
    path = tmp_path / "x.sqlite"
    Database(path, schema).close()
    connection = sqlite3.connect(path)
    connection.execute("UPDATE alembic_version SET version_num = 'from_the_future'")
    connection.commit()
    connection.close()
    before = schema_of(path)
    with pytest.raises(SchemaTooNew, match=r"x\.sqlite"):
        Database(path, schema)
    assert schema_of(path) == before


def test_a_file_of_another_version_goes_through_alembic_when_it_is_opened(tmp_path: Path) -> None:
    path = tmp_path / "x.sqlite"
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL)")
    connection.execute("INSERT INTO alembic_version VALUES ('sequencer_0001')")
    connection.commit()
    newer = Schema("sequencer", SEQUENCER_SCHEMA.metadata, "sequencer_0002")
    # The scripts end at 0001: opening under a head that has no script yet runs Alembic and changes nothing.
    Database(path, newer).close()
    assert newer.version_of(connection) == "sequencer_0001"
    connection.close()


def test_many_files_migrate_at_once_without_harm(tmp_path: Path) -> None:
    """Alembic's module globals crashed the process when six threads did this without a lock."""
    failed: list[BaseException] = []

    def migrate(n: int) -> None:
        try:
            for m in range(3):
                upgrade(tmp_path / f"{n}-{m}.sqlite", REPO_SCHEMA)
        except Exception as error:  # noqa: BLE001 it is what the test is about
            failed.append(error)

    threads = [threading.Thread(target=migrate, args=(n,)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed
    assert len({str(schema_of(path)) for path in tmp_path.glob("*.sqlite")}) == 1


def test_a_failed_transaction_leaves_nothing(database: Database) -> None:
    with suppress(Halfway), database.transaction() as transaction:
        transaction.run(PUT, ("a", "1"))
        raise Halfway
    assert keys(database) == []
    with database.transaction() as transaction:
        transaction.run(PUT, ("b", "1"))
    assert keys(database) == ["b"]


def test_an_inner_transaction_joins_the_outer_one(database: Database) -> None:
    def inner(key: str) -> None:
        with database.transaction() as transaction:
            transaction.run(PUT, (key, "1"))

    with suppress(Halfway), database.transaction():
        inner("a")
        assert keys(database) == ["a"]
        raise Halfway
    assert keys(database) == []
    with database.transaction():
        inner("b")
        inner("c")
    assert keys(database) == ["b", "c"]


def test_what_is_not_committed_is_seen_by_its_own_thread_only(database: Database) -> None:
    seen: list[list[str]] = []
    with database.transaction() as transaction:
        transaction.run(PUT, ("a", "1"))
        other = threading.Thread(target=lambda: seen.append(keys(database)))
        other.start()
        other.join()
        assert keys(database) == ["a"]
    assert seen == [[]]


def test_after_commit_runs_once_and_not_after_a_rollback(database: Database) -> None:
    calls: list[str] = []
    with suppress(Halfway), database.transaction() as transaction:
        transaction.after_commit(lambda: calls.append("never"))
        raise Halfway
    with database.transaction() as transaction, database.transaction() as joined:
        joined.after_commit(lambda: calls.append("inner"))
        transaction.after_commit(lambda: calls.append("outer"))
        assert calls == []
    with database.transaction():
        pass
    assert calls == ["inner", "outer"]


def test_writers_of_two_threads_take_turns(database: Database) -> None:
    def write(offset: int) -> None:
        for n in range(100):
            with database.transaction() as transaction:
                transaction.run(PUT, (f"{offset}-{n:03d}", "1"))

    threads = [threading.Thread(target=write, args=(n,)) for n in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(keys(database)) == 300


def test_the_write_path_never_checkpoints_by_itself(database: Database) -> None:
    for n in range(1500):
        with database.transaction() as transaction:
            transaction.run(PUT, (f"{n:05d}", "x" * 100))
    assert database.wal_bytes() > 4096 * 1500
    assert database.checkpoint()
    with database.transaction() as transaction:
        transaction.run(PUT, ("again", "1"))
    assert database.wal_bytes() < 100_000


def test_a_checkpoint_waits_for_nobody(database: Database) -> None:
    with database.transaction() as transaction:
        transaction.run(PUT, ("a", "1"))
    reader = database.open_reader()
    reader.execute("BEGIN")
    reader.execute(ALL.sql).fetchall()
    with database.transaction() as transaction:
        transaction.run(PUT, ("b", "1"))
    assert not database.checkpoint()
    assert [row[0] for row in reader.execute(ALL.sql)] == ["a"]
    reader.close()
    assert database.checkpoint()


def test_the_reading_connection_cannot_write(database: Database) -> None:
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        database.reader.execute("INSERT INTO meta VALUES ('a', 'b')")


def test_the_log_is_synchronous_and_repo_files_are_not(tmp_path: Path) -> None:
    for synchronous, level in (("FULL", 2), ("NORMAL", 1)):
        database = Database(tmp_path / f"{level}.sqlite", REPO_SCHEMA, synchronous=synchronous)  # type: ignore[arg-type]
        assert database.writer.execute("PRAGMA synchronous").fetchone() == (level,)
        assert database.writer.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert database.writer.execute("PRAGMA wal_autocheckpoint").fetchone() == (0,)
        assert database.writer.execute("PRAGMA foreign_keys").fetchone() == (1,)
        database.close()


def test_the_observer_is_told_of_reads_and_writes(tmp_path: Path) -> None:
    told: list[tuple[str, str]] = []
    database = Database(
        tmp_path / "x.sqlite", SEQUENCER_SCHEMA, observe=lambda kind, operation, _: told.append((kind, operation))
    )
    with database.transaction() as transaction:
        transaction.run(PUT, ("a", "1"))
    keys(database)
    assert told == [("sequencer", "write"), ("sequencer", "read")]
    database.close()


def test_a_statement_whose_parameters_are_in_another_order_is_caught() -> None:
    wrong = Statement(insert(META).values(key=bindparam("key"), value=bindparam("value")), "value", "key")
    with pytest.raises(AssertionError, match="declared as"):
        _ = wrong.sql


def test_sync_of_a_file_without_a_log_is_nothing(database: Database) -> None:
    database.sync()
    with database.transaction() as transaction:
        transaction.run(PUT, ("a", "1"))
    database.sync()


def test_what_is_committed_is_read_whatever_another_thread_is_reading(database: Database) -> None:
    with database.transaction() as transaction:
        transaction.run_many(PUT, [("one", b""), ("two", b"")])
    reading, go_on = threading.Event(), threading.Event()

    def slowly(_: sqlite3.Cursor, row: Any) -> Any:
        if threading.current_thread() is first:
            reading.set()
            go_on.wait(timeout=30)
        return row

    database.reader.row_factory = slowly
    seen: list[list[str]] = []
    first = threading.Thread(target=lambda: database.all(ALL))
    second = threading.Thread(target=lambda: seen.append(keys(database)))
    first.start()
    assert reading.wait(timeout=30)
    with database.transaction() as transaction:
        transaction.run(PUT, ("three", b""))
    second.start()
    # Where the two overlap on one connection, the second is through by now, and has seen what the first one sees.
    second.join(timeout=0.2)
    go_on.set()
    for thread in (first, second):
        thread.join(timeout=30)
    assert seen == [["one", "three", "two"]]
