import asyncio
import gzip
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web
from tests.support.answering import answering

from tempest_pds.protocol.crypto import jwt
from tempest_pds.protocol.crypto.keys import PrivateKey, generate_k256
from tempest_pds.protocol.identity.did_document import format_did_document
from tempest_pds.protocol.syntax.did import Did
from tempest_pds.remote.did_resolver import DidResolver
from tempest_pds.remote.errors import AnswerTooLarge, DidNotFound
from tempest_pds.remote.safe_fetch import SafeFetch
from tempest_pds.services.credentials import Credentials, Kind, Scope
from tempest_pds.services.errors import (
    InvalidRequest,
    InvalidToken,
    MethodNotImplemented,
    UnknownFeed,
    UpstreamError,
    UpstreamFailure,
)
from tempest_pds.services.feed_generators import FeedGenerators
from tempest_pds.services.proxy import MAX_ANSWER_BYTES, SECONDS, Proxy, ProxyRequest
from tempest_pds.services.proxy_targets import ProxyTargets, Service
from tempest_pds.services.service_auth import ServiceAuth

SERVER = Did.parse("did:web:pds.example.com")
ALICE = Did.parse("did:plc:aaaaaaaaaaaaaaaaaaaaaaaa")
APP_VIEW = Did.parse("did:web:appview.example.com")
MODERATION = Did.parse("did:web:mod.example.com")
REPORTS = Did.parse("did:web:reports.example.com")
CHAT = Did.parse("did:plc:cccccccccccccccccccccccc")
GENERATOR = "did:web:feeds.example.com"
TIMELINE = "app.bsky.feed.getTimeline"


class Upstream:
    """The AppView, the chat service and all others: one server that writes down what it is asked."""

    def __init__(self) -> None:
        self.key = generate_k256()
        self.requests: list[web.Request] = []
        self.bodies: list[bytes] = []
        self.answer: web.Response | None = None
        self.generator = GENERATOR
        self.url = ""

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.requests.append(request)
        self.bodies.append(await request.read())
        if request.path == "/xrpc/com.atproto.repo.getRecord":
            if request.query["rkey"] == "unknown":
                return web.json_response({"error": "RecordNotFound"}, status=400)
            return web.json_response({"value": {"did": self.generator}})
        return self.answer or web.json_response({"feed": []})

    def signing_key(self, did: Did) -> PrivateKey:
        return self.key

    async def document(self, did: Did) -> dict[str, Any]:
        if did != CHAT:
            raise DidNotFound("no")
        services = {"bsky_chat": ("BskyChatService", self.url), "bsky_notif": ("BskyNotificationService", self.url)}
        return format_did_document(did, [], {}, services)

    @property
    def claims(self) -> dict[str, Any]:
        token = jwt.decode_unverified(self.requests[-1].headers["Authorization"].removeprefix("Bearer "))
        jwt.verify_with_key(token, self.key.public)
        return token.claims


@pytest.fixture
async def upstream() -> AsyncIterator[Upstream]:
    made = Upstream()
    async with answering(made.handle) as port:
        made.url = f"http://127.0.0.1:{port}"
        yield made


def proxy_to(
    app_view: str,
    upstream: Upstream,
    *,
    strangers: SafeFetch,
    configured: SafeFetch,
    max_answer_bytes: int = MAX_ANSWER_BYTES,
    seconds: float = SECONDS,
) -> Proxy:
    dids = DidResolver(strangers, upstream)
    service = Service(APP_VIEW, app_view)
    return Proxy(
        strangers,
        configured,
        ProxyTargets(
            dids,
            app_view=service,
            reports=Service(REPORTS, upstream.url),
            moderation=Service(MODERATION, upstream.url),
        ),
        FeedGenerators(configured, service),
        ServiceAuth(upstream, dids, SERVER),
        max_answer_bytes=max_answer_bytes,
        seconds=seconds,
    )


@pytest.fixture
async def fetch() -> AsyncIterator[SafeFetch]:
    fetch = SafeFetch(allow_private=True)
    yield fetch
    await fetch.close()


@pytest.fixture
def proxy(upstream: Upstream, fetch: SafeFetch) -> Proxy:
    return proxy_to(upstream.url, upstream, strangers=fetch, configured=fetch, max_answer_bytes=100_000, seconds=2)


def session(scope: Scope = Scope.ACCESS) -> Credentials:
    return Credentials(ALICE, scope, Kind.ACCESS)


