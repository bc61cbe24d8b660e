"""Calls that are passed on, through the whole server, to services that write down what they are asked."""

import gzip
import json
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from aiohttp import web
from tests.support.answering import answering
from whole_server import POST, User, WholeServer, verdict, whole_server

from tempest_pds.protocol.crypto import jwt
from tempest_pds.protocol.crypto.did_key import parse_multikey

TIMELINE = "app.bsky.feed.getTimeline"
REPORT = "com.atproto.moderation.createReport"
FEED = "at://did:plc:ewvi7nxzyoun6zhxrhs64oiz/app.bsky.feed.generator/best"
GENERATOR = "did:web:feeds.example.com"
SERVICES = ("bsky_appview", "atproto_labeler", "bsky_notif", "other")


class Upstream:
    """A did:web with every service there is. `answer` is what it answers with, if not `{"feed": []}`."""

    def __init__(self) -> None:
        self.requests: list[web.Request] = []
        self.bodies: list[bytes] = []
        self.answer: web.StreamResponse | None = None
        self.did = ""
        self.url = ""

    async def handle(self, request: web.Request) -> web.StreamResponse:
        if request.path == "/.well-known/did.json":
            services = [{"id": f"#{name}", "type": "Some", "serviceEndpoint": self.url} for name in SERVICES]
            return web.json_response({"id": self.did, "service": services})
        self.requests.append(request)
        self.bodies.append(await request.read())
        if request.path == "/xrpc/com.atproto.repo.getRecord" and self.answer is None:
            return web.json_response({"uri": FEED, "value": {"did": GENERATOR}})
        if self.answer is not None:
            return self.answer
        return web.json_response({"feed": []}, headers={"Atproto-Repo-Rev": "3kabc", "Set-Cookie": "a=b"})

    def claims(self, document: dict[str, Any]) -> dict[str, Any]:
        """Return the claims of the last token, verified with the account's key as its DID document tells it."""
        token = jwt.decode_unverified(self.requests[-1].headers["Authorization"].removeprefix("Bearer "))
        jwt.verify_with_key(token, parse_multikey(document["verificationMethod"][0]["publicKeyMultibase"]))
        return token.claims


@pytest.fixture
async def upstream() -> AsyncIterator[Upstream]:
    made = Upstream()
    async with answering(made.handle) as port:
        made.did = f"did:web:localhost%3A{port}"
        made.url = f"http://localhost:{port}"
        yield made


@pytest.fixture
async def server(tmp_path: Path, upstream: Upstream) -> AsyncIterator[WholeServer]:
    names = ("APPVIEW", "MOD_SERVICE", "REPORT_SERVICE")
    settings = {f"TEMPEST_{name}_URL": upstream.url for name in names}
    settings |= {f"TEMPEST_{name}_DID": upstream.did for name in names}
    async with whole_server(tmp_path, TEMPEST_SSRF_PROTECTION="false", **settings) as server:
        yield server


@pytest.fixture
async def alice(server: WholeServer) -> User:
    return await server.sign_up("alice")


async def document_of(user: User) -> dict[str, Any]:
    document: dict[str, Any] = (await user.get("com.atproto.server.getSession")).json()["didDoc"]
    return document


async def test_the_app_view_gets_a_token_of_the_account_for_this_method_and_a_minute(
    alice: User, upstream: Upstream
) -> None:
    answer = await alice.get(TIMELINE, limit=3)
    assert (answer.status_code, answer.json()) == (200, {"feed": []})
    assert upstream.requests[-1].raw_path == f"/xrpc/{TIMELINE}?limit=3"
    claims = upstream.claims(await document_of(alice))
    assert (claims["iss"], claims["aud"], claims["lxm"]) == (alice.did, upstream.did, TIMELINE)
    assert 0 < claims["exp"] - time.time() <= 60


async def test_headers_pass_by_name_in_both_directions(alice: User, upstream: Upstream) -> None:
    passed = {
        "Accept-Language": "de",
        "Atproto-Accept-Labelers": "did:plc:x",
        "X-Bsky-Topics": "cats",
        "Accept-Encoding": "gzip",
    }
    kept = {"Cookie": "a=b", "X-Forwarded-For": "192.0.2.1", "DPoP": "x", "If-None-Match": "*", "Range": "bytes=0-1"}
    answer = await alice.get(TIMELINE, headers=passed | kept)
    sent = upstream.requests[-1].headers
    assert {name: sent[name] for name in passed} == passed
    assert not set(kept) & set(sent)
    assert answer.headers["atproto-repo-rev"] == "3kabc"
    assert "set-cookie" not in answer.headers
    assert answer.headers["cache-control"] == "private"
    assert answer.headers.get_list("access-control-allow-origin") == ["*"]


