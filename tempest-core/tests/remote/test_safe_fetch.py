import asyncio
import gzip
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import dns.message
import dns.rdatatype
import dns.rrset
import pytest
from aiohttp import web
from tests.support.certificates import Authority
from tests.support.dns_server import DnsServer
from tests.support.rude_servers import rude_server, says

from tempest_pds.remote import guarded_sessions, safe_fetch
from tempest_pds.remote.errors import AnswerTooLarge, BadAnswer, ForbiddenAddress, TimedOut, Unreachable
from tempest_pds.remote.guarded_sessions import GuardedSessions, LookUp
from tempest_pds.remote.name_servers import NameServers
from tempest_pds.remote.safe_fetch import SafeFetch
from tempest_pds.remote.web_url import WebUrl

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Serve = Callable[[Handler], Awaitable[str]]


def look_up_at(server: DnsServer) -> LookUp:
    host, port = server.address.split(":")
    return NameServers([(host, int(port))]).addresses


class Rebinding(DnsServer):
    """A name server that gives one address the first time, and another from then on."""

    def __init__(self, first: str, then: str) -> None:
        super().__init__()
        self.asked = 0
        self._first = first
        self._then = then

    def _answer(self, query: dns.message.Message) -> dns.message.Message | None:
        if query.question[0].rdtype == dns.rdatatype.A:
            self.records["rebind.example.com", "A"] = [self._then if self.asked else self._first]
            self.asked += 1
        return super()._answer(query)


class Aliasing(DnsServer):
    """A name server for which `alias-of-x` is another name of `x`."""

    def _answer(self, query: dns.message.Message) -> dns.message.Message | None:
        alias = query.question[0].name
        if not alias.to_text().startswith("alias-of-"):
            return super()._answer(query)
        name = alias.to_text().removeprefix("alias-of-")
        answer = super()._answer(dns.message.make_query(name, query.question[0].rdtype))
        assert answer is not None
        answer.id, answer.question = query.id, query.question
        answer.answer.insert(0, dns.rrset.from_text(alias, 1, "IN", "CNAME", name))
        return answer


@pytest.fixture
async def guarded() -> AsyncIterator[SafeFetch]:
    client = SafeFetch()
    yield client
    await client.close()


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


