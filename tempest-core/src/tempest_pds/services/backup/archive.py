"""An archive as a stream: the databases at the cut, the keys and other files, the blobs, and the manifest."""

from __future__ import annotations

import hashlib
import os
import secrets
import time
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import structlog

from tempest_pds.protocol.syntax.did import Did
from tempest_pds.services.backup import tar
from tempest_pds.services.backup.cut import Cut, Cutter
from tempest_pds.services.backup.errors import BackupFailed
from tempest_pds.services.backup.manifest import MANIFEST, ArchivedFile, Manifest
from tempest_pds.services.blobs import Blobs
from tempest_pds.services.finishing import in_thread
from tempest_pds.services.progress import Progress
from tempest_pds.stores.account.account_schema import SCHEMA as ACCOUNT_SCHEMA
from tempest_pds.stores.account.account_store import AccountStore
from tempest_pds.stores.actor.blobs import COUNT_STORED
from tempest_pds.stores.actor.stores import ActorStores, RepoNotFound
from tempest_pds.stores.actor.tables import SCHEMA as REPO_SCHEMA
from tempest_pds.stores.data_directory import DataDirectory
from tempest_pds.stores.database import DatabaseClosed, DatabaseDamaged
from tempest_pds.stores.pinned import PinnedDatabase
from tempest_pds.stores.sequencer.tables import SCHEMA as SEQUENCER_SCHEMA
from tempest_pds_plugins import streams
from tempest_pds_plugins.errors import PluginError

SCHEMAS: Final = {schema.kind: schema.head for schema in (ACCOUNT_SCHEMA, SEQUENCER_SCHEMA, REPO_SCHEMA)}
BLOBS: Final = "blobs/"
_ROWS: Final = 500
_FAILURES_IN_A_ROW: Final = 5

_log = structlog.get_logger("tempest_pds.backup")


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """The server that a backup is of; see `Manifest`."""

    hostname: str
    public_url: str
    software: str
    blob_store: str
    secrets_elsewhere: tuple[str, ...] = ()