@pytest.mark.parametrize("verb", ["GET", "HEAD", "POST"])
async def test_any_method_reaches_the_named_service_byte_for_byte(alice: User, upstream: Upstream, verb: str) -> None:
    headers = alice.bearer | {"Atproto-Proxy": f"{upstream.did}#other"}
    body = None
    if verb == "POST":
        headers |= {"Content-Type": "video/mp4", "Content-Encoding": "gzip"}
        body = gzip.compress(bytes(10_000))
    path = "/xrpc/com.example.anything?a=%2F%2f&b=&c"
    answer = await alice.http.request(verb, path, headers=headers, content=body)
    assert answer.status_code == 200
    assert answer.content == (b"" if verb == "HEAD" else b'{"feed": []}')
    request = upstream.requests[-1]
    assert (request.method, request.raw_path) == (verb, path)
    if verb == "POST":
        assert upstream.bodies[-1] == bytes(10_000)  # undone by the upstream, which was told of it
        assert (request.headers["Content-Type"], request.headers["Content-Encoding"]) == ("video/mp4", "gzip")
    assert upstream.claims(await document_of(alice))["lxm"] == "com.example.anything"


@pytest.mark.parametrize("verb", ["PUT", "DELETE", "PATCH"])
async def test_other_verbs_are_not_passed_on(alice: User, upstream: Upstream, verb: str) -> None:
    headers = alice.bearer | {"Atproto-Proxy": f"{upstream.did}#other"}
    answer = await alice.http.request(verb, "/xrpc/com.example.anything", headers=headers)
    assert verdict(answer) == (400, "InvalidRequest")
    assert not upstream.requests


async def test_a_feed_is_asked_for_with_a_token_for_its_generator(alice: User, upstream: Upstream) -> None:
    assert (await alice.get("app.bsky.feed.getFeed", feed=FEED)).status_code == 200
    claims = upstream.claims(await document_of(alice))
    assert (claims["aud"], claims["lxm"]) == (GENERATOR, "app.bsky.feed.getFeedSkeleton")


async def test_reports_go_to_the_report_service(alice: User, upstream: Upstream) -> None:
    subject = {"$type": "com.atproto.admin.defs#repoRef", "did": "did:plc:ewvi7nxzyoun6zhxrhs64oiz"}
    given = {"reasonType": "com.atproto.moderation.defs#reasonSpam", "subject": subject}
    assert (await alice.post(REPORT, given)).status_code == 200
    assert json.loads(upstream.bodies[-1]) == given
    assert upstream.claims(await document_of(alice))["lxm"] == REPORT


async def test_a_record_hosted_elsewhere_is_the_app_views_to_tell_in_nobodys_name(
    server: WholeServer, alice: User, upstream: Upstream
) -> None:
    elsewhere = {"repo": "did:plc:ewvi7nxzyoun6zhxrhs64oiz", "collection": POST, "rkey": "x"}
    for answer in (
        await server.anybody("com.atproto.repo.getRecord", **elsewhere),
        await server.http.get("/xrpc/com.atproto.repo.getRecord", params=elsewhere, headers=alice.bearer),
    ):
        assert answer.json()["uri"] == FEED
        assert "Authorization" not in upstream.requests[-1].headers
    upstream.answer = web.json_response({"error": "RecordNotFound", "message": "Could not locate record"}, status=400)
    answer = await server.anybody("com.atproto.repo.getRecord", **elsewhere)
    assert verdict(answer) == (400, "RecordNotFound")


async def test_preferences_are_kept_here_unless_another_app_view_is_named(alice: User, upstream: Upstream) -> None:
    method = "app.bsky.actor.getPreferences"
    own = {"Atproto-Proxy": f"{upstream.did}#bsky_appview"}
    assert (await alice.get(method, headers=own)).json() == {"preferences": []}
    assert not upstream.requests
    other = {"Atproto-Proxy": f"{upstream.did}#other"}
    assert (await alice.get(method, headers=other)).json() == {"feed": []}
    # What a repository answers itself stays here, whatever the header says.
    given = {"repo": alice.did, "collection": "com.example.note", "record": {"$type": "com.example.note"}}
    assert (await alice.post("com.atproto.repo.createRecord", given, **other)).json()["uri"].startswith("at://")


