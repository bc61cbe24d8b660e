"""What an account writes, and what an AppView that lags behind says to it: the same on every server under test."""

import json
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.support.account import Account, sign_up
from tests.support.app_view import NOT_FOUND, AppViewStub, Asked, Says
from tests.support.process import ServerProcess

POST = "app.bsky.feed.post"
PROFILE = "app.bsky.actor.profile"
FEED = "app.bsky.feed."
OTHER = "did:plc:ewvi7nxzyoun6zhxrhs64oiz"
CREATED = "2026-01-02T03:04:05.678Z"
OLD, OLDER, FUTURE = "2020-01-02T00:00:00.000Z", "2020-01-01T00:00:00.000Z", "2099-01-01T00:00:00.000Z"
CID = "bafyreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku"
PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 4


@dataclass
class Written:
    """An account with the CIDs and revisions of what it wrote, by name; see `rkey_of`."""

    account: Account
    cids: dict[str, str] = field(default_factory=dict)
    revs: dict[str, str] = field(default_factory=dict)

    @property
    def did(self) -> str:
        return self.account.did

    def uri(self, name: str) -> str:
        return f"at://{self.did}/{POST}/{rkey_of(name)}"

    def write(self, name: str, record: dict[str, Any], collection: str = POST) -> None:
        given = {"collection": collection, "rkey": rkey_of(name), "record": {"$type": collection, **record}}
        made = self.account.procedure("com.atproto.repo.putRecord", repo=self.did, **given)
        self.cids[name], self.revs[name] = made["cid"], made["commit"]["rev"]

    def profile(self, **record: Any) -> None:
        self.write("self", record, PROFILE)

    def post(self, name: str, **more: Any) -> None:
        self.write(name, {"text": f"post {name}", "createdAt": CREATED, **more})

    def ref(self, name: str) -> dict[str, str]:
        return {"uri": self.uri(name), "cid": self.cids[name]}

    def upload(self, data: bytes, kind: str) -> dict[str, Any]:
        headers = {"Authorization": f"Bearer {self.account.access}", "Content-Type": kind}
        url = f"{self.account.server.url}/xrpc/com.atproto.repo.uploadBlob"
        with urllib.request.urlopen(urllib.request.Request(url, data, headers), timeout=30) as answer:
            blob: dict[str, Any] = json.loads(answer.read())["blob"]
        return blob


def rkey_of(name: str) -> str:
    """Make a key of a name: letters are digits of a TID."""
    return name if name == "self" else f"3{name:2<12}"


def other_ref(name: str, collection: str = POST) -> dict[str, str]:
    return {"uri": f"at://{OTHER}/{collection}/{name}", "cid": CID}


def author(did: str, handle: str = "other.example.com") -> dict[str, Any]:
    return {"did": did, "handle": handle, "displayName": "Old", "avatar": "https://cdn.example.com/old"}


def post_view(uri: str, by: dict[str, Any], at: str = OLD, **record: Any) -> dict[str, Any]:
    value = {"$type": POST, "text": "seen", "createdAt": CREATED, **record}
    counts = {f"{kind}Count": 3 for kind in ("like", "reply", "repost", "quote")}
    return {"uri": uri, "cid": CID, "author": by, "record": value, "indexedAt": at, "labels": [], **counts}


def thread_view(post: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"$type": f"{FEED}defs#threadViewPost", "post": post, **more}


