"""One open repo file: the commits, nodes, records and blobs of one account.

Reads run on the reading connection, in the thread of the caller; `apply` and the other writes on the writing one. A
repo file may be behind the sequencer's log, never ahead of it, so it commits with `synchronous=NORMAL`.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from time import time_ns
from types import TracebackType
from typing import NamedTuple

from tempest_pds.protocol.data_model.cid import CID
from tempest_pds.protocol.errors import TempestError
from tempest_pds.protocol.syntax.did import Did
from tempest_pds.protocol.syntax.tid import Tid
from tempest_pds.repo.repo import RepoHead
from tempest_pds.stores.actor import statements as sql
from tempest_pds.stores.actor.batch import Batch
from tempest_pds.stores.actor.blobs import BlobTable
from tempest_pds.stores.actor.commit_row import NO_BLOB_CHANGES, BlobChanges, CommitRow, Root
from tempest_pds.stores.actor.snapshot import Snapshot
from tempest_pds.stores.actor.tables import SCHEMA
from tempest_pds.stores.database import Database, QueryObserver, Transaction


class RevNotRising(TempestError):
    """A commit whose rev is not above the one the repo file holds."""


class RecordRow(NamedTuple):
    """A record as it lies in the file; `value` is DAG-CBOR."""

    path: str
    cid: CID
    value: bytes

    @property
    def rkey(self) -> str:
        """The record key: what follows the collection in the path."""
        return self.path[self.path.index("/") + 1 :]


class ActorStore:
    """The repo file of `did`. Get one from `ActorStores.open`, and use it in a `with` block, which keeps it open."""

    def __init__(self, did: str, path: Path, *, cache_kib: int = 512, observe: QueryObserver | None = None) -> None:
        self.did = did
        self.database = Database(path, SCHEMA, cache_kib=cache_kib, observe=observe)
        self.blobs = BlobTable(self.database)
        self._root = self._read_root()
        self._pins = 0
        self._pins_lock = threading.Lock()

    def __enter__(self) -> ActorStore:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.release()

    def pin(self) -> None:
        """Keep the file open until `release` is called as many times."""
        with self._pins_lock:
            self._pins += 1

    def release(self) -> None:
        """Let go of one `pin`."""
        with self._pins_lock:
            self._pins -= 1

    @property
    def pinned(self) -> bool:
        """Whether anybody uses this store now."""
        return self._pins > 0

    # The head

    def _read_root(self) -> Root | None:
        row = self.database.one(sql.SELECT_ROOT)
        return None if row is None else Root(row[0], CID(row[1]), row[2], CID(row[3]), row[4])

    def root(self) -> Root | None:
        """Return where the repo stands, with its commit; None until the genesis commit is applied. Costs no query."""
        return self._root

    def head(self) -> RepoHead | None:
        """Return where the repo stands; None until the genesis commit is applied. Costs no query."""
        root = self._root
        return None if root is None else RepoHead(Did(root.did), root.commit, Tid(root.rev), root.data)

    # Reading

    def get(self, cid: CID) -> bytes | None:
        """Return a node of the tree; the block source of the tree."""
        row = self.database.one(sql.SELECT_NODE, (cid.raw,))
        return None if row is None else bytes(row[0])

    def get_block(self, cid: CID) -> bytes | None:
        """Return any block of the repo: a node, the commit, or a record."""
        block = self.get(cid)
        if block is not None:
            return block
        root = self._root
        if root is not None and root.commit == cid:
            return root.commit_block
        row = self.database.one(sql.SELECT_RECORD_BLOCK, (cid.raw, 1))
        return None if row is None else bytes(row[0])

    def get_record(self, path: str, *, include_taken_down: bool = False) -> tuple[CID, bytes] | None:
        """Return the CID and the DAG-CBOR of the record at `collection/rkey`."""
        row = self.database.one(sql.SELECT_ANY_RECORD if include_taken_down else sql.SELECT_RECORD, (path,))
        return None if row is None else (CID(row[0]), row[1])

    def list_records(
        self, collection: str, limit: int, cursor: str | None = None, *, reverse: bool = False
    ) -> list[RecordRow]:
        """Return up to `limit` records, the highest record key first, or the lowest when `reverse` is set.

        `cursor` is a record key: the page begins after it, in the order asked for.
        """
        low, high = collection + "/", collection + "0"
        if cursor is not None:
            if reverse:
                low += cursor
            else:
                high = low + cursor
        rows = self.database.all(sql.LIST_ASCENDING if reverse else sql.LIST_DESCENDING, (low, high, limit))
        return [RecordRow(path, CID(cid), value) for path, cid, value in rows]

    def collections(self) -> list[str]:
        """Return every collection that holds a record, sorted; one lookup for each."""
        found: list[str] = []
        low = ""
        while (row := self.database.one(sql.NEXT_PATH, (low, 1))) is not None:
            collection = row[0][: row[0].index("/")]
            found.append(collection)
            low = collection + "0"  # the character after "/"
        return found

    def backlinks(self, collection: str, subject: str) -> list[str]:
        """Return the paths of this account's records in `collection` about `subject` (a DID or an at-uri)."""
        rows = self.database.all(sql.SELECT_BACKLINKS, (subject, collection + "/", collection + "0"))
        return [row[0] for row in rows]

    @contextmanager
    def frozen(self) -> Iterator[Root | None]:
        """Read one state: `with store.frozen() as root:`; nothing may be awaited inside."""
        self.database.reader.execute("BEGIN")
        try:
            yield self._read_root()
        finally:
            self.database.reader.execute("COMMIT")

    def snapshot(self) -> Snapshot:
        """Open a state of the file for a read that takes its time; the caller closes it."""
        return Snapshot(self.database)

    # Writing

    def apply(self, commits: Sequence[CommitRow]) -> BlobChanges:
        """Write a run of commits, oldest first, in one transaction; all of them or none.

        Raises RevNotRising when a rev is not above the one before it, or above the repo's own.
        """
        if not commits:
            return NO_BLOB_CHANGES
        before = self._root.rev if self._root is not None else ""
        for commit in commits:
            if commit.rev <= before:
                raise RevNotRising(f"rev {commit.rev} of {self.did} is not above {before}")
            before = commit.rev
        batch = Batch(commits)
        newest = commits[-1]
        with self.database.transaction() as transaction:
            if batch.removed:
                transaction.run_many(sql.DELETE_NODE, [(raw,) for raw in sorted(batch.removed)])
            if batch.nodes:
                transaction.run_many(sql.PUT_NODE, sorted(batch.nodes.values()))
            changes = write_records(transaction, batch)
            self._put_root(transaction, newest)
        self._root = Root(self.did, newest.commit_cid, newest.rev, newest.data_cid, newest.commit_block)
        return changes

    def _put_root(self, transaction: Transaction, commit: CommitRow) -> None:
        transaction.run(
            sql.PUT_ROOT, (1, self.did, commit.commit_cid.raw, commit.rev, commit.data_cid.raw, commit.commit_block)
        )

    def checkpoint(self) -> bool:
        """Move the write-ahead log into the file; called by the owner of the writing connection, between batches."""
        return self.database.checkpoint()

    def sync(self) -> None:
        """Make every applied commit survive the loss of power."""
        self.database.sync()

    def close(self) -> None:
        """Close the file; nobody may be using it."""
        self.database.close()


