"""Writing records to a repo file, with what is kept beside them: the blobs and the subjects they refer to."""

from __future__ import annotations

from collections.abc import Iterable
from time import time_ns

from tempest_pds.protocol.data_model.cid import CID
from tempest_pds.stores.actor import statements as sql
from tempest_pds.stores.actor.batch import RecordChanges
from tempest_pds.stores.actor.blobs import ORPHANED, PUBLIC
from tempest_pds.stores.actor.commit_row import NO_BLOB_CHANGES, BlobChanges
from tempest_pds.stores.database import Transaction


def write_records(transaction: Transaction, changes: RecordChanges) -> BlobChanges:
    """Write changed records, and tell which blobs came into use and which went out of it."""
    touched = [(path,) for path in {**changes.deletes, **changes.upserts}]
    let_go: set[bytes] = set()
    for path in touched:
        rows = transaction.all(sql.SELECT_RECORD_BLOBS, path)
        if rows:
            let_go.update(row[0] for row in rows)
            transaction.run(sql.DELETE_RECORD_BLOBS, path)
    if touched:
        transaction.run_many(sql.DELETE_BACKLINK, touched)
    if changes.deletes:
        transaction.run_many(sql.DELETE_RECORD, [(path,) for path in changes.deletes])
    if changes.upserts:
        transaction.run_many(sql.PUT_RECORD, changes.upserts.values())
    if changes.backlinks:
        transaction.run_many(sql.PUT_BACKLINK, changes.backlinks.items())
    if not (let_go or changes.blobs):
        return NO_BLOB_CHANGES
    return _write_blobs(transaction, changes, let_go)


def _write_blobs(transaction: Transaction, changes: RecordChanges, let_go: set[bytes]) -> BlobChanges:
    now = time_ns() // 1000
    held = {raw for raws in changes.blobs.values() for raw in raws}
    transaction.run_many(sql.PUT_RECORD_BLOB, [(path, raw) for path, raws in changes.blobs.items() for raw in raws])
    published = [raw for raw in sorted(held) if transaction.run(sql.SET_BLOB_STATUS, (PUBLIC, now, raw, PUBLIC))]
    return BlobChanges(tuple(map(CID, published)), orphan_unused(transaction, let_go - held))


def orphan_unused(transaction: Transaction, let_go: Iterable[bytes]) -> tuple[CID, ...]:
    """Mark those of some blobs that no record refers to any more, and return them."""
    now = time_ns() // 1000
    orphaned = []
    for raw in sorted(let_go):
        if transaction.one(sql.SELECT_BLOB_USER, (raw, 1)) is None:
            transaction.run(sql.SET_BLOB_STATUS, (ORPHANED, now, raw, ORPHANED))
            orphaned.append(CID(raw))
    return tuple(orphaned)


def clear_records(transaction: Transaction) -> set[bytes]:
    """Delete every record with what is kept beside it; return the blobs that were referred to."""
    let_go = {row[0] for row in transaction.all(sql.SELECT_ALL_RECORD_BLOBS)}
    for statement in (sql.DELETE_ALL_RECORDS, sql.DELETE_ALL_RECORD_BLOBS, sql.DELETE_ALL_BACKLINKS):
        transaction.run(statement)
    return let_go
