"""The outermost layer: what every answer carries, whoever made it, and what is noted of every request.

BlackSheep's answers to errors do not pass through its middlewares, so CORS and security headers are added here, as
ASGI. The layer also answers preflight requests, refuses what is absurd before any framework looks at it, turns what
escapes into a plain 500, writes the request line and measures.
"""

from __future__ import annotations

import asyncio
import re
import time
from contextlib import suppress
from typing import Any, Final, Protocol

import structlog
from blacksheep.url import InvalidURL
from opentelemetry import trace
from opentelemetry.trace import Span

from tempest_pds.http.client_address import client_address
from tempest_pds.http.errors import ClientGone, answer_to, error_body
from tempest_pds.http.exchange import SCOPE_KEY, Exchange, Message, Receive, Scope, Send
from tempest_pds.logs import RequestLog, redact_path
from tempest_pds.telemetry import Instruments

Header = tuple[bytes, bytes]

_MAX_PATH: Final = 2_048
_MAX_QUERY: Final = 32_768
_FLUSH_SECONDS: Final = 0.2
_DRAIN_SECONDS: Final = 2.0
_DRAIN_BYTES: Final = 8 * 1024 * 1024
_HEADER_NAMES: Final = re.compile(rb"[A-Za-z0-9!#$%&'*+.^_`|~, -]{1,2048}")
_ALLOW_ORIGIN: Final[Header] = (b"access-control-allow-origin", b"*")
_NOSNIFF: Final[Header] = (b"x-content-type-options", b"nosniff")
_EXPOSED: Final[Header] = (
    b"access-control-expose-headers",
    (
        b"DPoP-Nonce, WWW-Authenticate, Atproto-Repo-Rev, Atproto-Content-Labelers, Atproto-Upstream-Lag, "
        b"RateLimit-Limit, RateLimit-Remaining, RateLimit-Reset, RateLimit-Policy, Retry-After, "
        b"Content-Length, Content-Range, Accept-Ranges, ETag"
    ),
)
_DEFAULT_ALLOWED: Final = b"authorization, content-type, atproto-proxy, atproto-accept-labelers, dpop, x-bsky-topics"
# Of these a second one is an attempt to be read differently by a proxy in front.
_SINGLE: Final = frozenset({b"authorization", b"host", b"content-length", b"content-type", b"content-encoding"})
_OF_A_BODY: Final = frozenset({b"content-length", b"content-type"})
_NOT_MODIFIED: Final = 304
_OWN_PAGES: Final = (b"/admin", b"/account", b"/oauth/authorize")
_OTHER: Final = "other"
_SPAN: Final = "xrpc.request"

_log = structlog.get_logger()


class App(Protocol):
    """An ASGI application."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one connection scope."""
        ...


class AnswerBroken(Exception):
    """An answer that stopped in the middle; raised so that the server cuts the connection instead of ending it."""


