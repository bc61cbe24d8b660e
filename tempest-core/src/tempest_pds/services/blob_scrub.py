"""Hold the blob store and what the repositories' files know of it against each other, and clear away what nobody uses.

Each row has bytes in the place that its state names, of its size and its hash; all bytes have a row. An upload puts the
bytes first, so bytes without a row are looked at only once they are a day old. Whatever is about to be told or removed
is looked at once more with the account's lock held: a blob may have moved meanwhile.

What cannot be read is never taken for absent: an account whose file fails is passed over and told, and a blob store
that fails ends the work.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, Final

from tempest_pds.protocol.data_model.cid import CID
from tempest_pds.protocol.errors import InvalidEncoding, TempestError
from tempest_pds.protocol.syntax.did import Did
from tempest_pds.services.blobs import UNUSED_SECONDS, Blobs
from tempest_pds.services.progress import Progress, WorkStopped, silent
from tempest_pds.services.repo_errors import RepoNotFound
from tempest_pds.stores.account.accounts import Accounts
from tempest_pds.stores.actor.blobs import PUBLIC
from tempest_pds.stores.actor.inspection import Inspection
from tempest_pds.stores.actor.store import ActorStore
from tempest_pds.stores.actor.stores import ActorStores
from tempest_pds.stores.actor.stores import RepoNotFound as NoRepoFile
from tempest_pds_plugins import streams
from tempest_pds_plugins.blob_store import BlobStore
from tempest_pds_plugins.errors import BlobNotFound

PLACES: Final = ("public", "temporary", "quarantine")
"""The first parts of keys; the others are the DID and the CID."""
MAX_PROBLEMS: Final = 100
_SLICE: Final = 256


@dataclass(slots=True)
class BlobReport:
    """What looking through blobs came to.

    Attributes:
        blobs: rows looked at.
        bytes_read: of blobs that were hashed.
        without_bytes: rows whose bytes are not there.
        damaged: whose bytes are not those that the CID stands for, or not as many.
        without_row: bytes that no row tells of.
        removed: blobs and bytes that were cleared away.
        problems: each a line for the operator; at most so many, but `passed_over` counts all accounts that failed.
    """

    blobs: int = 0
    bytes_read: int = 0
    without_bytes: int = 0
    damaged: int = 0
    without_row: int = 0
    removed: int = 0
    passed_over: int = 0
    problems: list[str] = field(default_factory=list)

    def add(self, problem: str) -> None:
        """Tell a problem, unless too many were told."""
        if len(self.problems) < MAX_PROBLEMS:
            self.problems.append(problem)

    @property
    def sound(self) -> bool:
        """Whether no blob is lost or damaged, and no account was passed over; bytes too many are no harm."""
        return not (self.without_bytes or self.damaged or self.passed_over)

    def as_json(self) -> dict[str, Any]:
        """Shape it for an answer."""
        return {
            "blobs": self.blobs,
            "bytesRead": self.bytes_read,
            "withoutBytes": self.without_bytes,
            "damaged": self.damaged,
            "withoutRow": self.without_row,
            "removed": self.removed,
            "passedOver": self.passed_over,
            "problems": self.problems,
        }


class BlobScrub:
    """Look through the blobs of every account."""

    def __init__(self, *, accounts: Accounts, stores: ActorStores, blobs: Blobs, blob_store: BlobStore) -> None:
        self._accounts = accounts
        self._stores = stores
        self._blobs = blobs
        self._blob_store = blob_store

    async def scrub(
        self, *, rehash: bool = True, delete_orphans: bool = False, progress: Progress = silent
    ) -> BlobReport:
        """Check every blob of every account, and look for bytes that no account knows.

        Args:
            rehash: whether to read all bytes, instead of looking only whether they are there.
            delete_orphans: whether bytes that have had no row for a day are removed.
            progress: told of accounts.

        Raises StoreUnavailable.
        """
        report = BlobReport()
        dids = await self._dids()
        for index, did in enumerate(dids):
            progress("accounts", index, len(dids))
            with _passing_over(report, did):
                await self._check(did, report, rehash, progress)
                await self._strays(did, report, UNUSED_SECONDS, delete=delete_orphans)
        await self._unknown_accounts(frozenset(dids), report, delete=delete_orphans, progress=progress)
        return report

    async def check_account(self, did: Did, *, rehash: bool, progress: Progress = silent) -> BlobReport:
        """Check the blobs of one account; raises RepoNotFound, StoreUnavailable."""
        report = BlobReport()
        await self._check(did, report, rehash, progress)
        return report

    async def collect(self, *, unused_seconds: float = UNUSED_SECONDS, progress: Progress = silent) -> BlobReport:
        """Remove what nothing has used for some time: uploads without a record, bytes without a row.

        Bytes of accounts that are not here are left alone: they may be those of another server. Raises
        StoreUnavailable.
        """
        report = BlobReport()
        dids = await self._dids()
        for index, did in enumerate(dids):
            progress("accounts", index, len(dids))
            with _passing_over(report, did):
                report.removed += await self._blobs.collect_garbage(did, unused_seconds=unused_seconds)
                await self._strays(did, report, unused_seconds, delete=True)
        return report

    async def _dids(self) -> list[Did]:
        found = await asyncio.to_thread(lambda: sorted(self._stores.dids()))
        return [Did(did) for did in found]

    # Rows, and whether they have bytes

    async def _check(self, did: Did, report: BlobReport, rehash: bool, progress: Progress) -> None:
        with self._stores.open(did) as store:
            rows = await asyncio.to_thread(_cids, store)
            for index, cid in enumerate(rows):
                progress(f"blobs of {did}", index, len(rows))
                report.blobs += 1
                problem = await self._problem(did, cid, store, report, rehash)
                if problem is not None:
                    report.add(f"{did}: {problem}")

    async def _problem(self, did: Did, cid: CID, store: ActorStore, report: BlobReport, rehash: bool) -> str | None:
        problem = await self._look(did, cid, store, report, rehash)
        if problem is None:
            return None
        async with self._blobs.held(did):
            # It may have been published, taken down or removed while it was looked at.
            problem = await self._look(did, cid, store, report, rehash)
        if problem is not None:
            lost = problem.startswith("there are no bytes")
            report.without_bytes += lost
            report.damaged += not lost
        return problem

    async def _look(self, did: Did, cid: CID, store: ActorStore, report: BlobReport, rehash: bool) -> str | None:
        row = store.blobs.get(cid)
        if row is None:
            return None
        places = ("public",) if row.status == PUBLIC else PLACES[:2]
        for place in places if row.takedown_ref is None else PLACES:
            key = f"{place}/{did}/{cid}"
            try:
                if not rehash:
                    size = (await self._blob_store.stat(key)).size
                else:
                    size, digest = await self._hash(key)
                    report.bytes_read += size
                    if size == row.size and digest != cid.digest:
                        return f"the bytes of blob {cid} are not those that its CID stands for"
            except BlobNotFound:
                continue
            return None if size == row.size else f"blob {cid} has {size:,} bytes instead of {row.size:,}"
        return f"there are no bytes of blob {cid}, which is {row.status}"

    async def _hash(self, key: str) -> tuple[int, bytes]:
        size, hasher = 0, sha256()
        chunks = await self._blob_store.get(key)
        try:
            async for chunk in chunks:
                hasher.update(chunk)
                size += len(chunk)
        finally:
            await streams.close(chunks)
        return size, hasher.digest()

    # Bytes, and whether they have rows

    async def _strays(self, did: Did, report: BlobReport, unused_seconds: float, *, delete: bool) -> None:
        before = time.time() - unused_seconds
        with self._stores.open(did) as store:
            for place in PLACES:
                keys = [
                    stat.key async for stat in self._blob_store.list(f"{place}/{did}/") if stat.modified_at < before
                ]
                for key in keys:
                    cid = _cid_of(key)
                    if cid is None or store.blobs.get(cid) is not None:
                        continue
                    async with self._blobs.held(did):
                        if store.blobs.get(cid) is None:
                            await self._stray(key, report, delete=delete)

    async def _unknown_accounts(
        self, known: frozenset[Did], report: BlobReport, *, delete: bool, progress: Progress
    ) -> None:
        before = time.time() - UNUSED_SECONDS
        looked_at = 0
        for place in PLACES:
            async for stat in self._blob_store.list(f"{place}/"):
                looked_at += 1
                progress("keys of the blob store", looked_at, None)
                did = stat.key.split("/", 2)[1]
                if did in known or stat.modified_at >= before or _cid_of(stat.key) is None:
                    continue
                if self._accounts.get(did) is not None or self._stores.exists(did):
                    # The account is here, so it is its repository's file that is lost, and not these bytes.
                    report.add(f"{did}: there are bytes of blobs, but no repository file")
                    report.passed_over += 1
                    continue
                await self._stray(stat.key, report, delete=delete)

    async def _stray(self, key: str, report: BlobReport, *, delete: bool) -> None:
        report.without_row += 1
        if delete:
            await self._blob_store.delete(key)
            report.removed += 1
        else:
            report.add(f"{key}: there is no row for these bytes")


class _passing_over:  # noqa: N801 - read as a word in a `with` line
    """Go on with the next account when one fails, and tell of it; not when the blob store or the whole work does."""

    def __init__(self, report: BlobReport, did: Did) -> None:
        self._report = report
        self._did = did

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> bool:
        if isinstance(error, RepoNotFound | NoRepoFile):
            return True  # deleted meanwhile
        if not isinstance(error, TempestError) or isinstance(error, WorkStopped):
            return False
        self._report.passed_over += 1
        self._report.add(f"{self._did}: passed over: {error}")
        return True


def _cids(store: ActorStore) -> list[CID]:
    with Inspection(store) as inspection:
        return [row.cid for row in inspection.blobs()]


def _cid_of(key: str) -> CID | None:
    try:
        return CID.parse(key.rpartition("/")[2])
    except InvalidEncoding:
        return None
