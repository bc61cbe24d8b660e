"""Progress on standard error: one line that changes on a terminal, a line now and then in a file or pipe."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from types import TracebackType
from typing import Final, Self, TextIO

_SECONDS_ON_TERMINAL: Final = 0.1
_SECONDS_ELSEWHERE: Final = 10.0
_BAR: Final = 24


class ProgressLine:
    """Shows how far some work is; call it as a `Progress`, in a `with` block that cleans up after it.

    Args:
        stream: standard error unless a test says otherwise.
    """

    def __init__(self, stream: TextIO | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self._stream = stream if stream is not None else sys.stderr
        self._clock = clock
        self._on_terminal = self._stream.isatty()
        self._next = clock() if self._on_terminal else clock() + _SECONDS_ELSEWHERE
        self._width = 0

    def __call__(self, what: str, done: int, total: int | None) -> None:
        """Show it, unless something was shown just now."""
        now = self._clock()
        if now < self._next:
            return
        self._next = now + (_SECONDS_ON_TERMINAL if self._on_terminal else _SECONDS_ELSEWHERE)
        text = _text(what, done, total)
        if self._on_terminal:
            self._stream.write(f"\r{text.ljust(self._width)}")
            self._width = len(text)
        else:
            self._stream.write(f"{text}\n")
        self._stream.flush()

    def clear(self) -> None:
        """Take the line away, for something else to be written."""
        if self._width:
            self._stream.write(f"\r{' ' * self._width}\r")
            self._stream.flush()
            self._width = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.clear()


def _text(what: str, done: int, total: int | None) -> str:
    if not total:
        return f"{what}: {done:,}"
    share = min(done / total, 1.0)
    filled = int(share * _BAR)
    return f"{what}: [{'#' * filled}{'.' * (_BAR - filled)}] {done:,} of {total:,} ({share:.0%})"
