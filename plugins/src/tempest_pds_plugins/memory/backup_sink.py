"""A backup sink in memory."""

import time
from collections.abc import AsyncIterator

from tempest_pds_plugins import streams
from tempest_pds_plugins.backup_sink import BackupSink, BackupStat
from tempest_pds_plugins.errors import BackupNotFound
from tempest_pds_plugins.keys import check_name


class MemoryBackupSink(BackupSink):
    """Keep archives in a dictionary."""

    def __init__(self) -> None:
        self._backups: dict[str, tuple[bytes, float]] = {}

    def location(self, name: str) -> str:
        return f"memory:{check_name(name)}"

    async def put(self, name: str, chunks: AsyncIterator[bytes]) -> BackupStat:
        check_name(name)
        data = await streams.collect(chunks)
        self._backups[name] = (data, time.time())
        return await self.stat(name)

    async def get(self, name: str) -> AsyncIterator[bytes]:
        data, _ = self._find(name)
        return streams.of(data) if data else streams.of()

    async def stat(self, name: str) -> BackupStat:
        data, modified_at = self._find(name)
        return BackupStat(name, len(data), modified_at)

    async def delete(self, name: str) -> None:
        self._backups.pop(check_name(name), None)

    async def list(self) -> AsyncIterator[BackupStat]:
        for name, (data, modified_at) in sorted(self._backups.items()):
            yield BackupStat(name, len(data), modified_at)

    def _find(self, name: str) -> tuple[bytes, float]:
        try:
            return self._backups[check_name(name)]
        except KeyError:
            raise BackupNotFound(name) from None
