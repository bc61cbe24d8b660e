import asyncio
import socket
import time
from collections.abc import Awaitable, Callable

import pytest
from aiohttp import web

from tempest_pds.protocol.syntax.handle import Handle
from tempest_pds.remote.errors import (
    AnswerTooLarge,
    ForbiddenAddress,
    HandleNotFound,
    HandleUnreachable,
    TimedOut,
    Unreachable,
)
from tempest_pds.remote.handle_resolver import HandleResolver
from tempest_pds.remote.safe_fetch import Fetched, SafeFetch

Serve = Callable[[Callable[[web.Request], Awaitable[web.StreamResponse]]], Awaitable[str]]
HANDLE = Handle.parse("alice.example.com")
DID = "did:plc:aaaaaaaaaaaaaaaaaaaaaaaa"
OTHER = "did:plc:bbbbbbbbbbbbbbbbbbbbbbbb"


class WellKnown(SafeFetch):
    """A web server behind every handle."""

    def __init__(self, status: int, body: str) -> None:
        super().__init__()
        self.answer: Fetched | Exception = Fetched(status, {}, body.encode())
        self.urls: list[str] = []

    async def fetch(self, method: str, url: str, **_: object) -> Fetched:
        self.urls.append(url)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


def resolver(
    texts: list[str] | Exception, well_known: WellKnown, clock: Callable[[], float] = time.monotonic
) -> HandleResolver:
    async def look_up(name: str) -> list[str]:
        assert name == "_atproto.alice.example.com."
        if isinstance(texts, Exception):
            raise texts
        return texts

    return HandleResolver(well_known, look_up_txt=look_up, clock=clock)


@pytest.mark.parametrize(
    ("texts", "status", "body"),
    [
        ([f"did={DID}"], 200, OTHER),
        (["v=spf1", f"did={DID}"], 404, ""),
        ([f"did={DID}", f"did={DID}"], 404, ""),
        ([], 200, DID),
        ([], 200, f"{DID}\r\n"),
        (Unreachable("no name server"), 200, f"  {DID}\n"),
        ([f"did={DID}x y"], 200, DID),
        ([f"did={DID}", "did=alice"], 404, ""),
        ([], 201, DID),
    ],
)
async def test_dns_wins_and_the_web_stands_in(texts: list[str] | Exception, status: int, body: str) -> None:
    assert await resolver(texts, WellKnown(status, body)).resolve(HANDLE) == DID


@pytest.mark.parametrize(
    ("texts", "status", "body"),
    [
        ([f"did={DID}", f"did={OTHER}"], 404, ""),
        ([f"did={DID}", f"did={OTHER}"], 200, DID),
        ([], 404, ""),
        ([], 301, ""),
        ([], 200, "<html>"),
        ([], 200, ""),
    ],
)
async def test_a_handle_that_leads_nowhere_is_not_found(texts: list[str] | Exception, status: int, body: str) -> None:
    with pytest.raises(HandleNotFound):
        await resolver(texts, WellKnown(status, body)).resolve(HANDLE)


@pytest.mark.parametrize(
    ("texts", "failure"),
    [
        (Unreachable("no name server"), Fetched(404, {}, b"")),
        ([], Fetched(500, {}, DID.encode())),
        ([], Fetched(429, {}, b"")),
        ([], Unreachable("no such host")),
        (Unreachable("no name server"), TimedOut("slow")),
        ([], ForbiddenAddress("private")),
    ],
)
async def test_who_could_not_be_asked_has_not_said_no(
    texts: list[str] | Exception, failure: Fetched | Exception
) -> None:
    well_known = WellKnown(200, "")
    well_known.answer = failure
    with pytest.raises(HandleUnreachable):
        await resolver(texts, well_known).resolve(HANDLE)


@pytest.mark.parametrize(
    ("failure", "expected"), [(socket.EAI_NONAME, HandleNotFound), (socket.EAI_AGAIN, HandleUnreachable)]
)
async def test_a_name_without_address_is_nobodys_handle(failure: int, expected: type[Exception]) -> None:
    async def nobody(host: str, port: int) -> list[tuple[str, int]]:
        raise socket.gaierror(failure, "as the resolver says")

    async def no_texts(name: str) -> list[str]:
        return []

    fetch = SafeFetch(look_up=nobody)
    with pytest.raises(expected):
        await HandleResolver(fetch, look_up_txt=no_texts).resolve(HANDLE)
    await fetch.close()


async def test_a_page_too_large_for_a_did_is_none() -> None:
    well_known = WellKnown(200, "")
    well_known.answer = AnswerTooLarge("a whole page")
    with pytest.raises(HandleNotFound):
        await resolver([], well_known).resolve(HANDLE)


async def test_a_host_that_is_down_for_half_an_hour_is_not_noticed() -> None:
    now = 0.0
    well_known = WellKnown(200, DID)
    handles = resolver([], well_known, clock=lambda: now)
    await handles.resolve(HANDLE)
    well_known.answer = Unreachable("down")
    for later in (700.0, 1000.0, 3599.0):
        now = later
        assert await handles.resolve(HANDLE) == DID
        await settle()
    now = 3601.0
    with pytest.raises(HandleUnreachable):
        await handles.resolve(HANDLE)


async def test_a_record_that_is_gone_is_noticed_within_the_stale_limit() -> None:
    now = 0.0
    well_known = WellKnown(200, DID)
    handles = resolver([], well_known, clock=lambda: now)
    await handles.resolve(HANDLE)
    well_known.answer = Fetched(404, {}, b"")
    now = 601.0
    assert await handles.resolve(HANDLE) == DID
    await settle()
    with pytest.raises(HandleNotFound):
        await handles.resolve(HANDLE)


async def test_three_redirects_are_followed_and_no_fourth(serve: Serve) -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        left = int(request.query.get("left", most))
        if left:
            raise web.HTTPFound(f"//cdn.example.com/did.txt?left={left - 1}")
        return web.Response(text=DID)

    async def look_up(host: str, port: int) -> list[tuple[str, int]]:
        hosts.append(host)
        return [("127.0.0.1", int(url.rpartition(":")[2]))]

    async def no_texts(name: str) -> list[str]:
        return []

    hosts: list[str] = []
    url = await serve(handler)
    fetch = SafeFetch(allow_private=True, look_up=look_up)
    handles = HandleResolver(fetch, look_up_txt=no_texts, scheme="http")
    most = 3
    assert await handles.resolve(HANDLE) == DID
    assert set(hosts) == {HANDLE, "cdn.example.com"}
    most = 4
    with pytest.raises(HandleNotFound):
        await handles.resolve(HANDLE, refresh=True)
    await fetch.close()


async def settle() -> None:
    """Let what goes on in the background come to its end."""
    await asyncio.wait(asyncio.all_tasks() - {asyncio.current_task()})
    await asyncio.sleep(0)


@pytest.mark.parametrize("handle", ["alice.test", "alice.localhost", "alice.internal", "printer.local"])
async def test_names_that_cannot_be_public_are_never_asked_for(handle: str) -> None:
    well_known = WellKnown(200, DID)
    with pytest.raises(HandleNotFound):
        await resolver([], well_known).resolve(Handle.parse(handle))
    assert well_known.urls == []


async def test_an_answer_is_remembered() -> None:
    well_known = WellKnown(200, DID)
    handles = resolver([], well_known)
    await handles.resolve(HANDLE)
    await handles.resolve(HANDLE)
    assert well_known.urls == ["https://alice.example.com/.well-known/atproto-did"]
