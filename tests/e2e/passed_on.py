"""Calls that a PDS passes on: what the client sends, and what the other side says to it."""

import gzip
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.e2e.merged_views import OTHER
from tests.support.app_view import Says

ANY = "com.example.anything"
TIMELINE = "app.bsky.feed.getTimeline"
FEED = "app.bsky.feed.getFeed"
REPORT = "com.atproto.moderation.createReport"
PUSH = "app.bsky.notification.registerPush"
PROXY = "atproto-proxy"
STUB = "{stub}"
"""Stands for the stub's DID in headers and bodies."""


@dataclass(frozen=True)
class PassedOn:
    """One call. `session` is "access", "app" (of an app password) or None; `says` what the stub answers it with."""

    name: str
    nsid: str
    says: Says
    query: str = ""
    verb: str = "GET"
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Any = None
    session: str | None = "access"


CALLS: list[PassedOn] = []


def call(name: str, nsid: str, says: Says | None = None, **more: Any) -> None:
    CALLS.append(PassedOn(name, nsid, says or Says({"feed": []}), **more))


def html(status: int) -> Says:
    return Says(b"<html>", status, {"Content-Type": "text/html"})


# What the other side answers, for a method that is passed on and for one that is merged
for nsid, kind in ((ANY, "any"), (TIMELINE, "view")):
    call(f"{kind}: an answer", nsid)
    call(f"{kind}: a refusal with name and message", nsid, Says({"error": "NotNice", "message": "no"}, 400))
    call(f"{kind}: a refusal with a name", nsid, Says({"error": "NotNice"}, 400))
    call(f"{kind}: a refusal with a message", nsid, Says({"message": "no"}, 400))
    call(f"{kind}: a refusal without anything", nsid, Says({}, 400))
    call(f"{kind}: a refusal that is a list", nsid, Says([], 400))
    call(f"{kind}: a refusal whose name is a number", nsid, Says({"error": 7, "message": None}, 400))
    call(f"{kind}: a refusal that is no JSON", nsid, Says(b"{", 400))
    call(f"{kind}: a refusal by a page", nsid, html(400))
    call(f"{kind}: a failure", nsid, Says({"error": "InternalServerError", "message": "Internal Server Error"}, 500))
    call(f"{kind}: a failure with a name", nsid, Says({"error": "Boom", "message": "no"}, 500))
    call(f"{kind}: a failure by a page", nsid, html(500))
    for status in (401, 403, 404, 406, 409, 413, 415, 418, 501, 502, 503, 504):
        call(f"{kind}: {status} with a name", nsid, Says({"error": "Named", "message": "told"}, status))
        call(f"{kind}: {status} by a page", nsid, html(status))
    limits = {"Retry-After": "17", "RateLimit-Limit": "10", "Atproto-Repo-Rev": "3kabc"}
    call(f"{kind}: too many requests", nsid, Says({"error": "RateLimitExceeded"}, 429, limits))
    squeezed = gzip.compress(json.dumps({"error": "NotNice", "message": "no"}).encode())
    call(
        f"{kind}: a refusal that is compressed",
        nsid,
        Says(squeezed, 400, {"Content-Encoding": "gzip"}),
        headers={"accept-encoding": "gzip"},
    )
    call(f"{kind}: a redirect", nsid, Says(b"", 302, {"Location": "https://example.com/"}))
    call(f"{kind}: text", nsid, Says(b"hello", headers={"Content-Type": "text/plain"}))
    call(f"{kind}: no type", nsid, Says(b"{}", headers={"Content-Type": ""}))
    call(f"{kind}: nothing", nsid, Says(b"", headers={"Content-Type": ""}))
    call(f"{kind}: no JSON", nsid, Says(b"{", headers={"Atproto-Repo-Rev": "2222222222222"}))
    shown = {
        "Atproto-Repo-Rev": "3kabc",
        "Atproto-Content-Labelers": OTHER,
        "Content-Language": "de",
        "Set-Cookie": "a=b",
        "X-Other": "y",
        "Cache-Control": "public",
    }
    call(f"{kind}: headers of the answer", nsid, Says({"feed": []}, headers=shown))
    call(
        f"{kind}: a compressed answer",
        nsid,
        Says(gzip.compress(b'{"feed":[]}'), headers={"Content-Encoding": "gzip"}),
        headers={"accept-encoding": "gzip"},
    )
    call(f"{kind}: nobody there", nsid, headers={PROXY: f"{STUB}#dead"})
    call(f"{kind}: another service", nsid, headers={PROXY: f"{STUB}#other"})
    call(f"{kind}: HEAD", nsid, verb="HEAD")
    call(f"{kind}: no session", nsid, session=None, headers={PROXY: f"{STUB}#other"})

