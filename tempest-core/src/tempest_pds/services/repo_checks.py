"""Verify the repositories here, one or all, with their blobs."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

from tempest_pds.protocol.errors import TempestError
from tempest_pds.protocol.syntax.did import Did
from tempest_pds.services.blob_scrub import BlobScrub
from tempest_pds.services.finishing import in_thread
from tempest_pds.services.progress import Progress, WorkStopped
from tempest_pds.services.repo_errors import RepoNotFound
from tempest_pds.services.repo_verification import RepositoryReport, verify_repository
from tempest_pds.stores.account.accounts import Accounts
from tempest_pds.stores.actor.stores import ActorStores
from tempest_pds.stores.actor.stores import RepoNotFound as NoRepoFile
from tempest_pds.stores.key_files import KeyFiles

_PAGE = 500


class RepoChecks:
    """Check repositories against the keys, the accounts and the blob store."""

    def __init__(self, *, accounts: Accounts, stores: ActorStores, keys: KeyFiles, scrub: BlobScrub) -> None:
        self._accounts = accounts
        self._stores = stores
        self._keys = keys
        self._scrub = scrub

    async def dids(self) -> Sequence[Did]:
        """List every account here, and every account of which only a repository file is here."""
        found: set[str] = set()
        after: tuple[int, str] | None = None
        while page := self._accounts.page(_PAGE, after):
            found.update(account.did for account in page)
            after = (page[-1].created_at, page[-1].did)
            await asyncio.sleep(0)
        found.update(await asyncio.to_thread(lambda: list(self._stores.dids())))
        return [Did(did) for did in sorted(found)]

    async def verify(self, did: Did, *, rehash_blobs: bool, progress: Progress) -> RepositoryReport:
        """Check one repository; whatever is wrong with it is in the report.

        Args:
            did: whose it is.
            rehash_blobs: whether to read the bytes of its blobs, instead of looking only whether they are there.
            progress: told of records and blobs.

        Raises RepoNotFound when neither the account nor a file of its repository is here.
        """
        try:
            store = self._stores.open(did)
        except NoRepoFile as error:
            if self._accounts.get(did) is None:
                raise RepoNotFound(f"Could not find repo for DID: {did}") from error
            return _unreadable(did, "the repository's file is not there")
        except TempestError as error:
            return _unreadable(did, str(error))
        with store:
            try:
                key = self._keys.signing_key(did).public.did_key
            except TempestError as error:
                return _unreadable(did, str(error))
            report = await in_thread(verify_repository, store, did, key, progress)
            more = [] if self._accounts.get(did) is not None else ["there is a repository's file, but no account"]
            try:
                blobs = await self._scrub.check_account(did, rehash=rehash_blobs, progress=progress)
                more += [problem.removeprefix(f"{did}: ") for problem in blobs.problems]
            except WorkStopped:
                raise
            except TempestError as error:
                more.append(str(error))
            return replace(report, problems=[*report.problems, *more])


def _unreadable(did: Did, problem: str) -> RepositoryReport:
    return RepositoryReport(did, None, None, 0, 0, 0, 0, [problem])
