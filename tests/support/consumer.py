"""The official firehose consumer as a child process that prints what it verified."""

import json
import queue
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.support.node import Node

SCRIPT = Path(__file__).parent.parent / "e2e" / "firehose_consumer.mjs"


class Consumer:
    """Reads the firehose of one server from *cursor* on (None: live only); it verifies before it shows.

    An event that does not verify fails the test, unless it is somebody else's, as *is_own* tells: what other tests left
    behind, such as a key that was changed since, is not this one's to judge.
    """

    def __init__(
        self,
        node: Node,
        url: str,
        plc_url: str | None,
        cursor: int | None = 0,
        is_own: Callable[[str], bool] = lambda did: True,
    ) -> None:
        self._is_own = is_own
        self._child = node.start(SCRIPT, url, "" if cursor is None else str(cursor), plc_url or "")
        self._lines: queue.Queue[dict[str, Any]] = queue.Queue()
        self.events: list[dict[str, Any]] = []
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self._child.stdout is not None
        for line in self._child.stdout:
            self._lines.put(json.loads(line))

    def until(self, enough: Callable[[list[dict[str, Any]]], bool], timeout: float = 30) -> list[dict[str, Any]]:
        """Collect events until *enough* says so of all that came, and return them all; raises TimeoutError."""
        deadline = time.monotonic() + timeout
        while not enough(self.events):
            try:
                line = self._lines.get(timeout=max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                raise TimeoutError(f"{len(self.events)} events came, the last {self.events[-1:]}") from None
            if "error" in line:
                assert line.get("did") is not None, line["error"]
                assert not self._is_own(line["did"]), line["error"]
                continue
            if line["event"] != "started":
                self.events.append(line)
        return self.events

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._child.kill()
        self._child.wait()
        for pipe in (self._child.stdin, self._child.stdout):
            if pipe is not None:
                pipe.close()
