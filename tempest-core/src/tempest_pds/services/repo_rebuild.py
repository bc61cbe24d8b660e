"""Build an account's repository anew from its records: a new tree under a new signed commit, told by #sync.

The records are the account's own words, the tree is made of them; so a tree that lost a node, or a commit whose
signature does not hold, can be made again. It is also the way out for a repository that does not fit the log: what the
log has of it beyond its file is put on top of the records that are there.

Writers are kept away meanwhile. Nothing changes before all of the new tree is made, beside the file; it is put in its
place in one transaction, so that a crash leaves the old repository or the new one.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import structlog

from tempest_pds.protocol.data_model.cid import CID
from tempest_pds.protocol.errors import ProtocolError
from tempest_pds.protocol.lexicon.record_links import blobs_in
from tempest_pds.protocol.syntax.did import Did
from tempest_pds.protocol.syntax.repo_path import parse_repo_path
from tempest_pds.protocol.syntax.tid import Tid, TidClock
from tempest_pds.repo.commit import sign_commit
from tempest_pds.repo.mst.change import Change
from tempest_pds.repo.mst.node import EMPTY_BLOCK, EMPTY_ROOT
from tempest_pds.repo.mst.tree import Tree
from tempest_pds.services.blobs import Blobs
from tempest_pds.services.commit_log import CommitLog
from tempest_pds.services.errors import InvalidRequest
from tempest_pds.services.event_frames import SyncEvent, decode_commit_frame
from tempest_pds.services.finishing import finish, in_thread
from tempest_pds.services.foreign_repos import ForeignHead, ForeignRepo
from tempest_pds.services.hosting import Hosting
from tempest_pds.services.open_repos import OpenRepos
from tempest_pds.services.progress import Progress
from tempest_pds.services.record_index import decode_record
from tempest_pds.services.repo_errors import RepoNotFound
from tempest_pds.services.repo_list import RepoList
from tempest_pds.stores.actor.inspection import Inspection
from tempest_pds.stores.actor.replacement import replace_repo, temporary_blobs
from tempest_pds.stores.actor.store import ActorStore
from tempest_pds.stores.actor.stores import ActorStores
from tempest_pds.stores.actor.stores import RepoNotFound as NoRepoFile
from tempest_pds.stores.block_spool import BlockSpool
from tempest_pds.stores.key_files import KeyFiles
from tempest_pds.stores.sequencer.store import SequencerStore

_BATCH: Final = 256
_CACHED_NODES: Final = 4_000
_PAUSE_SECONDS: Final = 0.001

_log = structlog.get_logger("tempest_pds.repo_rebuild")


class RecordsDamaged(InvalidRequest):
    """Some records cannot be read back as they were written, and nobody said to leave them out."""


@dataclass(frozen=True, slots=True)
class RebuiltRepo:
    """What a rebuild came to.

    Attributes:
        records: in the repository now.
        from_log: changes that only the log had.
        left_out: the paths of damaged records that are gone now.
    """

    commit: CID
    rev: Tid
    records: int
    from_log: int
    left_out: list[str]


class RepoRebuild:
    """Build repositories anew.

    Args:
        revs: gives the revisions of commits; strictly rising.
        temporary: a directory for what nobody misses after a crash.
    """

    def __init__(
        self,
        *,
        stores: ActorStores,
        repos: OpenRepos,
        keys: KeyFiles,
        log: CommitLog,
        sequencer: SequencerStore,
        blobs: Blobs,
        hosting: Hosting,
        repo_list: RepoList,
        revs: TidClock,
        temporary: Path,
    ) -> None:
        self._stores = stores
        self._repos = repos
        self._keys = keys
        self._log = log
        self._sequencer = sequencer
        self._blobs = blobs
        self._hosting = hosting
        self._repo_list = repo_list
        self._revs = revs
        self._temporary = temporary

    async def rebuild(self, did: Did, *, leave_out_damaged: bool, progress: Progress) -> RebuiltRepo:
        """Build one repository anew.

        Args:
            did: whose it is.
            leave_out_damaged: whether records whose bytes are not what they were are dropped.
            progress: told of records.

        Raises:
            RepoNotFound: the account has no repository file here.
            RepoBusy: its repository is being replaced already.
            RecordsDamaged: some records are damaged, and are not to be left out; nothing has changed.
            SigningKeyNotFound: there is no key to sign with.
            RepoFileDamaged: SQLite cannot read the file; a backup has to.
        """
        try:
            store = self._stores.open(did)
        except NoRepoFile as error:
            raise RepoNotFound(f"Could not find repo for DID: {did}") from error
        with store:
            return await finish(self._rebuild(did, store, leave_out_damaged, progress))

    async def _rebuild(self, did: Did, store: ActorStore, leave_out: bool, progress: Progress) -> RebuiltRepo:
        key = self._keys.signing_key(did)
        spool = BlockSpool(self._temporary / f"rebuild-{secrets.token_hex(8)}.sqlite")
        try:
            await in_thread(spool.open)
            # The order of locks: the account's blobs, then its writers, then its file.
            async with self._blobs.held(did), self._repos.locked_out(did):
                # What was queued before the lock has reached the file by now, or the log alone.
                await self._log.call(lambda: None)
                builder = _Builder(did, spool, self._sequencer, progress)
                await in_thread(builder.build, store)
                if builder.damaged and not leave_out:
                    raise RecordsDamaged(_damaged(builder.damaged))
                head = store.head()
                last = builder.last_rev if head is None else max(builder.last_rev, head.rev)
                rev = self._revs.next(after=Tid(last) if last else None)
                commit = sign_commit(did, rev, builder.tree.root, key)
                used = await in_thread(lambda: [cid for cid in temporary_blobs(store) if spool.refers_to(cid)])
                await self._blobs.publish(did, used)
                rows = ForeignRepo(spool).rows(ForeignHead(commit, rev, commit.cid, commit.encode()))
                async with self._log.set_aside(store):
                    await in_thread(replace_repo, store, rows)
                self._repo_list.note(did, commit.cid, rev)
                if self._hosting.status(did) == "active":
                    await self._log.append([SyncEvent(did, rev, commit.cid, commit.encode())])
        finally:
            await in_thread(spool.close)
        if not self._repos.unfit:
            await self._log.all_fit()
        # An account that is not active has no event that would bring the list up to date after a crash.
        await self._repo_list.flush()
        _log.warning("repo.rebuilt", did=did, rev=rev, left_out=len(builder.damaged))
        return RebuiltRepo(commit.cid, rev, builder.records, builder.from_log, builder.damaged)


class _Builder:
    """Makes the tree of a file's records in a spool; for a thread beside the event loop's."""

    def __init__(self, did: Did, spool: BlockSpool, sequencer: SequencerStore, progress: Progress) -> None:
        self._did = did
        self._spool = spool
        self._sequencer = sequencer
        self._progress = progress
        self.tree = Tree(spool)
        self.records = 0
        self.from_log = 0
        self.last_rev = ""
        self.damaged: list[str] = []

    def build(self, store: ActorStore) -> None:
        self._spool.put([(EMPTY_ROOT, EMPTY_BLOCK)])
        with Inspection(store) as inspection:
            newer = self._from_log(inspection)
            total = inspection.record_count()
            batch: list[tuple[str, CID, bytes]] = []
            for path, raw, value in inspection.records():
                if path not in newer and self._is_sound(path, CID(raw), value):
                    batch.append((path, CID(raw), value))
                if len(batch) >= _BATCH:
                    self._insert(batch)
                    batch = []
                    self._progress("records", self.records, total)
            self._insert(batch)
        self._insert([(path, *record) for path, record in sorted(newer.items()) if record is not None])

    def _from_log(self, inspection: Inspection) -> dict[str, tuple[CID, bytes] | None]:
        """Read the commits of the log above that of the file: the newest state of each path, None for no record."""
        root = inspection.root()
        rev = "" if root is None else root.rev
        newer: dict[str, tuple[CID, bytes] | None] = {}
        for row in self._sequencer.rows_after(self._sequencer.applied_seq(), "commit"):
            if row.did != self._did or row.rev is None or row.rev <= rev:
                continue
            logged = decode_commit_frame(row.frame)
            self.last_rev = max(self.last_rev, row.rev)
            for op in logged.ops:
                newer[op.path] = None if op.cid is None else (op.cid, logged.blocks[op.cid])
                self.from_log += 1
        return newer

    def _is_sound(self, path: str, cid: CID, value: bytes) -> bool:
        try:
            parse_repo_path(path)
            decode_record(value)
        except ProtocolError:
            sound = False
        else:
            sound = cid.verifies(value)
        if not sound:
            self.damaged.append(path)
        return sound

    def _insert(self, records: Iterable[tuple[str, CID, bytes]]) -> None:
        changes = []
        for path, cid, value in records:
            changes.append(Change(path, cid, None))
            self._spool.put([(cid, value)])
            self._spool.note_blobs(_blobs(value))
        change = self.tree.apply(changes, prove=False)
        self._spool.put(change.new_nodes.items())
        self.tree = change.tree
        self.tree.shrink(_CACHED_NODES)
        self.records += len(changes)
        time.sleep(_PAUSE_SECONDS)


def _blobs(value: bytes) -> Iterator[CID]:
    return (blob.cid for blob in blobs_in(decode_record(value)))


def _damaged(paths: list[str]) -> str:
    shown = ", ".join(paths[:3]) + (f" and {len(paths) - 3:,} more" if len(paths) > 3 else "")
    return f"the bytes of {shown} are not what they were; restore a backup, or have them left out"
