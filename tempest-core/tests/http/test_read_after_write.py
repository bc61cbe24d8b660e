"""Views with the caller's newest records in them, and what keeps them as the AppView gave them."""

from __future__ import annotations

import gzip
import json
from collections.abc import AsyncIterator, Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from tests.support.answering import answering
from whole_server import PASSWORD, POST, User, WholeServer, verdict, whole_server

from tempest_pds.services.read_after_write.service import MAX_BYTES

TIMELINE = "app.bsky.feed.getTimeline"
OTHER = "did:plc:ewvi7nxzyoun6zhxrhs64oiz"
CREATED = "2026-01-02T03:04:05.678Z"


class AppView:
    """Answers with `answer`, or an empty timeline, and the revision `rev`; knows no post that is quoted."""

    def __init__(self) -> None:
        self.rev = ""
        self.answer: Callable[[], web.StreamResponse] | None = None
        self.asked: list[str] = []
        self.url = ""
        self.did = ""

    async def handle(self, request: web.Request) -> web.StreamResponse:
        if request.path == "/.well-known/did.json":
            service = {"id": "#other", "type": "Some", "serviceEndpoint": self.url}
            return web.json_response({"id": self.did, "service": [service]})
        self.asked.append(request.path_qs)
        if request.path.endswith("getPosts"):
            return web.json_response({"posts": []})
        return self.say(b'{"feed": []}') if self.answer is None else self.answer()

    def say(self, body: bytes, **headers: str) -> web.Response:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return web.Response(
            body=body, headers={"Content-Type": "application/json", "Atproto-Repo-Rev": self.rev, **named}
        )


@pytest.fixture
async def app_view() -> AsyncIterator[AppView]:
    made = AppView()
    async with answering(made.handle) as port:
        made.url = f"http://localhost:{port}"
        made.did = f"did:web:localhost%3A{port}"
        yield made


@pytest.fixture
async def server(tmp_path: Path, app_view: AppView) -> AsyncIterator[WholeServer]:
    settings = {"TEMPEST_APPVIEW_URL": app_view.url, "TEMPEST_APPVIEW_DID": "did:web:appview.example.com"}
    settings["TEMPEST_REPORT_SERVICE_URL"] = app_view.url
    async with whole_server(tmp_path, TEMPEST_SSRF_PROTECTION="false", **settings) as server:
        yield server


@pytest.fixture
async def alice(server: WholeServer, app_view: AppView) -> User:
    """A user of whose repository the AppView knows the first post."""
    alice = await server.sign_up("alice")
    app_view.rev = (await write(alice, "seen"))["commit"]["rev"]
    return alice


async def write(user: User, text: str, **more: Any) -> dict[str, Any]:
    return await user.write({"$type": POST, "text": text, "createdAt": CREATED, **more})


def texts(feed: list[dict[str, Any]]) -> list[str]:
    return [item["post"]["record"]["text"] for item in feed]


async def test_an_answer_is_passed_on_byte_for_byte_when_nothing_is_newer(alice: User, app_view: AppView) -> None:
    body = gzip.compress(b' { "feed" : [ ] , "x": 1.5 } ')
    app_view.answer = lambda: app_view.say(body, Content_Encoding="gzip", Content_Language="de")
    answer = await alice.get(TIMELINE)
    assert answer.text == ' { "feed" : [ ] , "x": 1.5 } '
    assert answer.headers["content-encoding"] == "gzip"
    assert answer.headers["atproto-repo-rev"] == app_view.rev
    assert "atproto-upstream-lag" not in answer.headers


async def test_a_merged_answer_keeps_the_headers_that_are_not_of_its_bytes(alice: User, app_view: AppView) -> None:
    await write(alice, "new")
    body = gzip.compress(b'{"feed": [], "cursor": "next"}')
    app_view.answer = lambda: app_view.say(body, Content_Encoding="gzip", Atproto_Content_Labelers=OTHER)
    answer = await alice.get(TIMELINE)
    assert texts(answer.json()["feed"]) == ["new"]
    assert answer.json()["cursor"] == "next"
    assert "content-encoding" not in answer.headers
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["atproto-repo-rev"] == app_view.rev
    assert answer.headers["atproto-content-labelers"] == OTHER
    assert 0 <= int(answer.headers["atproto-upstream-lag"]) < 60_000
    assert answer.headers["cache-control"] == "private"


UNTOUCHED = {
    "no JSON": b"{",
    "JSON that is no view": b'{"feed": 7}',
    "another kind of JSON": b"[]",
    "a lone surrogate": b'{"feed": [], "x": "\\ud800"}',
    "nesting without end": b'{"feed": [], "x": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "more than is read": b'{"feed": [], "x": "' + b"x" * MAX_BYTES + b'"}',
}


