"""Passing a request on to another service, in the account's name.

`proxy_targets.py` finds the service. The request goes out with a service token for it and for the method; the answer
comes back as it is, compressed or not, piece by piece.

https://atproto.com/specs/xrpc#service-proxying
"""

import json
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import quote, urlencode, urlsplit

from tempest_pds.protocol.errors import InvalidSyntax
from tempest_pds.protocol.oauth.scope_set import ScopeSet
from tempest_pds.protocol.syntax.did import Did
from tempest_pds.remote.errors import RemoteError
from tempest_pds.remote.safe_fetch import Answer, SafeFetch
from tempest_pds.services.credentials import Credentials
from tempest_pds.services.errors import (
    InvalidRequest,
    InvalidToken,
    MethodNotImplemented,
    UpstreamError,
    UpstreamFailure,
)
from tempest_pds.services.feed_generators import FeedGenerators
from tempest_pds.services.method_rules import (
    GET_FEED,
    GET_FEED_SKELETON,
    is_open_to_takendown,
    is_own,
    is_privileged,
    is_protected,
    is_push,
)
from tempest_pds.services.proxy_targets import NOTIFICATIONS, ProxyTargets, Target
from tempest_pds.services.service_auth import ServiceAuth

MAX_ANSWER_BYTES: Final = 10 * 1024 * 1024
SECONDS: Final = 30.0
# Those without an account have one share together.
_NOBODY: Final = "nobody"
_MAX_PUSH_BYTES: Final = 64 * 1024
_MAX_ERROR_BYTES: Final = 64 * 1024
_REQUEST_HEADERS: Final = ("accept-language", "atproto-accept-labelers", "x-bsky-topics")
_BODY_HEADERS: Final = ("content-type", "content-encoding", "content-length")
_CONTENT_HEADERS: Final = ("content-length", "content-encoding", "content-type", "content-language")
_ANSWER_HEADERS: Final = ("atproto-repo-rev", "atproto-content-labelers", "retry-after")


@dataclass(frozen=True, slots=True)
class ProxyRequest:
    """A request to pass on.

    Attributes:
        http_method: GET, HEAD or POST.
        method: the NSID.
        path: path and query as they came, byte for byte: `/xrpc/app.bsky.feed.getTimeline?limit=50`.
        headers: names in lower case.
        body: of a POST, piece by piece.
    """

    http_method: str
    method: str
    path: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: AsyncIterator[bytes] | None = None


@dataclass(frozen=True, slots=True)
class ProxyAnswer:
    """An answer to hand on. Read `chunks` to its end, or close it.

    Attributes:
        chunks: raises a RemoteError when the service breaks off; the client must then see a broken answer too.
    """

    status: int
    headers: Mapping[str, str]
    chunks: AsyncIterator[bytes]