def write_posts(server: ServerProcess) -> Written:
    """Write ten records of every kind after `before`; the reference server merges no more than ten."""
    me = Written(sign_up(server, "raw"))
    me.profile(displayName="Old")
    me.post("before")
    image = me.upload(PNG, "image/png")
    me.profile(displayName="New", description="about", avatar=image, banner=image)
    me.post("plain", langs=["en"])
    pictures = [
        {"alt": "one", "image": image, "aspectRatio": {"width": 4, "height": 3}},
        {"alt": "", "image": image},
    ]
    images = {"$type": "app.bsky.embed.images", "images": pictures}
    me.post("images", embed=images)
    link = {"uri": "https://example.com/", "title": "a link", "description": "to it", "thumb": image}
    me.post("external", embed={"$type": "app.bsky.embed.external", "external": link})
    quote = {"$type": "app.bsky.embed.record", "record": other_ref("known")}
    me.post("quote", embed=quote)
    me.post("quotegone", embed={**quote, "record": other_ref("gone")})
    me.post("quoteimage", embed={"$type": "app.bsky.embed.recordWithMedia", "record": quote, "media": images})
    me.post("video", embed={"$type": "app.bsky.embed.video", "video": me.upload(b"moving", "video/mp4")})
    me.post("quotefeed", embed={**quote, "record": other_ref("hot", f"{FEED}generator")})
    me.post("quotelist", embed={**quote, "record": other_ref("friends", "app.bsky.graph.list")})
    return me


def write_replies(server: ServerProcess) -> Written:
    """Write replies to others, to oneself, and to what is new itself, after `before`."""
    me = Written(sign_up(server, "thr"))
    me.post("before")
    other = other_ref("root")
    me.post("reply", reply={"root": other, "parent": other})
    me.post("deeper", reply={"root": other, "parent": me.ref("reply")})
    me.post("aside", reply={"root": other, "parent": other_ref("child")})
    me.post("own", reply={"root": me.ref("before"), "parent": me.ref("before")})
    me.post("new")
    me.post("newer", reply={"root": me.ref("new"), "parent": me.ref("new")})
    me.post("lost", reply={"root": other_ref("unknown"), "parent": other_ref("unknown")})
    return me


def write_a_failing_quote(server: ServerProcess) -> Written:
    me = Written(sign_up(server, "fail"))
    me.post("before")
    me.post("after", embed={"$type": "app.bsky.embed.record", "record": other_ref("fails")})
    return me


@dataclass
class World:
    """One server's accounts, as the stub knows them by DID."""

    posts: Written
    replies: Written
    failing: Written

    def who(self, asked: Asked) -> Written:
        return next(one for one in (self.posts, self.replies, self.failing) if one.did == asked.claims["iss"])


def populate(server: ServerProcess) -> World:
    return World(write_posts(server), write_replies(server), write_a_failing_quote(server))


def seen_until(me: Written, name: str = "before") -> dict[str, str]:
    return {"Atproto-Repo-Rev": me.revs[name], "Atproto-Content-Labelers": OTHER}


def answer_for(app_view: AppViewStub, worlds: list[World]) -> None:
    """Give the stub its answers. `limit` and `depth` tell which of several a client is to be told."""

    def answered(say: Callable[[World, Written, Asked], Says]) -> Callable[[Asked], Says]:
        def answer(asked: Asked) -> Says:
            world = next(w for w in worlds if asked.claims["iss"] in (w.posts.did, w.replies.did, w.failing.did))
            return say(world, world.who(asked), asked)

        return answer

    app_view.answers.update(
        {
            "app.bsky.actor.getProfile": answered(_profile),
            "app.bsky.actor.getProfiles": answered(_profiles),
            f"{FEED}getTimeline": answered(_timeline),
            f"{FEED}getAuthorFeed": answered(_author_feed),
            f"{FEED}getActorLikes": answered(_actor_likes),
            f"{FEED}getPostThread": answered(_post_thread),
            f"{FEED}getPosts": _posts,
            f"{FEED}getFeedGenerator": _feed_generator,
            "app.bsky.graph.getList": _list,
        }
    )


def _profile_view(actor: str) -> dict[str, Any]:
    return {**author(actor), "description": "old", "banner": "https://cdn.example.com/old", "followersCount": 7}


def _profile(world: World, me: Written, asked: Asked) -> Says:
    # By its handle, the account is told that the AppView knows all.
    known = asked.one("actor") == me.account.handle
    actor = me.did if known else asked.one("actor")
    return Says(_profile_view(actor), headers=seen_until(me, "quotelist" if known else "before"))


