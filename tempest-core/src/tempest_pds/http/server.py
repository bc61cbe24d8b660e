"""uvicorn, set up for this server: who serves the socket, and how it stops."""

from __future__ import annotations

import errno
import logging
import socket
from collections.abc import Callable
from ipaddress import ip_address
from typing import Any, Final

import uvicorn

from tempest_pds.http.edge import AnswerBroken
from tempest_pds.http.guarded_socket import GuardedWebSocket
from tempest_pds.protocol.errors import TempestError

GRACE_SECONDS: Final = 10
_KEEP_ALIVE_SECONDS: Final = 90
_MAX_INCOMING_FRAME: Final = 64 * 1024


_SAID_ELSEWHERE: Final = frozenset(
    {
        "Application startup failed. Exiting.",
        # What uvicorn makes of a client that went away before it was answered.
        "ASGI callable returned without completing handshake.",
        "ASGI callable returned without starting response.",
    }
)


class AddressUnusable(TempestError):
    """The address to listen on cannot be had; the text is one line that says which and why."""


class AddressInUse(AddressUnusable):
    """Somebody else listens there, or the machine does not have the address now: later it may be had."""


class Server(uvicorn.Server):
    """uvicorn's server that says when it is ready.

    Args:
        on_ready: called once the socket accepts connections.
    """

    def __init__(self, config: uvicorn.Config, on_ready: Callable[[], None] | None = None) -> None:
        super().__init__(config)
        self._on_ready = on_ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, and say so."""
        await super().startup(sockets)
        if self.started and self._on_ready is not None:
            self._on_ready()


class _NotNews(logging.Filter):
    """Drops what uvicorn logs of things that are said elsewhere: a broken answer, a start that failed."""

    def filter(self, record: logging.LogRecord) -> bool:
        if record.msg in _SAID_ELSEWHERE:
            return False
        return not (record.exc_info and record.exc_info[0] is not None and issubclass(record.exc_info[0], AnswerBroken))


def bind(address: str, port: int) -> socket.socket:
    """Take the address before anything is opened; raise AddressUnusable."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    # Named, or asyncio does not see that it is TCP: without its TCP_NODELAY many an answer waits 40 ms.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((address, port))
    except OSError as error:
        listener.close()
        advice = "; stop what listens there, or set PORT" if error.errno == errno.EADDRINUSE else ""
        refusal = AddressInUse if error.errno in {errno.EADDRINUSE, errno.EADDRNOTAVAIL} else AddressUnusable
        raise refusal(f"cannot listen on {address} port {port}: {error.strerror or error}{advice}") from error
    return listener


def loopback_url(listener: socket.socket) -> str:
    """Tell where a listener is reached from this machine: one that takes every address, by the loopback's."""
    host, port = listener.getsockname()[:2]
    if ip_address(host).is_unspecified:
        host = "::1" if ":" in host else "127.0.0.1"
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def make_server(app: Any, on_ready: Callable[[], None] | None = None) -> Server:
    """Set up a server for an ASGI application, with httptools where it is installed."""
    http: Any
    try:
        from tempest_pds.http.guarded_http import GuardedHttp

        http = GuardedHttp
    except ImportError:
        http = "h11"
    config = uvicorn.Config(
        app,
        http=http,
        ws=GuardedWebSocket,
        ws_max_size=_MAX_INCOMING_FRAME,
        ws_per_message_deflate=False,
        lifespan="on",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_keep_alive=_KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=GRACE_SECONDS,
    )
    logging.getLogger("uvicorn.error").addFilter(_NotNews())
    return Server(config, on_ready)


def new_event_loop_factory() -> Callable[[], Any] | None:
    """Give uvloop's event loop where it is installed, None for asyncio's own."""
    try:
        import uvloop
    except ImportError:
        return None
    factory: Callable[[], Any] = uvloop.new_event_loop
    return factory
