"""Records by the revision that wrote them: what is newer here than in somebody else's copy of the repository."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

from sqlalchemy import BindParameter, bindparam, select

from tempest_pds.protocol.data_model.cid import CID
from tempest_pds.stores.actor.store import ActorStore
from tempest_pds.stores.actor.tables import RECORD
from tempest_pds.stores.statement import Statement, paged

_rev: Final[BindParameter[str]] = bindparam("rev")
_ABOVE: Final = Statement(
    paged(
        select(RECORD.c.path, RECORD.c.rev)
        .where(RECORD.c.rev > _rev)
        .order_by(RECORD.c.rev.desc(), RECORD.c.path.desc())
    ),
    "rev",
    "count",
)
_NOT_ABOVE: Final = Statement(paged(select(RECORD.c.path).where(RECORD.c.rev <= _rev)), "rev", "count")


class RecentRecord(NamedTuple):
    """A record with the revision of the commit that wrote it; `value` is DAG-CBOR."""

    path: str
    cid: CID
    rev: str
    value: bytes


def records_since(
    store: ActorStore, rev: str, wanted: Callable[[str], bool], *, looked_at: int, limit: int
) -> list[RecentRecord]:
    """Return what commits after `rev` wrote, the newest first, without what was taken down.

    Nothing when every record is newer: then `rev` is of another life of the repository, before it was moved here.

    Args:
        wanted: asked with the path of each, `collection/rkey`.
        looked_at: how many of the newest records are asked about, so that a copy far behind costs no more.
        limit: how many are returned.
    """
    root = store.root()
    if root is None or root.rev <= rev:
        return []
    rows = store.database.all(_ABOVE, (rev, looked_at))
    if not rows or store.database.one(_NOT_ABOVE, (rev, 1)) is None:
        return []
    found: list[RecentRecord] = []
    for path, written in rows:
        if wanted(path):
            record = store.get_record(path)
            if record is not None:
                found.append(RecentRecord(path, record[0], written, record[1]))
                if len(found) == limit:
                    break
    return found