# What goes out
given = {
    "accept-language": "de",
    "atproto-accept-labelers": f"{OTHER};redact",
    "x-bsky-topics": "cats",
    "accept-encoding": "gzip",
    "cookie": "a=b",
    "x-forwarded-for": "192.0.2.1",
    "if-none-match": "*",
    "range": "bytes=0-1",
    "accept": "application/json",
    "dpop": "x",
}
call("headers of a query", ANY, query="a=%2F%2f&b=&c", headers=given)
call("headers of a view", TIMELINE, query="limit=5&unknown=%2F", headers=given)
call("a procedure", ANY, verb="POST", body={"a": 1}, headers={**given, PROXY: f"{STUB}#other"})
call("a procedure without a body", ANY, verb="POST", headers={PROXY: f"{STUB}#other"})
call("PUT", ANY, verb="PUT", body={}, headers={PROXY: f"{STUB}#other"})
call("DELETE", ANY, verb="DELETE", headers={PROXY: f"{STUB}#other"})

# Whom it goes to
for name, value in {
    "rubbish": "rubbish",
    "no DID": "#other",
    "no service": STUB,
    "an empty service": f"{STUB}#",
    "two services": f"{STUB}#a#b",
    "a space": f"{STUB}#a b",
    "a DID that is not there": "did:web:localhost%3A1#other",
    "a DID of another method": "did:example:1#other",
    "a service that is not there": f"{STUB}#nothing",
}.items():
    call(f"to {name}", ANY, headers={PROXY: value})
call("to the AppView by name", ANY, headers={PROXY: f"{STUB}#bsky_appview"})
subject = {"$type": "com.atproto.admin.defs#repoRef", "did": OTHER}
report = {"reasonType": "com.atproto.moderation.defs#reasonSpam", "subject": subject}
taken = Says({"id": 1, **report, "reportedBy": OTHER, "createdAt": "2026-01-02T03:04:05.678Z"})
call("a report", REPORT, taken, verb="POST", body=report)
call("a report to another service", REPORT, taken, verb="POST", body=report, headers={PROXY: f"{STUB}#other"})
call("moderation", "tools.ozone.moderation.queryEvents")
call("labels", "com.atproto.label.queryLabels", query="uriPatterns=x")
call(
    "a lexicon",
    "com.atproto.lexicon.resolveLexicon",
    query="nsid=com.example.some",
    headers={PROXY: f"{STUB}#other"},
)
call("messages", "chat.bsky.convo.listConvos", headers={PROXY: f"{STUB}#other"})
call("messages by an app password", "chat.bsky.convo.listConvos", headers={PROXY: f"{STUB}#other"}, session="app")
call("a timeline by an app password", TIMELINE, session="app")
call(
    "a takeover", "com.atproto.server.updateEmail", verb="POST", body={}, headers={PROXY: f"{STUB}#other"}, session=None
)
for generator in ("plain", "service", "none", "missing", "failing"):
    call(f"a feed: {generator}", FEED, query=f"feed=at://{OTHER}/app.bsky.feed.generator/{generator}&limit=30")
call("a feed that is none", FEED, query="feed=rubbish")
call("no feed", FEED)
token = {"serviceDid": STUB, "token": "t", "platform": "ios", "appId": "a"}
nothing = Says(b"", headers={"Content-Type": ""})
call("push", PUSH, nothing, verb="POST", body=token)
call("push elsewhere", PUSH, Says(b""), verb="POST", body={**token, "serviceDid": "did:web:localhost%3A1"})
call("push to nobody", PUSH, verb="POST", body={"token": "t"})
call(
    "no push", "app.bsky.notification.unregisterPush", Says(b"", headers={"Content-Type": ""}), verb="POST", body=token
)
call("preferences of another AppView", "app.bsky.actor.getPreferences", headers={PROXY: f"{STUB}#other"})
call("age assurance", "app.bsky.ageassurance.getState", query="countryCode=DE")
call("limits of videos", "app.bsky.video.getUploadLimits", headers={PROXY: f"{STUB}#other"})


def generators(name: str) -> Says:
    """Tell the records of feed generators, as the AppView does."""
    record = {"$type": "app.bsky.feed.generator", "displayName": "x", "createdAt": "2026-01-02T03:04:05.678Z"}
    named = {"plain": "did:web:feeds.example.com", "service": "did:web:feeds.example.com#bsky_fg"}
    if name == "missing":
        return Says({"error": "RecordNotFound", "message": "no"}, 400)
    if name == "failing":
        return html(500)
    value = {**record, "did": named[name]} if name in named else record
    return Says({"uri": f"at://{OTHER}/app.bsky.feed.generator/{name}", "value": value})
