"""A command at a terminal, and a person who types what it asks for."""

import os
import pty
import select
import subprocess
import time
from collections.abc import Sequence
from types import TracebackType
from typing import Self


class Terminal:
    """Runs a command; `seen` is all that it has written so far, without what a person would not see."""

    def __init__(self, command: Sequence[str], env: dict[str, str]) -> None:
        self._master, slave = pty.openpty()
        self._child = subprocess.Popen(
            command, env=env, stdin=slave, stdout=slave, stderr=slave, start_new_session=True
        )
        os.close(slave)
        self.seen = ""
        self._read_to = 0

    def answer(self, question: str, text: str, timeout: float = 60) -> None:
        """Wait for a question, and type an answer and Enter."""
        self.wait_for(question, timeout)
        os.write(self._master, f"{text}\n".encode())

    def wait_for(self, text: str, timeout: float = 60) -> None:
        """Wait until the command has written something, after what was waited for before."""
        deadline = time.monotonic() + timeout
        while (found := self.seen.find(text, self._read_to)) < 0:
            assert self._read(deadline), f"no {text!r} in:\n{self.seen}"
        self._read_to = found + len(text)

    def finish(self, timeout: float = 60) -> int:
        """Read to the end, and return the exit code."""
        deadline = time.monotonic() + timeout
        while self._read(deadline):
            pass
        return self._child.wait(timeout)

    def _read(self, deadline: float) -> bool:
        left = deadline - time.monotonic()
        if left <= 0 or not select.select([self._master], [], [], left)[0]:
            return False
        try:
            data = os.read(self._master, 65_536)
        except OSError:
            # What Linux says once the other end is closed.
            return False
        self.seen += data.decode(errors="replace").replace("\r\n", "\n")
        return bool(data)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._child.kill()
        self._child.wait()
        os.close(self._master)
