"""The statements of the commit path: what one commit runs, and what a read of a record or a block runs."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import BindParameter, bindparam, delete, func, select, update
from sqlalchemy.dialects.sqlite import insert

from tempest_pds.stores.actor.tables import BACKLINK, BLOB, NODE, RECORD, RECORD_BLOB, ROOT
from tempest_pds.stores.statement import Statement, paged, update_where

_cid: Final[BindParameter[Any]] = bindparam("cid")
_path: Final[BindParameter[Any]] = bindparam("path")

SELECT_ROOT: Final = Statement(select(ROOT.c.did, ROOT.c.commit_cid, ROOT.c.rev, ROOT.c.data_cid, ROOT.c.commit_block))
_put_root = insert(ROOT).values(
    id=bindparam("id"),
    did=bindparam("did"),
    commit_cid=bindparam("commit_cid"),
    rev=bindparam("rev"),
    data_cid=bindparam("data_cid"),
    commit_block=bindparam("commit_block"),
)
PUT_ROOT: Final = Statement(
    _put_root.on_conflict_do_update(
        index_elements=[ROOT.c.id],
        set_={name: _put_root.excluded[name] for name in ("commit_cid", "rev", "data_cid", "commit_block")},
    ),
    "id",
    "did",
    "commit_cid",
    "rev",
    "data_cid",
    "commit_block",
)

SELECT_NODE: Final = Statement(select(NODE.c.block).where(NODE.c.cid == _cid), "cid")
_put_node = insert(NODE).values(cid=_cid, rev=bindparam("rev"), block=bindparam("block"))
PUT_NODE: Final = Statement(
    _put_node.on_conflict_do_update(index_elements=[NODE.c.cid], set_={"rev": _put_node.excluded.rev}),
    "cid",
    "rev",
    "block",
)
DELETE_NODE: Final = Statement(delete(NODE).where(NODE.c.cid == _cid), "cid")
DELETE_ALL_NODES: Final = Statement(delete(NODE))

SELECT_RECORD: Final = Statement(
    select(RECORD.c.cid, RECORD.c.value).where(RECORD.c.path == _path, RECORD.c.takedown_ref.is_(None)), "path"
)
SELECT_ANY_RECORD: Final = Statement(select(RECORD.c.cid, RECORD.c.value).where(RECORD.c.path == _path), "path")
SELECT_RECORD_BLOCK: Final = Statement(
    paged(select(RECORD.c.value).where(RECORD.c.cid == _cid)),
    "cid",
    "count",
)
_put_record = insert(RECORD).values(path=_path, cid=_cid, rev=bindparam("rev"), value=bindparam("value"))
PUT_RECORD: Final = Statement(
    _put_record.on_conflict_do_update(
        index_elements=[RECORD.c.path], set_={name: _put_record.excluded[name] for name in ("cid", "rev", "value")}
    ),
    "path",
    "cid",
    "rev",
    "value",
)
DELETE_RECORD: Final = Statement(delete(RECORD).where(RECORD.c.path == _path), "path")
DELETE_ALL_RECORDS: Final = Statement(delete(RECORD))

_range = (RECORD.c.path > bindparam("low"), RECORD.c.path < bindparam("high"), RECORD.c.takedown_ref.is_(None))
_listed = paged(select(RECORD.c.path, RECORD.c.cid, RECORD.c.value).where(*_range))
LIST_DESCENDING: Final = Statement(_listed.order_by(RECORD.c.path.desc()), "low", "high", "count")
LIST_ASCENDING: Final = Statement(_listed.order_by(RECORD.c.path), "low", "high", "count")
NEXT_PATH: Final = Statement(
    paged(select(RECORD.c.path).where(RECORD.c.path >= bindparam("low")).order_by(RECORD.c.path)),
    "low",
    "count",
)

COUNT_RECORDS: Final = Statement(select(func.count()).select_from(RECORD))
COUNT_NODES: Final = Statement(select(func.count()).select_from(NODE))
SELECT_RECORD_TAKEDOWN: Final = Statement(select(RECORD.c.takedown_ref).where(RECORD.c.path == _path), "path")
SET_RECORD_TAKEDOWN: Final = update_where(RECORD, ["takedown_ref"], RECORD.c.path)

SELECT_ALL_RECORD_BLOBS: Final = Statement(select(RECORD_BLOB.c.cid).distinct())
SELECT_RECORD_BLOBS: Final = Statement(select(RECORD_BLOB.c.cid).where(RECORD_BLOB.c.path == _path), "path")
PUT_RECORD_BLOB: Final = Statement(
    insert(RECORD_BLOB).values(path=_path, cid=_cid).on_conflict_do_nothing(), "path", "cid"
)
DELETE_RECORD_BLOBS: Final = Statement(delete(RECORD_BLOB).where(RECORD_BLOB.c.path == _path), "path")
DELETE_ALL_RECORD_BLOBS: Final = Statement(delete(RECORD_BLOB))
SELECT_BLOB_USER: Final = Statement(
    paged(select(RECORD_BLOB.c.path).where(RECORD_BLOB.c.cid == _cid)),
    "cid",
    "count",
)
SET_BLOB_STATUS: Final = Statement(
    update(BLOB)
    .where(BLOB.c.cid == bindparam("blob_cid"), BLOB.c.status != bindparam("unless"))
    .values(status=bindparam("status_to"), changed_at=bindparam("changed_at_to")),
    "status_to",
    "changed_at_to",
    "blob_cid",
    "unless",
)

_put_backlink = insert(BACKLINK).values(path=_path, subject=bindparam("subject"))
PUT_BACKLINK: Final = Statement(
    _put_backlink.on_conflict_do_update(
        index_elements=[BACKLINK.c.path], set_={"subject": _put_backlink.excluded.subject}
    ),
    "path",
    "subject",
)
DELETE_BACKLINK: Final = Statement(delete(BACKLINK).where(BACKLINK.c.path == _path), "path")
DELETE_ALL_BACKLINKS: Final = Statement(delete(BACKLINK))
SELECT_BACKLINKS: Final = Statement(
    select(BACKLINK.c.path).where(
        BACKLINK.c.subject == bindparam("subject"),
        BACKLINK.c.path > bindparam("low"),
        BACKLINK.c.path < bindparam("high"),
    ),
    "subject",
    "low",
    "high",
)