async def test_a_literal_address_is_refused_at_the_socket_too(
    guarded: SafeFetch, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The resolver is not asked about literals: should one pass for a name, the last step of the connect refuses it."""
    monkeypatch.setattr(WebUrl, "require_public", lambda self: None)
    with pytest.raises(ForbiddenAddress):
        await guarded.fetch("GET", "https://127.0.0.1:1/")


async def test_a_strangers_name_is_not_asked_of_the_machines_resolver(monkeypatch: pytest.MonkeyPatch) -> None:
    """It would take one of few threads, for as long as the stranger's name servers like."""

    async def getaddrinfo(*_: object, **__: object) -> object:
        raise AssertionError("asked")

    monkeypatch.setattr(type(asyncio.get_running_loop()), "getaddrinfo", getaddrinfo)
    with DnsServer() as server:
        host, port = server.address.split(":")
        monkeypatch.setattr(safe_fetch, "NameServers", lambda: NameServers([(host, int(port))]))
        guarded = SafeFetch()
        with pytest.raises(Unreachable):
            await guarded.fetch("GET", "https://name.example.com/")
        await guarded.close()


@pytest.mark.parametrize(
    "url", ["http://example.com/", "ftp://example.com/", "file:///etc/passwd", "https:///", "https://a:b@example.com/"]
)
async def test_only_https_without_credentials_is_spoken(guarded: SafeFetch, url: str) -> None:
    with pytest.raises(ForbiddenAddress):
        await guarded.fetch("GET", url)


async def test_a_name_that_changes_its_address_is_connected_to_the_one_that_was_checked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """DNS rebinding: the first answer is public, each later one is this machine."""
    tried: list[str] = []

    async def connect(self: object, sock: socket.socket, address: tuple[str, int]) -> None:
        tried.append(address[0])
        raise OSError("no network in this test")

    monkeypatch.setattr(type(asyncio.get_running_loop()), "sock_connect", connect)
    with Rebinding("192.0.78.9", "127.0.0.1") as server:
        guarded = SafeFetch(look_up=look_up_at(server))
        with pytest.raises(Unreachable):
            await guarded.fetch("GET", "https://rebind.example.com/")
        assert tried == ["192.0.78.9"]
        assert server.asked == 1
        with pytest.raises(ForbiddenAddress):
            await guarded.fetch("GET", "https://rebind.example.com/")
        await guarded.close()
    assert tried == ["192.0.78.9"]


@pytest.mark.parametrize(
    ("kind", "address"),
    [("A", "127.0.0.1"), ("A", "169.254.169.254"), ("A", "0.0.0.0"), ("AAAA", "::1"), ("AAAA", "::ffff:127.0.0.1")],
)
async def test_a_name_that_leads_into_private_space_is_refused_without_a_connection(
    monkeypatch: pytest.MonkeyPatch, kind: str, address: str
) -> None:
    async def connect(self: object, sock: socket.socket, target: tuple[str, int]) -> None:
        tried.append(target)

    tried: list[tuple[str, int]] = []
    monkeypatch.setattr(type(asyncio.get_running_loop()), "sock_connect", connect)
    with Aliasing() as server:
        server.records["private.example.com", kind] = [address]
        guarded = SafeFetch(look_up=look_up_at(server))
        for name in ("private", "alias-of-private"):
            with pytest.raises(ForbiddenAddress):
                await guarded.fetch("GET", f"https://{name}.example.com/")
        await guarded.close()
    assert not tried


async def test_a_redirect_is_an_answer_like_any_other_unless_so_many_are_followed(
    serve: Serve, fetch: SafeFetch
) -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        left = int(request.query["left"])
        if left:
            raise web.HTTPFound(f"{request.path}?left={left - 1}")
        return web.Response(text="here")

    url = await serve(handler)
    assert (await fetch.fetch("GET", f"{url}/x?left=1")).status == 302
    assert (await fetch.fetch("GET", f"{url}/x?left=3", redirects=3)).body == b"here"
    assert (await fetch.fetch("GET", f"{url}/x?left=4", redirects=3)).status == 302


@pytest.fixture
def tls(tmp_path: Path) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """What a server for `first.example.com` shows, and what trusts it."""
    authority = Authority(tmp_path)
    pair = authority.issue("first", "first.example.com")
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server.load_cert_chain(pair.certificate, pair.key)
    return server, ssl.create_default_context(cafile=str(authority.root))


@pytest.mark.parametrize(
    "location",
    [
        "https://127.0.0.2:{port}/", "https://169.254.169.254/", "https://[::1]:{port}/", "https://[::ffff:7f00:1]:{port}/",
        "https://private.example.com:{port}/", "https://localhost:{port}/", "https://2130706434:{port}/",
        "http://first.example.com:{port}/", "https://a@first.example.com:{port}/", "https://first.example.com:25/",
        "//127.0.0.2:{port}/", "file:///etc/passwd",
    ],
)  # fmt: skip
async def test_a_redirect_is_checked_like_the_first_address(
    monkeypatch: pytest.MonkeyPatch, tls: tuple[ssl.SSLContext, ssl.SSLContext], location: str
) -> None:
    """`first.example.com` is taken to be public here, and is redirected from."""
    addresses = {"first.example.com": "127.0.0.1", "private.example.com": "127.0.0.2"}
    monkeypatch.setattr(guarded_sessions, "is_public", lambda address: address == "127.0.0.1")

    async def look_up(host: str, port: int) -> list[tuple[str, int]]:
        return [(addresses[host], port)]

    async def redirects(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        target = location.format(port=server.port).encode()
        while await reader.readuntil(b"\r\n\r\n"):
            writer.write(b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\nLocation: %b\r\n\r\n" % target)

    guarded = SafeFetch(look_up=look_up, tls=tls[1])
    async with rude_server(redirects, tls=tls[0], host="0.0.0.0") as server:
        first = f"https://first.example.com:{server.port}/"
        assert (await guarded.fetch("GET", first)).status == 302
        with pytest.raises(ForbiddenAddress):
            await guarded.fetch("GET", first, redirects=3)
        assert server.connections == 1
        await guarded.close()


async def test_a_server_must_prove_its_name(tls: tuple[ssl.SSLContext, ssl.SSLContext]) -> None:
    async def look_up(host: str, port: int) -> list[tuple[str, int]]:
        return [("127.0.0.1", server.port)]

    trusting, doubting = (
        SafeFetch(allow_private=True, look_up=look_up, tls=tls[1]),
        SafeFetch(allow_private=True, look_up=look_up),
    )
    async with rude_server(says(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"), tls=tls[0]) as server:
        assert (await trusting.fetch("GET", "https://first.example.com/")).status == 200
        for fetch, host in ((trusting, "second.example.com"), (trusting, "127.0.0.1"), (doubting, "first.example.com")):
            with pytest.raises(Unreachable):
                await fetch.fetch("GET", f"https://{host}/")
        await trusting.close()
        await doubting.close()


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


async def test_json_that_is_nested_without_end_is_none(serve: Serve, fetch: SafeFetch) -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        return web.Response(text="[" * 200_000)

    with pytest.raises(BadAnswer):
        (await fetch.fetch("GET", await serve(handler))).json()


async def test_connections_are_kept_for_a_few_hundred_hosts_and_no_more() -> None:
    """A stranger may have as many host names as he likes."""
    sessions = GuardedSessions(allow_private=False, user_agent="x", look_up=NameServers().addresses, tls=None)
    asked = [sessions.session_for(f"{number}.example.com") for number in range(300)]
    kept, dropped = asked[0].connector, asked[-1].connector
    assert kept is not None
    assert dropped is not None
    assert (kept.force_close, dropped.force_close) == (False, True)
    assert sum(session is asked[0] for session in asked) == 256
    assert sessions.session_for("0.example.com") is asked[0]
    await sessions.close()


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
