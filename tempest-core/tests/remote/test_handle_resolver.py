from collections.abc import Awaitable, Callable

import pytest
from aiohttp import web

from tempest_pds.protocol.syntax.handle import Handle
from tempest_pds.remote.errors import HandleNotFound, Unreachable
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
        self.answer = Fetched(status, {}, body.encode())
        self.urls: list[str] = []

    async def fetch(self, method: str, url: str, **_: object) -> Fetched:
        self.urls.append(url)
        return self.answer


def resolver(texts: list[str] | Exception, well_known: WellKnown) -> HandleResolver:
    async def look_up(name: str) -> list[str]:
        assert name == "_atproto.alice.example.com."
        if isinstance(texts, Exception):
            raise texts
        return texts

    return HandleResolver(well_known, look_up_txt=look_up)


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
    ],
)
async def test_dns_wins_and_the_web_stands_in(texts: list[str] | Exception, status: int, body: str) -> None:
    assert await resolver(texts, WellKnown(status, body)).resolve(HANDLE) == DID


@pytest.mark.parametrize(
    ("texts", "status", "body"),
    [
        ([f"did={DID}", f"did={OTHER}"], 404, ""),
        ([], 404, ""),
        ([], 500, DID),
        ([], 200, "<html>"),
        ([], 200, ""),
        (Unreachable("no name server"), 404, ""),
    ],
)
async def test_a_handle_that_leads_nowhere_is_not_found(texts: list[str] | Exception, status: int, body: str) -> None:
    with pytest.raises(HandleNotFound):
        await resolver(texts, WellKnown(status, body)).resolve(HANDLE)


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