def get(method: str, query: str = "", **headers: str) -> ProxyRequest:
    return ProxyRequest("GET", method, f"/xrpc/{method}{query}", {k.replace("_", "-"): v for k, v in headers.items()})


def post(method: str, body: bytes, **headers: str) -> ProxyRequest:
    async def chunks() -> AsyncIterator[bytes]:
        for start in range(0, len(body), 1000):
            yield body[start : start + 1000]

    named = {"content-length": str(len(body)), "content-type": "application/json"}
    return ProxyRequest(
        "POST", method, f"/xrpc/{method}", named | {k.replace("_", "-"): v for k, v in headers.items()}, chunks()
    )


async def read(chunks: AsyncIterator[bytes]) -> bytes:
    return b"".join([chunk async for chunk in chunks])


@pytest.mark.parametrize(
    ("method", "audience"),
    [
        (TIMELINE, APP_VIEW),
        ("chat.bsky.convo.listConvos", APP_VIEW),
        ("com.example.anything", APP_VIEW),
        ("tools.ozone.moderation.queryEvents", MODERATION),
        ("com.atproto.moderation.createReport", REPORTS),
    ],
)
async def test_a_method_goes_to_its_default_service_with_a_token_for_it(
    proxy: Proxy, upstream: Upstream, method: str, audience: Did
) -> None:
    answer = await proxy.forward(get(method, "?limit=5&x=%2F+%3a"), session())
    assert (answer.status, json.loads(await read(answer.chunks))) == (200, {"feed": []})
    assert upstream.requests[0].raw_path == f"/xrpc/{method}?limit=5&x=%2F+%3a"
    assert (upstream.claims["iss"], upstream.claims["aud"], upstream.claims["lxm"]) == (ALICE, audience, method)


async def test_the_header_names_another_service(proxy: Proxy, upstream: Upstream) -> None:
    request = get("chat.bsky.convo.listConvos", atproto_proxy=f"{CHAT}#bsky_chat")
    await read((await proxy.forward(request, session())).chunks)
    assert upstream.claims["aud"] == CHAT


async def test_a_pds_method_goes_only_where_the_header_says(proxy: Proxy, upstream: Upstream) -> None:
    with pytest.raises(MethodNotImplemented):
        await proxy.forward(get("com.atproto.server.somethingNew"), session())
    await read((await proxy.forward(get("com.atproto.repo.x", atproto_proxy=f"{CHAT}#bsky_chat"), session())).chunks)
    assert len(upstream.requests) == 1


@pytest.mark.parametrize(
    ("method", "scope"),
    [
        ("com.atproto.server.updateEmail", Scope.ACCESS),
        ("com.atproto.identity.signPlcOperation", Scope.ACCESS),
        ("COM.ATPROTO.SERVER.CREATEAPPPASSWORD", Scope.ACCESS),
        ("chat.bsky.convo.getLog", Scope.APP_PASS),
        (TIMELINE, Scope.TAKENDOWN),
        ("chat.bsky.convo.getLog", Scope.TAKENDOWN),
    ],
)
async def test_what_a_session_may_not_have_passed_on(
    proxy: Proxy, upstream: Upstream, method: str, scope: Scope
) -> None:
    with pytest.raises(InvalidToken):
        await proxy.forward(get(method, atproto_proxy=f"{CHAT}#bsky_chat"), session(scope))
    assert upstream.requests == []


async def test_an_account_that_was_taken_down_may_still_report(proxy: Proxy, upstream: Upstream) -> None:
    request = post("com.atproto.moderation.createReport", b"{}")
    await read((await proxy.forward(request, session(Scope.TAKENDOWN))).chunks)
    assert upstream.claims["aud"] == REPORTS


async def test_headers_are_passed_on_by_name_only(proxy: Proxy, upstream: Upstream) -> None:
    upstream.answer = web.json_response(
        {},
        headers={
            "Atproto-Repo-Rev": "3k",
            "Atproto-Content-Labelers": "did:plc:x",
            "Retry-After": "5",
            "Content-Language": "de",
            "Set-Cookie": "a=b",
            "Server": "x",
        },
    )
    request = get(
        TIMELINE,
        accept_language="de",
        atproto_accept_labelers="did:plc:x",
        x_bsky_topics="t",
        cookie="secret",
        authorization="Bearer secret",
        x_forwarded_for="10.0.0.1",
    )
    answer = await proxy.forward(request, session())
    await read(answer.chunks)
    seen = upstream.requests[0].headers
    assert (seen["accept-language"], seen["atproto-accept-labelers"], seen["x-bsky-topics"]) == ("de", "did:plc:x", "t")
    assert "cookie" not in seen
    assert "x-forwarded-for" not in seen
    assert "secret" not in seen["authorization"]
    assert answer.headers == {
        "content-type": "application/json; charset=utf-8",
        "content-length": "2",
        "content-language": "de",
        "atproto-repo-rev": "3k",
        "atproto-content-labelers": "did:plc:x",
        "retry-after": "5",
    }


