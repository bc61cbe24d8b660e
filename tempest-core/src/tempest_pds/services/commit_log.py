"""The write path below the services: one thread, one log, then the repositories' files.

Terms. The *log* is `sequencer.sqlite`: a row is a firehose event, and the row of a commit holds the whole change. A
*batch* is what the writer thread found in its queue.

Order within a batch, and why:

1. One transaction appends every event of the batch to the log. From here on the writes have happened: they survive the
   death of the process, and the loss of power too when the log is synchronous.
2. One transaction per touched repository brings its file up to date. A file can therefore be *behind* the log, never
   ahead of it; `recovery.replay` closes the gap at start.
3. The event loop is told once: frames are published in the order of `seq`, then the writers are answered. Nothing is
   announced that is not in the log, and nothing is acknowledged that cannot be read back.

A failure in step 1 fails the batch, and drops the state in memory of each repository in it, so that what is queued
behind on the same repository fails as well instead of building on a write that never was. A failure in step 2 is no
failure of the write: the file is brought up to date from the log, and until that has been done nobody may write to the
repository."""

from __future__ import annotations

import asyncio
import queue
import threading
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final, TypeVar, cast

import structlog

from tempest_pds.protocol.errors import TempestError
from tempest_pds.services.event_frames import Event, encode_frame
from tempest_pds.services.open_repos import OpenRepo
from tempest_pds.services.unsettled import Unsettled
from tempest_pds.stores.actor.commit_row import NO_BLOB_CHANGES, BlobChanges, CommitRow
from tempest_pds.stores.actor.store import ActorStore
from tempest_pds.stores.sequencer.store import EventRow, SequencerStore

T = TypeVar("T")
Frames = Sequence[tuple[int, bytes]]

MAX_BATCH: Final = 64
_MEND_EVERY: Final = 1.0

_log = structlog.get_logger("tempest_pds.commit_log")


class WriteLost(TempestError):
    """A write that was queued behind one that failed; nothing of it was kept, and it may be tried again."""


class WriterStopped(TempestError):
    """The server is shutting down."""


@dataclass(slots=True)
class _Append:
    events: Sequence[Event]
    future: asyncio.Future[object]
    repo: OpenRepo | None = None
    row: CommitRow | None = None


@dataclass(slots=True)
class _Call:
    function: Callable[[], object]
    future: asyncio.Future[object]


@dataclass(slots=True)
class _Batch:
    """What a batch came to, on its way back to the event loop."""

    frames: list[tuple[int, bytes]] = field(default_factory=list)
    results: list[tuple[_Append | _Call, object]] = field(default_factory=list)


