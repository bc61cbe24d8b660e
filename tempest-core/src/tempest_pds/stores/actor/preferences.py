"""An account's private preferences: a list of JSON objects, each of a type, kept by the namespace of the type."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import bindparam, delete, func, insert, or_, select

from tempest_pds.stores.actor.tables import PREFERENCE
from tempest_pds.stores.database import Database
from tempest_pds.stores.statement import Statement

_T = PREFERENCE.c
# "." to "/" is what begins with "<namespace>."; "#" to "$" what begins with "<namespace>#".
_inside = or_(
    _T.name == bindparam("name"),
    _T.name.between(bindparam("dot"), bindparam("dot_end")),
    _T.name.between(bindparam("hash"), bindparam("hash_end")),
)
_names = ("name", "dot", "dot_end", "hash", "hash_end")
_GET = Statement(select(_T.name, _T.value).where(_inside).order_by(_T.id), *_names)
_CLEAR = Statement(delete(PREFERENCE).where(_inside), *_names)
_ADD = Statement(insert(PREFERENCE).values(name=bindparam("name"), value=bindparam("value")), "name", "value")
_COUNT = Statement(select(func.count()).select_from(PREFERENCE))


class Preferences:
    """The preferences of one account."""

    __slots__ = ("_database",)

    def __init__(self, database: Database) -> None:
        self._database = database

    def get(self, namespace: str) -> list[tuple[str, str]]:
        """Return (type, JSON text) of each preference in a namespace such as `app.bsky`, in the order they were put."""
        return [(name, value) for name, value in self._database.all(_GET, _bounds(namespace))]

    def put(self, namespace: str, preferences: Sequence[tuple[str, str]]) -> None:
        """Replace all the preferences of a namespace; raise ValueError when a type is outside of it."""
        for name, _ in preferences:
            if name != namespace and not name.startswith((namespace + ".", namespace + "#")):
                raise ValueError(f"{name} is not in the namespace {namespace}")
        with self._database.transaction() as transaction:
            transaction.run(_CLEAR, _bounds(namespace))
            transaction.run_many(_ADD, preferences)

    def count(self) -> int:
        """Count the preferences of all namespaces."""
        row = self._database.one(_COUNT)
        return int(row[0]) if row else 0


def _bounds(namespace: str) -> tuple[str, str, str, str, str]:
    return namespace, namespace + ".", namespace + "/", namespace + "#", namespace + "$"
