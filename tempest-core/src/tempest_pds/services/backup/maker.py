"""Making backups while the server runs, and keeping the right ones."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import structlog

from tempest_pds.protocol.errors import TempestError
from tempest_pds.services.backup.errors import BackupFailed, BackupRunning
from tempest_pds.services.backup.history import History, Outcome
from tempest_pds.services.backup.names import Retention, name_for
from tempest_pds.services.backup.ready_sink import ReadySink
from tempest_pds.services.progress import Progress, WorkStopped, silent
from tempest_pds.telemetry import Instruments
from tempest_pds_plugins import streams
from tempest_pds_plugins.errors import PluginError

if TYPE_CHECKING:
    from pyrage.x25519 import Recipient

    from tempest_pds.services.backup.archive import Archive
    from tempest_pds.services.backup.manifest import Manifest

_log = structlog.get_logger("tempest_pds.backup")


@dataclass(frozen=True, slots=True)
class Made:
    """A backup that is where it belongs: `size` in bytes, `seconds` that it took."""

    name: str
    location: str
    size: int
    seconds: float
    encrypted: bool
    manifest: Manifest


class BackupMaker:
    """Makes one backup at a time.

    Args:
        local: where a backup is kept that is not uploaded.
        sink: where one is uploaded to, by the operator's choice; may be the same kind.
        new_archive: begins an archive of this server.
    """

    def __init__(
        self,
        *,
        hostname: str,
        local: ReadySink,
        sink: ReadySink,
        new_archive: Callable[[Progress], Archive],
        history: History,
        instruments: Instruments,
        recipient: Recipient | None = None,
        retention: Retention | None = None,
    ) -> None:
        self._hostname = hostname
        self._local = local
        self._sink = sink
        self._new_archive = new_archive
        self._history = history
        self._instruments = instruments
        self._recipient = recipient
        self._retention = retention or Retention()
        self._making = asyncio.Lock()
        self._begun: asyncio.Task[Made] | None = None

    @property
    def running(self) -> bool:
        """Whether a backup is being made now."""
        return self._making.locked()

    @property
    def encrypts(self) -> bool:
        """Whether backups are encrypted."""
        return self._recipient is not None

    @property
    def uploads_to(self) -> str:
        """The name of the sink that the operator chose."""
        return self._sink.name

    def begin(self) -> bool:
        """Begin a backup in the sink that the operator chose, and return; how it ends is in the history.

        False when one is being made already.
        """
        if self.running:
            return False
        self._begun = asyncio.create_task(self.create(upload=True))
        self._begun.add_done_callback(_look_at)
        return True

    async def close(self) -> None:
        """Give up what was begun; nothing of it is kept."""
        if self._begun is not None:
            self._begun.cancel()
            await asyncio.gather(self._begun, return_exceptions=True)

    async def create(self, *, upload: bool, progress: Progress = silent) -> Made:
        """Make a backup; it is kept whole or not at all.

        Raises BackupRunning; BackupFailed with one line that says why.
        """
        if self.running:
            raise BackupRunning("a backup is being made already; wait for it")
        async with self._making:
            started = time.monotonic()
            sink = self._sink if upload else self._local
            name = name_for(self._hostname, datetime.now(UTC), encrypted=self._recipient is not None)
            try:
                made = await self._make(name, sink, progress)
            except (asyncio.CancelledError, WorkStopped):
                raise
            except Exception as error:
                line = _one_line(error)
                _log.error("backup.failed", name=name, error=line)
                seconds = time.monotonic() - started
                self._note(sink, Outcome(name=name, at=time.time(), seconds=seconds, error=line, store=sink.name))
                raise BackupFailed(f"the backup was not made: {line}") from error
            _log.info("backup.made", name=name, location=made.location, size=made.size, seconds=round(made.seconds, 1))
            outcome = Outcome(
                name=name,
                at=time.time(),
                seconds=made.seconds,
                size=made.size,
                location=made.location,
                store=sink.name,
            )
            self._note(sink, outcome)
            return made

    async def _make(self, name: str, wanted: ReadySink, progress: Progress) -> Made:
        started = time.monotonic()
        sink = await wanted.ready()
        archive = self._new_archive(progress)
        chunks: AsyncIterator[bytes] = archive.chunks()
        stream = chunks if self._recipient is None else _encrypted(chunks, self._recipient)
        try:
            stat = await sink.put(name, stream)
        finally:
            # In this order: what reads ends before what it reads from.
            await streams.close(stream)
            await streams.close(chunks)
        assert archive.manifest is not None, "the stream came to its end"
        seconds = time.monotonic() - started
        return Made(name, sink.location(name), stat.size, seconds, self._recipient is not None, archive.manifest)

    def _note(self, sink: ReadySink, outcome: Outcome) -> None:
        """Keep how it went. One beside the store that the operator chose counts for nothing that he waits for."""
        counts = sink is self._sink
        if counts:
            self._instruments.backup_count.add(1, {"result": "failed" if outcome.error else "made"})
        try:
            self._history.note("backup" if counts else "copy", outcome)
        except OSError as error:
            _log.warning("backup.history_unwritten", error=str(error))

    async def create_and_tidy(self) -> Made:
        """Make a backup in the sink that the operator chose, then remove those that are not wanted any more."""
        made = await self.create(upload=True)
        sink = await self._sink.ready()
        stats = [stat async for stat in sink.list()]
        for name in self._retention.superfluous(stats, self._hostname, datetime.now(UTC)):
            await sink.delete(name)
            _log.info("backup.removed", name=name)
        return made


def _encrypted(chunks: AsyncIterator[bytes], recipient: Recipient) -> AsyncIterator[bytes]:
    from tempest_pds.services.backup.encryption import encrypted  # only where it is wanted

    return encrypted(chunks, recipient)


def _look_at(task: asyncio.Task[Made]) -> None:
    if not task.cancelled():
        # It was logged, and is in the history; unseen, asyncio would log it again.
        task.exception()


def _one_line(error: Exception) -> str:
    known = isinstance(error, TempestError | PluginError | OSError)
    return " ".join((str(error) if known else repr(error)).split()) or type(error).__name__