class Edge:
    """Wrap an ASGI application.

    Args:
        trusted_proxies: how many entries of X-Forwarded-For are to be believed.
        request_log: None when requests are not logged.
    """

    def __init__(
        self,
        app: App,
        *,
        instruments: Instruments,
        request_log: RequestLog | None = None,
        trusted_proxies: int = 0,
    ) -> None:
        self._app = app
        self._trusted_proxies = trusted_proxies
        self._request_log = request_log
        self._count = instruments.xrpc_request_count.add
        self._duration = instruments.xrpc_request_duration.record
        self._start_span = instruments.start_request_span
        # Exporters are started before the edge is made; asking for every request costs more than a span.
        self._traced = not isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider)
        self._attributes: dict[tuple[str, int], dict[str, Any]] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one connection scope."""
        if scope["type"] == "websocket":
            await self._connect(scope, receive, send)
            return
        raw_headers = scope["headers"]
        headers: dict[bytes, bytes] = dict(raw_headers)
        exchange = Exchange(scope, receive, headers, client_address(scope, raw_headers, self._trusted_proxies))
        scope[SCOPE_KEY] = exchange
        # Anybody's page may ask the API. The pages for people are for themselves only.
        extra = [_NOSNIFF] if scope["raw_path"].startswith(_OWN_PAGES) else [_ALLOW_ORIGIN, _NOSNIFF]
        if b"origin" in headers:
            extra.append(_EXPOSED)

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                exchange.status = message["status"]
                if exchange.status == _NOT_MODIFIED:
                    # They would have to be those of the body that is not sent, not those of an empty one.
                    message["headers"] = [header for header in message["headers"] if header[0] not in _OF_A_BODY]
                message["headers"] += extra
            elif exchange.body_pending and exchange.status >= 400 and not message.get("more_body"):
                # Closing a connection on unread data resets it, and the client may lose the answer.
                message["more_body"] = True
                await send(message)
                await _drain(receive)
                message = {"type": "http.response.body", "body": b""}
            await send(message)

        span = self._start_span(_SPAN) if self._traced else None
        try:
            if scope["method"] == "OPTIONS":
                await _preflight(headers, send_with_headers)
            else:
                if (
                    len(headers) != len(raw_headers)
                    or len(scope["raw_path"]) > _MAX_PATH
                    or len(scope["query_string"]) > _MAX_QUERY
                    or scope["raw_path"][:1] != b"/"
                ) and (problem := _absurdity(scope, raw_headers)):
                    await _send_error(send_with_headers, *problem)
                else:
                    await self._app(scope, receive, send_with_headers)
        except ClientGone:
            return
        except Exception as error:  # noqa: BLE001 - the last place that can still answer
            if exchange.status and not answer_to(error).unexpected:
                # The other side of a call that was passed on broke off, most often.
                _log.warning("answer broken off", target=exchange.target or _OTHER, reason=str(error))
                raise AnswerBroken from None
            _log.error("unexpected error", target=exchange.target or _OTHER, exc_info=error)
            if exchange.status:
                raise AnswerBroken from None
            await _send_error(send_with_headers, 500, "InternalServerError", "Internal Server Error")
        finally:
            # The two know each other; left so, every request would wait for the garbage collector.
            del scope[SCOPE_KEY]
            self._note(exchange, span)

    async def _connect(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await self._app(scope, receive, send)
        except InvalidURL:
            # BlackSheep parses the decoded path of a WebSocket as a URL, before any handler of ours is asked.
            await receive()
            headers = [(b"content-type", b"application/json; charset=utf-8")]
            body = error_body("InvalidRequest", "invalid xrpc path")
            await send({"type": "websocket.http.response.start", "status": 400, "headers": headers})
            await send({"type": "websocket.http.response.body", "body": body})

    def _note(self, exchange: Exchange, span: Span | None) -> None:
        seconds = time.perf_counter() - exchange.started_at
        target = exchange.target
        key = (target or _OTHER, exchange.status)
        attributes = self._attributes.get(key)
        if attributes is None:
            attributes = {"xrpc.method": key[0], "http.response.status_code": key[1]}
            if len(self._attributes) < 10_000:
                self._attributes[key] = attributes
        self._count(1, attributes)
        self._duration(seconds, attributes)
        if span is not None:
            span.update_name(key[0])
            span.set_attributes(attributes)
            span.end()
        log = self._request_log
        if log is not None:
            shown = target or redact_path(exchange.scope["raw_path"][:_MAX_PATH].decode("latin-1"))[:200]
            method = exchange.scope["method"]
            if log.add(method, shown, exchange.status, seconds, exchange.client_ip, exchange.did):
                asyncio.get_running_loop().call_later(_FLUSH_SECONDS, log.flush)


def _absurdity(scope: Scope, raw_headers: list[Header]) -> tuple[int, str, str] | None:
    """Find what no honest client sends; such a request is refused before a framework caches or decodes its path."""
    if len(scope["raw_path"]) > _MAX_PATH or len(scope["query_string"]) > _MAX_QUERY:
        return 414, "InvalidRequest", "The URL is too long"
    if not scope["path"].startswith("/"):
        return 400, "InvalidRequest", "The request target must be a path"
    seen = [name for name, _ in raw_headers if name in _SINGLE]
    if len(seen) != len(set(seen)):
        return 400, "InvalidRequest", "A header that may come once came twice"
    return None


async def _drain(receive: Receive) -> None:
    """Read and drop what is left of a refused request, within bounds."""
    size = 0
    with suppress(TimeoutError):
        async with asyncio.timeout(_DRAIN_SECONDS):
            while size < _DRAIN_BYTES:
                message = await receive()
                size += len(message.get("body", b""))
                if not message.get("more_body"):
                    return


async def _preflight(headers: dict[bytes, bytes], send: Send) -> None:
    """Answer OPTIONS: any origin may call, with any headers; credentials travel in Authorization only."""
    wanted = headers.get(b"access-control-request-headers", b"")
    answer = [
        (b"access-control-allow-methods", b"GET,HEAD,PUT,PATCH,POST,DELETE"),
        (b"access-control-allow-headers", wanted if _HEADER_NAMES.fullmatch(wanted) else _DEFAULT_ALLOWED),
        (b"access-control-max-age", b"86400"),
        (b"vary", b"Access-Control-Request-Headers"),
        (b"content-length", b"0"),
    ]
    await send({"type": "http.response.start", "status": 204, "headers": answer})
    await send({"type": "http.response.body", "body": b""})


async def _send_error(send: Send, status: int, error: str, message: str) -> None:
    body = error_body(error, message)
    headers = [
        (b"content-type", b"application/json; charset=utf-8"),
        (b"content-length", b"%d" % len(body)),
        (b"connection", b"close"),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
