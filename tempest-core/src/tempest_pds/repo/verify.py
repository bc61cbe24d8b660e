"""Check what others say about a repository: a whole one, a commit event, the proof of one record.

Nothing here trusts its input. Blocks come from a source that has checked each against its CID, as the CAR readers do;
signatures, the tree's shape and what it names are checked here. Memory does not grow with the size of a repository.

https://atproto.com/specs/repository, https://atproto.com/specs/sync
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from tempest_pds.protocol.crypto.keys import PublicKey
from tempest_pds.protocol.data_model import car, dag_cbor
from tempest_pds.protocol.data_model.cid import CID
from tempest_pds.protocol.data_model.value import LexValue
from tempest_pds.protocol.errors import InvalidEncoding, TempestError
from tempest_pds.protocol.syntax.did import Did
from tempest_pds.repo.block_source import BlockSource, MemoryBlockSource
from tempest_pds.repo.commit import Commit, decode
from tempest_pds.repo.errors import InvalidRepo, MissingBlock
from tempest_pds.repo.mst.change import Change, LeafChange
from tempest_pds.repo.mst.tree import EMPTY_ROOT, Tree


@dataclass(frozen=True, slots=True)
class VerifiedRecord:
    """A record of a verified repository: `value` is its decoded block, a map."""

    path: str
    cid: CID
    block: bytes
    value: dict[str, LexValue]


class ProvenRecord(NamedTuple):
    """What a proof says of a path: its record and the block of that; None for both when there is no record."""

    cid: CID | None
    block: bytes | None


def verify_commit(source: BlockSource, root: CID, did: Did | None = None, key: PublicKey | None = None) -> Commit:
    """Read a commit, and check whose it is.

    Args:
        did: the account that it has to be of.
        key: the key that has to have signed it.

    Raises:
        InvalidRepo: it is not, or the block is not a commit.
        MissingBlock: it is not in the source.
    """
    block = source.get(root)
    if block is None:
        raise MissingBlock(root)
    commit = decode(block)
    if did is not None and commit.did != did:
        raise InvalidRepo(f"a repository of {commit.did}, not of {did}")
    if key is not None and not commit.verify(key):
        raise InvalidRepo("the signature of a commit is not valid")
    return commit


def verify_repo(
    source: BlockSource, root: CID, *, did: Did | None = None, key: PublicKey | None = None
) -> tuple[Commit, Iterator[VerifiedRecord]]:
    """Check a whole repository: the commit at once, the tree and the records as they are taken from the iterator.

    Only when the iterator has come to its end without an error is the repository whole and valid.

    Raises:
        InvalidRepo: the commit is not `did`'s or not signed with `key`, a record is not a DAG-CBOR map.
        InvalidNode: the tree is not one.
        MissingBlock: the source does not have all of it.
    """
    commit = verify_commit(source, root, did, key)
    return commit, verify_records(source, commit.data)


def verify_records(source: BlockSource, data: CID) -> Iterator[VerifiedRecord]:
    """Check the tree at a root node and all its records, which are yielded in the order of their paths.

    Raises InvalidRepo, InvalidNode, MissingBlock.
    """
    if data == EMPTY_ROOT and source.get(data) is None:
        raise MissingBlock(data)
    for path, cid in Tree(source, data).walk():
        block = source.get(cid)
        if block is None:
            raise MissingBlock(cid)
        yield VerifiedRecord(path, cid, block, _decode_record(path, block))


def verify_commit_event(
    blocks: bytes,
    commit: CID,
    ops: Iterable[LeafChange],
    prev_data: CID | None,
    *,
    did: Did | None = None,
    key: PublicKey | None = None,
) -> Commit:
    """Check a commit event as a consumer of sync 1.1 does: undo its operations, and look for the tree that was before.

    Args:
        blocks: the event's CAR.
        commit: the event's commit, which has to be the root of the CAR.
        ops: the event's operations.
        prev_data: the root of the tree before; None for a first commit, before which there is the empty tree.

    Raises:
        InvalidRepo: the event does not hold; the error that says why is its cause.
    """
    try:
        roots, block_map = car.decode(blocks)
        if roots != [commit]:
            raise InvalidRepo("the root of an event's CAR is not its commit")
        source = MemoryBlockSource(block_map)
        verified = verify_commit(source, commit, did, key)
        undo = []
        for op in ops:
            if op.cid is not None and op.cid not in block_map:
                raise MissingBlock(op.cid)
            undo.append(Change(op.path, op.prev, op.cid))
        before = _partial_tree(source, verified.data).apply(undo, prove=False).tree.root
    except InvalidRepo:
        raise
    except TempestError as error:
        raise InvalidRepo(f"a commit event does not hold: {error}") from error
    if before != (EMPTY_ROOT if prev_data is None else prev_data):
        raise InvalidRepo("the operations of a commit do not lead from the tree before to the tree after")
    return verified


def verify_proof(blocks: bytes, path: str, *, did: Did | None = None, key: PublicKey | None = None) -> ProvenRecord:
    """Check the CAR of `com.atproto.sync.getRecord`: it proves which record is at a path, or that none is.

    Raises:
        InvalidRepo: it does not prove either; the error that says why is its cause.
    """
    try:
        roots, block_map = car.decode(blocks)
        if len(roots) != 1:
            raise InvalidRepo(f"a proof with {len(roots)} roots instead of one")
        source = MemoryBlockSource(block_map)
        commit = verify_commit(source, roots[0], did, key)
        cid = _partial_tree(source, commit.data).get(path)
        if cid is None:
            return ProvenRecord(None, None)
        if cid not in block_map:
            raise MissingBlock(cid)
        _decode_record(path, block_map[cid])
        return ProvenRecord(cid, block_map[cid])
    except InvalidRepo:
        raise
    except TempestError as error:
        raise InvalidRepo(f"a proof does not hold: {error}") from error


def _partial_tree(source: MemoryBlockSource, data: CID) -> Tree:
    """Take the tree of which a CAR has some nodes, once all that there is of it is in order."""
    if data not in source.blocks:
        raise MissingBlock(data)
    tree = Tree(source, data)
    for _ in tree.walk_known():
        pass
    return tree


def _decode_record(path: str, block: bytes) -> dict[str, LexValue]:
    try:
        value = dag_cbor.decode(block)
    except InvalidEncoding as error:
        raise InvalidRepo(f"the record at {path} is not valid DAG-CBOR: {error}") from error
    if not isinstance(value, dict):
        raise InvalidRepo(f"the record at {path} is not a map")
    return value
