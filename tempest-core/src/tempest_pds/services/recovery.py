"""Bring the repositories' files up to date from the log.

A file can be behind the log after `kill -9`, or after a loss of power, for its transactions are not synchronous. The
log holds each commit whole, so a commit that is missing from a file is applied again; what it left out of the tree is
found by applying its operations to the tree that is there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import structlog

from tempest_pds.protocol.errors import TempestError
from tempest_pds.protocol.syntax.did import Did
from tempest_pds.repo.commit import decode as decode_commit
from tempest_pds.repo.mst.tree import Tree
from tempest_pds.services.event_frames import LoggedCommit, decode_commit_frame
from tempest_pds.services.record_index import build_row
from tempest_pds.stores.actor.store import ActorStore
from tempest_pds.stores.actor.stores import ActorStores
from tempest_pds.stores.sequencer.store import EventRow, SequencerStore

_CURE = "tempest repo rebuild"

_log = structlog.get_logger("tempest_pds.recovery")


class LogMismatch(TempestError):
    """A repository's file and the log cannot be brought together."""


def catch_up(sequencer: SequencerStore, store: ActorStore) -> int:
    """Apply the commits of the log that one repository's file lacks; return how many.

    Raises LogMismatch when the log does not continue the state of the file.
    """
    applied = 0
    for row in sequencer.rows_after(sequencer.applied_seq(), "commit"):
        if row.did == store.did and _is_ahead(row, store):
            apply_logged(store, decode_commit_frame(row.frame))
            applied += 1
    return applied


@dataclass(frozen=True, slots=True)
class Replayed:
    """What a replay came to: how many commits were applied, whose repositories the log has new commits of, and whose
    file does not fit the log."""

    applied: int
    touched: Sequence[Did]
    broken: Sequence[Did]


def replay(sequencer: SequencerStore, stores: ActorStores) -> Replayed:
    """Bring every repository up to date that changed since the log was last known to be applied.

    One broken repository does not keep the server from starting: it stays as it is.
    """
    applied = 0
    broken: list[str] = []
    last = sequencer.last_seq()
    touched: dict[str, ActorStore] = {}
    try:
        for row in sequencer.rows_after(sequencer.applied_seq(), "commit"):
            if row.did in broken or not stores.exists(row.did):
                continue
            store = touched.get(row.did)
            if store is None:
                store = touched[row.did] = stores.open(row.did)
            if not _is_ahead(row, store):
                continue
            try:
                apply_logged(store, decode_commit_frame(row.frame))
                applied += 1
            except TempestError as error:
                _log.error("repo.replay_failed", did=row.did, seq=row.seq, error=str(error), cure=_CURE)
                broken.append(row.did)
        for store in touched.values():
            # A file that the log did not change needs no sync of its own: it was synced, or is about to be.
            store.checkpoint()
    finally:
        for store in touched.values():
            store.release()
    if not broken:
        sequencer.set_applied_seq(last)
    return Replayed(applied, [Did(did) for did in touched], [Did(did) for did in broken])


def _is_ahead(row: EventRow, store: ActorStore) -> bool:
    head = store.head()
    return head is not None and row.rev is not None and row.rev > head.rev


def apply_logged(store: ActorStore, logged: LoggedCommit) -> None:
    """Apply one commit of the log to a repository's file that holds the state before it; raise LogMismatch."""
    head = store.head()
    assert head is not None, "the file holds a repository"
    change = Tree(store, head.data).apply(logged.ops, prove=False)
    commit_block = logged.blocks[logged.commit]
    if change.tree.root != decode_commit(commit_block).data:
        raise LogMismatch(f"the log's commit {logged.rev} does not continue the repository of {logged.did}")
    store.apply(
        [
            build_row(
                rev=logged.rev,
                commit=logged.commit,
                commit_block=commit_block,
                data=change.tree.root,
                new_nodes=change.new_nodes,
                removed_nodes=change.removed_nodes,
                ops=logged.ops,
                blocks=logged.blocks,
                values={},
            )
        ]
    )
