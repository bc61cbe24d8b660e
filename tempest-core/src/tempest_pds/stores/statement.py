"""SQL statements written once in SQLAlchemy Core and run on the driver.

Core's execution layer costs about 30 µs a statement, four times what SQLite takes for a point read. So a statement is
declared in Core, from the `Table` objects that also make the schema, compiled to SQL text at its first use, and then
run straight on the `sqlite3` connection with a tuple of positional arguments.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, TypeAlias

from sqlalchemy import ClauseElement, Column, Select, Table, bindparam, delete, insert, literal_column, select, update
from sqlalchemy.dialects import sqlite

DIALECT: Final = sqlite.dialect(paramstyle="qmark")
"""The one dialect everything is compiled with; building another costs a millisecond."""

Row: TypeAlias = tuple[Any, ...]
Arguments: TypeAlias = Sequence[Any]


class Statement:
    """A Core clause whose bound parameters, by name and in this order, are `names`.

    The order is what Core renders, and is checked when the clause is compiled: a mistake is an AssertionError at the
    first use, never a value in another column.
    """

    __slots__ = ("_clause", "_names", "_sql")

    def __init__(self, clause: ClauseElement, *names: str) -> None:
        self._clause = clause
        self._names = names
        self._sql: str | None = None

    @property
    def sql(self) -> str:
        """The SQL text, with `?` for each parameter."""
        if self._sql is None:
            compiled: Any = self._clause.compile(dialect=DIALECT)
            rendered = tuple(compiled.positiontup or ())
            assert rendered == self._names, f"parameters are rendered as {rendered}, declared as {self._names}"
            self._sql = str(compiled)
        return self._sql


def compile_once(clause: ClauseElement) -> tuple[str, tuple[Any, ...]]:
    """Render a clause put together for one call (a search, an optional filter) with the values bound in it."""
    compiled: Any = clause.compile(dialect=DIALECT, compile_kwargs={"render_postcompile": True})
    return str(compiled), tuple(compiled.params[name] for name in compiled.positiontup or ())


def paged(select: Select[Any]) -> Select[Any]:
    """Limit a select by the parameter `count`, named last. (Left alone, the dialect adds a parameter for OFFSET 0.)"""
    return select.limit(bindparam("count")).offset(literal_column("0"))


def insert_into(table: Table) -> Statement:
    """Insert a row, with a value for every column in the table's order."""
    names = [column.name for column in table.columns]
    return Statement(insert(table).values({name: bindparam(name) for name in names}), *names)


def select_where(table: Table, *keys: Column[Any]) -> Statement:
    """Select whole rows, in the table's order, where each of `keys` equals a parameter of its name."""
    conditions = [key == bindparam(key.name) for key in keys]
    return Statement(select(table).where(*conditions), *(key.name for key in keys))


def update_where(table: Table, changed: Sequence[str], *keys: Column[Any]) -> Statement:
    """Set the columns `changed` where each of `keys` equals a parameter `<its name>_is`; values come first."""
    conditions = [key == bindparam(f"{key.name}_is") for key in keys]
    ordered = [column.name for column in table.columns if column.name in changed]
    clause = update(table).where(*conditions).values({name: bindparam(name) for name in ordered})
    return Statement(clause, *ordered, *(f"{key.name}_is" for key in keys))


def delete_where(table: Table, *keys: Column[Any]) -> Statement:
    """Delete the rows where each of `keys` equals a parameter of its name."""
    return Statement(delete(table).where(*[key == bindparam(key.name) for key in keys]), *(key.name for key in keys))
