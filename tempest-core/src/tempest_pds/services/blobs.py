"""Blobs: uploaded, temporary until a record refers to them, public then, and gone when no record does any more.

The bytes lie in the blob store, under `temporary/<did>/<cid>` or `public/<did>/<cid>`, or after a takedown under
`quarantine/<did>/<cid>`: each account has its own copy, so that what one account does never takes a blob away from
another. What is known of them lies in the account's repo
file.

Whoever changes an account's blobs, or writes a record that refers to one, holds that account's lock, so that a blob is
not collected while a record is about to refer to it. Bytes move before the row that says so is written; a crash in
between leaves bytes without a row, which the next upload or the collection of garbage puts right.

https://atproto.com/specs/blob
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from weakref import WeakValueDictionary

import structlog

from tempest_pds.plugins import PluginManager
from tempest_pds.protocol.data_model import dag_cbor
from tempest_pds.protocol.data_model.cid import CID
from tempest_pds.protocol.lexicon.record_links import BlobRef, blobs_in
from tempest_pds.protocol.syntax.did import Did
from tempest_pds.services.commit_log import CommitLog
from tempest_pds.services.errors import InvalidRequest
from tempest_pds.services.mime_types import sniff
from tempest_pds.services.repo_errors import BlobNotFound, InvalidMimeType, InvalidSize, RepoNotFound
from tempest_pds.services.upload_spool import UploadSpool
from tempest_pds.stores.actor.blobs import PUBLIC, TEMPORARY, BlobRow
from tempest_pds.stores.actor.store import ActorStore
from tempest_pds.stores.actor.stores import ActorStores
from tempest_pds.stores.actor.stores import RepoNotFound as NoRepoFile
from tempest_pds.telemetry import Instruments
from tempest_pds_plugins.blob_store import BlobStat, BlobStore
from tempest_pds_plugins.errors import BlobNotFound as NothingUnderKey

UNUSED_SECONDS: Final = 24 * 3600
_SWEEP: Final = 500
_LOOKS: Final = 100
QUARANTINE: Final = "quarantine"
PREFIXES: Final = ("public", "temporary", QUARANTINE)

_log = structlog.get_logger("tempest_pds.blobs")


@dataclass(frozen=True, slots=True)
class UploadedBlob:
    """A blob as its uploader is told of it; `size` in bytes."""

    cid: CID
    mime_type: str
    size: int


class Blobs:
    """The blobs of every account here.

    Args:
        temporary: a folder for uploads that are still coming in.
    """

    def __init__(
        self,
        *,
        temporary: Path,
        stores: ActorStores,
        log: CommitLog,
        blob_store: BlobStore,
        plugins: PluginManager,
        instruments: Instruments,
    ) -> None:
        self._temporary = temporary
        self._stores = stores
        self._log = log
        self._blob_store = blob_store
        self._plugins = plugins
        self._instruments = instruments
        self._locks: WeakValueDictionary[Did, asyncio.Lock] = WeakValueDictionary()
        self._releases: set[asyncio.Task[None]] = set()
        self._keepers = 0

    @asynccontextmanager
    async def held(self, did: Did) -> AsyncIterator[None]:
        """Keep everybody else from changing an account's blobs."""
        lock = self._locks.get(did)
        if lock is None:
            lock = self._locks[did] = asyncio.Lock()
        async with lock:
            yield

    @asynccontextmanager
    async def kept(self) -> AsyncIterator[None]:
        """Remove no blob of an account meanwhile: what nothing refers to is left to a later sweep."""
        self._keepers += 1
        try:
            yield
        finally:
            self._keepers -= 1

    def _open(self, did: Did) -> ActorStore:
        try:
            return self._stores.open(did)
        except NoRepoFile as error:
            raise RepoNotFound(f"Could not find repo for DID: {did}") from error

    # Writing

    async def upload(self, did: Did, content_type: str, chunks: AsyncIterator[bytes]) -> UploadedBlob:
        """Store a stream; its type is told by its first bytes, or else by `content_type`.

        Memory does not grow with the size. What `chunks` raises, as for a blob over the limit, comes out here, and
        nothing is kept. Raises InvalidRequest when a policy refuses the blob or a moderator took it down.
        """
        with self._open(did) as store, UploadSpool(self._temporary) as spool:
            await spool.take(chunks)
            blob = UploadedBlob(CID.for_raw_digest(spool.digest), sniff(spool.head) or content_type, spool.size)
            self._ask_policies(did, blob)
            # Most of the work is done before the lock is taken, so that one account's uploads go side by side.
            await self._blob_store.put(_temporary(did, blob.cid), spool.chunks())
            async with self.held(did):
                await self._keep(store, did, blob, spool)
        self._instruments.blob_upload_count.add(1)
        self._instruments.blob_bytes.add(blob.size, {"direction": "in"})
        self._plugins.notify("blob_stored", did=str(did), cid=str(blob.cid), mime_type=blob.mime_type, size=blob.size)
        return blob

    def _ask_policies(self, did: Did, blob: UploadedBlob) -> None:
        reason = self._plugins.first_refusal(
            "check_blob", did=str(did), cid=str(blob.cid), mime_type=blob.mime_type, size=blob.size
        )
        if reason is not None:
            raise InvalidRequest(reason)

    async def _keep(self, store: ActorStore, did: Did, blob: UploadedBlob, spool: UploadSpool) -> None:
        """Note an upload whose bytes are in the store; the account's lock is held."""
        known = store.blobs.get(blob.cid)
        if known is not None and known.takedown_ref is not None:
            await self._blob_store.delete(_temporary(did, blob.cid))
            raise InvalidRequest("Blob has been takendown, cannot re-upload")
        try:
            await self._blob_store.stat(_temporary(did, blob.cid))
        except NothingUnderKey:
            # Before the lock was ours, the same blob was collected as unused, or became public.
            await self._blob_store.put(_temporary(did, blob.cid), spool.chunks())
        # After a migration the records are here before the blobs that they refer to.
        used = store.blobs.is_used(blob.cid)
        if used:
            await self._blob_store.move(_temporary(did, blob.cid), _public(did, blob.cid))
        status = PUBLIC if used else TEMPORARY
        await self._log.change_file(store, lambda file: _note_upload(file, blob.cid, blob.mime_type, blob.size, status))

    async def make_public(self, did: Did, references: Sequence[BlobRef]) -> None:
        """Move the blobs that a record is about to refer to into place; the account's lock is held.

        Raises BlobNotFound, InvalidMimeType, InvalidSize.
        """
        with self._open(did) as store:
            rows = [(reference, _agreed(store, reference)) for reference in references]
            for reference, row in rows:
                if row.status == TEMPORARY:
                    await self._move_to_public(did, reference.cid)

    async def publish(self, did: Did, cids: Sequence[CID]) -> None:
        """Move blobs into place before an import whose records refer to them; the account's lock is held."""
        for cid in cids:
            try:
                await self._move_to_public(did, cid)
            except BlobNotFound:
                # There is a row without bytes. The record is imported all the same, as one is without the row.
                _log.warning("blob.bytes_missing", did=did, cid=str(cid))

    async def _move_to_public(self, did: Did, cid: CID) -> None:
        try:
            await self._blob_store.move(_temporary(did, cid), _public(did, cid))
        except NothingUnderKey:
            # A write that failed after the move, or a crash, has left it in its place already.
            try:
                await self._blob_store.stat(_public(did, cid))
            except NothingUnderKey as error:
                raise BlobNotFound(f"Could not find blob: {cid}") from error

    def release(self, did: Did, cids: Sequence[CID]) -> None:
        """Remove blobs that no record refers to any more; done after the answer."""
        task = asyncio.create_task(self._release(did, cids))
        self._releases.add(task)
        task.add_done_callback(self._releases.discard)

    async def _release(self, did: Did, cids: Sequence[CID]) -> None:
        try:
            with self._open(did) as store:
                for cid in cids:
                    await self._remove(store, did, cid)
        except Exception as error:  # noqa: BLE001 - the sweep finds them again
            _log.warning("blob.release_failed", did=did, error=repr(error))

    async def _remove(self, store: ActorStore, did: Did, cid: CID) -> bool:
        async with self.held(did):
            if self._keepers:
                return False
            # Refused when a record came to refer to it meanwhile.
            if not await self._log.change_file(store, lambda file: file.blobs.forget(cid)):
                return False
            await self._blob_store.delete(_public(did, cid))
            await self._blob_store.delete(_temporary(did, cid))
            return True

    async def collect_garbage(self, did: Did, *, unused_seconds: float = UNUSED_SECONDS) -> int:
        """Remove the account's blobs that nothing has referred to for a day; return how many."""
        removed = 0
        before = int((time.time() - unused_seconds) * 1_000_000)
        with self._open(did) as store:
            while rows := store.blobs.unused(before, _SWEEP):
                gone = [row for row in rows if await self._remove(store, did, row.cid)]
                removed += len(gone)
                if not gone:
                    break
        return removed

    async def remove_all(self, did: Did) -> None:
        """Remove the bytes of an account that is no more."""
        async with self.held(did):
            for prefix in PREFIXES:
                keys = [stat.key async for stat in self._blob_store.list(f"{prefix}/{did}/")]
                for key in keys:
                    await self._blob_store.delete(key)

    async def clear_strays(self, *, unused_seconds: float = UNUSED_SECONDS) -> int:
        """Remove bytes of uploads that never got a row, as a crash leaves them; return how many."""
        removed = 0
        before = time.time() - unused_seconds
        async for stat in self._blob_store.list("temporary/"):
            if stat.modified_at >= before:
                continue
            _, did, name = stat.key.split("/", 2)
            try:
                known = await self._has_row(Did(did), CID.parse(name))
            except Exception as error:  # noqa: BLE001 - a damaged file of one account must not keep the others' strays
                _log.warning("blob.stray_unknown", did=did, error=repr(error))
                continue
            if not known:
                await self._blob_store.delete(stat.key)
                removed += 1
        return removed

    async def _has_row(self, did: Did, cid: CID) -> bool:
        async with self.held(did):
            try:
                with self._open(did) as store:
                    return store.blobs.get(cid) is not None
            except RepoNotFound:
                return False

    async def close(self) -> None:
        """Wait for removals that are under way."""
        if self._releases:
            await asyncio.wait(self._releases)

    # Reading

    def find(self, did: Did, cid: CID) -> BlobRow:
        """Find a blob that may be served; raise BlobNotFound."""
        with self._open(did) as store:
            row = store.blobs.get(cid)
        if row is None or row.status != PUBLIC or row.takedown_ref is not None:
            raise BlobNotFound("Blob not found")
        return row

    async def read(self, did: Did, cid: CID, start: int, end: int) -> AsyncIterator[bytes]:
        """Open a blob's bytes from `start` up to and without `end`; raise BlobNotFound."""
        try:
            chunks = await self._blob_store.get(_public(did, cid), start, end)
        except NothingUnderKey as error:
            raise BlobNotFound("Blob not found") from error
        self._instruments.blob_bytes.add(end - start, {"direction": "out"})
        return chunks

    async def bytes_of(self, did: Did, cid: str) -> tuple[BlobStat, AsyncIterator[bytes]] | None:
        """Open a blob's bytes wherever they lie, published or not; None when they are nowhere."""
        # Twice: it may be on its way from one place to the other.
        for prefix in PREFIXES * 2:
            try:
                stat = await self._blob_store.stat(f"{prefix}/{did}/{cid}")
                return stat, await self._blob_store.get(stat.key)
            except NothingUnderKey:
                continue
        return None

    def list(self, did: Did, since: str | None, limit: int, after: CID | None) -> Sequence[CID]:
        """List the blobs that records refer to, by CID; those of records newer than `since` if it is given."""
        with self._open(did) as store:
            return store.blobs.list_used(since or "", limit, after)

    def missing(self, did: Did, limit: int, after: CID | None) -> Sequence[tuple[CID, str]]:
        """List the blobs that records refer to and that are not here, each with the AT-URI of one such record."""
        with self._open(did) as store:
            return [(cid, f"at://{did}/{path}") for cid, path in store.blobs.missing(limit, after)]