class Archive:
    """One archive in the making.

    Attributes:
        manifest: what it holds; None until `chunks` has come to its end.
    """

    def __init__(
        self,
        *,
        origin: Origin,
        directory: DataDirectory,
        cutter: Cutter,
        accounts: AccountStore,
        stores: ActorStores,
        blobs: Blobs,
        with_blobs: bool,
        progress: Progress,
    ) -> None:
        self._origin = origin
        self._directory = directory
        self._cutter = cutter
        self._accounts = accounts
        self._stores = stores
        self._blobs = blobs
        self._with_blobs = with_blobs
        self._progress = progress
        self._files: dict[str, ArchivedFile] = {}
        self._blob_counts: dict[str, int] = {}
        self._blob_bytes = 0
        self._stored = 0
        self._missing: list[str] = []
        self._failed_in_a_row = 0
        self.manifest: Manifest | None = None

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        """Stream the archive. Blobs are not removed meanwhile, so that those of the cut are there to the end."""
        async with self._blobs.kept(), self._cutter.watching():
            total = sum(1 for _ in self._stores.dids())
            async with aclosing(self._cutter.repos()) as files:
                async for did, pinned in files:
                    async with aclosing(self._repo(did, pinned)) as chunks:
                        async for chunk in chunks:
                            yield chunk
                    self._progress("accounts", min(len(self._blob_counts), total), total)
            async with self._cutter.cut() as cut:
                now = time.time_ns() // 1000
                async with aclosing(self._databases(cut)) as chunks:
                    async for chunk in chunks:
                        yield chunk
            async with aclosing(self._other_files()) as chunks:
                async for chunk in chunks:
                    yield chunk
            if self._with_blobs:
                async with aclosing(self._all_blobs(cut)) as chunks:
                    async for chunk in chunks:
                        yield chunk
            dropped = [did for did in cut.dids if self._accounts.accounts.get(did) is None]
        manifest = self._describe(cut, now, dropped)
        content = manifest.encode()
        yield tar.header(MANIFEST, len(content), now / 1e6) + content + tar.padding(len(content)) + tar.END
        self.manifest = manifest

    # The databases

    async def _databases(self, cut: Cut) -> AsyncGenerator[bytes, None]:
        for did, pinned in cut.repos.items():
            async with aclosing(self._repo(did, pinned)) as chunks:
                async for chunk in chunks:
                    yield chunk
        for pinned, path in ((cut.accounts, self._directory.accounts), (cut.sequencer, self._directory.sequencer)):
            async with aclosing(self._database(pinned, self._name_of(path))) as chunks:
                async for chunk in chunks:
                    yield chunk
        async with aclosing(self._unreadable(cut)) as chunks:
            async for chunk in chunks:
                yield chunk
        # A file without an account is a sign-up that had not come to its end, or an account that was deleted.
        there = {self._name_of(self._stores.path_of(did)) for did in cut.dids}
        for name in [name for name in self._files if name.startswith("repos/") and name not in there]:
            del self._files[name]

    async def _repo(self, did: str, pinned: PinnedDatabase) -> AsyncGenerator[bytes, None]:
        name, staged = self._name_of(self._stores.path_of(did)), self._staged()
        try:
            with pinned:
                await in_thread(pinned.copy_to, staged)
                self._blob_counts[did] = int(pinned.all(COUNT_STORED)[0][0])
        except DatabaseDamaged as error:
            # One broken file must not keep all the others from being backed up.
            _log.error("backup.file_unreadable", did=did, error=str(error))
            self._cutter.unreadable.add(did)
            staged.unlink(missing_ok=True)
            return
        self._cutter.unreadable.discard(did)
        async with aclosing(self._staged_file(staged, name)) as chunks:
            async for chunk in chunks:
                yield chunk

    async def _unreadable(self, cut: Cut) -> AsyncGenerator[bytes, None]:
        """Stream what SQLite cannot read as it lies there."""
        for did in sorted(self._cutter.unreadable & set(cut.dids)):
            path = self._stores.path_of(did)
            async with aclosing(self._file(path, self._name_of(path), may_go=True)) as chunks:
                async for chunk in chunks:
                    yield chunk

    async def _database(self, pinned: PinnedDatabase, name: str) -> AsyncGenerator[bytes, None]:
        staged = self._staged()
        await in_thread(pinned.copy_to, staged)
        async with aclosing(self._staged_file(staged, name)) as chunks:
            async for chunk in chunks:
                yield chunk

    async def _staged_file(self, staged: Path, name: str) -> AsyncGenerator[bytes, None]:
        try:
            async with aclosing(self._file(staged, name)) as chunks:
                async for chunk in chunks:
                    yield chunk
        finally:
            staged.unlink(missing_ok=True)  # noqa: ASYNC240 - a metadata operation in the folder for temporary files

    def _staged(self) -> Path:
        return self._directory.tmp / f"backup-{secrets.token_hex(8)}.sqlite"

    def _name_of(self, path: Path) -> str:
        return path.relative_to(self._directory.root).as_posix()

    # Other files

    async def _other_files(self) -> AsyncGenerator[bytes, None]:
        """Stream the keys, and whatever else lies in the data directory itself."""
        for path in await in_thread(lambda: list(self._directory.small_files())):
            async with aclosing(self._file(path, self._name_of(path), may_go=True)) as chunks:
                async for chunk in chunks:
                    yield chunk

    async def _file(self, path: Path, name: str, *, may_go: bool = False) -> AsyncGenerator[bytes, None]:
        """Stream a file that is not written to any more; one that `may_go` may have gone."""
        try:
            file = await in_thread(path.open, "rb")
        except FileNotFoundError:
            if may_go:
                return
            raise
        with file:
            size = os.fstat(file.fileno()).st_size
            digest = hashlib.sha256()
            yield tar.header(name, size, time.time())
            left = size
            while left:
                chunk = await in_thread(file.read, min(tar.READ_SIZE, left))
                if not chunk:
                    raise BackupFailed(f"{name} became shorter while it was read; try again")
                left -= len(chunk)
                digest.update(chunk)
                yield chunk
            yield tar.padding(size)
        self._files[name] = ArchivedFile(name, size, digest.hexdigest())

    # The blobs

    async def _all_blobs(self, cut: Cut) -> AsyncGenerator[bytes, None]:
        done, total = 0, sum(self._blob_counts.get(did, 0) for did in cut.dids)
        for did in cut.dids:
            for cid in self._blob_cids(Did(did)):
                async with aclosing(self._blob(Did(did), cid)) as chunks:
                    async for chunk in chunks:
                        yield chunk
                done += 1
                self._progress("blobs", done, max(total, done))

    def _blob_cids(self, did: Did) -> Iterator[str]:
        """Yield the blobs that an account has by now: with none removed, those of the cut are among them."""
        after = None
        try:
            with self._stores.open(did) as store:
                while rows := store.blobs.page(_ROWS, after):
                    for row in rows:
                        yield str(row.cid)
                    after = rows[-1].cid
        except (RepoNotFound, DatabaseClosed, DatabaseDamaged):
            return  # deleted meanwhile, or told of already

    async def _blob(self, did: Did, cid: str) -> AsyncGenerator[bytes, None]:
        try:
            found = await self._blobs.bytes_of(did, cid)
        except PluginError as error:
            self._passed_over(did, cid, error)
            return
        if found is None:
            self._passed_over(did, cid, None)
            return
        stat, stored = found
        size = 0
        yield tar.header(BLOBS + stat.key, stat.size, stat.modified_at)
        try:
            async for chunk in stored:
                size += len(chunk)
                yield chunk
        except PluginError as error:
            self._passed_over(did, cid, error)
        finally:
            await streams.close(stored)
        if size == stat.size:
            self._stored += 1
            self._blob_bytes += size
            self._failed_in_a_row = 0
        elif size > stat.size:
            raise BackupFailed(f"the blob {cid} of {did} has more than the {stat.size} bytes that were announced")
        # What is missing of one that could not be read to its end: a restore finds it damaged, as the manifest says.
        for _ in range(size, stat.size, tar.READ_SIZE):
            yield bytes(min(tar.READ_SIZE, stat.size - size))
            size += min(tar.READ_SIZE, stat.size - size)
        yield tar.padding(stat.size)

    def _passed_over(self, did: Did, cid: str, error: PluginError | None) -> None:
        """Note a blob that is not there, or cannot be read; raise when that is no accident of one blob."""
        _log.warning("backup.blob_missing", did=did, cid=cid, error=None if error is None else repr(error))
        self._missing.append(f"{did}/{cid}")
        self._failed_in_a_row = 0 if error is None else self._failed_in_a_row + 1
        if error is not None and self._failed_in_a_row >= _FAILURES_IN_A_ROW:
            raise BackupFailed(f"the blob store fails again and again: {error}") from error

    def _describe(self, cut: Cut, now: int, dropped: list[str]) -> Manifest:
        origin = self._origin
        return Manifest(
            created_at=datetime.fromtimestamp(now / 1e6, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            created_us=now,
            hostname=origin.hostname,
            public_url=origin.public_url,
            software=origin.software,
            schemas=SCHEMAS,
            last_seq=cut.last_seq,
            applied_seq=cut.applied_seq,
            accounts=len(cut.dids),
            files=tuple(self._files.values()),
            blobs=self._stored,
            blob_bytes=self._blob_bytes,
            blobs_included=self._with_blobs,
            blob_store=origin.blob_store,
            missing_blobs=tuple(self._missing),
            unreadable=tuple(sorted(self._cutter.unreadable & set(cut.dids))),
            dropped=tuple(dropped),
            secrets_elsewhere=origin.secrets_elsewhere,
        )
