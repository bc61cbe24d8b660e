"""What has happened to the safety of accounts, as their owners see it.

What is kept and what is listed is measured by kind: were it by number alone, whoever has taken an account over could
make and revoke app passwords until nothing tells any more that the password was changed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from sqlalchemy import bindparam, delete, func, insert, literal_column, or_, select

from tempest_pds.stores.account.sign_in_tables import SECURITY_EVENT
from tempest_pds.stores.database import Database
from tempest_pds.stores.statement import Statement

MOST_OF_A_KIND: Final = 100
"""As many are kept of an account and a kind."""

_E = SECURITY_EVENT.c
_COLUMNS: Final = ("did", "kind", "detail", "client_ip", "user_agent", "happened_at")
_INSERT = Statement(insert(SECURITY_EVENT).values({name: bindparam(name) for name in _COLUMNS}), *_COLUMNS)
_newest_too_many = (
    select(_E.id)
    .where(_E.did == bindparam("did"), _E.kind == bindparam("kind"))
    .order_by(_E.id.desc())
    .limit(literal_column("1"))
    .offset(bindparam("most"))
)
_TRIM = Statement(
    delete(SECURITY_EVENT).where(
        _E.did == bindparam("of"), _E.kind == bindparam("and_kind"), _E.id <= _newest_too_many.scalar_subquery()
    ),
    "of",
    "and_kind",
    "did",
    "kind",
    "most",
)
_ranked = (
    select(
        SECURITY_EVENT,
        func.row_number().over(order_by=_E.id.desc()).label("place"),
        func.row_number().over(partition_by=_E.kind, order_by=_E.id.desc()).label("place_in_kind"),
    )
    .where(_E.did == bindparam("did"))
    .subquery()
)
_R = _ranked.c
_LIST = Statement(
    select(_R.kind, _R.detail, _R.client_ip, _R.user_agent, _R.happened_at)
    .where(or_(_R.place <= bindparam("newest"), _R.place_in_kind <= bindparam("of_each")))
    .order_by(_R.id.desc()),
    "did",
    "newest",
    "of_each",
)
_COUNT = Statement(
    select(func.count()).where(
        _E.did == bindparam("did"), _E.kind == bindparam("kind"), _E.happened_at > bindparam("after")
    ),
    "did",
    "kind",
    "after",
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
        """Add an event of an account that is here, and forget the oldest of its kind beyond what is kept."""
        row = (did, event.kind, event.detail, event.client_ip, event.user_agent, event.happened_at)
        with self._database.transaction() as transaction:
            transaction.run(_INSERT, row)
            transaction.run(_TRIM, (did, event.kind, did, event.kind, MOST_OF_A_KIND))

    def has_alike(self, did: str, event: EventRow, after: int) -> bool:
        """Tell whether such an event, with the same detail and from the same address, is there from after a time."""
        found = self._database.one(_ALIKE, (did, event.kind, event.detail, event.client_ip, after))
        return found is not None

    def count(self, did: str, kind: str, after: int) -> int:
        """Return how many events of a kind there are from after a time, of those that are kept."""
        found = self._database.one(_COUNT, (did, kind, after))
        return 0 if found is None else int(found[0])

    def list(self, did: str, newest: int, of_each_kind: int) -> list[EventRow]:
        """Return an account's newest events and the newest of each kind, the newest first."""
        return [EventRow(*row) for row in self._database.all(_LIST, (did, newest, of_each_kind))]

    def delete_older_than(self, before: int) -> int:
        """Sweep out events from before a time; return how many."""
        with self._database.transaction() as transaction:
            return transaction.run(_DELETE_OLD, (before,))
