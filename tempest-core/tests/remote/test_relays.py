import asyncio
from collections.abc import Awaitable, Callable

from aiohttp import web

from tempest_pds.remote.relays import Relays
from tempest_pds.remote.safe_fetch import SafeFetch

Serve = Callable[[Callable[[web.Request], Awaitable[web.StreamResponse]]], Awaitable[str]]


async def _until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110 - what is waited for happens in another server
            await asyncio.sleep(0.01)


async def test_each_relay_is_asked_once_within_the_pause_and_again_after_it(serve: Serve, fetch: SafeFetch) -> None:
    asked: list[object] = []

    async def handler(request: web.Request) -> web.StreamResponse:
        asked.append((request.path, await request.json()))
        return web.Response()

    now = 0.0
    addresses = [await serve(handler), await serve(handler) + "/"]
    relays = Relays(fetch, "pds.example.com", addresses, pause=3600, clock=lambda: now)
    for _ in range(10):
        relays.notify()
    await _until(lambda: len(asked) == 2)
    assert asked == [("/xrpc/com.atproto.sync.requestCrawl", {"hostname": "pds.example.com"})] * 2
    now = 3600
    relays.notify()
    await _until(lambda: len(asked) == 4)
    now = 7199
    for _ in range(10):
        relays.notify()
    await asyncio.sleep(0.1)
    assert len(asked) == 4
    await relays.close()


async def test_a_relay_that_is_down_or_refuses_disturbs_nobody(serve: Serve, fetch: SafeFetch) -> None:
    asked: list[str] = []

    async def handler(request: web.Request) -> web.StreamResponse:
        asked.append(request.path)
        return web.Response(status=500)

    relays = Relays(fetch, "pds.example.com", ["http://127.0.0.1:1", await serve(handler)], pause=0.01)
    for count in (1, 2):
        relays.notify()
        await _until(lambda count=count: len(asked) == count)  # type: ignore[misc]
    await _until(lambda: relays.standings()[0].state == "unreachable")
    assert "the connection is refused" in (relays.standings()[0].reason or "")
    await relays.close()


async def test_closing_ends_a_planned_round(fetch: SafeFetch) -> None:
    relays = Relays(fetch, "pds.example.com", ["http://127.0.0.1:1"], pause=3600)
    relays.notify()
    await asyncio.sleep(0.2)
    relays.notify()
    await asyncio.wait_for(relays.close(), 1)


async def test_without_relays_nothing_is_planned(fetch: SafeFetch) -> None:
    relays = Relays(fetch, "localhost", [])
    relays.notify()
    assert len(asyncio.all_tasks()) == 1


async def test_it_tells_what_came_of_asking_each_relay(serve: Serve, fetch: SafeFetch) -> None:
    async def accept(request: web.Request) -> web.StreamResponse:
        return web.Response()

    async def refuse(request: web.Request) -> web.StreamResponse:
        return web.json_response({"error": "Banned", "message": "host\nis banned"}, status=400)

    async def refuse_at_length(request: web.Request) -> web.StreamResponse:
        return web.Response(status=503, text="<html>" + "x" * 5_000)

    urls = [await serve(accept), await serve(refuse), await serve(refuse_at_length), "http://127.0.0.1:1"]
    relays = Relays(fetch, "pds.example.com", urls)
    assert {(standing.state, standing.asked_at) for standing in relays.standings()} == {("not asked", None)}
    accepted, refused, failed, unreachable = await relays.ask_now()
    assert [standing.relay for standing in relays.standings()] == urls
    assert (accepted.state, accepted.reason) == ("accepted", None)
    assert (refused.state, refused.reason) == ("refused", "400 host is banned")
    assert (failed.state, failed.reason) == ("refused", "503")
    assert (unreachable.state, bool(unreachable.reason)) == ("unreachable", True)
    assert all(standing.asked_at for standing in relays.standings())


async def test_an_operator_asks_whatever_the_pause(serve: Serve, fetch: SafeFetch) -> None:
    asked: list[str] = []

    async def handler(request: web.Request) -> web.StreamResponse:
        asked.append(request.path)
        return web.Response()

    relays = Relays(fetch, "pds.example.com", [await serve(handler)], pause=3600)
    await relays.ask_now()
    await relays.ask_now()
    assert len(asked) == 2
