"""A proxy in front of a server that remembers what was asked, and lets a test change or break an answer."""

import http.client
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlsplit

from tests.support.stub_server import Request, StubServer

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


class InterceptingProxy(StubServer):
    """Passes requests on to `upstream`, an origin, which may be set later.

    Attributes:
        hooks: what is done with the answers to a method, once the server has done what it was asked for.
        instead: what is done with a request in place of asking the server; it fills in the answer.
        asked: the methods that were asked, in order, with their HTTP methods.
    """

    host = "localhost"
    protocol = "HTTP/1.1"

    def __init__(self, upstream: str = "") -> None:
        super().__init__()
        self.upstream = upstream
        self.hooks: dict[str, Hook] = {}
        self.instead: dict[str, Hook] = {}
        self.asked: list[tuple[str, str]] = []

    @property
    def procedures(self) -> list[str]:
        """The methods that were POSTed to, in order."""
        return [nsid for method, nsid in self.asked if method == "POST"]

    def reset(self) -> None:
        """Forget hooks and requests."""
        self.hooks, self.instead, self.asked = {}, {}, []

    def answer(self, request: Request) -> None:
        parts = urlsplit(request.path)
        nsid = parts.path.removeprefix("/xrpc/")
        exchange = Exchange(request.command, nsid, dict(parse_qsl(parts.query)), request.content, 0, {}, b"")
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
        request.send(exchange.status, exchange.answer, exchange.headers)

    def _ask(self, request: Request, exchange: Exchange) -> None:
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
