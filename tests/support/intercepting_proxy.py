"""A proxy in front of a server that remembers what was asked, and lets a test change or break an answer."""

import http.client
import threading
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self
from urllib.parse import parse_qsl, urlsplit

_HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length", "date", "server"}


class Dropped(Exception):
    """Raised by a hook: the caller's connection is cut, and it never hears the answer."""


@dataclass
class Exchange:
    """A request, and the answer that the server gave; a hook may change the answer before it is passed on."""

    method: str
    nsid: str
    params: dict[str, str]
    body: bytes
    status: int
    headers: dict[str, str]
    answer: bytes

    def refuse(self, status: int, error: str, message: str = "", **headers: str) -> None:
        """Put a refusal in place of the answer."""
        self.status = status
        self.headers = {"Content-Type": "application/json", **{k.replace("_", "-"): v for k, v in headers.items()}}
        self.answer = f'{{"error":"{error}","message":"{message}"}}'.encode()


Hook = Callable[[Exchange], None]


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: a caller that was killed is what tests are about."""


class InterceptingProxy:
    """Passes requests on to `upstream`, an origin, which may be set later.

    Attributes:
        hooks: what is done with the answers to a method, once the server has done what it was asked for.
        instead: what is done with a request in place of asking the server; it fills in the answer.
        asked: the methods that were asked, in order, with their HTTP methods.
    """

    def __init__(self, upstream: str = "") -> None:
        self.upstream = upstream
        self.hooks: dict[str, Hook] = {}
        self.instead: dict[str, Hook] = {}
        self.asked: list[tuple[str, str]] = []
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                proxy._pass_on(self)

            def do_POST(self) -> None:
                proxy._pass_on(self)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as the base class calls it
                pass

        self._server = _Server(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    @property
    def url(self) -> str:
        return f"http://localhost:{self._server.server_address[1]}"

    @property
    def procedures(self) -> list[str]:
        """The methods that were POSTed to, in order."""
        return [nsid for method, nsid in self.asked if method == "POST"]

    def reset(self) -> None:
        """Forget hooks and requests."""
        self.hooks, self.instead, self.asked = {}, {}, []

    def _pass_on(self, request: BaseHTTPRequestHandler) -> None:
        parts = urlsplit(request.path)
        nsid = parts.path.removeprefix("/xrpc/")
        body = request.rfile.read(int(request.headers.get("Content-Length") or 0))
        exchange = Exchange(request.command, nsid, dict(parse_qsl(parts.query)), body, 0, {}, b"")
        self.asked.append((request.command, nsid))
        try:
            if nsid in self.instead:
                self.instead[nsid](exchange)
            else:
                self._ask(request, exchange)
                if nsid in self.hooks:
                    self.hooks[nsid](exchange)
        except Dropped:
            request.close_connection = True
            return
        request.send_response(exchange.status)
        for name, value in exchange.headers.items():
            request.send_header(name, value)
        request.send_header("Content-Length", str(len(exchange.answer)))
        request.end_headers()
        request.wfile.write(exchange.answer)

    def _ask(self, request: BaseHTTPRequestHandler, exchange: Exchange) -> None:
        target = urlsplit(self.upstream)
        connection = http.client.HTTPConnection(target.hostname or "", target.port, timeout=60)
        headers = {name: value for name, value in request.headers.items() if name.lower() not in _HOP_BY_HOP}
        if request.command == "POST":
            headers["Content-Length"] = str(len(exchange.body))
        try:
            connection.request(request.command, request.path, exchange.body or None, headers)
            answer = connection.getresponse()
            exchange.status = answer.status
            exchange.headers = {k: v for k, v in answer.getheaders() if k.lower() not in _HOP_BY_HOP}
            exchange.answer = answer.read()
        except OSError as error:
            raise Dropped from error
        finally:
            connection.close()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(10)
