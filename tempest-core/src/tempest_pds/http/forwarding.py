"""Where the edge hands over to `services.proxy`: bytes of headers become text, and the answer becomes a stream."""

from __future__ import annotations

from collections.abc import AsyncIterator, Coroutine
from typing import Final

from tempest_pds.http.answers import Stream
from tempest_pds.http.context import Call
from tempest_pds.http.presence import Presence
from tempest_pds.http.request_body import declared_length, too_large
from tempest_pds.services.method_rules import is_own
from tempest_pds.services.proxy import Proxy, ProxyAnswer, ProxyRequest
from tempest_pds.services.proxy_targets import ProxyTargets
from tempest_pds.services.read_after_write.service import ReadAfterWrite

MAX_REQUEST_BYTES: Final = 100 * 1024 * 1024


class Forwarding:
    """Pass calls on to other services, as `http.context.Proxy` wants it.

    Args:
        max_request_bytes: of a body that is passed on.
    """

    def __init__(
        self,
        proxy: Proxy,
        targets: ProxyTargets,
        read_after_write: ReadAfterWrite,
        *,
        max_request_bytes: int = MAX_REQUEST_BYTES,
    ) -> None:
        self._proxy = proxy
        self._targets = targets
        self._read_after_write = read_after_write
        self._max_request_bytes = max_request_bytes

    def handles(self, nsid: str, headers: dict[bytes, bytes]) -> bool:
        """Tell whether a method that is not served here is somebody else's.

        A PDS's own methods are not: what this server does not have yet, no AppView has either.
        """
        return bool(headers.get(b"atproto-proxy")) or not is_own(nsid)

    def is_elsewhere(self, call: Call) -> bool:
        """Tell whether a call of a method that is served here names another service in `atproto-proxy`."""
        named = call.header("atproto-proxy")
        return bool(named) and self._targets.is_elsewhere({"atproto-proxy": named or ""})

    def audience(self, call: Call) -> str:
        """Tell which service a call is for, `did#service`; raise InvalidRequest when there is none."""
        named = call.header("atproto-proxy")
        return self._targets.audience(call.nsid, {"atproto-proxy": named} if named else {})

    async def forward(self, call: Call) -> Stream:
        """Pass the call on; errors as for `services.proxy.Proxy.forward`."""
        assert call.credentials is not None, "calls are authorised before they are passed on"
        presence = Presence(call.exchange)
        body = None
        if call.http_method == "POST":
            length = declared_length(call.headers)
            if length is not None and length > self._max_request_bytes:
                raise too_large(self._max_request_bytes)
            body = _then_watch(call.raw_body(self._max_request_bytes), presence)
        return await _answer(presence, self._proxy.forward(_request(call, body), call.credentials))

    async def view(self, call: Call) -> Stream:
        """Have a view answered, the caller's newest records in it; errors as for `forward`."""
        view = self._read_after_write.view(_request(call, None), call.params, call.caller)
        return await _answer(Presence(call.exchange), view)

    async def public_read(self, call: Call) -> Stream:
        """Have the AppView answer a query in nobody's name; errors as for `forward`."""
        return await _answer(Presence(call.exchange), self._proxy.public_read(_request(call, None)))


async def _answer(presence: Presence, answer: Coroutine[object, object, ProxyAnswer]) -> Stream:
    """Wait for the head of an answer, but no longer than the client does."""
    presence.watch()
    try:
        return _to_stream(await presence.wait(answer))
    finally:
        presence.close()


async def _then_watch(body: AsyncIterator[bytes], presence: Presence) -> AsyncIterator[bytes]:
    async for chunk in body:
        yield chunk
    presence.watch()


def _request(call: Call, body: AsyncIterator[bytes] | None) -> ProxyRequest:
    path = f"/xrpc/{call.nsid}"
    query = call.query_string.decode("latin-1")
    return ProxyRequest(
        http_method=call.http_method,
        method=call.nsid,
        path=f"{path}?{query}" if query else path,
        headers=_text(call.headers),
        body=body,
    )


def _to_stream(answer: ProxyAnswer) -> Stream:
    headers = dict(answer.headers)
    length = headers.pop("content-length", None)
    content_type = headers.pop("content-type", "application/json")
    return Stream(
        answer.chunks,
        content_type=content_type.encode("latin-1"),
        length=int(length) if length is not None and length.isdecimal() else None,
        status=answer.status,
        headers=[(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()],
    )


def _text(headers: dict[bytes, bytes]) -> dict[str, str]:
    return {name.decode("latin-1"): value.decode("latin-1") for name, value in headers.items()}
