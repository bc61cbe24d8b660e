"""The repositories that writers work on, each with its head and tree in memory.

The event loop reads a head, makes the next state and replaces the head without an `await` in between: order comes free,
and writes to one repository pipeline while earlier ones are still on their way to the disk.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Final

from tempest_pds.protocol.crypto.keys import PrivateKey
from tempest_pds.protocol.syntax.did import Did
from tempest_pds.repo.mst.tree import Tree
from tempest_pds.repo.repo import Repo
from tempest_pds.services.repo_errors import RepoBusy, RepoNotFound
from tempest_pds.stores.actor.store import ActorStore
from tempest_pds.stores.actor.stores import ActorStores
from tempest_pds.stores.actor.stores import RepoNotFound as NoRepoFile
from tempest_pds.stores.key_files import KeyFiles

DEFAULT_CAPACITY: Final = 200
# About 5 MB of tree at most for a repository that is being written to.
MAX_CACHED_NODES: Final = 4_000


class OpenRepo:
    """One repository as its writers see it.

    Attributes:
        latest: the state after the last write that was queued, acknowledged or not.
        pending: how many queued writes have not been answered yet.
        failed: a write was lost on its way; the state in memory is worth nothing, and everything queued behind fails.
        behind: the file lacks a write that the log has; only once it has that may a writer build on the file again.
    """

    __slots__ = ("_closed", "_idle", "behind", "did", "failed", "key", "latest", "pending", "store")

    def __init__(self, did: Did, store: ActorStore, key: PrivateKey, latest: Repo) -> None:
        self.did = did
        self.store = store
        self.key = key
        self.latest = latest
        self.pending = 0
        self.failed = False
        self.behind = False
        self._closed = False
        self._idle: asyncio.Future[None] | None = None

    def enqueue(self, latest: Repo) -> None:
        """Take the state after a write that is being queued."""
        self.latest = latest
        self.pending += 1

    def answered(self) -> None:
        """Note that a queued write is on the disk, or has failed."""
        self.pending -= 1
        if self.pending:
            return
        if self._idle is not None:
            self._idle.set_result(None)
            self._idle = None
        if self._closed:
            self.store.release()
        elif not self.failed:
            self.trim()

    def trim(self) -> None:
        """Keep the tree in memory within bounds; while no write is under way, so that all of it can be read again."""
        self.latest.tree.shrink(MAX_CACHED_NODES)

    def close(self) -> None:
        """Let go of the file, as soon as no write is on its way to it."""
        self._closed = True
        if not self.pending:
            self.store.release()

    async def idle(self) -> None:
        """Wait until every queued write has been answered."""
        while self.pending:
            if self._idle is None:
                self._idle = asyncio.get_running_loop().create_future()
            await asyncio.shield(self._idle)


class OpenRepos:
    """The least recently used repositories leave first; one with writes under way never does.

    Args:
        unfit: whose file does not fit the log; they are not written to, so that nothing more is lost.
    """

    def __init__(
        self,
        stores: ActorStores,
        keys: KeyFiles,
        capacity: int = DEFAULT_CAPACITY,
        unfit: Iterable[Did] = (),
    ) -> None:
        self._stores = stores
        self._keys = keys
        self._unfit = set(unfit)
        self._capacity = capacity
        self._open: OrderedDict[Did, OpenRepo] = OrderedDict()
        self._locked_out: set[Did] = set()

    @property
    def unfit(self) -> frozenset[Did]:
        """The repositories whose files still do not fit the log."""
        return frozenset(self._unfit)

    def not_writable(self) -> list[Did]:
        """Name the repositories that nobody can write to until they are mended."""
        return sorted(self._unfit | {did for did, repo in self._open.items() if repo.behind})

    def open(self, did: Did) -> OpenRepo:
        """Load a repository's head.

        Raises RepoNotFound; RepoBusy while the whole of it is being replaced, or its file cannot be written.
        """
        if did in self._locked_out:
            raise RepoBusy("The repository is being replaced. Try again later.")
        if did in self._unfit:
            raise RepoBusy("The repository does not fit this server's log, and has to be mended by its operator.")
        repo = self._open.get(did)
        if repo is not None:
            if repo.behind:
                raise RepoBusy("The repository cannot be written to at the moment. Try again later.")
            if not repo.failed:
                self._open.move_to_end(did)
                return repo
            self._close(did)
        try:
            store = self._stores.open(did)
        except NoRepoFile as error:
            raise RepoNotFound(f"Could not find repo for DID: {did}") from error
        head = store.head()
        if head is None:
            store.release()
            raise RepoNotFound(f"Could not find repo for DID: {did}")
        repo = OpenRepo(did, store, self._keys.signing_key(did), Repo(head, Tree(store, head.data)))
        self._open[did] = repo
        self._evict()
        return repo

    @asynccontextmanager
    async def paused(self, did: Did) -> AsyncIterator[None]:
        """Keep writers away from a repository for a moment; begins when no write is under way.

        Raises RepoBusy when they are kept away already.
        """
        if did in self._locked_out:
            raise RepoBusy("The repository is being replaced. Try again later.")
        self._locked_out.add(did)
        try:
            repo = self._open.get(did)
            if repo is not None:
                await repo.idle()
            yield
        finally:
            self._locked_out.discard(did)

    @asynccontextmanager
    async def locked_out(self, did: Did) -> AsyncIterator[None]:
        """Keep writers away from a repository that is being replaced or deleted; begins as `paused` does.

        Raises RepoBusy as `paused`, and while its file cannot be written.
        """
        async with self.paused(did):
            repo = self._open.get(did)
            if repo is not None and repo.behind:
                raise RepoBusy("The repository cannot be written to at the moment. Try again later.")
            if repo is not None:
                self._close(did)
            yield
            # Replaced or removed as a whole, it has nothing left of what did not fit.
            self._unfit.discard(did)

    def _evict(self) -> None:
        if len(self._open) <= self._capacity:
            return
        for did, repo in list(self._open.items()):
            if not repo.pending and not repo.behind:
                self._close(did)
                if len(self._open) <= self._capacity:
                    return

    def _close(self, did: Did) -> None:
        self._open.pop(did).close()
