"""What apps do beyond one method and one need: batches of writes, blobs, other services, preferences."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import pytest_asyncio
from granted_app import GrantedApp, Grants
from whole_server import PNG, POST, User, WholeServer, verdict, whole_server

from tempest_pds.protocol.crypto import jwt

pytestmark = pytest.mark.asyncio(loop_scope="module")
NUMBERS = itertools.count(1)
REPO, SERVER, BSKY = "com.atproto.repo", "com.atproto.server", "app.bsky"
VIEW, OTHER = "did:web:view.example.com", "did:web:other.example.com"
LIKE, BIRTH = (
    "app.bsky.feed.like",
    {"$type": f"{BSKY}.actor.defs#personalDetailsPref", "birthDate": "2000-01-02T00:00:00.000Z"},
)
ADULT = {"$type": f"{BSKY}.actor.defs#adultContentPref", "enabled": True}
CID = "bafyreidykglsfhoixmivffc5uwhcgshx4j465xwqntbmu43nb2dzqwfvae"
MISSING, UNREACHED = (403, "ScopeMissingError"), (502, "UpstreamFailure")


class Stage:
    """A server whose AppView is out, an account, and its app."""

    def __init__(self, server: WholeServer, grants: Grants, alice: User) -> None:
        self.server = server
        self.alice = alice
        self.app = GrantedApp(server.http, server.services.server.public_url, grants)

    async def get(self, scope: str, method: str, **more: Any) -> httpx.Response:
        return await self.app.call("GET", f"/xrpc/{method}", self.alice.did, f"atproto {scope}".strip(), **more)

    async def post(self, scope: str, method: str, given: Any = None, **more: Any) -> httpx.Response:
        more |= {} if given is None else {"json": given}
        return await self.app.call("POST", f"/xrpc/{method}", self.alice.did, f"atproto {scope}".strip(), **more)


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def running(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[tuple[WholeServer, Grants]]:
    grants = Grants()
    async with whole_server(tmp_path_factory.mktemp("granted"), grants, TEMPEST_APPVIEW_DID=VIEW) as server:
        yield server, grants


@pytest_asyncio.fixture(loop_scope="module")
async def stage(running: tuple[WholeServer, Grants]) -> Stage:
    """An account of the test's own."""
    server, grants = running
    return Stage(server, grants, await server.sign_up(f"alice{next(NUMBERS)}"))


def write(action: str, collection: str = POST, rkey: str = "a") -> dict[str, Any]:
    made: dict[str, Any] = {"$type": f"{REPO}.applyWrites#{action}", "collection": collection, "rkey": rkey}
    if action != "delete":
        subject = {
            "uri": "at://did:plc:x/a.b.c/d",
            "cid": "bafyreidykglsfhoixmivffc5uwhcgshx4j465xwqntbmu43nb2dzqwfvae",
        }
        value = {"$type": collection, "createdAt": "2026-01-02T03:04:05.678Z"}
        made["value"] = value | ({"text": "hi"} if collection == POST else {"subject": subject})
    return made


async def test_one_write_that_was_not_granted_holds_up_its_batch(stage: Stage) -> None:
    async def batch(scope: str, *writes: dict[str, Any]) -> tuple[int, str]:
        given = {"repo": stage.alice.did, "writes": list(writes), "validate": False}
        return verdict(await stage.post(scope, f"{REPO}.applyWrites", given))

    create = f"repo:{POST}?action=create"
    assert await batch(create, write("create"), write("create", rkey="b")) == (200, "")
    assert await batch(create, write("create", rkey="c"), write("delete")) == MISSING
    assert await batch(create, write("create", rkey="c"), write("update")) == MISSING
    assert await batch(create, write("create", rkey="c"), write("create", LIKE)) == MISSING
    assert await batch(f"{create} repo:{LIKE}", write("create", rkey="c"), write("create", LIKE)) == (200, "")
    assert await batch("repo:*?action=create&action=update", write("update"), write("delete")) == MISSING
    assert await batch("transition:generic", write("update"), write("delete", rkey="b")) == (200, "")
    listed = await stage.server.anybody(f"{REPO}.listRecords", repo=stage.alice.did, collection=POST)
    assert [record["uri"].rpartition("/")[2] for record in listed.json()["records"]] == ["c", "a"]


