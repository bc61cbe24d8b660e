"""Write and read records: com.atproto.repo.createRecord, putRecord, deleteRecord, applyWrites, getRecord, listRecords.

A write is checked and encoded first (`record_writes`), then meets the repository: swaps, blobs, the tree, the
signature, the queue of the writer. From reading the repository's head to queueing the commit nothing is awaited; what
must be awaited (blobs that move into place, earlier writes when a like may replace another) comes before."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Final

from tempest_pds.plugins import PluginManager
from tempest_pds.protocol.data_model import lex_json
from tempest_pds.protocol.data_model.cid import CID
from tempest_pds.protocol.data_model.value import LexValue
from tempest_pds.protocol.syntax.did import Did
from tempest_pds.protocol.syntax.nsid import Nsid
from tempest_pds.protocol.syntax.record_key import RecordKey
from tempest_pds.protocol.syntax.tid import Tid, TidClock
from tempest_pds.repo.errors import CommitTooLarge, RecordExists, RecordMissing, TooManyOps
from tempest_pds.repo.mst.tree import Tree
from tempest_pds.repo.repo import MAX_OPS, PreparedCommit, prepare_commit
from tempest_pds.repo.writes import Delete, Write
from tempest_pds.services.blobs import Blobs
from tempest_pds.services.commit_log import CommitLog
from tempest_pds.services.event_frames import CommitEvent
from tempest_pds.services.open_repos import OpenRepo, OpenRepos
from tempest_pds.services.record_index import BACKLINKED, backlink, commit_row
from tempest_pds.services.record_writes import CheckedWrite, RequestedWrite, Unset, WriteChecker
from tempest_pds.services.repo_errors import InvalidRecord, InvalidSwap, RecordNotFound, RepoNotFound
from tempest_pds.services.repo_list import RepoList
from tempest_pds.services.write_gate import WriteGate
from tempest_pds.stores.actor.commit_row import BlobChanges
from tempest_pds.stores.actor.store import RecordRow
from tempest_pds.stores.actor.stores import ActorStores
from tempest_pds.stores.actor.stores import RepoNotFound as NoRepoFile
from tempest_pds.telemetry import Instruments
from tempest_pds_plugins.hookspecs import RecordChange

_ATTRIBUTES: Final = {action: {"action": action} for action in ("create", "update", "delete", "put")}


@dataclass(frozen=True, slots=True)
class CommitMeta:
    """The commit that a write made."""

    cid: CID
    rev: Tid


@dataclass(frozen=True, slots=True)
class WriteOutcome:
    """What became of a request: its writes as they were checked, and the commit; None when it changed nothing."""

    commit: CommitMeta | None
    writes: Sequence[CheckedWrite]


@dataclass(frozen=True, slots=True)
class _Queued:
    prepared: PreparedCommit
    done: asyncio.Future[BlobChanges]


class Records:
    """The records of every account here.

    Args:
        revs: gives the revisions of commits; strictly rising.
    """

    def __init__(
        self,
        *,
        repos: OpenRepos,
        stores: ActorStores,
        log: CommitLog,
        blobs: Blobs,
        checker: WriteChecker,
        revs: TidClock,
        plugins: PluginManager,
        repo_list: RepoList,
        gate: WriteGate,
        instruments: Instruments,
    ) -> None:
        self._repos = repos
        self._stores = stores
        self._log = log
        self._blobs = blobs
        self._checker = checker
        self._revs = revs
        self._plugins = plugins
        self._repo_list = repo_list
        self._gate = gate
        self._instruments = instruments
        self._guarded = plugins.listens("check_record")
        self._observed = plugins.listens("record_committed")

    async def write(
        self,
        did: Did,
        requested: Sequence[RequestedWrite],
        *,
        validate: bool | None = None,
        swap_commit: CID | None = None,
    ) -> WriteOutcome:
        """Apply writes to an account's repository, all or none.

        Raises InvalidRecord, InvalidSwap, BlobNotFound and its kin, RepoNotFound; and as `WriteGate.check`.
        """
        started = perf_counter()
        if len(requested) > MAX_OPS:
            raise InvalidRecord(f"Too many writes. Max: {MAX_OPS}")
        writes = [self._checker.check(write, validate) for write in requested]
        if self._guarded:
            self._ask_policies(did, writes)
        queued = await self._meet_repository(did, writes, validate, swap_commit)
        commit = None
        if queued is not None:
            try:
                await asyncio.shield(queued.done)
            except asyncio.CancelledError:
                # Whoever asked has gone away; the write goes on, and so does what follows from it.
                queued.done.add_done_callback(lambda _: self._written(queued))
                raise
            self._written(queued)
            commit = CommitMeta(queued.prepared.commit, queued.prepared.rev)
        for write in writes:
            self._instruments.repo_write_count.add(1, _ATTRIBUTES[write.action])
        self._instruments.repo_write_duration.record(perf_counter() - started)
        return WriteOutcome(commit, writes)

    async def _meet_repository(
        self, did: Did, writes: Sequence[CheckedWrite], validate: bool | None, swap_commit: CID | None
    ) -> _Queued | None:
        repo = self._repos.open(did)
        deduplicate = (
            validate is not False
            and len(writes) == 1
            and writes[0].action == "create"
            and writes[0].collection in BACKLINKED
        )
        if deduplicate:
            # The backlinks on the disk must include every like that was queued before this one.
            await repo.idle()
        blobs = [blob for write in writes for blob in write.blobs]
        if not blobs:
            return self._queue(self._repos.open(did), writes, deduplicate, swap_commit)
        async with self._blobs.held(did):
            await self._blobs.make_public(did, blobs)
            return self._queue(self._repos.open(did), writes, deduplicate, swap_commit)

    def _queue(
        self, repo: OpenRepo, writes: Sequence[CheckedWrite], deduplicate: bool, swap_commit: CID | None
    ) -> _Queued | None:
        """Make the commit and hand it to the writer; nothing is awaited in here."""
        self._gate.check(repo.did)
        state = repo.latest
        if swap_commit is not None and swap_commit != state.head.commit:
            raise InvalidSwap(f"Commit was at {state.head.commit}")
        if len(writes) == 1:
            current = state.tree.get(writes[0].path)
            if writes[0].action in ("put", "delete") and current == writes[0].cid:
                # The record is there already, or is gone already: there is nothing to commit.
                return None
            _check_swap(writes[0], current)
        repo_writes: list[Write] = []
        values: dict[str, LexValue] = {}
        for write in writes:
            if deduplicate:
                repo_writes += _replaced(repo, write)
            exists = write.action == "put" and _is_there(write.path, repo_writes, state.tree)
            repo_writes.append(write.as_repo_write(exists))
            if write.value is not None:
                values[write.path] = write.value
        try:
            prepared = prepare_commit(state, repo_writes, repo.key, self._revs.next(after=state.head.rev))
        except RecordExists as error:
            raise InvalidRecord(f"Record already exists: {error.path}") from error
        except RecordMissing as error:
            raise InvalidRecord(f"Could not find record: {error.path}") from error
        except TooManyOps as error:
            raise InvalidRecord(f"Too many writes. Max: {MAX_OPS}") from error
        except CommitTooLarge as error:
            raise InvalidRecord("Too many writes. Max event size: 2MB") from error
        row = commit_row(prepared, values)
        repo.enqueue(prepared.repo)
        done = self._log.commit(repo, CommitEvent(prepared), row)
        return _Queued(prepared, done)

    def _written(self, queued: _Queued) -> None:
        """Do what follows from a write that was acknowledged; nothing when it failed."""
        if queued.done.exception() is not None:
            return
        prepared, changes = queued.prepared, queued.done.result()
        self._instruments.repo_commit_count.add(1)
        self._instruments.repo_block_bytes.add(len(prepared.car))
        if changes.orphaned:
            self._blobs.release(prepared.did, changes.orphaned)
        self._repo_list.note(prepared.did, prepared.commit, prepared.rev)
        if self._observed:
            self._tell_observers(prepared)

    def _ask_policies(self, did: Did, writes: Sequence[CheckedWrite]) -> None:
        for write in writes:
            collection, _, rkey = write.path.partition("/")
            reason = self._plugins.first_refusal(
                "check_record",
                did=str(did),
                action="update" if write.action == "put" else write.action,
                collection=collection,
                rkey=rkey,
                record=None if write.value is None else lex_json.dumps(write.value),
            )
            if reason is not None:
                raise InvalidRecord(reason)

    def _tell_observers(self, prepared: PreparedCommit) -> None:
        changes = []
        for op in prepared.ops:
            collection, _, rkey = op.path.partition("/")
            changes.append(RecordChange(op.action, collection, rkey, None if op.cid is None else str(op.cid)))
        self._plugins.notify(
            "record_committed",
            did=str(prepared.did),
            rev=str(prepared.rev),
            commit=str(prepared.commit),
            changes=tuple(changes),
        )

    # Reading

    def get(self, did: Did, collection: Nsid, rkey: RecordKey, cid: CID | None = None) -> tuple[CID, bytes]:
        """Return a record's CID and DAG-CBOR; raise RecordNotFound, also when it is not the version asked for."""
        path = f"{collection}/{rkey}"
        try:
            with self._stores.open(did) as store:
                found = store.get_record(path)
        except NoRepoFile:
            found = None
        if found is None or (cid is not None and found[0] != cid):
            raise RecordNotFound(f"Could not locate record: at://{did}/{path}")
        return found

    def list(self, did: Did, collection: Nsid, limit: int, cursor: str | None, *, reverse: bool) -> Sequence[RecordRow]:
        """Return a page of a collection, the newest first unless `reverse`; raise RepoNotFound."""
        try:
            with self._stores.open(did) as store:
                return store.list_records(collection, limit, cursor, reverse=reverse)
        except NoRepoFile as error:
            raise RepoNotFound(f"Could not find repo: {did}") from error

    def collections(self, did: Did) -> Sequence[str]:
        """Return the collections that hold a record; raise RepoNotFound."""
        try:
            with self._stores.open(did) as store:
                return store.collections()
        except NoRepoFile as error:
            raise RepoNotFound(f"Could not find repo: {did}") from error


def _check_swap(write: CheckedWrite, current: CID | None) -> None:
    """Hold a write against the record that its writer expects; None expects that there is none."""
    if isinstance(write.swap, Unset):
        return
    if write.swap != current or (write.action == "delete" and write.swap is None):
        raise InvalidSwap(f"Record was at {current}" if current is not None else "Record was at null")


def _is_there(path: str, before: Sequence[Write], tree: Tree) -> bool:
    """Tell whether a path has a record once the writes before in the same batch are done."""
    for write in reversed(before):
        if write.path == path:
            return not isinstance(write, Delete)
    return tree.get(path) is not None


def _replaced(repo: OpenRepo, write: CheckedWrite) -> list[Write]:
    """Find the records that a like, follow, repost or block takes the place of."""
    subject = backlink(write.collection, write.value)
    if subject is None:
        return []
    paths = repo.store.backlinks(write.collection, subject)
    return [Delete(path) for path in paths if path != write.path]
