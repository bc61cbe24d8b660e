"""Repositories as others replicate them: heads, proofs, blocks and exports."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from itertools import chain
from typing import Final

from tempest_pds.protocol.data_model import car
from tempest_pds.protocol.data_model.cid import CID
from tempest_pds.protocol.syntax.did import Did
from tempest_pds.repo.mst.tree import Tree
from tempest_pds.repo.repo import RepoHead
from tempest_pds.services.open_repos import OpenRepos
from tempest_pds.services.repo_errors import BlockNotFound, RepoBusy, RepoNotFound
from tempest_pds.stores.actor.commit_row import Root
from tempest_pds.stores.actor.snapshot import Snapshot
from tempest_pds.stores.actor.store import ActorStore
from tempest_pds.stores.actor.stores import ActorStores
from tempest_pds.stores.actor.stores import RepoNotFound as NoRepoFile

_CHUNK: Final = 512 * 1024
# A reader of an export keeps the write-ahead log of its repository from being reset, so there is an end to patience.
EXPORT_SECONDS: Final = 15 * 60
CONCURRENT_EXPORTS: Final = 8
# Readers who take their time must leave room for others.
EXPORTS_OF_ONE_READER: Final = 4


class SyncReads:
    """Reads of whole repositories and of proofs."""

    def __init__(self, stores: ActorStores, open_repos: OpenRepos) -> None:
        self._stores = stores
        self._open_repos = open_repos
        self._exports = asyncio.Semaphore(CONCURRENT_EXPORTS)
        self._shares: dict[str, asyncio.Semaphore] = {}
        self._users: Counter[str] = Counter()

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
        try:
            repo = self._open_repos.open(did)
        except RepoBusy:
            repo = None
        if repo is None or repo.pending:
            # What is in memory is ahead of what was acknowledged, or not there.
            with self._open(did) as store, store.frozen() as root:
                return _proof(store, _root(root, did), Tree(store, _root(root, did).data), path)
        # The nodes that this tree has in memory serve writers and readers alike.
        proof = _proof(repo.store, _root(repo.store.root(), did), repo.latest.tree, path)
        repo.trim()
        return proof

    def blocks(self, did: Did, cids: Sequence[CID]) -> bytes:
        """Give a CAR of blocks, without a root; raise BlockNotFound when one is not there."""
        with self._open(did) as store:
            found = {cid: store.get_block(cid) for cid in cids}
        missing = [str(cid) for cid, block in found.items() if block is None]
        if missing:
            raise BlockNotFound(f"Could not find cids: {','.join(missing)}")
        return car.encode(None, ((cid, block) for cid, block in found.items() if block is not None))

    async def export(self, did: Did, since: str | None, reader: str = "") -> AsyncIterator[bytes]:
        """Stream a CAR of a repository, or of what commits after `since` wrote.

        First the commit, then the nodes of the tree, then the records in its order: whoever reads it needs to keep the
        nodes alone to check each record as it comes.

        Args:
            reader: who reads: one reader has a share of all exports only.

        Raises:
            RepoNotFound: there is no such repository.
        """
        async with self._slot(reader):
            with self._open(did) as store:
                snapshot = await asyncio.to_thread(store.snapshot)
                try:
                    chunks = _export(snapshot, did, since or "")
                    async with asyncio.timeout(EXPORT_SECONDS):
                        while chunk := await asyncio.to_thread(next, chunks, b""):
                            yield chunk
                finally:
                    snapshot.close()

    @asynccontextmanager
    async def _slot(self, reader: str) -> AsyncIterator[None]:
        share = self._shares.setdefault(reader, asyncio.Semaphore(EXPORTS_OF_ONE_READER))
        self._users[reader] += 1
        try:
            async with share, self._exports:
                yield
        finally:
            self._users[reader] -= 1
            if not self._users[reader]:
                del self._users[reader], self._shares[reader]


def _root(root: Root | None, did: Did) -> Root:
    if root is None:
        raise RepoNotFound(f"Could not find root for DID: {did}")
    return root


def _proof(store: ActorStore, root: Root, tree: Tree, path: str) -> bytes:
    blocks = {root.commit: root.commit_block, **tree.proof(path)}
    found = store.get_record(path, include_taken_down=True)
    if found is not None:
        blocks[found[0]] = found[1]
    return car.encode(root.commit, blocks.items())


def _export(snapshot: Snapshot, did: Did, since: str) -> Iterator[bytes]:
    root = _root(snapshot.head(), did)
    pending = [car.encode_header(root.commit)]
    if root.rev > since:
        pending.append(car.encode_block(root.commit, root.commit_block))
        size = 0
        for page in chain(snapshot.node_pages(since), snapshot.record_pages(since)):
            sections = car.encode_rows(page)
            size += len(sections)
            pending.append(sections)
            if size >= _CHUNK:
                yield b"".join(pending)
                pending.clear()
                size = 0
    if pending:
        yield b"".join(pending)