async def test_the_scope_that_would_do_is_named_and_that_of_what_is_created_first(stage: Stage) -> None:
    given = {"repo": stage.alice.did, "writes": [write("delete"), write("update"), write("create", LIKE)]}
    answer = await stage.post("", f"{REPO}.applyWrites", given)
    assert answer.json()["message"] == f'Missing required scope "repo:{LIKE}?action=create"'
    put = {"repo": stage.alice.did, "collection": POST, "rkey": "a", "record": {"$type": POST}}
    answer = await stage.post(f"repo:{POST}?action=create", f"{REPO}.putRecord", put)
    assert answer.json()["message"] == f'Missing required scope "repo:{POST}?action=update"'


async def test_a_blob_is_what_its_sender_says_it_is(stage: Stage) -> None:
    async def upload(scope: str, *content_type: str) -> tuple[int, str]:
        headers = dict(zip(("content-type",), content_type, strict=False))
        return verdict(await stage.post(scope, f"{REPO}.uploadBlob", content=PNG, headers=headers))

    assert await upload("blob:image/*", "image/png") == (200, "")
    assert await upload("blob:image/*", "IMAGE/PNG; q=1") == (200, "")
    assert await upload("blob:image/*", "video/mp4") == MISSING
    assert await upload("blob:video/*", "image/png") == MISSING
    assert await upload("blob:*/*", "*/*") == MISSING
    assert await upload("transition:generic", "video/mp4") == (200, "")
    assert await upload("blob:*/*") == (400, "InvalidRequest")


async def test_a_call_is_passed_on_to_the_service_it_was_granted_for(stage: Stage) -> None:
    async def ask(scope: str, method: str, proxy: str | None = None) -> tuple[int, str]:
        headers = {} if proxy is None else {"atproto-proxy": proxy}
        return verdict(await stage.get(scope, method, headers=headers))

    follows, view = f"{BSKY}.graph.getFollows", f"{VIEW}%23bsky_appview"
    for scope in (f"rpc:{follows}?aud={view}", f"rpc:*?aud={view}", f"rpc:{follows}?aud=*", "transition:generic"):
        assert await ask(scope, f"{follows}?actor=x.test") == UNREACHED
        assert await ask(scope, f"{follows}?actor=x.test", f"{VIEW}#bsky_appview") == UNREACHED
    for scope in ("", f"rpc:{follows}?aud={VIEW}%23other", f"rpc:{BSKY}.graph.getFollowers?aud=*", "transition:email"):
        assert await ask(scope, f"{follows}?actor=x.test") == MISSING
    # Methods that are answered here and elsewhere are those of the service that is asked.
    timeline, preferences = f"{BSKY}.feed.getTimeline", f"{BSKY}.actor.getPreferences"
    assert await ask(f"rpc:{timeline}?aud={view}", timeline) == UNREACHED
    assert await ask(f"rpc:{timeline}?aud={view}", timeline, f"{VIEW}#other") == MISSING
    assert await ask(f"rpc:{preferences}?aud={view}", preferences) == (200, "")
    assert await ask(f"rpc:{preferences}?aud={OTHER}%23svc", preferences) == MISSING


async def test_messages_are_granted_for_themselves(stage: Stage) -> None:
    convos = "chat.bsky.convo.listConvos"
    for method in (convos, convos.upper(), "Chat.bsky.convo.listConvos"):
        assert verdict(await stage.get("transition:generic", method)) == MISSING, method
    assert verdict(await stage.get("transition:chat.bsky", convos)) == UNREACHED
    assert verdict(await stage.get("transition:chat.bsky", f"{BSKY}.graph.getFollows?actor=x.test")) == MISSING


async def test_a_feed_takes_what_its_generator_is_asked_too(stage: Stage) -> None:
    feed = f"{BSKY}.feed.getFeed?feed=at://did:plc:ewvi7nxzyoun6zhxrhs64oiz/app.bsky.feed.generator/x"
    answer = await stage.get(f"rpc:{BSKY}.feed.getFeed?aud=*", feed)
    assert (
        answer.json()["message"]
        == f'Missing required scope "rpc:{BSKY}.feed.getFeedSkeleton?aud={VIEW}%23bsky_appview"'
    )
    both = f"rpc?lxm={BSKY}.feed.getFeed&lxm={BSKY}.feed.getFeedSkeleton&aud=*"
    assert verdict(await stage.get(both, feed)) == UNREACHED


