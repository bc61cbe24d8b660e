"""Putting another repository in the place of the one in a repo file, as an import does.

The log of events knows nothing of it, so it has to be on the disk before anybody is told.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from sqlalchemy import select

from tempest_pds.protocol.data_model.cid import CID
from tempest_pds.stores.actor import statements as sql
from tempest_pds.stores.actor.blobs import TEMPORARY
from tempest_pds.stores.actor.commit_row import BlobChanges, CommitRow
from tempest_pds.stores.actor.store import ActorStore
from tempest_pds.stores.actor.tables import BLOB, RECORD
from tempest_pds.stores.statement import Statement, select_where

_TAKEN_DOWN: Final = Statement(select(RECORD.c.takedown_ref, RECORD.c.path).where(RECORD.c.takedown_ref.is_not(None)))
_WITH_STATUS: Final = select_where(BLOB, BLOB.c.status)


def replace_repo(store: ActorStore, chunks: Iterable[CommitRow]) -> BlobChanges:
    """Replace the repository in one transaction, and make that survive the loss of power.

    What a moderator took down stays so, under the same path. For a thread that may wait, while no other one writes to
    the file.

    Args:
        chunks: the parts of one commit, as `ActorStore.replace` takes them.
    """
    with store.database.transaction() as transaction:
        taken_down = transaction.all(_TAKEN_DOWN)
        changes = store.replace(chunks)
        transaction.run_many(sql.SET_RECORD_TAKEDOWN, taken_down)
    store.sync()
    store.checkpoint()
    return changes


def temporary_blobs(store: ActorStore) -> list[CID]:
    """Return the blobs that were uploaded and that no record has referred to yet."""
    connection = store.database.open_reader()
    try:
        return [CID(row[0]) for row in connection.execute(_WITH_STATUS.sql, (TEMPORARY,))]
    finally:
        connection.close()
