"""What only the administrator may ask and no lexicon knows: routes below /xrpc/_admin/, declared and answered.

    @admin_route("GET", "/xrpc/_admin/sequencer")
    async def sequencer(call: AdminCall) -> Answer:
        \"\"\"Tell where the log of events stands.\"\"\"
        return call.services.log_status.report()

A module of `tempest_pds.http.admin` holds such functions. Callers prove themselves as for a method that is declared
with the access of `ADMIN`; refusals are those of the protocol. Work that takes long answers with `call.long_task(…)`.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

import structlog
from blacksheep import Request, Response

from tempest_pds.http.access import ADMIN
from tempest_pds.http.answers import Answer, Body, Stream
from tempest_pds.http.audit import audit
from tempest_pds.http.auth import Authenticator
from tempest_pds.http.client_address import limit_key
from tempest_pds.http.context import Call, Services
from tempest_pds.http.errors import ClientGone, XrpcError, answer_to
from tempest_pds.http.exchange import exchange_of, has_body
from tempest_pds.http.long_tasks import LongTasks, Work
from tempest_pds.http.query_string import parse_query_string
from tempest_pds.http.rate_limits import GLOBAL, RateLimiter
from tempest_pds.http.request_body import read_all
from tempest_pds.http.responses import error_response, to_response

ADMIN_PREFIX: Final = "/xrpc/_admin/"
_MAX_INPUT: Final = 1_048_576
_NO_STORE: Final = ((b"cache-control", b"no-store"), (b"vary", b"Authorization"))

_log = structlog.get_logger("tempest_pds.admin_routes")


@dataclass(frozen=True, slots=True)
class AdminCall:
    """One call of an administrator's route, authorised and parsed.

    Attributes:
        params: the query; of a repeated name the last.
        input: the JSON body, an object; empty when the body is none, or not JSON.
    """

    services: Services
    params: Mapping[str, str]
    input: Mapping[str, Any]
    _call: Call = field(repr=False)
    _long_tasks: LongTasks = field(repr=False)

    def body(self, limit: int) -> AsyncIterator[bytes]:
        """Read a body that is not JSON as it comes; see `Call.body`."""
        return self._call.body(limit)

    def audit(self, subject: object) -> None:
        """Note what was done, and to what; see `http/audit.py`."""
        audit(self._call, subject)

    def long_task(self, work: Work) -> Stream:
        """Answer with the progress of some work as it goes, and its result at last: see `http/long_tasks.py`."""
        return self._long_tasks.stream(work)

    def required(self, name: str) -> str:
        """Give a parameter of the query, or else a string of the input; raise XrpcError when neither has it."""
        value = self.params.get(name, self.input.get(name))
        if not isinstance(value, str) or not value:
            raise XrpcError(400, "InvalidRequest", f"{name} is missing")
        return value

    def flag(self, name: str) -> bool:
        """Tell whether a parameter of the query is `true`, or a member of the input is true."""
        return self.params.get(name) == "true" or self.input.get(name) is True


AdminHandler = Callable[[AdminCall], Awaitable[Answer]]


@dataclass(frozen=True, slots=True)
class AdminRoute:
    """A route as it is declared."""

    http_method: Literal["GET", "POST"]
    path: str
    handler: AdminHandler


def admin_route(http_method: Literal["GET", "POST"], path: str) -> Callable[[AdminHandler], AdminRoute]:
    """Declare a route; its path begins with /xrpc/_admin/."""
    if not path.startswith(ADMIN_PREFIX):
        raise ValueError(f"{path} is not below {ADMIN_PREFIX}")

    def declare(handler: AdminHandler) -> AdminRoute:
        return AdminRoute(http_method, path, handler)

    return declare


class AdminRouter:
    """Answers what is below /xrpc/_admin/."""

    def __init__(
        self,
        services: Services,
        routes: Mapping[str, AdminRoute],
        authenticator: Authenticator,
        limiter: RateLimiter,
        long_tasks: LongTasks,
    ) -> None:
        self._services = services
        self._routes = routes
        self._authenticator = authenticator
        self._limiter = limiter
        self._long_tasks = long_tasks

    async def handle(self, request: Request) -> Response:
        """Answer one request."""
        exchange = exchange_of(request)
        headers: list[tuple[bytes, bytes]] = list(_NO_STORE)
        try:
            path = exchange.scope["raw_path"].decode("latin-1")
            route = self._routes.get(path)
            if route is not None:
                exchange.target = path
            call = Call(self._services, exchange, path)
            call.response_headers = headers
            self._count(call)
            # Whether a route exists is nobody's business who may not use it.
            await self._authenticator.authenticate(ADMIN, call)
            if route is None:
                raise XrpcError(404, "NotFound", "Not Found")
            if call.http_method != route.http_method and not (
                call.http_method == "HEAD" and route.http_method == "GET"
            ):
                allow = ((b"allow", route.http_method.encode()),)
                raise XrpcError(405, "InvalidRequest", f"Incorrect HTTP method, expected {route.http_method}", allow)
            params = dict(parse_query_string(call.query_string))
            admin_call = AdminCall(self._services, params, await _read_input(call), call, self._long_tasks)
            answer = await route.handler(admin_call)
            if isinstance(answer, dict):
                # Not by the data model, which has no fractions.
                answer = Body(json.dumps(answer, ensure_ascii=False).encode("utf-8", "replace"))
            return to_response(answer, exchange, headers)
        except ClientGone:
            raise
        except Exception as error:  # noqa: BLE001 - the table of errors decides what each becomes
            refusal = answer_to(error)
            if refusal.unexpected:
                _log.error("unexpected error", target=exchange.target, exc_info=error)
            return error_response(refusal, headers)

    def _count(self, call: Call) -> None:
        limiter = self._limiter
        if limiter.enabled and limiter.applies(call.client_ip, call.headers.get(b"x-ratelimit-bypass")):
            standing = limiter.consume(GLOBAL, limit_key(call.client_ip))
            standing.add_headers(call.response_headers)
            if standing.exceeded:
                raise XrpcError(429, "RateLimitExceeded", "Rate Limit Exceeded")


async def _read_input(call: Call) -> Mapping[str, Any]:
    if call.content_type != "application/json" or not has_body(call.headers):
        return {}
    try:
        value = json.loads(await read_all(call.exchange, _MAX_INPUT) or b"{}")
    except (ValueError, RecursionError):
        raise XrpcError(400, "InvalidRequest", "The body is not JSON") from None
    if not isinstance(value, dict):
        raise XrpcError(400, "InvalidRequest", "The body is not a JSON object")
    return value
