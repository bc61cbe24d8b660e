"""One HTTP request and its answer, as the edge follows it from head to last byte."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final, cast

from blacksheep import Request

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

# Under this key of the ASGI scope BlackSheep's handlers find the exchange of their request.
SCOPE_KEY: Final = "tempest.exchange"


def has_body(headers: dict[bytes, bytes]) -> bool:
    """Tell whether a request comes with a body of any length."""
    return b"transfer-encoding" in headers or headers.get(b"content-length", b"0").strip(b"0 ") != b""


class Exchange:
    """What is known of a request in flight.

    Attributes:
        headers: of the request, names in lower case; of a repeated one the last.
        target: what logs and metrics call the request: an NSID of ours, or None.
        did: who asked, once that is known.
        status: of the answer; 0 before it starts.
        body_pending: whether some of the request's body may still be on its way.
    """

    __slots__ = ("body_pending", "client_ip", "did", "headers", "receive", "scope", "started_at", "status", "target")

    def __init__(self, scope: Scope, receive: Receive, headers: dict[bytes, bytes], client_ip: str) -> None:
        self.scope = scope
        self.receive = receive
        self.headers = headers
        self.client_ip = client_ip
        self.target: str | None = None
        self.did: str | None = None
        self.status = 0
        self.body_pending = has_body(headers)
        self.started_at = time.perf_counter()


def exchange_of(request: Request) -> Exchange:
    """Give the exchange that a BlackSheep request belongs to."""
    return cast(Scope, request.scope)[SCOPE_KEY]  # type: ignore[no-any-return]  # the edge put it there
