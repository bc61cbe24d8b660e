"""The way to a PLC directory, with trouble on it when a test wants some; and the host of a did:web."""

import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum
from typing import Any

from tests.support.stub_server import Request, StubServer


class Trouble(Enum):
    """What becomes of a request."""

    DOWN = "the connection is cut before anything is passed on"
    FAILS = "503, and nothing is passed on"
    RUBBISH = "200 and no JSON, and nothing is passed on"
    REFUSES = "400 and a reason, and nothing is passed on"
    HANGS = "no answer, and nothing is passed on"
    LOSES_ANSWERS = "what is written is passed on, and its answer is lost with the connection"


class TroubledDirectory(StubServer):
    """Pass requests on to a directory, but for `trouble`; answer for a did:web with `document`."""

    def __init__(self, target: str) -> None:
        super().__init__()
        self._target = target
        self.trouble: Trouble | None = None
        self.document: dict[str, Any] | None = None
        self.calm = threading.Event()

    def answer(self, request: Request) -> None:
        if request.path == "/.well-known/did.json":
            request.send_json(404 if self.document is None else 200, self.document)
            return
        match self.trouble:
            case Trouble.DOWN:
                request.close_connection = True
            case Trouble.HANGS:
                self.calm.wait(60)
                request.close_connection = True
            case Trouble.FAILS:
                request.send_json(503, {})
            case Trouble.RUBBISH:
                request.send(200, b"<html>welcome to the directory</html>", {"Content-Type": "application/json"})
            case Trouble.REFUSES:
                request.send_json(400, {"message": "not today"})
            case _:
                self._pass_on(request)

    def _pass_on(self, request: Request) -> None:
        is_written = request.command == "POST"
        lost = is_written and self.trouble is Trouble.LOSES_ANSWERS
        passed = urllib.request.Request(
            self._target + request.path,
            data=request.content if is_written else None,
            headers={"Content-Type": "application/json"},
        )
        try:
            with urllib.request.urlopen(passed, timeout=30) as answer:
                status, data = answer.status, answer.read()
        except urllib.error.HTTPError as refused:
            status, data = refused.code, refused.read()
        if lost:
            request.close_connection = True
        else:
            request.send(status, data, {"Content-Type": "application/json"})

    @contextmanager
    def in_trouble(self, trouble: Trouble) -> Iterator[None]:
        """Meet every request with this trouble."""
        self.trouble = trouble
        self.calm.clear()
        try:
            yield
        finally:
            self.trouble = None
            self.calm.set()
