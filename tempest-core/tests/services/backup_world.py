"""A write path with what makes backups of it, and a sink that a test can hold up or break."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from tempest_pds.services.backup.archive import Archive, Origin
from tempest_pds.services.backup.cut import Cutter
from tempest_pds.services.backup.extract import Extracted, extract
from tempest_pds.services.backup.hashing_store import HashingBlobStore
from tempest_pds.services.backup.history import History
from tempest_pds.services.backup.maker import BackupMaker
from tempest_pds.services.backup.ready_sink import ReadySink
from tempest_pds.services.backup.sources import open_stream
from tempest_pds.services.progress import Progress, silent
from tempest_pds.telemetry import Instruments
from tempest_pds_plugins import streams
from tempest_pds_plugins.backup_sink import BackupStat
from tempest_pds_plugins.errors import StoreUnavailable
from tempest_pds_plugins.memory import MemoryBackupSink


class HeldSink(MemoryBackupSink):
    """Waits with each put until it is let go; fails while it is `down`."""

    def __init__(self) -> None:
        super().__init__()
        self.began = asyncio.Event()
        self.go = asyncio.Event()
        self.go.set()
        self.down = False
        self.puts = 0

    async def put(self, name: str, chunks: AsyncIterator[bytes]) -> BackupStat:
        self.puts += 1
        self.began.set()
        await self.go.wait()
        if self.down:
            raise StoreUnavailable("nobody answers")
        return await super().put(name, chunks)


def archive_of(path: Any, progress: Progress = silent, **options: Any) -> Archive:
    """Begin an archive of a write path."""
    return Archive(
        origin=Origin(hostname="pds.test", public_url="https://pds.test", software="1.2.3", blob_store="local"),
        directory=path.directory,
        cutter=Cutter(accounts=path.accounts, sequencer=path.sequencer, stores=path.stores, log=path.log),
        accounts=path.accounts,
        stores=path.stores,
        blobs=path.blobs,
        with_blobs=options.pop("with_blobs", True),
        progress=progress,
        **options,
    )


def maker_of(path: Any, sink: HeldSink, **options: Any) -> BackupMaker:
    ready = ReadySink("memory", sink)
    return BackupMaker(
        hostname="pds.test",
        local=ready,
        sink=ready,
        new_archive=lambda progress: archive_of(path, progress),
        history=History(path.directory.backups, "memory"),
        instruments=Instruments(),
        **options,
    )


async def unpack(data: bytes, folder: Path) -> Extracted:
    """Read an archive back as a restore does, without its blobs' bytes."""
    await asyncio.to_thread(folder.mkdir, parents=True, exist_ok=True)
    async with open_stream(streams.of(data), ()) as members:
        return await extract(members, folder, HashingBlobStore(), silent)