class Proxy:
    """Pass requests on.

    Args:
        strangers: for services found in DID documents: public addresses only.
        configured: for services that the operator named; they may be on the same machine.
    """

    def __init__(
        self,
        strangers: SafeFetch,
        configured: SafeFetch,
        targets: ProxyTargets,
        feed_generators: FeedGenerators,
        service_auth: ServiceAuth,
        *,
        max_answer_bytes: int = MAX_ANSWER_BYTES,
        seconds: float = SECONDS,
    ) -> None:
        self._strangers = strangers
        self._configured = configured
        self._targets = targets
        self._feed_generators = feed_generators
        self._service_auth = service_auth
        self._max_answer_bytes = max_answer_bytes
        self._seconds = seconds

    async def forward(self, request: ProxyRequest, caller: Credentials) -> ProxyAnswer:
        """Pass a request on, and give the answer as soon as its headers are here.

        Raises:
            MethodNotImplemented: the method is a PDS's own, and no service was named.
            InvalidRequest: the named service cannot be resolved, or none is configured.
            InvalidToken: this session may not have this method passed on.
            ScopeMissing: this app was not granted this method of that service.
            UpstreamError: the service refused; the client gets its answer.
            UpstreamFailure: the service was not reached, or failed.
        """
        method = request.method
        if not request.headers.get("atproto-proxy") and is_own(method):
            raise MethodNotImplemented("Method Not Implemented")
        if is_protected(method):
            raise InvalidToken("Bad token method")
        if caller.permissions is None:
            _check_session(caller, method)
        body: bytes | AsyncIterator[bytes] | None = request.body if request.http_method == "POST" else None
        if is_push(method) and body is not None:
            body = await _read_small(body)
            target = await self._push_target(method, body, caller)
        else:
            target = await self._targets.resolve(method, request.headers)
            if caller.permissions is not None:
                _check_app(caller.permissions, method, target.name)
        audience: str = target.did
        token_method = method
        if method == GET_FEED:
            audience, token_method = await self._feed_generators.audience(request.path), GET_FEED_SKELETON
        headers = _request_headers(request.headers, has_body=body is not None)
        headers["authorization"] = f"Bearer {self._service_auth.mint(caller.account, audience, token_method)}"
        return await self._send(request, target, headers, body, caller.account)

    async def public_read(self, request: ProxyRequest) -> ProxyAnswer:
        """Have the AppView answer a query in nobody's name; errors as for `forward`."""
        target = self._targets.default(request.method)
        headers = _request_headers(request.headers, has_body=False)
        return await self._send(request, target, headers, None, _NOBODY)

    async def ask_app_view(self, method: str, params: Iterable[tuple[str, str]], caller: Did) -> Any:
        """Ask the AppView in an account's name for what an answer of ours is made with; give the parsed answer.

        Raises:
            UpstreamError: it refuses.
            UpstreamFailure: it is not reached, fails, or answers with something else than JSON.
        """
        target = self._targets.default(method)
        token = self._service_auth.mint(caller, target.did, method)
        try:
            answer = await self._configured.fetch(
                "GET",
                f"{_origin(target.url)}/xrpc/{method}?{urlencode(list(params), quote_via=quote)}",
                headers={"authorization": f"Bearer {token}"},
                max_bytes=MAX_ANSWER_BYTES,
            )
            parsed = answer.json()
        except RemoteError as error:
            raise UpstreamFailure("Upstream service unreachable") from error
        if answer.status != 200:
            raise UpstreamError(answer.status, *_named(parsed), {})
        return parsed

    async def _send(
        self,
        request: ProxyRequest,
        target: Target,
        headers: dict[str, str],
        body: bytes | AsyncIterator[bytes] | None,
        caller: str,
    ) -> ProxyAnswer:
        fetch = self._configured if target.configured else self._strangers
        try:
            answer = await fetch.send(
                request.http_method,
                _origin(target.url) + request.path,
                headers=headers,
                body=body,
                seconds=self._seconds,
                caller=caller,
            )
        except RemoteError as error:
            raise UpstreamFailure("Upstream service unreachable") from error
        if answer.status >= 400:
            raise await _refusal(answer)
        if answer.status >= 300:
            answer.close()
            raise UpstreamFailure("Upstream service redirects")
        content = {name: answer.headers[name] for name in _CONTENT_HEADERS if name in answer.headers}
        length = content.get("content-length", "0")
        if length.isdecimal() and int(length) > self._max_answer_bytes:
            answer.close()
            raise UpstreamFailure("Upstream answer is too large")
        return ProxyAnswer(answer.status, content | _answer_headers(answer), answer.chunks(self._max_answer_bytes))

    async def _push_target(self, method: str, body: bytes, caller: Credentials) -> Target:
        try:
            did = Did.parse(json.loads(body)["serviceDid"])
        except (ValueError, KeyError, TypeError, RecursionError, InvalidSyntax) as error:
            raise InvalidRequest("Input must have a valid serviceDid") from error
        if caller.permissions is not None:
            # Whoever the service is, apps ask for it by the name of the service for notifications.
            caller.permissions.require_rpc(method, f"{did}#{NOTIFICATIONS}")
        return await self._targets.resolve_push(did)


def _check_session(caller: Credentials, method: str) -> None:
    if caller.is_takendown and not is_open_to_takendown(method):
        raise InvalidToken("Bad token scope")
    if is_privileged(method) and not caller.is_privileged:
        raise InvalidToken("Bad token method")


def _check_app(permissions: ScopeSet, method: str, audience: str) -> None:
    permissions.require_rpc(method, audience)
    if method == GET_FEED:
        permissions.require_rpc(GET_FEED_SKELETON, audience)


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def _request_headers(headers: Mapping[str, str], *, has_body: bool) -> dict[str, str]:
    names = _REQUEST_HEADERS + _BODY_HEADERS if has_body else _REQUEST_HEADERS
    passed = {name: headers[name] for name in names if name in headers}
    # gzip or nothing: an error must be readable here too, or its name is lost.
    passed["accept-encoding"] = "gzip" if "gzip" in headers.get("accept-encoding", "").lower() else "identity"
    return passed


def _answer_headers(answer: Answer) -> dict[str, str]:
    return {name: answer.headers[name] for name in _ANSWER_HEADERS if name in answer.headers}


async def _read_small(body: AsyncIterator[bytes] | bytes) -> bytes:
    if isinstance(body, bytes):
        return body
    read = bytearray()
    async for chunk in body:
        read += chunk
        if len(read) > _MAX_PUSH_BYTES:
            raise InvalidRequest("request entity too large")
    return bytes(read)


async def _refusal(answer: Answer) -> UpstreamError:
    name, message = None, None
    if "json" in answer.headers.get("content-type", ""):
        with suppress(ValueError, RecursionError, RemoteError):
            name, message = _named(json.loads(await answer.read_decompressed(_MAX_ERROR_BYTES)))
    else:
        answer.close()
    return UpstreamError(answer.status, name, message, _answer_headers(answer))


def _named(parsed: Any) -> tuple[str | None, str | None]:
    """Give the name and the message of a refusal, as far as they are there."""
    given = [parsed.get(key) for key in ("error", "message")] if isinstance(parsed, dict) else [None, None]
    name, message = (value if isinstance(value, str) else None for value in given)
    return name, message
