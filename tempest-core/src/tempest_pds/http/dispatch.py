"""What happens to a request below /xrpc/: find the method, count, parse, authorise, call, answer.

The order is the reference server's: parameters, authorisation, input, the method's own limits, the method. Only the
limit by address comes first, so that requests that fail count as well. Nothing on the way of a call that succeeds
raises, and a method is found by one look at the raw path: BlackSheep's routes would match `/XRPC/…` and `%2E` too.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import partial
from typing import Any, Final

import structlog
from blacksheep import Request, Response

from tempest_pds.http.access import NONE, Access
from tempest_pds.http.auth import Authenticator
from tempest_pds.http.client_address import limit_key
from tempest_pds.http.context import Call, Services
from tempest_pds.http.errors import CLIENT_GONE, ClientGone, XrpcError, answer_to
from tempest_pds.http.exchange import Exchange, exchange_of, has_body
from tempest_pds.http.method_access import PASSED_ON_ACCESS
from tempest_pds.http.query_string import parse_query_string
from tempest_pds.http.rate_limits import GLOBAL, WRITES_PER_DAY, WRITES_PER_HOUR, Limit, RateLimiter, Standing
from tempest_pds.http.request_body import read_all
from tempest_pds.http.responses import error_response, to_response
from tempest_pds.http.xrpc import HTTP_METHOD, Method
from tempest_pds.protocol.data_model import lex_json
from tempest_pds.protocol.lexicon.lexicons import Lexicons
from tempest_pds.protocol.lexicon.methods import MethodSchema
from tempest_pds.services.errors import MethodNotImplemented

PREFIX: Final = b"/xrpc/"
OTHER: Final = "other"
_NSID_CHARACTERS: Final = re.compile(rb"[A-Za-z0-9]+(?:[.-][A-Za-z0-9]+)*/?")
_MAX_NSID: Final = 317
_PRIVATE: Final = ((b"cache-control", b"private"), (b"vary", b"Authorization"))
_CLOSE: Final = (b"connection", b"close")
_EMPTY: Final = (b"", b"{}", b"null")
_TOKEN: Final = rb"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,127}"
_MEDIA_TYPE: Final = re.compile(rb"\s*" + _TOKEN + rb"/" + _TOKEN + rb"\s*(?:;.*)?", re.DOTALL)

_log = structlog.get_logger()


class Endpoint:
    """A declared method with its lexicon, compiled when it is first called."""

    __slots__ = ("_lexicons", "_schema", "access", "anonymous", "http_method", "method", "nsid")

    def __init__(self, method: Method, access: Access, lexicons: Lexicons) -> None:
        if not lexicons.has(method.nsid):
            raise TypeError(f"{method.nsid} has no lexicon")
        self.method = method
        self.nsid = method.nsid
        self.http_method = HTTP_METHOD.get(method.kind)
        self.access = access
        self.anonymous = access is NONE
        self._lexicons = lexicons
        self._schema: MethodSchema | None = None

    @property
    def schema(self) -> MethodSchema:
        """The method's lexicon."""
        if self._schema is None:
            schema = self._lexicons.method(self.nsid)
            if schema is None or schema.kind != self.method.kind:
                raise TypeError(f"the lexicon of {self.nsid} is not a {self.method.kind}")
            self._schema = schema
        return self._schema


