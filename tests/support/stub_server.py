"""A web server in a thread of the tests' process; what it answers is for those to say who build on it."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self


class Request(BaseHTTPRequestHandler):
    """A request of any HTTP method, on its way to the stub; `content` is the body that came with it."""

    content = b""

    def __init__(self, stub: StubServer, *connection: Any) -> None:
        self._stub = stub
        self.protocol_version = stub.protocol
        super().__init__(*connection)

    def send(self, status: int, data: bytes, headers: Mapping[str, str] | None = None, *, cut: bool = False) -> None:
        """Answer; `cut` breaks the connection off before the last byte of the body."""
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data[:-1] if cut else data)
        self.close_connection = self.close_connection or cut

    def send_json(self, status: int, value: object) -> None:
        self.send(status, json.dumps(value).encode(), {"Content-Type": "application/json"})

    def handle(self) -> None:
        with suppress(ConnectionError):
            super().handle()

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def _answer(self) -> None:
        self.content = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self._stub.answer(self)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("do_"):
            return self._answer
        raise AttributeError(name)


class StubServer:
    """Listens at `url` from its making on, and answers from `with` to its end.

    Attributes:
        host: its name in `url`.
        protocol: with HTTP/1.0 each request has a connection of its own, which ends with the answer.
    """

    host = "127.0.0.1"
    protocol = "HTTP/1.0"

    def __init__(self) -> None:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Request, self))
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self.port = self._server.server_port
        self.url = f"http://{self.host}:{self.port}"

    def answer(self, request: Request) -> None:
        """Answer one request, in a thread of its connection."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(10)
