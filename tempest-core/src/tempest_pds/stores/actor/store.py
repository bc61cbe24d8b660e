"""One open repo file: the commits, nodes, records and blobs of one account.

Reads run on the reading connection, in the thread of the caller; `apply` and the other writes on the writing one. A
repo file may be behind the sequencer's log, never ahead of it, so it commits with `synchronous=NORMAL`.

The tree on the disk lags further than the records. Each commit replaces the nodes from its leaf to the root, 14
scattered rows for one record, and the next commit replaces most of them again. So `apply` writes the records, and keeps
nodes and root in memory until there are enough of them: twice as fast, and a fifth of the bytes. What is on the disk is
then the tree and root of an older commit with records that may be newer. Replaying the log's commits above
that root, as after any crash, makes it whole; `sync`, `checkpoint` and `close` write the tree first, and must have
been called before the log forgets a commit or the file is copied.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from threading import Lock, get_ident
from types import TracebackType
from typing import Final, NamedTuple

from tempest_pds.protocol.data_model.cid import CID
from tempest_pds.protocol.errors import TempestError
from tempest_pds.protocol.syntax.did import Did
from tempest_pds.protocol.syntax.tid import Tid
from tempest_pds.repo.repo import RepoHead
from tempest_pds.stores.actor import statements as sql
from tempest_pds.stores.actor.batch import NO_NODE_CHANGES, NodeChanges, RecordChanges
from tempest_pds.stores.actor.blobs import BlobTable
from tempest_pds.stores.actor.commit_row import NO_BLOB_CHANGES, BlobChanges, CommitRow, Root
from tempest_pds.stores.actor.preferences import Preferences
from tempest_pds.stores.actor.record_writes import clear_records, orphan_unused, write_records
from tempest_pds.stores.actor.snapshot import Snapshot
from tempest_pds.stores.actor.tables import SCHEMA
from tempest_pds.stores.database import Database, QueryObserver, Transaction

UNWRITTEN_NODES: Final = 128
UNWRITTEN_DELETIONS: Final = 512


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


class _Frozen(NamedTuple):
    thread: int
    root: Root | None
    unwritten: NodeChanges


class ActorStore:
    """The repo file of `did`. Get one from `ActorStores.open`, and use it in a `with` block, which keeps it open."""

    def __init__(self, did: str, path: Path, *, cache_kib: int = 512, observe: QueryObserver | None = None) -> None:
        self.did = did
        self.database = Database(path, SCHEMA, cache_kib=cache_kib, observe=observe)
        self.blobs = BlobTable(self.database)
        self.preferences = Preferences(self.database)
        self._root = self._read_root()
        self._unwritten = NO_NODE_CHANGES
        self._frozen: _Frozen | None = None
        self._pins = 0
        self._pins_lock = Lock()

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
        # Asked before the file: a node leaves this set only when a commit has put it into the file.
        frozen = self._frozen
        unwritten = frozen.unwritten if frozen is not None and frozen.thread == get_ident() else self._unwritten
        held = unwritten.nodes.get(cid.raw)
        if held is not None:
            return held[2]
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

    def record_count(self) -> int:
        """Count the records; takes time in proportion to them."""
        row = self.database.one(sql.COUNT_RECORDS)
        return int(row[0]) if row else 0

    def block_count(self) -> int:
        """Count the blocks of the repo: commit, nodes and records; takes time in proportion to them."""
        with self.frozen() as root:
            row = self.database.one(sql.COUNT_NODES)
            unwritten = self._unwritten if self._frozen is None else self._frozen.unwritten
            on_disk = sum(
                self.database.one(sql.SELECT_NODE, (raw,)) is not None for raw in (*unwritten.nodes, *unwritten.removed)
            )
            nodes = (int(row[0]) if row else 0) - on_disk + len(unwritten.nodes)
            return nodes + self.record_count() + (root is not None)

    def record_takedown(self, path: str) -> str | None:
        """Return the reference of a record's takedown; None when it is not taken down, or not there."""
        row = self.database.one(sql.SELECT_RECORD_TAKEDOWN, (path,))
        return None if row is None else row[0]

    @contextmanager
    def frozen(self) -> Iterator[Root | None]:
        """Read one state: `with store.frozen() as root:`, in the event loop's thread; nothing may be awaited inside."""
        if self._frozen is not None:
            yield self._frozen.root
            return
        reader = self.database.reader
        with ExitStack() as reading:
            with self.database.commit_lock:
                reading.enter_context(self.database.read_lock)
                reader.execute("BEGIN")
                self._read_root()  # SQLite takes its snapshot at the first read
                frozen = self._frozen = _Frozen(get_ident(), self._root, self._unwritten)
            try:
                yield frozen.root
            finally:
                self._frozen = None
                reader.execute("COMMIT")

    def snapshot(self) -> Snapshot:
        """Open a state of the repo for a read that takes its time; the caller closes it."""
        connection = self.database.open_reader()
        with self.database.commit_lock:
            connection.execute("BEGIN")
            connection.execute(sql.SELECT_ROOT.sql).fetchone()
            return Snapshot(connection, self._root, self._unwritten)

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
        newest = commits[-1]
        root = Root(self.did, newest.commit_cid, newest.rev, newest.data_cid, newest.commit_block)
        changes = self._unwritten.followed_by(commits)
        with self.database.transaction() as transaction:
            blobs = write_records(transaction, RecordChanges(commits))
            if self._root is None or len(changes.nodes) > UNWRITTEN_NODES or len(changes.removed) > UNWRITTEN_DELETIONS:
                _write_tree(transaction, root, changes)
                changes = NO_NODE_CHANGES
            transaction.after_commit(lambda: self._now_at(root, changes))
        return blobs

    def _now_at(self, root: Root, unwritten: NodeChanges) -> None:
        self._root, self._unwritten = root, unwritten

    def replace(self, chunks: Iterable[CommitRow]) -> BlobChanges:
        """Put another repo in the place of this one, in one transaction: what an import ends in.

        The chunks together are one commit: they bear the same rev and root, and each brings a part of the nodes and
        records, so that a large repo need not be in memory. Raises RevNotRising when that rev is not above the repo's.
        """
        before = self._root.rev if self._root is not None else ""
        root: Root | None = None
        with self.database.transaction() as transaction:
            let_go = clear_records(transaction)
            transaction.run(sql.DELETE_ALL_NODES)
            published: dict[CID, None] = {}
            for chunk in chunks:
                if chunk.rev <= before:
                    raise RevNotRising(f"rev {chunk.rev} of {self.did} is not above {before}")
                root = Root(self.did, chunk.commit_cid, chunk.rev, chunk.data_cid, chunk.commit_block)
                nodes = NO_NODE_CHANGES.followed_by([chunk])
                changes = write_records(transaction, RecordChanges([chunk]))
                published.update(dict.fromkeys(changes.published))
                _write_tree(transaction, root, nodes)
            assert root is not None, "an import has a commit"
            now_at = root
            transaction.after_commit(lambda: self._now_at(now_at, NO_NODE_CHANGES))
            return BlobChanges(tuple(published), orphan_unused(transaction, let_go))

    def set_record_takedown(self, path: str, reference: str | None) -> bool:
        """Take a record down, or with None show it again; False when there is no such record."""
        with self.database.transaction() as transaction:
            return transaction.run(sql.SET_RECORD_TAKEDOWN, (reference, path)) > 0

    def flush(self) -> None:
        """Write the tree as it stands, so that the file by itself is the whole repo."""
        with self.database.write_lock:
            root = self._root
            if root is None or self._unwritten is NO_NODE_CHANGES or self.database.closed:
                return
            with self.database.transaction() as transaction:
                _write_tree(transaction, root, self._unwritten)
                transaction.after_commit(lambda: self._now_at(root, NO_NODE_CHANGES))

    def checkpoint(self) -> bool:
        """Write the tree, and move the write-ahead log into the file; by the owner of the writing connection."""
        self.flush()
        return self.database.checkpoint()

    def sync(self) -> None:
        """Make every applied commit survive the loss of power."""
        self.flush()
        self.database.sync()

    def close(self) -> None:
        """Write the tree and close the file; nobody may be using it. To sync or checkpoint it then does nothing."""
        self.flush()
        self.database.close()

    def discard(self) -> None:
        """Close the file as it is: it is about to be deleted."""
        self.database.close()


def _write_tree(transaction: Transaction, root: Root, changes: NodeChanges) -> None:
    if changes.removed:
        transaction.run_many(sql.DELETE_NODE, [(raw,) for raw in sorted(changes.removed)])
    if changes.nodes:
        transaction.run_many(sql.PUT_NODE, sorted(changes.nodes.values()))
    transaction.run(sql.PUT_ROOT, (1, root.did, root.commit.raw, root.rev, root.data.raw, root.commit_block))
