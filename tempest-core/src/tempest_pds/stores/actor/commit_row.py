"""What one commit changes in a repo file, and what came of it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from tempest_pds.protocol.data_model.cid import CID


@dataclass(frozen=True, slots=True)
class CommitRow:
    """One signed commit: its root, the nodes and records it adds, and those it takes away.

    `upserts` are (path, cid, DAG-CBOR value); an upsert replaces whatever the path held, its blobs and backlink too.
    `blobs` are (path, cid) for each blob an upserted record refers to; `backlinks` (path, subject) for likes, follows,
    reposts and blocks. A path is never in both `upserts` and `deletes`.
    """

    rev: str
    commit_cid: CID
    commit_block: bytes
    data_cid: CID
    new_nodes: Mapping[CID, bytes]
    removed_nodes: Collection[CID]
    upserts: Sequence[tuple[str, CID, bytes]] = ()
    deletes: Sequence[str] = ()
    blobs: Sequence[tuple[str, CID]] = ()
    backlinks: Sequence[tuple[str, str]] = ()


class Root(NamedTuple):
    """Where a repo stands: its newest commit, that commit's `rev` and block, and the root of its tree."""

    did: str
    commit: CID
    rev: str
    data: CID
    commit_block: bytes


@dataclass(frozen=True, slots=True)
class BlobChanges:
    """What a transaction did to blobs: `published` were temporary (or orphaned) and now a record refers to them;
    nothing refers to `orphaned` any more.
    """

    published: tuple[CID, ...] = field(default=())
    orphaned: tuple[CID, ...] = field(default=())


NO_BLOB_CHANGES = BlobChanges()
