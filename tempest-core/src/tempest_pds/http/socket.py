"""Subscriptions: a WebSocket, accepted and watched, in the hands of a method.

BlackSheep would send the text of an exception to the client as the close reason, and a handler that only sends does
not notice that its client is gone. So every socket is wrapped here: errors become frames of the event stream or a
line in the log, and the method is cancelled when the client goes away.

https://atproto.com/specs/event-stream
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import suppress
from typing import Any, Final, cast

import structlog
from blacksheep import WebSocket
from blacksheep.server.websocket import WebSocketDisconnectError
from uvicorn.protocols.utils import ClientDisconnected

from tempest_pds.http.client_address import client_address, limit_key
from tempest_pds.http.context import Call, Services
from tempest_pds.http.dispatch import Dispatcher, nsid_of
from tempest_pds.http.errors import XrpcError, answer_to, error_body
from tempest_pds.http.exchange import Exchange
from tempest_pds.http.frame_protocol import EXTENSION, FrameWriter
from tempest_pds.http.query_string import parse_query_string
from tempest_pds.http.rate_limits import GLOBAL, RateLimiter
from tempest_pds.protocol.data_model import dag_cbor
from tempest_pds.protocol.errors import TempestError
from tempest_pds.services.firehose import from_wire

POLICY_VIOLATION: Final = 1008
INTERNAL_ERROR: Final = 1011
# How long a client that does not read is given to take the last frame and the reason.
CLOSE_SECONDS: Final = 5.0
_GONE: Final = (WebSocketDisconnectError, ClientDisconnected)
_MAX_REASON: Final = 120

_log = structlog.get_logger()


class SocketClosed(TempestError):
    """The other side of a WebSocket went away."""


class Socket:
    """An accepted WebSocket that only sends; what the client sends is read and dropped."""

    __slots__ = ("_closed", "_frames", "_gone", "_ws")

    def __init__(self, ws: WebSocket) -> None:
        self._ws = ws
        extensions = cast(MutableMapping[str, Any], ws.scope).get("extensions") or {}
        self._frames: FrameWriter | None = extensions.get(EXTENSION)
        self._gone = False
        self._closed = False

    @property
    def is_closed(self) -> bool:
        """Tell whether either side closed the socket."""
        return self._closed or self._gone

    async def send_bytes(self, frame: bytes) -> None:
        """Send one frame; waits while the client does not read. Raises SocketClosed once it is gone."""
        if self.is_closed:
            raise SocketClosed("the client is gone")
        try:
            await self._ws.send_bytes(frame)
        except _GONE as error:
            self._gone = True
            raise SocketClosed("the client is gone") from error

    def try_write(self, wire: bytes) -> bool:
        """Write ready-made WebSocket frames at once, if the client reads; tell whether they were written."""
        return self._frames is not None and not self.is_closed and self._frames.try_write(wire)

    async def write(self, wire: bytes) -> None:
        """Write ready-made WebSocket frames; waits while the client does not read. Raises SocketClosed."""
        if self._frames is None:
            for frame in from_wire(wire):
                await self.send_bytes(frame)
            return
        if self.is_closed:
            raise SocketClosed("the client is gone")
        try:
            await self._frames.write(wire)
        except _GONE as error:
            self._gone = True
            raise SocketClosed("the client is gone") from error

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """Close the socket; returns in a few seconds even if the client reads nothing."""
        if self.is_closed:
            return
        self._closed = True
        with suppress(*_GONE, TimeoutError, RuntimeError):
            async with asyncio.timeout(CLOSE_SECONDS):
                await self._ws.close(code, reason[:_MAX_REASON])

    async def fail(self, error: str, message: str, code: int = POLICY_VIOLATION) -> None:
        """End the event stream with an error frame, and close with the error's name as the reason."""
        frame = dag_cbor.encode({"op": -1}) + dag_cbor.encode({"error": error, "message": message})
        with suppress(SocketClosed, TimeoutError):
            async with asyncio.timeout(CLOSE_SECONDS):
                await self.send_bytes(frame)
        await self.close(code, error)

    async def drain(self) -> None:
        """Read and drop what the client sends, until it goes away."""
        try:
            while True:
                await self._ws.receive()
        except _GONE:
            self._gone = True


