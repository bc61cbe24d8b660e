import asyncio
import gzip
import socket
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from aiohttp import web

from tempest_pds.remote.addresses import is_public
from tempest_pds.remote.errors import AnswerTooLarge, ForbiddenAddress, TimedOut, Unreachable
from tempest_pds.remote.safe_fetch import SafeFetch

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Serve = Callable[[Handler], Awaitable[str]]


@pytest.fixture
async def guarded() -> AsyncIterator[SafeFetch]:
    client = SafeFetch()
    yield client
    await client.close()


@pytest.mark.parametrize("text", ["1.1.1.1", "93.184.216.34", "2606:4700:4700::1111"])
def test_an_address_of_the_public_internet_is_public(text: str) -> None:
    assert is_public(text)


@pytest.mark.parametrize(
    "text",
    [
        "127.0.0.1", "0.0.0.0", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "224.0.0.1",
        "255.255.255.255", "192.88.99.1", "198.18.0.1", "240.0.0.1",
        "::", "::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "fe80::1", "fe80::1%eth0", "fc00::1", "ff02::1",
        "64:ff9b::7f00:1", "64:ff9b::a00:1", "64:ff9b:1::1", "2002:7f00:1::", "2001:0:1::1", "::127.0.0.1",
        "2001:db8::1",
        "localhost", "", "1.1.1",
    ],
)  # fmt: skip
def test_any_other_address_is_not(text: str) -> None:
    assert not is_public(text)


@pytest.mark.parametrize(
    "url",
    [
        "https://127.0.0.1/", "https://[::1]/", "https://[::ffff:127.0.0.1]/", "https://localhost/", "https://0/",
        "https://2130706433/", "https://169.254.169.254/latest/meta-data", "https://[64:ff9b::7f00:1]/",
    ],
)  # fmt: skip
async def test_a_private_address_is_refused_however_it_is_written(guarded: SafeFetch, url: str) -> None:
    with pytest.raises((ForbiddenAddress, Unreachable)) as caught:
        await guarded.fetch("GET", url)
    assert "0x" not in str(caught.value)


async def test_a_literal_address_is_refused_at_the_socket(guarded: SafeFetch) -> None:
    """The resolver is not asked about literals, so only the socket factory can refuse them."""
    with pytest.raises(ForbiddenAddress):
        await guarded.fetch("GET", "https://127.0.0.1:1/")


@pytest.mark.parametrize(
    "url", ["http://example.com/", "ftp://example.com/", "file:///etc/passwd", "https:///", "https://a:b@example.com/"]
)
async def test_only_https_without_credentials_is_spoken(guarded: SafeFetch, url: str) -> None:
    with pytest.raises(ForbiddenAddress):
        await guarded.fetch("GET", url)


async def test_a_name_that_changes_its_address_is_connected_to_the_one_that_was_checked(
    guarded: SafeFetch, monkeypatch: pytest.MonkeyPatch
) -> None:
    """DNS rebinding: the first answer is public, each later one is this machine."""
    asked: list[str] = []
    connected: list[str] = []

    async def getaddrinfo(
        self: object, host: str, port: int, **_: object
    ) -> list[tuple[int, int, int, str, tuple[str, int]]]:
        asked.append(host)
        address = "192.0.78.9" if len(asked) == 1 else "127.0.0.1"
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))]

    async def connect(self: object, sock: socket.socket, address: tuple[str, int]) -> None:
        connected.append(address[0])
        raise OSError("no network in this test")

    loop = type(asyncio.get_running_loop())
    monkeypatch.setattr(loop, "getaddrinfo", getaddrinfo)
    monkeypatch.setattr(loop, "sock_connect", connect)
    with pytest.raises(Unreachable):
        await guarded.fetch("GET", "https://rebind.example/")
    assert connected == ["192.0.78.9"]


async def test_a_redirect_is_an_answer_like_any_other(serve: Serve, fetch: SafeFetch) -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        raise web.HTTPFound("/elsewhere")

    assert (await fetch.fetch("GET", await serve(handler))).status == 302


async def test_an_answer_over_the_limit_is_cut_off(serve: Serve, fetch: SafeFetch) -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        return web.Response(body=b"x" * 5000)

    url = await serve(handler)
    assert len((await fetch.fetch("GET", url, max_bytes=5000)).body) == 5000
    with pytest.raises(AnswerTooLarge):
        await fetch.fetch("GET", url, max_bytes=4999)


async def test_bytes_are_counted_after_decompression(serve: Serve, fetch: SafeFetch) -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        return web.Response(body=gzip.compress(b"\0" * 20_000_000), headers={"Content-Encoding": "gzip"})

    with pytest.raises(AnswerTooLarge):
        await fetch.fetch("GET", await serve(handler), max_bytes=100_000)


async def test_a_server_that_drips_is_given_up_on(serve: Serve, fetch: SafeFetch) -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for _ in range(100):
            await response.write(b".")
            await asyncio.sleep(0.05)
        return response

    with pytest.raises(TimedOut):
        await fetch.fetch("GET", await serve(handler), seconds=0.3)


async def test_a_closed_port_is_unreachable(fetch: SafeFetch) -> None:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port = sock.getsockname()[1]
    with pytest.raises(Unreachable):
        await fetch.fetch("GET", f"http://127.0.0.1:{port}/")


async def test_a_path_and_query_arrive_as_they_were_written(serve: Serve, fetch: SafeFetch) -> None:
    seen: list[str] = []

    async def handler(request: web.Request) -> web.StreamResponse:
        seen.append(request.raw_path)
        return web.Response()

    await fetch.fetch("GET", await serve(handler) + "/xrpc/a.b.c?x=%2F%20+&y=%3a&x=")
    assert seen == ["/xrpc/a.b.c?x=%2F%20+&y=%3a&x="]


async def test_a_streamed_body_goes_out_and_comes_back(serve: Serve, fetch: SafeFetch) -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        return web.Response(body=await request.read())

    async def body() -> AsyncIterator[bytes]:
        for _ in range(10):
            yield b"y" * 1000

    answer = await fetch.send("POST", await serve(handler), body=body())
    assert await answer.read(100_000) == b"y" * 10_000