async def test_a_body_goes_out_as_it_came(proxy: Proxy, upstream: Upstream) -> None:
    body = b'{"a": "' + b"x" * 5000 + b'"}'
    await read((await proxy.forward(post("app.bsky.graph.muteActor", body), session())).chunks)
    assert upstream.bodies == [body]
    assert upstream.requests[0].headers["Content-Length"] == str(len(body))
    assert upstream.requests[0].headers["Content-Type"] == "application/json"
    assert "Transfer-Encoding" not in upstream.requests[0].headers


async def test_a_compressed_answer_stays_compressed(proxy: Proxy, upstream: Upstream) -> None:
    squeezed = gzip.compress(b'{"feed":[]}')
    upstream.answer = web.Response(body=squeezed, headers={"Content-Encoding": "gzip"}, content_type="application/json")
    answer = await proxy.forward(get(TIMELINE, accept_encoding="br, gzip"), session())
    assert upstream.requests[0].headers["Accept-Encoding"] == "gzip"
    assert (answer.headers["content-encoding"], await read(answer.chunks)) == ("gzip", squeezed)


@pytest.mark.parametrize("compressed", [False, True])
async def test_a_refusal_reaches_the_client_with_its_name(proxy: Proxy, upstream: Upstream, compressed: bool) -> None:
    body = json.dumps({"error": "BlockedActor", "message": "Requester has blocked actor"}).encode()
    headers = {"Retry-After": "9"} | ({"Content-Encoding": "gzip"} if compressed else {})
    upstream.answer = web.Response(
        status=400, body=gzip.compress(body) if compressed else body, content_type="application/json", headers=headers
    )
    with pytest.raises(UpstreamError) as caught:
        await proxy.forward(get(TIMELINE, accept_encoding="gzip"), session())
    error = caught.value
    assert (error.status, error.name, error.message) == (400, "BlockedActor", "Requester has blocked actor")
    assert error.headers == {"retry-after": "9"}


@pytest.mark.parametrize(
    "answer",
    [
        web.Response(status=500, text="<html>"),
        web.json_response([], status=500),
        web.Response(status=500, text="[" * 50_000, content_type="application/json"),
    ],
)
async def test_a_failure_over_there_is_told_as_it_was(proxy: Proxy, upstream: Upstream, answer: web.Response) -> None:
    upstream.answer = answer
    with pytest.raises(UpstreamError) as caught:
        await proxy.forward(get(TIMELINE), session())
    assert (caught.value.status, caught.value.name) == (500, None)


async def test_a_redirect_is_a_failure(proxy: Proxy, upstream: Upstream) -> None:
    upstream.answer = web.Response(status=302, headers={"Location": "http://127.0.0.1/"})
    with pytest.raises(UpstreamFailure):
        await proxy.forward(get(TIMELINE), session())


async def test_an_answer_that_says_it_is_too_large_is_refused(proxy: Proxy, upstream: Upstream) -> None:
    upstream.answer = web.Response(body=b"x" * 100_001)
    with pytest.raises(UpstreamFailure):
        await proxy.forward(get(TIMELINE), session())


async def test_an_answer_that_turns_out_too_large_is_broken_off(proxy: Proxy, upstream: Upstream) -> None:
    upstream.answer = web.Response(body=b"x" * 100_001)
    upstream.answer.enable_chunked_encoding()
    answer = await proxy.forward(get(TIMELINE), session())
    with pytest.raises(AnswerTooLarge):
        await read(answer.chunks)


async def test_a_service_that_is_down_is_an_upstream_failure(upstream: Upstream, fetch: SafeFetch) -> None:
    proxy = proxy_to("http://127.0.0.1:1", upstream, strangers=fetch, configured=fetch)
    with pytest.raises(UpstreamFailure):
        await proxy.forward(get(TIMELINE), session())


