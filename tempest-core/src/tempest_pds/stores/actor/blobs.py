"""What a repo file knows of an account's blobs: which were uploaded, which records refer to which.

A blob's row is `temporary` from its upload until a record refers to it, `public` then, and `orphaned` when the last
such record is gone; `ActorStore.apply` moves it between the latter two. The bytes lie in the blob store."""

from __future__ import annotations

from time import time_ns
from typing import Final, NamedTuple

from sqlalchemy import BindParameter, ColumnClause, bindparam, delete, distinct, exists, func, literal_column, select
from sqlalchemy.dialects.sqlite import insert

from tempest_pds.protocol.data_model.cid import CID
from tempest_pds.stores.actor.tables import BLOB, RECORD, RECORD_BLOB
from tempest_pds.stores.database import Database
from tempest_pds.stores.statement import Statement, paged, update_where

TEMPORARY: Final = "temporary"
PUBLIC: Final = "public"
ORPHANED: Final = "orphaned"

_cid: Final[BindParameter[bytes]] = bindparam("cid")
_is_public: Final[ColumnClause[str]] = literal_column("'public'")
_columns = (BLOB.c.cid, BLOB.c.mime_type, BLOB.c.size, BLOB.c.status, BLOB.c.takedown_ref)
_used = exists().where(RECORD_BLOB.c.cid == BLOB.c.cid)

_GET = Statement(select(*_columns).where(BLOB.c.cid == _cid), "cid")
_USERS = Statement(paged(select(RECORD_BLOB.c.path).where(RECORD_BLOB.c.cid == _cid)), "cid", "count")
_put = insert(BLOB).values(
    cid=_cid,
    mime_type=bindparam("mime_type"),
    size=bindparam("size"),
    status=bindparam("status"),
    changed_at=bindparam("changed_at"),
)
_PUT = Statement(
    _put.on_conflict_do_update(
        index_elements=[BLOB.c.cid],
        set_={name: _put.excluded[name] for name in ("mime_type", "status", "changed_at")},
        where=BLOB.c.status != _is_public,
    ),
    "cid",
    "mime_type",
    "size",
    "status",
    "changed_at",
)
_FORGET = Statement(delete(BLOB).where(BLOB.c.cid == _cid, BLOB.c.takedown_ref.is_(None), ~_used), "cid")
_UNUSED = Statement(
    paged(
        select(*_columns)
        .where(
            BLOB.c.changed_at < bindparam("before"), BLOB.c.status != _is_public, BLOB.c.takedown_ref.is_(None), ~_used
        )
        .order_by(BLOB.c.changed_at)
    ),
    "before",
    "count",
)
_LIST = Statement(
    paged(
        select(RECORD_BLOB.c.cid)
        .distinct()
        .join(RECORD, RECORD.c.path == RECORD_BLOB.c.path)
        .where(RECORD_BLOB.c.cid > _cid, RECORD.c.rev > bindparam("since"))
        .order_by(RECORD_BLOB.c.cid)
    ),
    "cid",
    "since",
    "count",
)
_MISSING = Statement(
    paged(
        select(RECORD_BLOB.c.cid, func.min(RECORD_BLOB.c.path))
        .where(RECORD_BLOB.c.cid > _cid, ~exists().where(BLOB.c.cid == RECORD_BLOB.c.cid))
        .group_by(RECORD_BLOB.c.cid)
        .order_by(RECORD_BLOB.c.cid)
    ),
    "cid",
    "count",
)
_COUNT_EXPECTED = Statement(select(func.count(distinct(RECORD_BLOB.c.cid))))
COUNT_STORED = Statement(select(func.count()).select_from(BLOB))
"""How many blobs were uploaded."""
_PAGE = Statement(paged(select(*_columns).where(BLOB.c.cid > _cid).order_by(BLOB.c.cid)), "cid", "count")
_SET_TAKEDOWN = update_where(BLOB, ["takedown_ref"], BLOB.c.cid)
_TAKEN_DOWN = Statement(select(*_columns).where(BLOB.c.takedown_ref.is_not(None)))


class BlobRow(NamedTuple):
    """An uploaded blob: `mime_type` was sniffed, `size` is in bytes, `takedown_ref` is set when it was taken down."""

    cid: CID
    mime_type: str
    size: int
    status: str
    takedown_ref: str | None


class BlobTable:
    """The blobs of one account; reads in the caller's thread, writes in that of the writer."""

    __slots__ = ("_database",)

    def __init__(self, database: Database) -> None:
        self._database = database

    def get(self, cid: CID) -> BlobRow | None:
        """Return a blob that was uploaded, whatever its status."""
        row = self._database.one(_GET, (cid.raw,))
        return None if row is None else BlobRow(CID(row[0]), *row[1:])

    def is_used(self, cid: CID) -> bool:
        """Tell whether a record refers to the blob."""
        return self._database.one(_USERS, (cid.raw, 1)) is not None

    def users(self, cid: CID, limit: int) -> list[str]:
        """Return the paths of records that refer to the blob."""
        return [row[0] for row in self._database.all(_USERS, (cid.raw, limit))]

    def put(self, cid: CID, mime_type: str, size: int, status: str) -> None:
        """Note an upload; one that is public already stays as it is."""
        with self._database.transaction() as transaction:
            transaction.run(_PUT, (cid.raw, mime_type, size, status, time_ns() // 1000))

    def forget(self, cid: CID) -> bool:
        """Remove a blob that no record refers to and that was not taken down; tell whether it was removed."""
        with self._database.transaction() as transaction:
            return transaction.run(_FORGET, (cid.raw,)) > 0

    def page(self, limit: int, after: CID | None) -> list[BlobRow]:
        """Return blobs whatever their status, by CID."""
        rows = self._database.all(_PAGE, (b"" if after is None else after.raw, limit))
        return [BlobRow(CID(row[0]), *row[1:]) for row in rows]

    def set_takedown(self, cid: CID, reference: str | None) -> bool:
        """Take a blob down, or with None let it be read again; False when it was never uploaded."""
        with self._database.transaction() as transaction:
            return transaction.run(_SET_TAKEDOWN, (reference, cid.raw)) > 0

    def taken_down(self) -> list[BlobRow]:
        """Return the blobs that a moderator took down."""
        return [BlobRow(CID(row[0]), *row[1:]) for row in self._database.all(_TAKEN_DOWN)]

    def unused(self, before_us: int, limit: int) -> list[BlobRow]:
        """Return blobs that no record refers to and that have not changed since a moment in µs since 1970.

        What was taken down is kept, or it could be uploaded again.
        """
        rows = self._database.all(_UNUSED, (before_us, limit))
        return [BlobRow(CID(row[0]), *row[1:]) for row in rows]

    def list_used(self, since_rev: str, limit: int, after: CID | None) -> list[CID]:
        """Return the blobs that records newer than `since_rev` refer to, by CID."""
        rows = self._database.all(_LIST, (b"" if after is None else after.raw, since_rev, limit))
        return [CID(row[0]) for row in rows]

    def missing(self, limit: int, after: CID | None) -> list[tuple[CID, str]]:
        """Return the blobs that records refer to and that were not uploaded, each with the path of one such record."""
        rows = self._database.all(_MISSING, (b"" if after is None else after.raw, limit))
        return [(CID(row[0]), row[1]) for row in rows]

    def count_expected(self) -> int:
        """Count the blobs that records refer to."""
        row = self._database.one(_COUNT_EXPECTED)
        return 0 if row is None else int(row[0])

    def count_stored(self) -> int:
        """Count the blobs that were uploaded."""
        row = self._database.one(COUNT_STORED)
        return 0 if row is None else int(row[0])