class CommitLog:
    """Appends events to the log, and keeps the repositories' files in step with it.

    Args:
        publish: called on the event loop with the frames of each batch, in the order of `seq`.
        catch_up: brings one repository's file up to date from the log, in the writer thread.
        held: whether a file does not fit the log, so that the log has to stay as it is.
    """

    def __init__(
        self,
        store: SequencerStore,
        publish: Callable[[Frames], None],
        catch_up: Callable[[ActorStore], object],
        *,
        held: bool = False,
    ) -> None:
        self._store = store
        self._publish = publish
        self._catch_up = catch_up
        self._queue: queue.SimpleQueue[_Append | _Call | None] = queue.SimpleQueue()
        self._last_seq = store.last_seq()
        self._last_micros = 0
        self._thread = threading.Thread(target=self._run, name="tempest-writer", daemon=True)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping = False
        self._misfits = held
        self._unsettled = Unsettled(store, held=held)
        self._behind: list[OpenRepo] = []
        self._mended_at = 0.0
        self._set_aside: dict[ActorStore, asyncio.Event] = {}

    def start(self) -> None:
        """Start the writer thread; to be called on the event loop."""
        self._loop = asyncio.get_running_loop()
        self._thread.start()

    async def stop(self) -> None:
        """Finish what is queued, then end the thread."""
        if self._loop is None or self._stopping:
            return
        self._stopping = True
        self._queue.put(None)
        await asyncio.to_thread(self._thread.join)
        # Answers of the last batch were posted before the thread ended: let them run.
        await asyncio.sleep(0)

    @property
    def last_seq(self) -> int:
        """The highest sequence number in the log."""
        return self._last_seq

    def commit(self, repo: OpenRepo, event: Event, row: CommitRow) -> asyncio.Future[BlobChanges]:
        """Queue a prepared commit; the future ends when it is durable, readable and announced.

        No `await` may lie between reading `repo.latest` and this call.
        """
        future = self._put(_Append([event], self._future(), repo, row))
        return cast("asyncio.Future[BlobChanges]", future)

    async def append(self, events: Sequence[Event]) -> None:
        """Append events that change no repository, all or none of them."""
        await self._put(_Append(events, self._future()))

    async def call(self, function: Callable[[], T]) -> T:
        """Run a function in the writer thread, after all that is queued; for other writes to a repository's file."""
        return cast(T, await self._put(_Call(function, self._future())))

    async def change_file(self, store: ActorStore, change: Callable[[ActorStore], T]) -> T:
        """Write to a repository's file what the log knows nothing of, and what is short: uploads, preferences."""

        def run() -> T:
            self._unsettled.add(store)
            return change(store)

        while (back := self._set_aside.get(store)) is not None:
            await back.wait()
        return await self.call(run)

    @asynccontextmanager
    async def set_aside(self, store: ActorStore) -> AsyncIterator[None]:
        """Keep the writer thread away from a file that another thread writes at length, or that is deleted.

        Whoever leaves without an error has synced the file. Commits to it are kept away by `OpenRepos.locked_out`;
        other changes wait here.
        """
        assert store not in self._set_aside, "one at a time: whoever sets a file aside has locked its writers out"
        back = self._set_aside[store] = asyncio.Event()
        settled = False
        try:
            await self.call(lambda: self._unsettled.lend(store))
            yield
            settled = True
        finally:
            try:
                await self.call(lambda: self._unsettled.give_back(store, settled=settled))
            finally:
                del self._set_aside[store]
                back.set()

    async def settle(self) -> None:
        """Put on the disk what the repositories' files hold, so that less is to be replayed after a loss of power."""
        await self.call(lambda: self._unsettled.settle(self._last_seq))

    async def all_fit(self) -> None:
        """Let the log forget again what is on the disk: the last file that did not fit it has been replaced."""

        def release() -> None:
            self._misfits = False
            self._unsettled.held = bool(self._behind)

        await self.call(release)

    def _future(self) -> asyncio.Future[object]:
        assert self._loop is not None, "start() comes first"
        return self._loop.create_future()

    def _put(self, job: _Append | _Call) -> asyncio.Future[object]:
        if self._stopping:
            raise WriterStopped("the server is shutting down")
        self._queue.put(job)
        return job.future

    # The writer thread

    def _run(self) -> None:
        stop = False
        while not stop:
            jobs: list[_Append | _Call] = []
            job = self._queue.get()
            while True:
                if job is None:
                    stop = True
                    break
                jobs.append(job)
                if len(jobs) >= MAX_BATCH:
                    break
                try:
                    job = self._queue.get_nowait()
                except queue.Empty:
                    break
            if jobs:
                self._work(jobs)
                if self._behind and time.monotonic() - self._mended_at >= _MEND_EVERY:
                    self._mend()
                self._tidy(self._unsettled.bound)
        self._tidy(lambda: self._unsettled.settle(self._last_seq))

    def _tidy(self, work: Callable[[], None]) -> None:
        try:
            work()
        except Exception as error:  # noqa: BLE001 - it is tried again; the writes themselves are in the log
            _log.error("log.checkpoint_failed", error=repr(error))

    def _work(self, jobs: Sequence[_Append | _Call]) -> None:
        batch = _Batch()
        appends: list[_Append] = []
        for job in jobs:
            if isinstance(job, _Append):
                appends.append(job)
                continue
            # A call sees every write queued before it, and none after.
            self._write(appends, batch)
            appends = []
            try:
                batch.results.append((job, job.function()))
            except Exception as error:  # noqa: BLE001 - handed to whoever asked
                batch.results.append((job, error))
        self._write(appends, batch)
        assert self._loop is not None
        self._loop.call_soon_threadsafe(self._answer, batch)

    def _write(self, appends: Sequence[_Append], batch: _Batch) -> None:
        alive: list[_Append] = []
        for job in appends:
            if job.repo is not None and job.repo.failed:
                batch.results.append((job, WriteLost("an earlier write to this repository failed; try again")))
            else:
                alive.append(job)
        if not alive:
            return
        try:
            frames = self._log_events(alive)
        except Exception as error:  # noqa: BLE001 - the batch fails, the thread goes on
            _log.error("log.append_failed", error=repr(error), writes=len(alive))
            for job in alive:
                if job.repo is not None:
                    job.repo.failed = True
                batch.results.append((job, error))
            return
        batch.frames += frames
        self._apply(alive, batch)

    def _log_events(self, jobs: Sequence[_Append]) -> list[tuple[int, bytes]]:
        rows: list[EventRow] = []
        seq = self._last_seq
        for job in jobs:
            for event in job.events:
                seq += 1
                micros = max(time.time_ns() // 1000, self._last_micros)
                self._last_micros = micros
                frame = encode_frame(event, seq, _datetime(micros))
                rows.append(EventRow(seq, event.did, event.kind, event.rev, micros, frame))
        self._store.append(rows)
        self._last_seq = seq
        return [(row.seq, row.frame) for row in rows]

    def _apply(self, jobs: Sequence[_Append], batch: _Batch) -> None:
        by_repo: dict[OpenRepo, list[_Append]] = {}
        for job in jobs:
            if job.repo is None:
                batch.results.append((job, None))
            else:
                by_repo.setdefault(job.repo, []).append(job)
        for repo, commits in by_repo.items():
            try:
                changes = repo.store.apply([commit.row for commit in commits if commit.row is not None])
            except Exception as error:  # noqa: BLE001 - the log has the writes, so the file can be mended
                _log.error("repo.apply_failed", did=repo.did, error=repr(error))
                changes = NO_BLOB_CHANGES
                try:
                    self._catch_up(repo.store)
                except Exception as again:  # noqa: BLE001 - tried again by _mend; until then nobody writes to it
                    _log.error("repo.catch_up_failed", did=repo.did, error=repr(again))
                    repo.behind = repo.failed = True
                    self._behind.append(repo)
                    self._unsettled.held = True
                    self._mended_at = time.monotonic()
            self._unsettled.add(repo.store)
            # The last one tells of all: a blob counts when nothing refers to it after the whole batch.
            for commit in commits[:-1]:
                batch.results.append((commit, NO_BLOB_CHANGES))
            batch.results.append((commits[-1], changes))

    def _mend(self) -> None:
        """Try again to bring those files up to date that could not be written."""
        for repo in self._behind.copy():
            try:
                self._catch_up(repo.store)
            except Exception as error:  # noqa: BLE001 - tried again later
                _log.error("repo.catch_up_failed", did=repo.did, error=repr(error))
                continue
            self._behind.remove(repo)
            repo.behind = False
        self._unsettled.held = self._misfits or bool(self._behind)
        self._mended_at = time.monotonic()

    # The event loop

    def _answer(self, batch: _Batch) -> None:
        if batch.frames:
            try:
                self._publish(batch.frames)
            except Exception as error:  # noqa: BLE001 - the writes have happened, and their writers are answered
                _log.error("log.publish_failed", error=repr(error), exc_info=error)
        for job, result in batch.results:
            if isinstance(job, _Append) and job.repo is not None:
                job.repo.answered()
            if job.future.done():
                continue
            if isinstance(result, BaseException):
                job.future.set_exception(result)
            else:
                job.future.set_result(result)


def _datetime(micros: int) -> str:
    moment = datetime.fromtimestamp(micros / 1_000_000, UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"