async def test_notifications_are_granted_by_their_own_services_name(stage: Stage) -> None:
    register = f"{BSKY}.notification.registerPush"
    given = {"serviceDid": VIEW, "token": "x", "platform": "web", "appId": "x"}
    assert verdict(await stage.post(f"rpc:{register}?aud={VIEW}%23bsky_notif", register, given)) == UNREACHED
    assert verdict(await stage.post(f"rpc:{register}?aud={VIEW}%23bsky_appview", register, given)) == MISSING


async def test_what_no_token_is_made_for_is_not_passed_on_for_an_app_either(stage: Stage) -> None:
    headers = {"atproto-proxy": f"{VIEW}#bsky_appview"}
    for scope in ("transition:generic", f"rpc:*?aud={VIEW}%23bsky_appview"):
        for method in ("com.atproto.server.DeleteSession", "com.atproto.admin.sendemail"):
            answer = await stage.post(scope, method, headers=headers)
            assert verdict(answer) == (400, "InvalidToken")


async def test_a_service_token_is_for_what_was_granted(stage: Stage) -> None:
    async def ask(scope: str, aud: str, lxm: str | None = None) -> httpx.Response:
        method = "" if lxm is None else f"&lxm={lxm}"
        return await stage.get(scope, f"{SERVER}.getServiceAuth?aud={aud.replace('#', '%23')}{method}")

    one = f"rpc:com.example.ask?aud={OTHER}%23svc"
    answer = await ask(one, f"{OTHER}#svc", "com.example.ask")
    claims = jwt.decode_unverified(answer.json()["token"]).claims
    assert (claims["iss"], claims["aud"], claims["lxm"]) == (stage.alice.did, f"{OTHER}#svc", "com.example.ask")
    for aud, lxm in ((OTHER, "com.example.ask"), (f"{OTHER}#svc", "com.example.other"), (f"{OTHER}#svc", None)):
        assert verdict(await ask(one, aud, lxm)) == MISSING
    answer = await ask(one, f"{OTHER}#svc")
    assert answer.json()["message"] == f'Missing required scope "rpc:*?aud={OTHER}%23svc"'
    assert verdict(await ask(f"rpc:*?aud={OTHER}%23svc", f"{OTHER}#svc")) == (200, "")
    # Bundles of the time before permissions name no service; messages are still for themselves.
    assert verdict(await ask("transition:generic", OTHER)) == (200, "")
    assert verdict(await ask("transition:generic", OTHER, f"{SERVER}.createAccount")) == (200, "")
    assert verdict(await ask("transition:generic", OTHER, "chat.bsky.convo.getLog")) == MISSING
    assert verdict(await ask("transition:chat.bsky", OTHER, "chat.bsky.convo.getLog")) == (200, "")
    assert verdict(await ask("transition:generic", OTHER, f"{SERVER}.deleteSession")) == (400, "InvalidRequest")


async def test_a_birth_date_is_neither_shown_to_an_app_nor_changed_by_it(stage: Stage) -> None:
    put, get = f"{BSKY}.actor.putPreferences", f"{BSKY}.actor.getPreferences"
    assert (await stage.alice.post(put, {"preferences": [BIRTH]})).status_code == 200
    generic = "transition:generic"
    assert verdict(await stage.post(generic, put, {"preferences": [BIRTH]})) == (400, "InvalidRequest")
    assert (await stage.post(generic, put, {"preferences": [ADULT]})).status_code == 200
    seen = (await stage.get(generic, get)).json()["preferences"]
    assert [preference["$type"].rpartition("#")[2] for preference in seen] == ["adultContentPref", "declaredAgePref"]
    assert BIRTH in (await stage.alice.get(get)).json()["preferences"]


async def test_nobody_writes_to_the_repository_of_somebody_else(stage: Stage) -> None:
    bob = await stage.server.sign_up("bob")
    record = {"repo": bob.did, "collection": POST, "record": write("create")["value"]}
    answer = await stage.post("repo:*", f"{REPO}.createRecord", record)
    assert verdict(answer) == (401, "AuthenticationRequired")