def _profiles(world: World, me: Written, asked: Asked) -> Says:
    views = [_profile_view(actor) for actor in asked.params["actors"]]
    return Says({"profiles": views}, headers=seen_until(me))


def _timeline(world: World, me: Written, asked: Asked) -> Says:
    items = {
        name: {"post": post_view(f"at://{OTHER}/{POST}/{name}", author(OTHER), at)}
        for name, at in (("future", FUTURE), ("old", OLD), ("older", OLDER))
    }
    feed = {"7": [], "8": [items["future"]], "9": [items["old"], items["older"]]}.get(
        asked.one("limit"), list(items.values())
    )
    headers = {"2": seen_until(me, list(me.revs)[-1]), "3": {}}.get(asked.one("limit"), seen_until(me))
    return Says({"feed": feed, "cursor": "next"}, headers=headers)


def _author_feed(world: World, me: Written, asked: Asked) -> Says:
    by = author(asked.one("actor"), "me.test")
    own = {"post": post_view(f"at://{by['did']}/{POST}/seen", by)}
    reason = {"$type": f"{FEED}defs#reasonRepost", "by": by, "indexedAt": OLD}
    repost = {"post": post_view(f"at://{OTHER}/{POST}/old", author(OTHER), OLDER), "reason": reason}
    feed = [repost, own] if asked.one("limit") == "2" else [own, repost]
    return Says({"feed": feed}, headers=seen_until(me))


def _actor_likes(world: World, me: Written, asked: Asked) -> Says:
    by = author(me.did, "me.test")
    views = [post_view(f"at://{OTHER}/{POST}/liked", author(OTHER)), post_view(me.uri("before"), by, OLDER)]
    return Says({"feed": [{"post": view} for view in views]}, headers=seen_until(me))


def _post_thread(world: World, me: Written, asked: Asked) -> Says:
    headers = seen_until(me)
    uri = asked.one("uri")
    root = other_ref("root")
    child = post_view(other_ref("child")["uri"], author(OTHER), reply={"root": root, "parent": root})
    gone = {"$type": f"{FEED}defs#notFoundPost", "uri": f"at://{OTHER}/{POST}/gone", "notFound": True}
    if uri == root["uri"]:
        if asked.one("depth") == "0":
            return Says({"thread": thread_view(post_view(root["uri"], author(OTHER)))}, headers=headers)
        replies = [thread_view(child, replies=[]), gone]
        if asked.one("depth") == "2":
            headers = seen_until(me, "lost")
        return Says({"thread": thread_view(post_view(root["uri"], author(OTHER)), replies=replies)}, headers=headers)
    if uri == me.uri("before"):
        return Says({"thread": thread_view(post_view(uri, author(me.did)))}, headers=headers)
    if asked.one("depth") == "3":
        headers = {}
    return Says(NOT_FOUND.body, NOT_FOUND.status, headers)


def _posts(asked: Asked) -> Says:
    if any(uri.endswith("/fails") for uri in asked.params["uris"]):
        return Says({"error": "InternalServerError", "message": "no"}, 500)
    known = [uri for uri in asked.params["uris"] if uri.endswith("/known")]
    shown = [{"alt": "", "thumb": "https://cdn.example.com/a", "fullsize": "https://cdn.example.com/b"}]
    embed = {"$type": "app.bsky.embed.images#view", "images": shown}
    return Says({"posts": [{**post_view(uri, author(OTHER)), "embed": embed} for uri in known]})


def _feed_generator(asked: Asked) -> Says:
    named = {"uri": asked.one("feed"), "cid": CID, "did": "did:web:feeds.example.com", "displayName": "Hot"}
    return Says({"view": {**named, "creator": author(OTHER), "indexedAt": OLD}, "isOnline": True, "isValid": True})


def _list(asked: Asked) -> Says:
    named = {"uri": asked.one("list"), "cid": CID, "name": "Friends", "purpose": "app.bsky.graph.defs#curatelist"}
    return Says({"list": {**named, "creator": author(OTHER), "indexedAt": OLD}, "items": []})
