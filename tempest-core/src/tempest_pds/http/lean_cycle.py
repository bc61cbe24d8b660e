"""uvicorn's side of one answer, without what costs most in it.

uvicorn runs two regular expressions over every header and writes head and body apart. Here the head is checked once as
a whole (a line break in a header shows in the number of lines), and goes out with the body in one piece. Everything
beyond the common case, an answer in one message, is left to uvicorn.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle

STALLED_SECONDS: Final = 60.0
"""How long an answer waits for a client that takes nothing of it."""
_END: Final = b"\r\n"


class LeanCycle(RequestResponseCycle):
    """A cycle that an instance of uvicorn's is turned into, so it adds no state but `_head`."""

    _head: bytes | None = None

    async def send(self, message: Any) -> None:
        """Take one ASGI message."""
        head = self._head
        if self.flow.write_paused and not self.disconnected:
            await self._wait_for_reader()
        if self.response_started and head is None:
            await super().send(message)
            return
        if self.disconnected:
            return
        if head is None:
            if message["type"] != "http.response.start":
                raise RuntimeError(f"expected http.response.start, not {message['type']}")
            self._head = self._make_head(message["status"], message.get("headers", ()))
            self.response_started = True
            self.waiting_for_100_continue = False
            return
        if message["type"] != "http.response.body":
            raise RuntimeError(f"expected http.response.body, not {message['type']}")
        self._head = None
        if message.get("more_body", False) or self.chunked_encoding or self.scope["method"] == "HEAD":
            self.transport.write(head)
            await super().send(message)
            return
        body = message.get("body", b"")
        if len(body) != self.expected_content_length:
            raise RuntimeError("the body is not as long as Content-Length says")
        self.transport.writelines((head, body))
        self.response_complete = True
        self.message_event.set()
        if not self.keep_alive:
            self.transport.close()
        self.on_response()

    async def _wait_for_reader(self) -> None:
        try:
            async with asyncio.timeout(STALLED_SECONDS):
                await self.flow.drain()
        except TimeoutError:
            self.transport.abort()
            # Until the transport has told of its end.
            await self.flow.drain()

    def _make_head(self, status: int, headers: Any) -> bytes:
        parts = [STATUS_LINE[status]]
        lines = 2
        has_connection_close = False
        for group in (self.default_headers, headers):
            for name, value in group:
                parts += (name, b": ", value, _END)
                lines += 1
                lowered = name.lower()
                if lowered == b"content-length":
                    if self.chunked_encoding is None:
                        self.expected_content_length = int(value)
                        self.chunked_encoding = False
                elif lowered == b"transfer-encoding":
                    if value.lower() == b"chunked":
                        self.expected_content_length = 0
                        self.chunked_encoding = True
                elif lowered == b"connection" and b"close" in value.lower():
                    self.keep_alive = False
                    has_connection_close = True
        if not self.keep_alive and not has_connection_close:
            parts.append(b"connection: close\r\n")
            lines += 1
        if self.chunked_encoding is None and self.scope["method"] != "HEAD" and status not in (204, 304):
            self.chunked_encoding = True
            parts.append(b"transfer-encoding: chunked\r\n")
            lines += 1
        parts.append(_END)
        head = b"".join(parts)
        if head.count(b"\n") != lines or head.count(b"\r") != lines:
            raise RuntimeError("a response header holds a line break")
        return head