class Dispatcher:
    """Answers everything below /xrpc/.

    Raises TypeError unless each method has its row in the table of access, and each row its method.

    Args:
        json_max_bytes: the largest JSON body.
        validate_responses: whether JSON answers of ours are checked by the lexicon, for development.
    """

    def __init__(
        self,
        *,
        services: Services,
        methods: Mapping[str, Method],
        access: Mapping[str, Access],
        lexicons: Lexicons,
        authenticator: Authenticator,
        limiter: RateLimiter,
        json_max_bytes: int = 1_048_576,
        validate_responses: bool = False,
    ) -> None:
        self._services = services
        self._lexicons = lexicons
        self._authenticator = authenticator
        self._limiter = limiter
        self._json_max_bytes = json_max_bytes
        self._validate_responses = validate_responses
        if unmatched := methods.keys() ^ access.keys():
            raise TypeError(f"a method without a row of access, or a row without a method: {sorted(unmatched)}")
        self._endpoints = {
            PREFIX + nsid.encode(): Endpoint(method, access[nsid], lexicons) for nsid, method in methods.items()
        }

    async def handle(self, request: Request) -> Response:
        """Answer one HTTP request."""
        exchange = exchange_of(request)
        headers: list[tuple[bytes, bytes]] = []
        standing: Standing | None = None
        try:
            endpoint = self.find(exchange.scope["raw_path"])
            limiter = self._limiter
            limited = limiter.enabled and limiter.applies(
                exchange.client_ip, exchange.headers.get(b"x-ratelimit-bypass")
            )
            if limited:
                limit = GLOBAL if endpoint is None else endpoint.method.global_limit
                if limit is not None:
                    standing = limiter.consume(limit, limit_key(exchange.client_ip))
                    if standing.exceeded:
                        raise XrpcError(429, "RateLimitExceeded", "Rate Limit Exceeded")
            if endpoint is None:
                call = Call(self._services, exchange, nsid_of(exchange.scope["raw_path"]))
                call.response_headers = headers
                answer = await self._pass_on(call)
            else:
                call = Call(self._services, exchange, endpoint.nsid)
                call.response_headers = headers
                exchange.target = endpoint.nsid
                if exchange.scope["method"] != endpoint.http_method:
                    _check_http_method(endpoint, exchange.scope["method"])
                method = endpoint.method
                if method.elsewhere and _is_elsewhere(call):
                    answer = await self._pass_on(call)
                else:
                    pairs = parse_query_string(exchange.scope["query_string"], loose=method.loose)
                    call.params = endpoint.schema.parse_params(pairs)
                    if not endpoint.anonymous:
                        headers.extend(_PRIVATE)
                        call.credentials = await self._authenticator.authenticate(endpoint.access, call)
                        if call.credentials is not None:
                            exchange.did = call.credentials.did
                            call.look_again = partial(self._authenticator.look_again, endpoint.access, call)
                    if method.kind == "procedure":
                        await self._read_input(endpoint, call)
                    elif exchange.body_pending:
                        raise XrpcError(
                            400, "InvalidRequest", "A request body was provided when none was expected", (_CLOSE,)
                        )
                    if limited and (method.limits or method.cost is not None):
                        standing = self._count(method, call, standing)
                        if standing is not None and standing.exceeded:
                            raise XrpcError(429, "RateLimitExceeded", "Rate Limit Exceeded")
                    _check_input(endpoint.access, call)
                    answer = await method.handler(call)
                    if self._validate_responses and type(answer) is dict:
                        endpoint.schema.validate_output(answer)
            if standing is not None:
                standing.add_headers(headers)
            return to_response(answer, exchange, headers)
        except ClientGone:
            # Raised, it would be an error to BlackSheep.
            return Response(CLIENT_GONE)
        except Exception as error:  # noqa: BLE001 - the table of errors decides what each becomes
            return self._refuse(error, exchange, headers, standing)

    def find(self, raw_path: bytes) -> Endpoint | None:
        """Find the method of a raw path; the reference server lets one trailing slash pass."""
        endpoint = self._endpoints.get(raw_path)
        if endpoint is None and raw_path.endswith(b"/"):
            return self._endpoints.get(raw_path[:-1])
        return endpoint

    async def _pass_on(self, call: Call) -> Any:
        schema = self._lexicons.method(call.nsid)
        method = call.http_method
        if schema is not None:
            call.exchange.target = call.nsid
            expected = HTTP_METHOD.get(schema.kind)
            if expected is not None and expected != ("GET" if method == "HEAD" else method):
                raise XrpcError(400, "InvalidRequest", f"Incorrect HTTP method ({method}) expected {expected}")
        if method not in {"GET", "HEAD", "POST"}:
            raise XrpcError(400, "InvalidRequest", "XRPC requests only supports GET and POST")
        proxy = self._services.proxy
        named = b"atproto-proxy" in call.headers
        # Without credentials nothing is passed on, so a method that nobody knows is told as such.
        unknown = schema is None and not named and b"authorization" not in call.headers
        if proxy is None or unknown or not proxy.handles(call.nsid, call.headers):
            raise MethodNotImplemented("Method Not Implemented")
        call.response_headers.extend(_PRIVATE)
        call.credentials = await self._authenticator.authenticate(PASSED_ON_ACCESS, call)
        if call.credentials is not None:
            call.exchange.did = call.credentials.did
        return await proxy.forward(call)

    async def _read_input(self, endpoint: Endpoint, call: Call) -> None:
        schema = endpoint.schema
        headers = call.headers
        if schema.input_encoding is None:
            # An empty JSON object in place of no body is what several clients send.
            if has_body(headers) and (await read_all(call.exchange, 64)).strip() not in _EMPTY:
                raise XrpcError(400, "InvalidRequest", "A request body was provided when none was expected")
            return
        # A blob may be empty, JSON may not.
        if not has_body(headers) and (schema.has_input_schema or b"content-length" not in headers):
            raise XrpcError(400, "InvalidRequest", "A request body is expected but none was provided")
        content_type = headers.get(b"content-type")
        if content_type is None or not _MEDIA_TYPE.fullmatch(content_type):
            raise XrpcError(400, "InvalidRequest", "Request encoding (Content-Type) required but not provided")
        if not schema.accepts(content_type.decode("latin-1")):
            shown = content_type.partition(b";")[0].decode("ascii", "replace")[:100]
            raise XrpcError(400, "InvalidRequest", f"Wrong request encoding (Content-Type): {shown}")
        if schema.has_input_schema:
            body = await read_all(call.exchange, endpoint.method.max_input or self._json_max_bytes)
            call.input = schema.parse_input(lex_json.loads(body))
            call.look_again()

    def _count(self, method: Method, call: Call, tightest: Standing | None) -> Standing | None:
        for limit in method.limits:
            tightest = self._tighter(tightest, limit, call, 1)
        if method.cost is not None:
            points = method.cost if isinstance(method.cost, int) else method.cost(call)
            tightest = self._tighter(tightest, WRITES_PER_HOUR, call, points)
            tightest = self._tighter(tightest, WRITES_PER_DAY, call, points)
        return tightest

    def _tighter(self, tightest: Standing | None, limit: Limit, call: Call, points: int) -> Standing | None:
        key = limit.key(call)
        if key is None or points < 1 or (tightest is not None and tightest.exceeded):
            return tightest
        standing = self._limiter.consume(limit, key, points)
        if tightest is None or standing.exceeded or standing.remaining < tightest.remaining:
            return standing
        return tightest

    def _refuse(
        self, error: Exception, exchange: Exchange, headers: list[tuple[bytes, bytes]], standing: Standing | None
    ) -> Response:
        answer = answer_to(error)
        if answer.unexpected:
            _log.error("unexpected error", target=exchange.target or OTHER, exc_info=error)
        elif answer.status >= 502:
            _log.warning("upstream failed", target=exchange.target or OTHER, error=answer.error, reason=str(error))
        if standing is not None:
            standing.add_headers(headers)
        return error_response(answer, headers)


