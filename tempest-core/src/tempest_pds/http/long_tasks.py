"""Work that takes longer than a request should: its progress is streamed as lines of JSON, its result is the last one.

    {"progress": {"what": "repositories", "done": 3, "total": 17}}
    {"result": {…}}    or    {"error": "…", "message": "…"}

When the client goes away the work ends, but only where it tells its progress next: that is a point where it may end.
Work that tells nothing any more is brought to its end. The same happens when the server stops.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Final

import structlog

from tempest_pds.http.answers import Stream
from tempest_pds.http.errors import answer_to
from tempest_pds.services.progress import Progress, WorkStopped

JSON_LINES: Final = b"application/jsonl; charset=utf-8"
Work = Callable[[Progress], Awaitable[dict[str, Any]]]

_SECONDS_BETWEEN_LINES: Final = 0.2
_SECONDS_TO_END: Final = 10.0

_log = structlog.get_logger("tempest_pds.long_tasks")


class LongTasks:
    """The long work under way."""

    def __init__(self) -> None:
        self._running: dict[asyncio.Task[dict[str, Any]], _Teller] = {}

    def stream(self, work: Work) -> Stream:
        """Begin the work when the answer is sent, and answer with its progress and its result."""
        return Stream(self._lines(work), JSON_LINES, headers=((b"cache-control", b"no-store"),))

    async def close(self) -> None:
        """Have all work end where it may; what has not ended within ten seconds is cancelled."""
        for teller in self._running.values():
            teller.stop()
        if self._running:
            _, late = await asyncio.wait(self._running, timeout=_SECONDS_TO_END)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    async def _lines(self, work: Work) -> AsyncIterator[bytes]:
        teller = _Teller(asyncio.get_running_loop())
        task = asyncio.ensure_future(_run(work, teller))
        self._running[task] = teller
        task.add_done_callback(self._ended)
        try:
            while not task.done():
                told = asyncio.ensure_future(teller.changed.wait())
                try:
                    await asyncio.wait((task, told), return_when=asyncio.FIRST_COMPLETED)
                finally:
                    told.cancel()
                latest = teller.take()
                if latest is not None:
                    yield _line({"progress": latest})
                    await asyncio.wait((task,), timeout=_SECONDS_BETWEEN_LINES)
            yield _line(_last(task))
        finally:
            teller.stop()

    def _ended(self, task: asyncio.Task[dict[str, Any]]) -> None:
        del self._running[task]
        if not task.cancelled():
            # Looked at here, for nobody else may: the client of work that was stopped has gone.
            task.exception()


class _Teller:
    """Carries progress from whatever thread the work is in to the answer; only the newest is kept."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.changed = asyncio.Event()
        self._loop = loop
        self._stopped = threading.Event()
        self._latest: dict[str, Any] | None = None

    def __call__(self, what: str, done: int, total: int | None) -> None:
        if self._stopped.is_set():
            raise WorkStopped("the work was stopped")
        first = self._latest is None
        self._latest = {"what": what, "done": done, "total": total}
        if first:
            self._loop.call_soon_threadsafe(self.changed.set)

    def take(self) -> dict[str, Any] | None:
        latest, self._latest = self._latest, None
        self.changed.clear()
        return latest

    def stop(self) -> None:
        self._stopped.set()


async def _run(work: Work, progress: Progress) -> dict[str, Any]:
    return await work(progress)


def _last(task: asyncio.Task[dict[str, Any]]) -> dict[str, Any]:
    if task.cancelled():
        return {"error": "WorkStopped", "message": "the work was stopped"}
    error = task.exception()
    if error is None:
        return {"result": task.result()}
    if isinstance(error, WorkStopped):
        return {"error": "WorkStopped", "message": str(error)}
    answer = answer_to(error)
    if answer.unexpected:
        _log.error("unexpected error", exc_info=error)
    return {"error": answer.error, "message": answer.message}


def _line(value: dict[str, Any]) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode("utf-8", "replace") + b"\n"
