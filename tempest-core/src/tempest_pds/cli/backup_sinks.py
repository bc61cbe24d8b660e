"""The places where backups are kept, as a command finds them, without a server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from tempest_pds.adapter_selection import Selection
from tempest_pds.plugin_loading import one_line
from tempest_pds.plugins import PluginManager
from tempest_pds.protocol.errors import TempestError
from tempest_pds.services.backup.names import is_of, made_at
from tempest_pds.services.backup.ready_sink import ReadySink
from tempest_pds_plugins.adapters import PluginContext
from tempest_pds_plugins.backup_sink import BackupSink, BackupStat
from tempest_pds_plugins.blob_store import BlobStore
from tempest_pds_plugins.errors import BackupNotFound, InvalidKey, PluginError

T = TypeVar("T")

LOCAL = "local"


class NoSuchBackup(TempestError):
    """Nothing is called so."""


class StoreFailed(TempestError):
    """A store, or a disk, cannot be used; one line that says why."""


def run_to_end(work: Coroutine[object, object, T]) -> T:
    """Run what a command has to do; raise StoreFailed for what a store or the operating system refuses."""
    try:
        return asyncio.run(work)
    except PluginError as error:
        raise StoreFailed(one_line(error)) from error
    except OSError as error:
        raise StoreFailed(f"{error.strerror or error}: {error.filename or ''}".rstrip(": ")) from error


@dataclass(frozen=True, slots=True)
class Kept:
    """A backup in a sink; `store` is the sink's name."""

    store: str
    stat: BackupStat
    location: str
    sink: BackupSink


def data_directory(environ: Mapping[str, str]) -> Path:
    """Tell where the server of this environment keeps its data."""
    return Path(environ.get("TEMPEST_DATA_DIR", "").strip() or "tempest-data").expanduser().absolute()


class BackupStores:
    """The sink that the operator chose, and the local one."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        """Take the environment of the server, or of a machine that is to become one."""
        self._hostname = environ.get("TEMPEST_HOSTNAME", "").strip().lower() or "localhost"
        self._environ = environ
        self._plugins = PluginManager.load(environ)
        self._directory = data_directory(environ)
        chosen = Selection.from_environment(environ).backup_sink
        self._names = [chosen] if chosen == LOCAL else [chosen, LOCAL]
        self.failure: str | None = None
        """Why one of them could not be opened, where that is tolerated."""

    @asynccontextmanager
    async def opened(self, *, tolerant: bool = False) -> AsyncIterator[Sequence[tuple[str, BackupSink]]]:
        """Open them; the local one only where there is a data directory.

        Raises StoreFailed for one that cannot be opened, unless that is tolerated, and NoSuchBackup without any.
        """
        if self._names == [LOCAL] and not (self._directory / "backups").is_dir():
            raise NoSuchBackup(
                f"no server has run on {self._directory}; set TEMPEST_DATA_DIR to the server's data directory"
            )
        context = PluginContext(data_dir=self._directory)
        ready: list[tuple[str, BackupSink]] = []
        made: list[ReadySink] = []
        try:
            for name in self._names:
                if name == LOCAL and not (self._directory / "backups").is_dir():
                    continue
                sink = ReadySink(name, self._plugins.create_backup_sink(name, self._environ, context))
                made.append(sink)
                try:
                    ready.append((name, await sink.ready()))
                except PluginError as error:
                    reason = f"TEMPEST_BACKUP_STORE={name}: cannot be opened: {' '.join(str(error).split())}"
                    if not tolerant:
                        raise StoreFailed(reason) from error
                    self.failure = reason
            yield ready
        finally:
            for sink in made:
                await sink.close()

    async def backups(self, sinks: Sequence[tuple[str, BackupSink]]) -> Sequence[Kept]:
        """List the backups of all sinks, the newest first; what is no backup by its name is left out."""
        found = [
            Kept(name, stat, sink.location(stat.name), sink)
            for name, sink in sinks
            async for stat in sink.list()
            if made_at(stat.name) is not None
        ]
        return sorted(found, key=lambda kept: (str(made_at(kept.stat.name)), kept.stat.modified_at), reverse=True)

    async def find(self, sinks: Sequence[tuple[str, BackupSink]], name: str | None) -> Kept:
        """Find a backup by its name, or the newest; raise NoSuchBackup."""
        if name is None:
            # Others may keep theirs in the same place.
            backups = [kept for kept in await self.backups(sinks) if is_of(kept.stat.name, self._hostname)]
            if not backups:
                raise NoSuchBackup(
                    f"there is no backup of {self._hostname} here: make one with `tempest backup create`, "
                    "or name one that `tempest backup list` shows"
                )
            return backups[0]
        for store, sink in sinks:
            try:
                return Kept(store, await sink.stat(name), sink.location(name), sink)
            except (BackupNotFound, InvalidKey):
                continue
        raise NoSuchBackup(f"there is no file, folder or backup {name}: `tempest backup list` shows what there is")

    @property
    def blobs_are_local(self) -> bool:
        """Whether the blob store of the environment lies in the data directory."""
        return Selection.from_environment(self._environ).blob_store == LOCAL

    def blob_store(self, root: Path, *, name: str | None = None) -> BlobStore:
        """Make the blob store of the environment, or another one by name, for a data directory; not opened."""
        chosen = name or Selection.from_environment(self._environ).blob_store
        return self._plugins.create_blob_store(chosen, self._environ, PluginContext(data_dir=root))
