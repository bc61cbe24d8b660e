"""The outbox: events of an account change, written in the transaction that makes the change.

The log of events is another file, so the two cannot change in one transaction. A change and its events are written here
together. Afterwards the events are appended to the log, which notes, in that same transaction, the last id it took;
then they are deleted here. After a crash in between, what the log noted is deleted, and the rest appended.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from time import time_ns
from typing import Any

from sqlalchemy import bindparam, delete, insert, literal_column, select

from tempest_pds.protocol.syntax.did import Did
from tempest_pds.stores.account.tables import PENDING_EVENT
from tempest_pds.stores.database import Database
from tempest_pds.stores.statement import Statement, paged

_T = PENDING_EVENT.c
_names = ("did", "kind", "detail", "created_at")
_ADD = Statement(insert(PENDING_EVENT).values({name: bindparam(name) for name in _names}), *_names)
_OLDEST = Statement(paged(select(_T.id, _T.did, _T.kind, _T.detail).order_by(_T.id)), "count")
# An identity says nothing of the repository: commits may pass it.
_HOLDS_BACK = Statement(
    paged(select(_T.id).where(_T.did == bindparam("did"), _T.kind != literal_column("'identity'"))), "did", "count"
)
_DELETE = Statement(delete(PENDING_EVENT).where(_T.id <= bindparam("last")), "last")


@dataclass(frozen=True, slots=True)
class PendingEvent:
    """An event that is not in the log yet; `detail` is what its kind needs, as JSON had it."""

    id: int
    did: Did
    kind: str
    detail: dict[str, Any]


class PendingEvents:
    """The events that wait for the log, in order. Methods that write join the transaction they are called in."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, did: str, kind: str, detail: Mapping[str, Any] | None = None) -> None:
        """Add an event of `kind` (identity, account, sync …), after those that are there."""
        with self._database.transaction() as transaction:
            transaction.run(_ADD, (did, kind, json.dumps(dict(detail or {})), time_ns() // 1000))

    def oldest(self, limit: int = 100) -> list[PendingEvent]:
        """Return up to `limit` events, oldest first."""
        return [
            PendingEvent(row[0], Did(row[1]), row[2], json.loads(row[3]))
            for row in self._database.all(_OLDEST, (limit,))
        ]

    def hold_back(self, did: str) -> bool:
        """Tell whether an event of an account waits that must not be told behind a commit of that account."""
        return self._database.one(_HOLDS_BACK, (did, 1)) is not None

    def delete_through(self, last_id: int) -> int:
        """Delete the events up to `last_id`, which the log has; return how many."""
        with self._database.transaction() as transaction:
            return transaction.run(_DELETE, (last_id,))
