"""Whole repositories: replaced by an import (com.atproto.repo.importRepo), and removed.

An import does not go through the log of events: it may be larger than any event, and consumers are told to fetch the
repository anew. So it is written to the repo file at once, and is on the disk before its writers are let in again. What
the log holds of the account has lower revisions, and is not replayed into what was imported.

Locks are taken in one order: the account's blobs, then its writers, then its file.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Final

import structlog

from tempest_pds.protocol.errors import InvalidSyntax
from tempest_pds.protocol.syntax.did import Did
from tempest_pds.protocol.syntax.tid import Tid, TidClock
from tempest_pds.repo.commit import Commit, sign_commit
from tempest_pds.services.blobs import Blobs
from tempest_pds.services.commit_log import CommitLog
from tempest_pds.services.errors import InvalidRequest
from tempest_pds.services.event_frames import SyncEvent
from tempest_pds.services.finishing import finish, in_thread
from tempest_pds.services.foreign_repos import ForeignHead, ForeignRepo
from tempest_pds.services.hosting import Hosting
from tempest_pds.services.open_repos import OpenRepos
from tempest_pds.services.repo_errors import RepoBusy, RepoNotFound
from tempest_pds.services.repo_list import RepoList
from tempest_pds.stores.actor.replacement import replace_repo, temporary_blobs
from tempest_pds.stores.actor.snapshot import AllBlocks
from tempest_pds.stores.actor.store import ActorStore
from tempest_pds.stores.actor.stores import ActorStores
from tempest_pds.stores.actor.stores import RepoNotFound as NoRepoFile
from tempest_pds.stores.block_spool import BlockSpool
from tempest_pds.stores.key_files import KeyFiles

_TAKE_BYTES: Final = 256 * 1024
CONCURRENT_IMPORTS: Final = 2
"""How many repositories are checked and written at a time; more may be arriving."""
_READERS_LEAVE_SECONDS: Final = 10.0
_LOOKS: Final = 200

_log = structlog.get_logger("tempest_pds.repos")


class Repos:
    """The repositories here, each as one thing.

    Args:
        keys: the signing keys of accounts.
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
        self._blobs = blobs
        self._hosting = hosting
        self._repo_list = repo_list
        self._revs = revs
        self._temporary = temporary
        self._importing: set[Did] = set()
        self._slots = asyncio.Semaphore(CONCURRENT_IMPORTS)

    # Imports

    async def import_car(self, did: Did, chunks: AsyncIterator[bytes], *, max_bytes: int | None = None) -> None:
        """Replace an account's repository by that of a CAR file, signed anew here. Uploaded blobs and preferences stay.

        Nothing changes unless all of it is in order. What `chunks` raises comes out here.

        Args:
            max_bytes: what all records may take, one that is there under several paths once for each.

        Raises:
            InvalidRequest: the file is not a whole and valid repository of that account.
            RepoNotFound: the account has no repository here.
            RepoBusy: its repository is being replaced already.
        """
        if did in self._importing:
            raise RepoBusy("The repository is being replaced. Try again later.")
        self._open(did).release()
        self._importing.add(did)
        try:
            await self._import(did, chunks, max_bytes)
        finally:
            self._importing.discard(did)

    async def _import(self, did: Did, chunks: AsyncIterator[bytes], max_bytes: int | None) -> None:
        spool = BlockSpool(self._temporary / f"import-{secrets.token_hex(8)}.sqlite")
        try:
            await in_thread(spool.open)
            foreign = ForeignRepo(spool)
            pieces: list[bytes] = []
            size = 0
            async for chunk in chunks:
                pieces.append(chunk)
                size += len(chunk)
                if size >= _TAKE_BYTES:
                    await in_thread(foreign.take, pieces)
                    pieces, size = [], 0
            await in_thread(foreign.take, pieces)
            async with self._slots:
                # Not held open while the file arrives, however slowly: whoever deletes the account waits for readers.
                with self._open(did) as store:
                    commit = await in_thread(_check, did, store, foreign, max_bytes)
                await finish(self._replace(did, foreign, commit))
        finally:
            await in_thread(spool.close)

    async def _replace(self, did: Did, foreign: ForeignRepo, commit: Commit) -> None:
        async with self._blobs.held(did), self._repos.locked_out(did):
            with self._open(did) as store:
                # Bytes move before the row that says so is written.
                used = await in_thread(lambda: [cid for cid in temporary_blobs(store) if foreign.refers_to(cid)])
                await self._blobs.publish(did, used)
                head = self._sign(did, store, commit)
                async with self._log.set_aside(store):
                    await in_thread(replace_repo, store, foreign.rows(head))
                self._repo_list.note(did, head.commit, head.rev)
                if self._hosting.status(did) == "active":
                    await self._log.append([SyncEvent(did, Tid(head.rev), head.commit, head.block)])
        # An account that is not active has no event that would bring the list up to date after a crash.
        await self._repo_list.flush()
        _log.info("repo.imported", did=did, rev=head.rev)

    def _sign(self, did: Did, store: ActorStore, commit: Commit) -> ForeignHead:
        here = store.head()
        try:
            rev = self._revs.next(after=commit.rev if here is None else max(commit.rev, here.rev))
        except InvalidSyntax as error:
            raise InvalidRequest("Invalid repository: its revision is the last there can be") from error
        signed = sign_commit(did, rev, commit.data, self._keys.signing_key(did))
        return ForeignHead(commit, rev, signed.cid, signed.encode())

    # The end

    async def remove(self, did: Did, first: Callable[[], Awaitable[None]] | None = None) -> None:
        """Delete a repository with its key and its blobs; no error when there is none.

        Whoever is cancelled leaves blobs behind, but nothing half of the rest.

        Args:
            first: awaited once no write is under way and none can begin; what it raises ends the removal.

        Raises:
            RepoBusy: it is being replaced or removed already.
        """
        await finish(self._remove(did, first))
        await self._blobs.remove_all(did)

    async def _remove(self, did: Did, first: Callable[[], Awaitable[None]] | None) -> None:
        async with self._repos.locked_out(did):
            if first is not None:
                await first()
            try:
                store = self._stores.open(did)
            except NoRepoFile:
                store = None
            if store is not None:
                async with self._log.set_aside(store):
                    store.release()
                    await self._readers_left(store)
                    # So that closing it, for which every other file has to wait, has nothing left to do.
                    await in_thread(store.checkpoint)
                    await in_thread(self._stores.delete, did)
            await in_thread(self._keys.delete_signing_key, did)

    async def _readers_left(self, store: ActorStore) -> None:
        """Wait for those who read the file, for some seconds; who is left then fails."""
        for _ in range(_LOOKS):
            if not store.pinned:
                return
            await asyncio.sleep(_READERS_LEAVE_SECONDS / _LOOKS)

    def _open(self, did: Did) -> ActorStore:
        try:
            return self._stores.open(did)
        except NoRepoFile as error:
            raise RepoNotFound(f"Could not find repo for DID: {did}") from error


def _check(did: Did, store: ActorStore, foreign: ForeignRepo, max_bytes: int | None) -> Commit:
    with store.snapshot() as here:
        return foreign.check(did, AllBlocks(here), max_bytes)
