"""The way to a PLC directory, with trouble on it when a test wants some; and the host of a did:web."""

import json
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self


class Trouble(Enum):
    """What becomes of a request."""

    DOWN = "the connection is cut before anything is passed on"
    FAILS = "503, and nothing is passed on"
    RUBBISH = "200 and no JSON, and nothing is passed on"
    REFUSES = "400 and a reason, and nothing is passed on"
    HANGS = "no answer, and nothing is passed on"
    LOSES_ANSWERS = "what is written is passed on, and its answer is lost with the connection"


class TroubledDirectory:
    """Pass requests on to a directory, but for `trouble`; answer for a did:web with `document`."""

    def __init__(self, target: str) -> None:
        self.trouble: Trouble | None = None
        self.document: dict[str, Any] | None = None
        self.calm = threading.Event()
        front = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                if self.path == "/.well-known/did.json":
                    self._send(404 if front.document is None else 200, json.dumps(front.document).encode())
                elif not self._met_trouble():
                    self._pass_on(None)

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if self._met_trouble():
                    return
                lost = front.trouble is Trouble.LOSES_ANSWERS
                self._pass_on(body, lost=lost)

            def _met_trouble(self) -> bool:
                match front.trouble:
                    case Trouble.DOWN:
                        self.close_connection = True
                    case Trouble.HANGS:
                        front.calm.wait(60)
                        self.close_connection = True
                    case Trouble.FAILS:
                        self._send(503, b"{}")
                    case Trouble.RUBBISH:
                        self._send(200, b"<html>welcome to the directory</html>")
                    case Trouble.REFUSES:
                        self._send(400, b'{"message": "not today"}')
                    case _:
                        return False
                return True

            def _pass_on(self, body: bytes | None, *, lost: bool = False) -> None:
                request = urllib.request.Request(
                    target + self.path, data=body, headers={"Content-Type": "application/json"}
                )
                try:
                    with urllib.request.urlopen(request, timeout=30) as answer:
                        status, data = answer.status, answer.read()
                except urllib.error.HTTPError as refused:
                    status, data = refused.code, refused.read()
                if lost:
                    self.close_connection = True
                else:
                    self._send(status, data)

            def _send(self, status: int, data: bytes) -> None:
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as the base class calls it
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=lambda: self._server.serve_forever(0.05), daemon=True)

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

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

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(10)
