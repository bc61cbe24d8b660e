"""A backup sink that is opened when it is first needed: a server serves without the place for its backups."""

from __future__ import annotations

import asyncio

from tempest_pds_plugins.backup_sink import BackupSink


class ReadySink:
    """One sink, opened once; after a failure the next who needs it tries again."""

    def __init__(self, name: str, sink: BackupSink) -> None:
        self.name = name
        self._sink = sink
        self._opening = asyncio.Lock()
        self._opened = False

    async def ready(self) -> BackupSink:
        """Give the sink, opened; raises what its `open` does."""
        async with self._opening:
            if not self._opened:
                await self._sink.open()
                self._opened = True
        return self._sink

    async def close(self) -> None:
        """Let go of it."""
        await self._sink.close()