def write_records(transaction: Transaction, batch: Batch) -> BlobChanges:
    """Write the records of a batch with their blobs and backlinks."""
    touched = [(path,) for path in {**batch.deletes, **batch.upserts}]
    let_go: set[bytes] = set()
    for path in touched:
        rows = transaction.all(sql.SELECT_RECORD_BLOBS, path)
        if rows:
            let_go.update(row[0] for row in rows)
            transaction.run(sql.DELETE_RECORD_BLOBS, path)
    if touched:
        transaction.run_many(sql.DELETE_BACKLINK, touched)
    if batch.deletes:
        transaction.run_many(sql.DELETE_RECORD, [(path,) for path in batch.deletes])
    if batch.upserts:
        transaction.run_many(sql.PUT_RECORD, batch.upserts.values())
    if batch.backlinks:
        transaction.run_many(sql.PUT_BACKLINK, batch.backlinks.items())
    if not (let_go or batch.blobs):
        return NO_BLOB_CHANGES
    return _write_blobs(transaction, batch, let_go)


def _write_blobs(transaction: Transaction, batch: Batch, let_go: set[bytes]) -> BlobChanges:
    now = time_ns() // 1000
    held = {raw for raws in batch.blobs.values() for raw in raws}
    transaction.run_many(sql.PUT_RECORD_BLOB, [(path, raw) for path, raws in batch.blobs.items() for raw in raws])
    published = [raw for raw in sorted(held) if transaction.run(sql.SET_BLOB_STATUS, ("public", now, raw, "public"))]
    orphaned = []
    for raw in sorted(let_go - held):
        if transaction.one(sql.SELECT_BLOB_USER, (raw, 1)) is None:
            transaction.run(sql.SET_BLOB_STATUS, ("orphaned", now, raw, "orphaned"))
            orphaned.append(raw)
    return BlobChanges(tuple(map(CID, published)), tuple(map(CID, orphaned)))