def nsid_of(raw_path: bytes) -> str:
    """Take the NSID from a raw path; raise XrpcError unless the characters could be those of one."""
    name = raw_path[len(PREFIX) :]
    if not raw_path.startswith(PREFIX) or not _NSID_CHARACTERS.fullmatch(name) or not 2 <= len(name) <= _MAX_NSID:
        raise XrpcError(400, "InvalidRequest", "invalid xrpc path")
    return name.rstrip(b"/").decode("ascii")


def _is_elsewhere(call: Call) -> bool:
    proxy = call.services.proxy
    return proxy is not None and b"atproto-proxy" in call.headers and proxy.is_elsewhere(call)


def _check_input(access: Access, call: Call) -> None:
    """Look at the body, too, for what an OAuth token needs."""
    credentials = call.credentials
    if access.oauth is not None and credentials is not None and credentials.permissions is not None:
        access.oauth.check_input(credentials.permissions, call)


def _check_http_method(endpoint: Endpoint, http_method: str) -> None:
    expected = endpoint.http_method
    if expected is None:
        raise XrpcError(
            426,
            "UpgradeRequired",
            f"{endpoint.nsid} is a subscription: connect with a WebSocket",
            ((b"upgrade", b"websocket"), (b"connection", b"upgrade")),
        )
    if not (http_method == "HEAD" and expected == "GET"):
        raise XrpcError(400, "InvalidRequest", f"Incorrect HTTP method ({http_method}) expected {expected}")