class SocketServer:
    """Answers every WebSocket below /xrpc/.

    Args:
        trusted_proxies: how many entries of X-Forwarded-For are to be believed.
    """

    def __init__(
        self, dispatcher: Dispatcher, services: Services, limiter: RateLimiter, *, trusted_proxies: int = 0
    ) -> None:
        self._dispatcher = dispatcher
        self._services = services
        self._limiter = limiter
        self._trusted_proxies = trusted_proxies

    async def handle(self, websocket: WebSocket) -> None:
        """Serve one WebSocket; nothing is ever raised from here."""
        try:
            await self._serve(websocket)
        except _GONE:
            return
        except Exception as error:  # noqa: BLE001 - BlackSheep would tell the client
            _log.error("unexpected error in a WebSocket", exc_info=error)
            with suppress(Exception):
                await websocket.close(INTERNAL_ERROR)

    async def _serve(self, ws: WebSocket) -> None:
        scope = cast(MutableMapping[str, Any], ws.scope)
        headers = dict(scope["headers"])
        exchange = Exchange(scope, ws._receive, headers, client_address(scope, scope["headers"], self._trusted_proxies))
        scope["method"] = "GET"
        try:
            endpoint = self._dispatcher.find(scope["raw_path"])
            if endpoint is None:
                nsid_of(scope["raw_path"])
                raise XrpcError(501, "MethodNotImplemented", "Method Not Implemented")
            if endpoint.method.kind != "subscription":
                raise XrpcError(400, "InvalidRequest", f"{endpoint.nsid} is not a subscription")
            self._count(exchange)
        except XrpcError as error:
            await deny(ws, error)
            return
        call = Call(self._services, exchange, endpoint.nsid)
        socket = Socket(ws)
        await ws.accept()
        try:
            call.params = endpoint.schema.parse_params(parse_query_string(scope["query_string"]))
        except TempestError as error:
            answer = answer_to(error)
            await socket.fail(answer.error, answer.message)
            return
        started_at = time.monotonic()
        log = _log.bind(target=call.nsid, ip=exchange.client_ip)
        log.info("subscription began", cursor=call.params.get("cursor"))
        error_name = None
        try:
            error_name = await _run(socket, call, endpoint.method.handler)
        finally:
            log.info("subscription ended", seconds=round(time.monotonic() - started_at, 1), error=error_name)

    def _count(self, exchange: Exchange) -> None:
        limiter = self._limiter
        if limiter.applies(exchange.client_ip, exchange.headers.get(b"x-ratelimit-bypass")):
            standing = limiter.consume(GLOBAL, limit_key(exchange.client_ip))
            if standing.exceeded:
                headers: list[tuple[bytes, bytes]] = []
                standing.add_headers(headers)
                raise XrpcError(429, "RateLimitExceeded", "Rate Limit Exceeded", headers)


async def _run(socket: Socket, call: Call, handler: Callable[..., Awaitable[None]]) -> str | None:
    """Run the method beside a reader; whichever ends first ends the other. Give the name of the error at its end."""
    method: asyncio.Future[None] = asyncio.ensure_future(handler(call, socket))
    reader = asyncio.create_task(socket.drain())
    try:
        await asyncio.wait({method, reader}, return_when=asyncio.FIRST_COMPLETED)
        if not method.done():
            method.cancel()
        await asyncio.wait({method})
    finally:
        method.cancel()
        reader.cancel()
    error = None if method.cancelled() else method.exception()
    if error is None:
        if not method.cancelled():
            await socket.close()
        return None
    if isinstance(error, (SocketClosed, *_GONE)):
        return None
    answer = answer_to(error)
    if answer.unexpected:
        _log.error("unexpected error in a subscription", target=call.nsid, exc_info=error)
    await socket.fail(answer.error, answer.message, INTERNAL_ERROR if answer.unexpected else POLICY_VIOLATION)
    return answer.error


async def deny(ws: WebSocket, error: XrpcError) -> None:
    """Answer the handshake with an HTTP error; BlackSheep has no public way to, ASGI has."""
    await ws._receive()
    headers = [(b"content-type", b"application/json; charset=utf-8"), *error.headers]
    body = error_body(error.error, error.message)
    if "websocket.http.response" not in cast(MutableMapping[str, Any], ws.scope).get("extensions", {}):
        await ws._send({"type": "websocket.close", "code": POLICY_VIOLATION})
        return
    await ws._send({"type": "websocket.http.response.start", "status": error.status, "headers": headers})
    await ws._send({"type": "websocket.http.response.body", "body": body})