def _note_upload(file: ActorStore, cid: CID, mime_type: str, size: int, status: str) -> None:
    file.blobs.put(cid, mime_type, size, status)
    # The log knows nothing of uploads, so nothing would bring the row back after a loss of power.
    file.sync()


def _temporary(did: Did, cid: CID) -> str:
    return f"temporary/{did}/{cid}"


def _public(did: Did, cid: CID) -> str:
    return f"public/{did}/{cid}"


def _agreed(store: ActorStore, reference: BlobRef) -> BlobRow:
    row = store.blobs.get(reference.cid)
    try:
        return _match(reference, row)
    except (InvalidMimeType, InvalidSize):
        # A record that was imported may say of a blob what its last server made of it. Its owner may go on editing it.
        if row is None or not _is_said(store, reference):
            raise
        return row


def _is_said(store: ActorStore, reference: BlobRef) -> bool:
    for path in store.blobs.users(reference.cid, _LOOKS):
        found = store.get_record(path, include_taken_down=True)
        blobs = [] if found is None else blobs_in(dag_cbor.decode(found[1]))
        if any(
            (blob.cid, blob.mime_type, blob.size) == (reference.cid, reference.mime_type, reference.size)
            for blob in blobs
        ):
            return True
    return False


def _match(reference: BlobRef, row: BlobRow | None) -> BlobRow:
    if row is None or row.takedown_ref is not None:
        raise BlobNotFound(f"Could not find blob: {reference.cid}")
    if reference.mime_type != row.mime_type:
        raise InvalidMimeType(
            f"Referenced Mimetype does not match stored blob. Expected: {row.mime_type}, Got: {reference.mime_type}"
        )
    if reference.size != row.size:
        raise InvalidSize(f"Referenced Size does not match stored blob. Expected: {row.size}, Got: {reference.size}")
    return row