async def test_an_app_password_passes_on_no_messages_unless_it_is_privileged(alice: User, upstream: Upstream) -> None:
    named = {"Atproto-Proxy": f"{upstream.did}#other"}
    for privileged, expected in ((False, (400, "InvalidToken")), (True, (200, ""))):
        given = {"name": str(privileged), "privileged": privileged}
        made = (await alice.post("com.atproto.server.createAppPassword", given)).json()
        login = {"identifier": alice.did, "password": made["password"]}
        app = (await alice.http.post("/xrpc/com.atproto.server.createSession", json=login)).json()
        session = User(alice.http, alice.did, alice.handle, app["accessJwt"], app["refreshJwt"])
        assert verdict(await session.get("chat.bsky.convo.listConvos", headers=named)) == expected
        assert (await session.get(TIMELINE)).status_code == 200


async def test_what_could_take_an_account_over_is_passed_on_to_nobody(alice: User, upstream: Upstream) -> None:
    named = {"Atproto-Proxy": f"{upstream.did}#other"}
    for method in ("com.atproto.server.DeleteAccount", "com.atproto.server.REQUESTACCOUNTDELETE"):
        assert verdict(await alice.post(method, **named)) == (400, "InvalidToken")
    assert verdict(await alice.get(TIMELINE, headers={"Authorization": f"Bearer {alice.refresh}"})) == (
        400,
        "InvalidToken",
    )
    nobody = await alice.http.get(f"/xrpc/{TIMELINE}", headers=named)
    assert verdict(nobody) == (401, "AuthMissing")
    assert not upstream.requests


REFUSALS = [
    (web.json_response({"error": "NotNice", "message": "no"}, status=400), (400, "NotNice")),
    (web.json_response({"error": "Boom", "message": "no"}, status=500), (502, "Boom")),
    (web.Response(status=500, text="<html>", content_type="text/html"), (502, "UpstreamFailure")),
    (web.Response(status=404, text="<html>", content_type="text/html"), (404, "XRPCNotSupported")),
    (web.json_response({}, status=429, headers={"Retry-After": "17"}), (429, "RateLimitExceeded")),
    (web.Response(status=503), (503, "NotEnoughResources")),
    (web.Response(text="[" * 60_000, status=400, content_type="application/json"), (400, "InvalidRequest")),
    (web.Response(status=418), (418, "InvalidRequest")),
    (web.Response(status=302, headers={"Location": "/elsewhere"}), (502, "UpstreamFailure")),
    (web.Response(body=bytes(11 * 1024 * 1024)), (502, "UpstreamFailure")),
]


@pytest.mark.parametrize(("answer", "expected"), REFUSALS, ids=[f"{a.status}-{e[1]}" for a, e in REFUSALS])
async def test_a_refusal_keeps_its_status_and_always_has_a_name(
    alice: User, upstream: Upstream, answer: web.Response, expected: tuple[int, str]
) -> None:
    upstream.answer = answer
    given = await alice.get(TIMELINE)
    assert verdict(given) == expected
    assert given.headers.get("retry-after") == answer.headers.get("Retry-After")


async def test_an_answer_that_breaks_off_is_broken_here_too_and_no_fault_of_ours(
    server: WholeServer, alice: User, upstream: Upstream
) -> None:
    class Broken(web.StreamResponse):
        async def write_eof(self, data: bytes = b"") -> None:
            assert self._req is not None
            assert self._req.transport is not None
            self._req.transport.abort()

    upstream.answer = Broken(headers={"Content-Type": "application/json", "Content-Length": "1000"})
    with pytest.raises(httpx.RemoteProtocolError):
        await alice.get(TIMELINE)
    assert '"level": "error"' not in server.log_text()
    assert "answer broken off" in server.log_text()


@pytest.mark.parametrize(
    "name", ["rubbish", "did:web:localhost%3A1", "#other", "did:web:localhost%3A1#", "did:web:localhost%3A1#other"]
)
async def test_a_service_that_cannot_be_found_is_the_callers_mistake(alice: User, name: str) -> None:
    answer = await alice.get("com.example.anything", headers={"Atproto-Proxy": name})
    assert verdict(answer) == (400, "InvalidRequest")
