"""Repositories as others replicate them: heads, proofs, blocks and exports."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Final

from tempest_pds.protocol.data_model import car
from tempest_pds.protocol.data_model.cid import CID
from tempest_pds.protocol.syntax.did import Did
from tempest_pds.repo.mst.tree import Tree
from tempest_pds.repo.repo import RepoHead
from tempest_pds.services.repo_errors import BlockNotFound, RepoNotFound
from tempest_pds.stores.actor.commit_row import Root
from tempest_pds.stores.actor.snapshot import Snapshot
from tempest_pds.stores.actor.store import ActorStore
from tempest_pds.stores.actor.stores import ActorStores
from tempest_pds.stores.actor.stores import RepoNotFound as NoRepoFile

_CHUNK: Final = 256 * 1024
# A reader of an export keeps the write-ahead log of its repository from being reset, so there is an end to patience.
EXPORT_SECONDS: Final = 15 * 60
CONCURRENT_EXPORTS: Final = 8


class SyncReads:
    """Reads of whole repositories and of proofs."""

    def __init__(self, stores: ActorStores) -> None:
        self._stores = stores
        self._exports = asyncio.Semaphore(CONCURRENT_EXPORTS)

    def _open(self, did: Did) -> ActorStore:
        try:
            return self._stores.open(did)
        except NoRepoFile as error:
            raise RepoNotFound(f"Could not find repo for DID: {did}") from error

    def head(self, did: Did) -> RepoHead:
        """Return the newest commit that is durable; raise RepoNotFound."""
        with self._open(did) as store:
            head = store.head()
        if head is None:
            raise RepoNotFound(f"Could not find root for DID: {did}")
        return head

    def record_proof(self, did: Did, path: str) -> bytes:
        """Give a CAR with the commit, the nodes on the way to a path, and the record if there is one."""
        with self._open(did) as store, store.frozen() as frozen:
            root = _root(frozen, did)
            tree = Tree(store, root.data)
            blocks = {root.commit: root.commit_block, **tree.proof(path)}
            found = store.get_record(path, include_taken_down=True)
            if found is not None:
                blocks[found[0]] = found[1]
            return car.encode(root.commit, blocks.items())

    def blocks(self, did: Did, cids: Sequence[CID]) -> bytes:
        """Give a CAR of blocks, without a root; raise BlockNotFound when one is not there."""
        with self._open(did) as store:
            found = {cid: store.get_block(cid) for cid in cids}
        missing = [str(cid) for cid, block in found.items() if block is None]
        if missing:
            raise BlockNotFound(f"Could not find cids: {','.join(missing)}")
        return car.encode(None, ((cid, block) for cid, block in found.items() if block is not None))

    async def export(self, did: Did, since: str | None) -> AsyncIterator[bytes]:
        """Stream a CAR of a repository, or of what commits after `since` wrote.

        A full export is in the order of the tree: whoever reads it can check it as it comes. Raises RepoNotFound.
        """
        with self._open(did) as store:
            async with self._exports:
                snapshot = await asyncio.to_thread(store.snapshot)
                try:
                    chunks = _export(snapshot, did, since)
                    async with asyncio.timeout(EXPORT_SECONDS):
                        while chunk := await asyncio.to_thread(next, chunks, b""):
                            yield chunk
                finally:
                    snapshot.close()


def _root(root: Root | None, did: Did) -> Root:
    if root is None:
        raise RepoNotFound(f"Could not find root for DID: {did}")
    return root


def _export(snapshot: Snapshot, did: Did, since: str | None) -> Iterator[bytes]:
    root = _root(snapshot.head(), did)
    yield car.encode_header(root.commit)
    if since is None:
        blocks = _in_tree_order(snapshot, root)
    elif root.rev > since:
        blocks = _newer(snapshot, root, since)
    else:
        blocks = iter(())
    pending: list[bytes] = []
    size = 0
    for raw, block in blocks:
        head = car.encode_varint(len(raw) + len(block))
        pending += (head, raw, block)
        size += len(head) + len(raw) + len(block)
        if size >= _CHUNK:
            yield b"".join(pending)
            pending, size = [], 0
    if pending:
        yield b"".join(pending)


def _in_tree_order(snapshot: Snapshot, root: Root) -> Iterator[tuple[bytes, bytes]]:
    yield root.commit.raw, root.commit_block
    records = snapshot.records()
    for cid, what in Tree(snapshot, root.data).preorder():
        if isinstance(what, bytes):
            yield cid.raw, what
        else:
            # The table is in the order of the tree, so the next row is the record that the tree names here.
            path, raw, block = next(records)
            assert path == what, "the records of a repository are those of its tree"
            yield raw, block


def _newer(snapshot: Snapshot, root: Root, since: str) -> Iterator[tuple[bytes, bytes]]:
    yield root.commit.raw, root.commit_block
    yield from snapshot.blocks_since(since)
