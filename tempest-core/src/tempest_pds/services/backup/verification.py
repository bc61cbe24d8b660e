"""Is everything there, and is it right? Of a data directory that no server uses, as a restore leaves it."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from typing import Final

from tempest_pds.protocol.errors import TempestError
from tempest_pds.protocol.syntax.did import Did
from tempest_pds.services.blobs import PREFIXES, QUARANTINE
from tempest_pds.services.finishing import in_thread
from tempest_pds.services.progress import Progress
from tempest_pds.services.repo_verification import verify_repository
from tempest_pds.stores.account.account_store import AccountStore
from tempest_pds.stores.actor.blobs import PUBLIC, TEMPORARY, BlobRow
from tempest_pds.stores.actor.store import ActorStore
from tempest_pds.stores.actor.stores import ActorStores
from tempest_pds.stores.key_files import KeyFiles
from tempest_pds_plugins.blob_store import BlobStat, BlobStore
from tempest_pds_plugins.errors import BlobNotFound

_PAGE: Final = 500


@dataclass(slots=True)
class Verified:
    """What was looked at, and one line for each thing that is wrong."""

    accounts: int = 0
    records: int = 0
    blobs: int = 0
    problems: list[str] = field(default_factory=list)


def all_dids(accounts: AccountStore) -> Iterator[Did]:
    """Yield every account."""
    after = None
    while page := accounts.accounts.page(_PAGE, after):
        for account in page:
            yield account.did
        after = (page[-1].created_at, page[-1].did)


async def verify_accounts(
    accounts: AccountStore,
    stores: ActorStores,
    keys: KeyFiles,
    blob_store: BlobStore | None,
    progress: Progress,
    *,
    known_missing: Collection[str] = (),
    settle: bool = False,
) -> Verified:
    """Check every account's repository, signature, tree and records, and that the bytes of its blobs are there.

    Args:
        blob_store: None where the blobs are not to be looked for.
        known_missing: blobs that were gone before, as `did/cid`; they are no problem of this copy.
        settle: whether blobs are moved to where their rows say that they lie: a takedown, or the end of one, may have
            come between the copy of the row and that of the bytes.
    """
    verified = Verified()
    total = accounts.accounts.count()
    for did in all_dids(accounts):
        try:
            with stores.open(did) as store:
                key = keys.signing_key(did).public.did_key
                report = await in_thread(verify_repository, store, did, key)
                verified.records += report.records
                verified.problems += [f"{did}: {problem}" for problem in report.problems]
                if blob_store is not None:
                    await _blobs(did, store, blob_store, verified, known_missing, settle=settle)
        except TempestError as error:
            verified.problems.append(f"{did}: {error}")
        verified.accounts += 1
        progress("repositories", verified.accounts, total)
    return verified


async def _blobs(
    did: Did,
    store: ActorStore,
    blob_store: BlobStore,
    verified: Verified,
    known_missing: Collection[str],
    *,
    settle: bool,
) -> None:
    after = None
    while rows := store.blobs.page(_PAGE, after):
        for row in rows:
            found = await _find(did, str(row.cid), blob_store)
            size = None if found is None else found.size
            if found is not None and size == row.size:
                verified.blobs += 1
                if settle:
                    await _settle(row, found.key, blob_store)
            elif f"{did}/{row.cid}" not in known_missing:
                what = "has no bytes" if size is None else f"has {size} bytes instead of {row.size}"
                verified.problems.append(f"{did}: blob {row.cid} {what}")
        after = rows[-1].cid


async def _find(did: Did, cid: str, blob_store: BlobStore) -> BlobStat | None:
    for prefix in PREFIXES:
        try:
            return await blob_store.stat(f"{prefix}/{did}/{cid}")
        except BlobNotFound:
            continue
    return None


async def _settle(row: BlobRow, key: str, blob_store: BlobStore) -> None:
    prefix, _, rest = key.partition("/")
    is_hidden = prefix == QUARANTINE
    if is_hidden == (row.takedown_ref is not None):
        return
    wanted = QUARANTINE if row.takedown_ref is not None else PUBLIC if row.status == PUBLIC else TEMPORARY
    await blob_store.move(key, f"{wanted}/{rest}")
