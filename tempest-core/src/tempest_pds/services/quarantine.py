"""Blobs that a moderator took down: their bytes are put where nobody reads them, and come back when that is undone.

The row says whether a blob is taken down; where the bytes are follows it. A takedown writes the row first, so that
nothing is served from then on, and a restoration writes it last. A crash in between leaves bytes in the place of the
other state, unread; the sweep moves what is left of a takedown, and a restoration is asked for again.
"""

from __future__ import annotations

from tempest_pds.protocol.data_model.cid import CID
from tempest_pds.protocol.syntax.did import Did
from tempest_pds.services.blobs import PREFIXES, QUARANTINE, Blobs
from tempest_pds.services.commit_log import CommitLog
from tempest_pds.services.errors import NotFound
from tempest_pds.services.finishing import finish
from tempest_pds.stores.actor.blobs import TEMPORARY, BlobRow
from tempest_pds.stores.actor.store import ActorStore
from tempest_pds.stores.actor.stores import ActorStores
from tempest_pds.stores.actor.stores import RepoNotFound as NoRepoFile
from tempest_pds_plugins.blob_store import BlobStore
from tempest_pds_plugins.errors import BlobNotFound as NothingUnderKey

_READABLE = tuple(prefix for prefix in PREFIXES if prefix != QUARANTINE)


class Quarantine:
    """Take blobs down, and put them back."""

    def __init__(self, *, stores: ActorStores, log: CommitLog, blobs: Blobs, blob_store: BlobStore) -> None:
        self._stores = stores
        self._log = log
        self._blobs = blobs
        self._blob_store = blob_store

    def find(self, did: Did, cid: CID) -> BlobRow:
        """Find a blob that was uploaded, taken down or not; raise NotFound."""
        with self._open(did) as store:
            row = store.blobs.get(cid)
        if row is None:
            raise NotFound("Subject not found")
        return row

    async def take_down(self, did: Did, cid: CID, reference: str) -> None:
        """Let nobody read a blob, nor upload it again; raise NotFound when it was never uploaded."""
        await finish(self._take_down(did, cid, reference))

    async def restore(self, did: Did, cid: CID) -> None:
        """Undo a takedown; no error when there was none. Raises NotFound as above."""
        await finish(self._restore(did, cid))

    async def sweep(self, did: Did) -> None:
        """Put away what a crash during a takedown has left where it was."""
        with self._open(did) as store:
            for row in store.blobs.taken_down():
                async with self._blobs.held(did):
                    # Asked again: it may have been restored meanwhile.
                    now = store.blobs.get(row.cid)
                    if now is not None and now.takedown_ref is not None:
                        await self._put_away(did, row.cid)

    async def _take_down(self, did: Did, cid: CID, reference: str) -> None:
        with self._open(did) as store:
            async with self._blobs.held(did):
                await self._mark(store, cid, reference)
                await self._put_away(did, cid)

    async def _restore(self, did: Did, cid: CID) -> None:
        with self._open(did) as store:
            async with self._blobs.held(did):
                row = store.blobs.get(cid)
                if row is None:
                    raise NotFound("Subject not found")
                if row.takedown_ref is None:
                    return
                # A record may have come to refer to it, by an import, while it was away.
                prefix = "temporary" if row.status == TEMPORARY else "public"
                await self._move(f"quarantine/{did}/{cid}", f"{prefix}/{did}/{cid}")
                await self._mark(store, cid, None)

    async def _mark(self, store: ActorStore, cid: CID, reference: str | None) -> None:
        def write(file: ActorStore) -> bool:
            found = file.blobs.set_takedown(cid, reference)
            # The log knows nothing of takedowns, so nothing would bring one back after a loss of power.
            file.sync()
            return found

        if not await self._log.change_file(store, write):
            raise NotFound("Subject not found")

    async def _put_away(self, did: Did, cid: CID) -> None:
        for prefix in _READABLE:
            await self._move(f"{prefix}/{did}/{cid}", f"quarantine/{did}/{cid}")

    async def _move(self, source: str, target: str) -> None:
        try:
            await self._blob_store.move(source, target)
        except NothingUnderKey:
            # Moved before, by a call that did not come to its end; or there have never been any bytes.
            return

    def _open(self, did: Did) -> ActorStore:
        try:
            return self._stores.open(did)
        except NoRepoFile as error:
            raise NotFound("Subject not found") from error
