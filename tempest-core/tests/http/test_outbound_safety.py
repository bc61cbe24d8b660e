"""Strangers who name private servers, or slow ones, to a whole server.

Private servers must see no connection at all; slow ones must not keep the server from anybody else.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest
from aiohttp import web
from tests.support.answering import answering
from tests.support.dns_server import DnsServer
from tests.support.rude_servers import RudeServer, rude_server, says_nothing
from whole_server import POST, User, WholeServer, name_server, verdict, whole_server

from tempest_pds.protocol.crypto import jwt
from tempest_pds.protocol.crypto.keys import generate_k256
from tempest_pds.services.proxy import Proxy

ANYTHING = "com.example.anything"
NAMED = "did:plc:aaaaaaaaaaaaaaaaaaaaaaaa"
PRIVATE = "private.example.com"
RECORD = {"$type": POST, "text": "hello", "createdAt": "2026-01-02T03:04:05.678Z"}


class Directory:
    """A PLC directory that believes everything, and an AppView that knows one feed.

    Attributes:
        endpoints: where the services of a DID are.
    """

    def __init__(self) -> None:
        self.endpoints: dict[str, str] = {}
        self.feed_generator = ""
        self.url = ""

    async def handle(self, request: web.Request) -> web.StreamResponse:
        if request.path == "/xrpc/com.atproto.repo.getRecord":
            return web.json_response({"uri": request.query_string, "value": {"did": self.feed_generator}})
        did = request.path.strip("/").split("/")[0]
        if request.method == "POST" or did not in self.endpoints:
            return web.json_response({})
        services = [
            {"id": f"#{name}", "type": "Some", "serviceEndpoint": self.endpoints[did]}
            for name in ("other", "bsky_notif")
        ]
        return web.json_response({"id": did, "service": services})


@pytest.fixture
async def directory() -> AsyncIterator[Directory]:
    made = Directory()
    async with answering(made.handle) as port:
        made.url = f"http://127.0.0.1:{port}"
        yield made


@pytest.fixture
def dns() -> Iterator[DnsServer]:
    with name_server() as server:
        server.records[PRIVATE, "A"] = ["127.0.0.1"]
        yield server


@pytest.fixture
async def trap() -> AsyncIterator[RudeServer]:
    """A private server; its port is one that a stranger may name."""
    async with rude_server(says_nothing, host="0.0.0.0") as server:
        yield server


def settings(directory: Directory) -> dict[str, str]:
    return {
        "TEMPEST_PLC_URL": directory.url,
        "TEMPEST_APPVIEW_URL": directory.url,
        "TEMPEST_APPVIEW_DID": "did:web:av.test",
    }


@pytest.fixture
async def server(tmp_path: Path, directory: Directory, dns: DnsServer) -> AsyncIterator[WholeServer]:
    async with whole_server(tmp_path, **settings(directory)) as server:
        yield server


def service_token(issuer: str, audience: str) -> str:
    key = generate_k256()
    claims = {"iss": issuer, "aud": audience, "exp": int(time.time()) + 60, "lxm": "com.atproto.server.createAccount"}
    return jwt.encode({"typ": "JWT"}, claims, key)


async def test_private_servers_that_strangers_name_see_no_connection(
    server: WholeServer, directory: Directory, trap: RudeServer
) -> None:
    alice = await server.sign_up("alice")
    own_did = (await server.anybody("com.atproto.server.describeServer")).json()["did"]

    for host in (PRIVATE, "localhost", "127.0.0.1", f"localhost%3A{trap.port}", f"{PRIVATE}%3A{trap.port}"):
        did = f"did:web:{host}"
        proxied = await alice.get(ANYTHING, headers={"Atproto-Proxy": f"{did}#other"})
        assert verdict(proxied) == (400, "InvalidRequest"), host
        pushed = await alice.post("app.bsky.notification.registerPush", {"serviceDid": did})
        assert verdict(pushed) == (400, "InvalidRequest"), host
        moving = await server.http.post(
            "/xrpc/com.atproto.server.createAccount",
            json={"handle": "bob.test", "email": "b@example.com", "password": "12345678", "did": did},
            headers={"Authorization": f"Bearer {service_token(did, own_did)}"},
        )
        assert verdict(moving)[0] in (400, 401), host
        for method in ("resolveDid", "resolveIdentity", "refreshIdentity"):
            verb = "POST" if method == "refreshIdentity" else "GET"
            given = {"did" if method == "resolveDid" else "identifier": did}
            answer = await server.http.request(
                verb,
                f"/xrpc/com.atproto.identity.{method}",
                params=None if verb == "POST" else given,
                json=given if verb == "POST" else None,
                headers=alice.bearer,
            )
            assert answer.status_code in (400, 502) or did == own_did, (method, host)
        directory.feed_generator = did
        feed = await alice.get("app.bsky.feed.getFeed", feed=f"at://{did}/app.bsky.feed.generator/best")
        # The AppView asks the generator, with a token of ours.
        assert verdict(feed) == (200, ""), host

    for number, endpoint in enumerate(
        [
            f"https://{PRIVATE}:{trap.port}", f"https://127.0.0.1:{trap.port}", f"https://localhost:{trap.port}",
            f"https://[::ffff:127.0.0.1]:{trap.port}", f"https://2130706433:{trap.port}", f"https://0x7f.1:{trap.port}",
            f"https://127.1:{trap.port}", f"https://127.0.0.1.:{trap.port}", f"https://{PRIVATE}.:{trap.port}",
            f"https://a@{PRIVATE}:{trap.port}", f"http://127.0.0.1:{trap.port}", f"https://[::1]:{trap.port}",
            f"https://0.0.0.0:{trap.port}", f"https://１２７.0.0.1:{trap.port}", f"https://①27.0.0.1:{trap.port}",
        ]
    ):  # fmt: skip
        did = f"{NAMED[:-2]}{'abcdefghijklmnop'[number]}a"
        directory.endpoints[did] = endpoint
        proxied = await alice.get(ANYTHING, headers={"Atproto-Proxy": f"{did}#other"})
        assert verdict(proxied) == (502, "UpstreamFailure"), endpoint
        pushed = await alice.post("app.bsky.notification.registerPush", {"serviceDid": did})
        assert verdict(pushed) == (502, "UpstreamFailure"), endpoint

    resolved = await server.anybody("com.atproto.identity.resolveHandle", handle=PRIVATE)
    assert resolved.status_code == 400
    assert verdict(await alice.post("com.atproto.identity.updateHandle", {"handle": PRIVATE})) == (
        400,
        "InvalidRequest",
    )
    assert trap.connections == 0
    assert '"level": "error"' not in server.log_text()


async def test_without_the_guard_the_same_call_reaches_a_private_server_and_the_log_says_so(
    tmp_path: Path, directory: Directory, trap: RudeServer
) -> None:
    async with whole_server(tmp_path, **settings(directory), TEMPEST_SSRF_PROTECTION="false") as server:
        assert "TEMPEST_SSRF_PROTECTION is off" in server.log_text()
        alice = await server.sign_up("alice")
        directory.endpoints[NAMED] = f"http://127.0.0.1:{trap.port}"
        asked = asyncio.create_task(alice.get(ANYTHING, headers={"Atproto-Proxy": f"{NAMED}#other"}))
        async with asyncio.timeout(20):
            await trap.visited()
        asked.cancel()
        await asyncio.gather(asked, return_exceptions=True)


async def test_accounts_that_hang_on_slow_servers_keep_nobody_else_waiting(
    tmp_path: Path, directory: Directory
) -> None:
    """Two hundred calls of four accounts, all to a server that never answers."""
    unguarded = {"TEMPEST_SSRF_PROTECTION": "false"}

    async def answers(request: web.Request) -> web.StreamResponse:
        if request.path == "/.well-known/did.json":
            service = {"id": "#other", "type": "Some", "serviceEndpoint": f"http://127.0.0.1:{port}"}
            return web.json_response({"id": f"did:web:localhost%3A{port}", "service": [service]})
        return web.json_response({"here": True})

    async with (
        rude_server(says_nothing) as tarpit,
        answering(answers) as port,
        whole_server(tmp_path, **settings(directory), **unguarded) as server,
        httpx.AsyncClient(base_url=server.http.base_url, timeout=30, limits=httpx.Limits()) as crowd,
    ):
        directory.endpoints[NAMED] = f"http://localhost:{tarpit.port}"
        # Its document is asked for at the same site as the tar pit, which look-ups do not share with calls.
        elsewhere = f"did:web:localhost%3A{port}"
        alice, *mallories = [await server.sign_up(name) for name in ("alice", "mal", "lory", "malory", "maloryette")]
        slow = {"Atproto-Proxy": f"{NAMED}#other"}
        hanging = [
            asyncio.create_task(crowd.get(f"/xrpc/{ANYTHING}", headers=mallory.bearer | slow))
            for mallory in mallories
            for _ in range(50)
        ]
        async with asyncio.timeout(60):
            await tarpit.visited(64)
            await others_are_served(alice, elsewhere)
        for task in hanging:
            task.cancel()
        await asyncio.gather(*hanging, return_exceptions=True)
        assert tarpit.most_open == 64


async def others_are_served(alice: User, other: str) -> None:
    await alice.write(RECORD)
    answer = await alice.get(ANYTHING, headers={"Atproto-Proxy": f"{other}#other"})
    assert answer.json() == {"here": True}
    # Of the AppView, which the operator named.
    assert (await alice.get("app.bsky.feed.getTimeline")).status_code == 200


async def test_one_account_has_no_more_than_its_share_of_calls_on_their_way(
    tmp_path: Path, directory: Directory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(Proxy.__init__.__kwdefaults__, "seconds", 2.0)
    async with rude_server(says_nothing) as tarpit:
        directory.endpoints[NAMED] = f"http://localhost:{tarpit.port}"
        async with whole_server(tmp_path, **settings(directory), TEMPEST_SSRF_PROTECTION="false") as server:
            mallory = await server.sign_up("mallory")
            named = {"Atproto-Proxy": f"{NAMED}#other"}
            answers = await asyncio.gather(*(mallory.get(ANYTHING, headers=named) for _ in range(60)))
        assert {verdict(answer) for answer in answers} == {(502, "UpstreamFailure")}
        assert tarpit.most_open == 24


async def test_apps_whose_documents_never_come_keep_no_identity_waiting(
    tmp_path: Path, directory: Directory, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def here(host: str, port: int) -> list[tuple[str, int]]:
        return [("127.0.0.1", port)]

    monkeypatch.setattr("tempest_pds.remote.safe_fetch.look_up_addresses", here)
    for name in ("_LOOK_UPS", "_APPS"):
        monkeypatch.setattr(f"tempest_pds.composition.network.{name}", 3)

    async def document(request: web.Request) -> web.StreamResponse:
        return web.json_response({"id": f"did:web:localhost%3A{port}"})

    async with (
        rude_server(says_nothing) as tarpit,
        answering(document) as port,
        whole_server(tmp_path, **settings(directory), TEMPEST_SSRF_PROTECTION="false") as server,
    ):
        pushes = [
            asyncio.create_task(
                server.http.post("/oauth/par", data={"client_id": f"https://{name}.example.net:{tarpit.port}/app.json"})
            )
            for name in "abc"
        ]
        async with asyncio.timeout(20):
            await tarpit.visited(3)
        answer = await server.anybody("com.atproto.identity.resolveDid", did=f"did:web:localhost%3A{port}")
        assert answer.status_code == 200
        for push in pushes:
            push.cancel()
        await asyncio.gather(*pushes, return_exceptions=True)
