"""One repository as a value, and the step from one state to the next.

Nothing here stores anything: a `PreparedCommit` says what is to be stored and announced, and holds the state after it,
on which the next commit can be prepared at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from tempest_pds.protocol.crypto.keys import PrivateKey
from tempest_pds.protocol.data_model import car
from tempest_pds.protocol.data_model.cid import CID
from tempest_pds.protocol.syntax.did import Did
from tempest_pds.protocol.syntax.tid import Tid
from tempest_pds.repo.block_source import BlockSource, MemoryBlockSource
from tempest_pds.repo.commit import sign_commit
from tempest_pds.repo.errors import CommitTooLarge, TooManyOps
from tempest_pds.repo.mst.node import EMPTY_BLOCK, EMPTY_ROOT
from tempest_pds.repo.mst.tree import Tree
from tempest_pds.repo.writes import RepoOp, Write, net_operations

MAX_OPS: Final = 200
"""How many operations one commit event may carry."""
MAX_CAR_SIZE: Final = 2_000_000
"""How many bytes of blocks, as a CAR, one commit event may carry."""


@dataclass(frozen=True, slots=True)
class RepoHead:
    """The latest commit of a repository, in what is needed to go on from it.

    Attributes:
        commit: the CID of the commit.
        rev: its revision.
        data: the root of its tree.
    """

    did: Did
    commit: CID
    rev: Tid
    data: CID


@dataclass(frozen=True, slots=True)
class Repo:
    """A state of a repository: `tree.root` is `head.data`."""

    head: RepoHead
    tree: Tree


@dataclass(frozen=True, slots=True)
class PreparedCommit:
    """A signed commit with all that has to be stored and announced of it.

    Attributes:
        did: the account.
        rev: the new revision.
        since: the revision before; None for a first commit.
        prev_data: the root of the tree before; None for a first commit.
        commit: the CID of the commit.
        commit_block: the commit, encoded.
        ops: the net operations, at most one for each path.
        new_nodes: nodes of the tree to be stored.
        removed_nodes: nodes that the tree no longer has.
        records: the blocks of new records.
        car: the blocks of the commit event: commit, nodes, covering proof, records.
        repo: the state after.
    """

    did: Did
    rev: Tid
    since: Tid | None
    prev_data: CID | None
    commit: CID
    commit_block: bytes
    ops: list[RepoOp]
    new_nodes: dict[CID, bytes]
    removed_nodes: set[CID]
    records: dict[CID, bytes]
    car: bytes
    repo: Repo


def create_repo(did: Did, key: PrivateKey, rev: Tid, source: BlockSource | None = None) -> PreparedCommit:
    """Prepare the first commit of a repository, over the empty tree.

    Args:
        source: where the tree will find its nodes later; by default the tree works from memory alone.
    """
    tree = Tree(MemoryBlockSource() if source is None else source)
    return _prepared(did, key, rev, None, tree, [], {EMPTY_ROOT: EMPTY_BLOCK}, set(), {}, {})


def prepare_commit(repo: Repo, writes: Sequence[Write], key: PrivateKey, rev: Tid) -> PreparedCommit:
    """Make the commit that a batch of writes comes to.

    The cost is that of the paths that change, whatever the size of the repository. A batch that comes to nothing gives
    a commit without operations; who does not want that looks at `ops`.

    Args:
        rev: must be above the revision of `repo`.

    Raises:
        RecordExists, RecordMissing: a write does not fit what the repository holds by then.
        InvalidRepoPath: the tree cannot hold a path.
        TooManyOps: more than 200 operations.
        CommitTooLarge: more than 2,000,000 bytes of blocks.
        MissingBlock, InvalidNode: the stored tree is damaged.
    """
    head = repo.head
    ops, records = net_operations(writes, repo.tree.get)
    if len(ops) > MAX_OPS:
        raise TooManyOps(f"a commit of {len(ops)} operations; at most {MAX_OPS} are allowed")
    change = repo.tree.apply(ops)
    prepared = _prepared(
        head.did, key, rev, head, change.tree, ops, change.new_nodes, change.removed_nodes, change.proof_nodes, records
    )
    if len(prepared.car) > MAX_CAR_SIZE:
        raise CommitTooLarge(f"a commit of {len(prepared.car)} bytes; at most {MAX_CAR_SIZE} are allowed")
    return prepared


def _prepared(
    did: Did,
    key: PrivateKey,
    rev: Tid,
    previous: RepoHead | None,
    tree: Tree,
    ops: list[RepoOp],
    new_nodes: dict[CID, bytes],
    removed_nodes: set[CID],
    proof_nodes: dict[CID, bytes],
    records: dict[CID, bytes],
) -> PreparedCommit:
    assert previous is None or rev > previous.rev, "revisions rise"
    data = tree.root
    block = sign_commit(did, rev, data, key).encode()
    commit = CID.for_dag_cbor(block)
    blocks = {commit: block, **new_nodes, **proof_nodes, **records}
    return PreparedCommit(
        did=did,
        rev=rev,
        since=None if previous is None else previous.rev,
        prev_data=None if previous is None else previous.data,
        commit=commit,
        commit_block=block,
        ops=ops,
        new_nodes=new_nodes,
        removed_nodes=removed_nodes,
        records=records,
        car=car.encode(commit, blocks.items()),
        repo=Repo(RepoHead(did, commit, rev, data), tree),
    )