async def test_what_cannot_be_merged_is_passed_on_as_it_came(alice: User, app_view: AppView) -> None:
    await write(alice, "new")
    for name, body in UNTOUCHED.items():
        app_view.answer = partial(app_view.say, body)
        answer = await alice.get(TIMELINE)
        assert (answer.status_code, answer.content) == (200, body), name


async def test_a_body_in_an_encoding_that_nobody_asked_for_is_passed_on(alice: User, app_view: AppView) -> None:
    await write(alice, "new")
    app_view.answer = lambda: app_view.say(b"squeezed", Content_Encoding="zstd")
    async with alice.http.stream("GET", f"/xrpc/{TIMELINE}", headers=alice.bearer) as answer:
        assert b"".join([chunk async for chunk in answer.aiter_raw()]) == b"squeezed"
        assert answer.headers["content-encoding"] == "zstd"


async def test_why_an_answer_was_not_merged_is_in_the_log(server: WholeServer, alice: User, app_view: AppView) -> None:
    await write(alice, "new")
    app_view.answer = lambda: app_view.say(b'{"feed": 7}')
    await alice.get(TIMELINE)
    assert '"not merged"' in server.log_text()
    assert TIMELINE in server.log_text()


async def test_a_revision_that_is_none_of_this_repository_tells_nothing(alice: User, app_view: AppView) -> None:
    """The last is older than every record: it is of the repository before it was moved here."""
    await write(alice, "new")
    for rev in ("", "rubbish", "zzzzzzzzzzzzz", "2222222222222"):
        app_view.rev = rev
        assert (await alice.get(TIMELINE)).json() == {"feed": []}, rev


async def test_the_newest_posts_are_shown_when_there_are_too_many(alice: User, app_view: AppView) -> None:
    create = {"$type": "com.atproto.repo.applyWrites#create", "collection": POST}
    for start in (0, 20):
        values = [{"$type": POST, "text": f"{start + n}", "createdAt": CREATED} for n in range(20)]
        writes = [{**create, "value": value} for value in values]
        given = {"repo": alice.did, "writes": writes}
        assert (await alice.post("com.atproto.repo.applyWrites", given)).status_code == 200
    shown = texts((await alice.get(TIMELINE)).json()["feed"])
    assert len(shown) == 25
    assert {str(number) for number in range(20, 40)} <= set(shown)


async def test_likes_and_follows_alone_change_nothing(alice: User, app_view: AppView) -> None:
    await alice.write({"$type": "app.bsky.graph.follow", "subject": OTHER, "createdAt": CREATED})
    answer = await alice.get(TIMELINE)
    assert answer.content == b'{"feed": []}'
    assert "atproto-upstream-lag" not in answer.headers


async def test_what_was_taken_down_is_not_shown(server: WholeServer, alice: User, app_view: AppView) -> None:
    made = await write(alice, "new")
    await server.set_takedown(
        {"$type": "com.atproto.repo.strongRef", "uri": made["uri"], "cid": made["cid"]}, applied=True
    )
    assert (await alice.get(TIMELINE)).json() == {"feed": []}


async def test_images_come_from_this_server_when_no_cdn_is_named(alice: User) -> None:
    cid = await alice.picture()
    [item] = (await alice.get(TIMELINE)).json()["feed"]
    [image] = item["post"]["embed"]["images"]
    assert image["thumb"] == image["fullsize"]
    assert image["thumb"].endswith(f"/xrpc/com.atproto.sync.getBlob?did={alice.did}&cid={cid}")
    shown = await alice.http.get(image["thumb"].partition("localhost:4000")[2])
    assert (shown.status_code, shown.headers["content-type"]) == (200, "image/png")


async def test_a_quote_of_ones_own_new_post_shows_it_and_quotes_are_asked_for_in_one_call(
    alice: User, app_view: AppView
) -> None:
    new = await write(alice, "new")
    for ref in (new, {"uri": f"at://{OTHER}/{POST}/x", "cid": new["cid"]}):
        quoted = {"uri": ref["uri"], "cid": ref["cid"]}
        await write(alice, "quote", embed={"$type": "app.bsky.embed.record", "record": quoted})
    feed = (await alice.get(TIMELINE)).json()["feed"]
    assert texts(feed) == ["quote", "quote", "new"]
    missing, own = (item["post"]["embed"]["record"] for item in feed[:2])
    assert (missing["$type"], missing["notFound"]) == ("app.bsky.embed.record#viewNotFound", True)
    assert (own["$type"], own["value"]["text"]) == ("app.bsky.embed.record#viewRecord", "new")
    assert sum("getPosts" in path for path in app_view.asked) == 1


