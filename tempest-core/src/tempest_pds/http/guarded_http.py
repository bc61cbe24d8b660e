"""uvicorn's HTTP protocol with what it leaves out: limits on the head of a request, in size and in time.

uvicorn with httptools reads headers without any limit (100 MB were accepted) and waits for their end without any. Needs
httptools; h11, the fallback without it, limits the size of a head by itself.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from tempest_pds.http.errors import error_body
from tempest_pds.http.lean_cycle import LeanCycle

MAX_HEAD: Final = 64 * 1024
HEAD_SECONDS: Final = 30.0


class GuardedHttp(HttpToolsProtocol):
    """HTTP/1.1, with a head of at most `MAX_HEAD` bytes that arrives within `HEAD_SECONDS`."""

    head_seconds = HEAD_SECONDS

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._in_head = False
        self._head_size = 0
        self._chunk_size = 0
        self._head_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start to wait for the first request."""
        super().connection_made(transport)
        self._head_timer = self.loop.call_later(self.head_seconds, self._overdue)

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop waiting."""
        self._stop_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse what came, unless the head has become too long."""
        self._chunk_size = len(data)
        super().data_received(data)
        if self._in_head and not self.transport.is_closing():
            self._head_size += len(data)
            if self._head_size > MAX_HEAD:
                self._refuse(b"431 Request Header Fields Too Large", "The request headers are too large")
            elif self._head_timer is None:
                self._head_timer = self.loop.call_later(self.head_seconds, self._overdue)

    def on_message_begin(self) -> None:
        """Note that a head begins."""
        self._in_head = True
        self._head_size = 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Note that the head is complete."""
        self._in_head = False
        self._stop_timer()
        if self._chunk_size > MAX_HEAD and sum(len(name) + len(value) for name, value in self.headers) > MAX_HEAD:
            # Raised in a callback of the parser, it becomes a 400.
            raise ValueError("the request headers are too large")
        before = self.cycle
        super().on_headers_complete()
        if self.cycle is not before:
            # It has not run yet, and there is no other place to say which class it should be.
            self.cycle.__class__ = LeanCycle

    def handle_websocket_upgrade(self) -> None:
        """Hand over to the WebSocket protocol, which cannot bear a target that is not ASCII."""
        self._stop_timer()
        if not self.url.isascii():
            self.send_400_response("Invalid HTTP request received.")
            return
        super().handle_websocket_upgrade()

    def send_400_response(self, msg: str) -> None:
        """Answer what is not HTTP, in the form of the API."""
        self._in_head = False
        self._refuse(b"400 Bad Request", msg)

    def _refuse(self, status: bytes, message: str) -> None:
        body = error_body("InvalidRequest", message)
        head = (
            b"HTTP/1.1 %b\r\ncontent-type: application/json; charset=utf-8\r\ncontent-length: %d\r\n"
            b"access-control-allow-origin: *\r\nconnection: close\r\n\r\n"
        )
        self.transport.write(head % (status, len(body)) + body)
        self.transport.close()

    def _overdue(self) -> None:
        self._head_timer = None
        if not self.transport.is_closing():
            self.transport.close()

    def _stop_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None