async def test_a_service_that_says_nothing_is_given_up(upstream: Upstream, fetch: SafeFetch) -> None:
    listener = await asyncio.start_server(lambda reader, writer: None, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
    proxy = proxy_to(url, upstream, strangers=fetch, configured=fetch, seconds=0.2)
    with pytest.raises(UpstreamFailure):
        await proxy.forward(get(TIMELINE), session())
    listener.close()


async def test_a_service_answers_what_is_asked_of_it_in_an_accounts_name(proxy: Proxy, upstream: Upstream) -> None:
    method = "app.bsky.feed.getPosts"
    assert await proxy.ask_app_view(method, [("uris", "at://a/b"), ("uris", "at://c/d")], ALICE) == {"feed": []}
    assert upstream.requests[-1].raw_path == f"/xrpc/{method}?uris=at%3A%2F%2Fa%2Fb&uris=at%3A%2F%2Fc%2Fd"
    assert (upstream.claims["iss"], upstream.claims["aud"], upstream.claims["lxm"]) == (ALICE, APP_VIEW, method)
    upstream.answer = web.json_response({"error": "NotFound", "message": "no"}, status=400)
    with pytest.raises(UpstreamError) as refused:
        await proxy.ask_app_view(method, [], ALICE)
    assert (refused.value.status, refused.value.name) == (400, "NotFound")
    for answer in (web.Response(text="<html>"), web.Response(status=502, text="<html>")):
        upstream.answer = answer
        with pytest.raises(UpstreamFailure):
            await proxy.ask_app_view(method, [], ALICE)


async def test_a_feed_generator_may_be_one_service_of_a_did(proxy: Proxy, upstream: Upstream) -> None:
    upstream.generator = f"{GENERATOR}#bsky_fg"
    request = get("app.bsky.feed.getFeed", f"?feed=at://{ALICE}/app.bsky.feed.generator/hot")
    await read((await proxy.forward(request, session())).chunks)
    assert upstream.claims["aud"] == f"{GENERATOR}#bsky_fg"


async def test_a_document_cannot_lead_to_a_private_address(upstream: Upstream, fetch: SafeFetch) -> None:
    """The operator may name a service on this machine; a stranger's DID document may not."""
    proxy = proxy_to(upstream.url, upstream, strangers=SafeFetch(), configured=fetch)
    await read((await proxy.forward(get(TIMELINE), session())).chunks)
    with pytest.raises(UpstreamFailure):
        await proxy.forward(get(TIMELINE, atproto_proxy=f"{CHAT}#bsky_chat"), session())
    assert len(upstream.requests) == 1


async def test_a_feed_is_asked_for_with_a_token_for_its_generator(proxy: Proxy, upstream: Upstream) -> None:
    feed = f"at://{ALICE}/app.bsky.feed.generator/hot"
    for _ in range(2):
        request = get("app.bsky.feed.getFeed", f"?feed={feed}&limit=30")
        await read((await proxy.forward(request, session())).chunks)
        assert (upstream.claims["aud"], upstream.claims["lxm"]) == (GENERATOR, "app.bsky.feed.getFeedSkeleton")
    paths = [request.path.removeprefix("/xrpc/") for request in upstream.requests]
    assert paths == ["com.atproto.repo.getRecord", "app.bsky.feed.getFeed", "app.bsky.feed.getFeed"]


@pytest.mark.parametrize(
    ("query", "error"),
    [
        (f"?feed=at://{ALICE}/app.bsky.feed.generator/unknown", UnknownFeed),
        ("?feed=nonsense", InvalidRequest),
        ("", InvalidRequest),
    ],
)
async def test_a_feed_without_a_generator_is_unknown(proxy: Proxy, query: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        await proxy.forward(get("app.bsky.feed.getFeed", query), session())


async def test_push_goes_to_the_service_that_its_body_names(proxy: Proxy, upstream: Upstream) -> None:
    for did in (CHAT, APP_VIEW):
        body = json.dumps({"serviceDid": did, "token": "t", "platform": "ios", "appId": "a"}).encode()
        await read((await proxy.forward(post("app.bsky.notification.registerPush", body), session())).chunks)
        assert upstream.claims["aud"] == did
        assert upstream.bodies[-1] == body
    for body in (b"{}", b"[", b"[" * 50_000, b'{"serviceDid":"did:plc:bbbbbbbbbbbbbbbbbbbbbbbb"}'):
        with pytest.raises(InvalidRequest):
            await proxy.forward(post("app.bsky.notification.registerPush", body), session())
