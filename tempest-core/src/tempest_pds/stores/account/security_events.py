"""What has happened to the safety of accounts, as their owners see it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from sqlalchemy import bindparam, delete, insert, literal_column, select

from tempest_pds.stores.account.sign_in_tables import SECURITY_EVENT
from tempest_pds.stores.database import Database
from tempest_pds.stores.statement import Statement, paged

MOST_EVENTS: Final = 500
"""As many are kept of an account."""

_E = SECURITY_EVENT.c
_COLUMNS: Final = ("did", "kind", "detail", "client_ip", "user_agent", "happened_at")
_INSERT = Statement(insert(SECURITY_EVENT).values({name: bindparam(name) for name in _COLUMNS}), *_COLUMNS)
_newest_too_many = (
    select(_E.id)
    .where(_E.did == bindparam("did"))
    .order_by(_E.id.desc())
    .limit(literal_column("1"))
    .offset(bindparam("most"))
)
_TRIM = Statement(
    delete(SECURITY_EVENT).where(_E.did == bindparam("of"), _E.id <= _newest_too_many.scalar_subquery()),
    "of",
    "did",
    "most",
)
_LIST = Statement(
    paged(
        select(_E.kind, _E.detail, _E.client_ip, _E.user_agent, _E.happened_at)
        .where(_E.did == bindparam("did"))
        .order_by(_E.id.desc())
    ),
    "did",
    "count",
)
_ALIKE = Statement(
    select(_E.id).where(
        _E.did == bindparam("did"),
        _E.kind == bindparam("kind"),
        _E.detail == bindparam("detail"),
        _E.client_ip.is_(bindparam("client_ip")),
        _E.happened_at > bindparam("after"),
    ),
    "did",
    "kind",
    "detail",
    "client_ip",
    "after",
)
_DELETE_OLD = Statement(delete(SECURITY_EVENT).where(_E.happened_at < bindparam("before")), "before")


@dataclass(frozen=True, slots=True)
class EventRow:
    """One event: `detail` is JSON, `happened_at` in microseconds since 1970."""

    kind: str
    detail: str
    client_ip: str | None
    user_agent: str | None
    happened_at: int


class SecurityEvents:
    """The newest events of each account. Methods that write join the transaction they are called in."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, did: str, event: EventRow) -> None:
        """Add an event of an account that is here, and forget the oldest beyond what is kept."""
        row = (did, event.kind, event.detail, event.client_ip, event.user_agent, event.happened_at)
        with self._database.transaction() as transaction:
            transaction.run(_INSERT, row)
            transaction.run(_TRIM, (did, did, MOST_EVENTS))

    def has_alike(self, did: str, event: EventRow, after: int) -> bool:
        """Tell whether such an event, with the same detail and from the same address, is there from after a time."""
        found = self._database.one(_ALIKE, (did, event.kind, event.detail, event.client_ip, after))
        return found is not None

    def list(self, did: str, limit: int) -> list[EventRow]:
        """Return an account's events, the newest first."""
        return [EventRow(*row) for row in self._database.all(_LIST, (did, limit))]

    def delete_older_than(self, before: int) -> int:
        """Sweep out events from before a time; return how many."""
        with self._database.transaction() as transaction:
            return transaction.run(_DELETE_OLD, (before,))