async def test_a_record_that_nobody_validated_is_shown_without_its_embed(alice: User, app_view: AppView) -> None:
    record = {"$type": POST, "text": "odd", "embed": {"$type": "app.bsky.embed.images", "images": [{"image": 7}]}}
    given = {"repo": alice.did, "collection": POST, "record": record, "validate": False}
    assert (await alice.post("com.atproto.repo.createRecord", given)).status_code == 200
    [item] = (await alice.get(TIMELINE)).json()["feed"]
    assert item["post"]["record"]["text"] == "odd"
    assert "embed" not in item["post"]


async def test_the_answer_of_another_app_view_is_merged_too(alice: User, app_view: AppView) -> None:
    await write(alice, "new")
    answer = await alice.get(TIMELINE, headers={"Atproto-Proxy": f"{app_view.did}#other"})
    assert texts(answer.json()["feed"]) == ["new"]


async def test_a_thread_shows_the_account_by_its_handle_as_well(alice: User, app_view: AppView) -> None:
    rkey = (await write(alice, "new"))["uri"].rpartition("/")[2]
    headers = {"Atproto-Repo-Rev": app_view.rev}
    app_view.answer = lambda: web.json_response({"error": "NotFound", "message": "no"}, status=400, headers=headers)
    answer = await alice.get("app.bsky.feed.getPostThread", uri=f"at://{alice.handle}/{POST}/{rkey}")
    assert answer.json()["thread"]["post"]["record"]["text"] == "new"
    assert answer.headers["atproto-repo-rev"] == app_view.rev
    missing = await alice.get("app.bsky.feed.getPostThread", uri=f"at://{alice.handle}/{POST}/other")
    assert verdict(missing) == (400, "NotFound")


async def test_an_account_that_was_taken_down_sees_no_views_and_may_report(
    server: WholeServer, alice: User, app_view: AppView
) -> None:
    await server.take_down(alice)
    login = {"identifier": alice.did, "password": PASSWORD, "allowTakendown": True}
    session = (await alice.http.post("/xrpc/com.atproto.server.createSession", json=login)).json()
    alice.token = session["accessJwt"]
    assert verdict(await alice.get(TIMELINE)) == (400, "InvalidToken")
    assert not app_view.asked
    subject = {"$type": "com.atproto.admin.defs#repoRef", "did": OTHER}
    report = {"reasonType": "com.atproto.moderation.defs#reasonSpam", "subject": subject}
    answer = await alice.post("com.atproto.moderation.createReport", report)
    assert (answer.status_code, app_view.asked) == (200, ["/xrpc/com.atproto.moderation.createReport"])


async def test_a_head_has_no_body_to_merge_into(alice: User) -> None:
    await write(alice, "new")
    answer = await alice.http.head(f"/xrpc/{TIMELINE}", headers=alice.bearer)
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["content-length"] == "12"


async def test_an_answer_that_breaks_off_before_it_is_merged_is_an_upstream_failure(
    alice: User, app_view: AppView
) -> None:
    class Broken(web.StreamResponse):
        async def write_eof(self, data: bytes = b"") -> None:
            assert self._req is not None
            assert self._req.transport is not None
            self._req.transport.abort()

    await write(alice, "new")
    headers = {"Content-Type": "application/json", "Content-Length": "1000", "Atproto-Repo-Rev": app_view.rev}
    app_view.answer = lambda: Broken(headers=headers)
    assert verdict(await alice.get(TIMELINE)) == (502, "UpstreamFailure")


async def test_parameters_may_be_spelt_with_brackets_where_old_clients_do(alice: User, app_view: AppView) -> None:
    app_view.answer = lambda: app_view.say(json.dumps({"profiles": []}).encode())
    for spelling in ("actors[]", "actors[0]", "actors"):
        answer = await alice.http.get(f"/xrpc/app.bsky.actor.getProfiles?{spelling}={OTHER}", headers=alice.bearer)
        assert answer.status_code == 200
        assert app_view.asked[-1].endswith(f"getProfiles?{spelling}={OTHER}")
    for method in ("app.bsky.actor.getProfiles", "app.bsky.actor.getProfile"):
        assert verdict(await alice.get(method)) == (400, "InvalidRequest")
    assert verdict(await alice.http.get(f"/xrpc/{TIMELINE}")) == (401, "AuthMissing")
