"""Views with what the caller has just written, by the reference server and by Tempest over one AppView that lags."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.e2e.merged_views import OTHER, POST, World, Written, answer_for, other_ref, populate
from tests.support.app_view import BehindAppView
from tests.support.node import Node
from tests.support.process import ServerProcess

HERE = Path(__file__).parent


@dataclass(frozen=True)
class View:
    """A call of the official client; `added` counts the caller's posts in the answer that the AppView did not send."""

    who: str
    method: str
    params: Callable[[Written], dict[str, Any]]
    added: int = 0
    lag: bool = True


def of(**params: Any) -> Callable[[Written], dict[str, Any]]:
    return lambda me: params


def about(name: str, **params: Any) -> Callable[[Written], dict[str, Any]]:
    return lambda me: {"uri": me.uri(name), **params}


ROOT = other_ref("root")["uri"]
SAME = {
    "a timeline": View("posts", "getTimeline", of(limit=1), added=9),
    "a timeline that knows all": View("posts", "getTimeline", of(limit=2), lag=False),
    "a timeline without a rev": View("posts", "getTimeline", of(limit=3), lag=False),
    "an empty timeline": View("posts", "getTimeline", of(limit=7), added=9),
    "a timeline of what is newer still": View("posts", "getTimeline", of(limit=8)),
    "a timeline whose quotes cannot be had": View("failing", "getTimeline", of(limit=1), lag=False),
    "the own profile": View("posts", "getProfile", lambda me: {"actor": me.did}),
    "the own profile that is known": View("posts", "getProfile", lambda me: {"actor": me.account.handle}, lag=False),
    "another's profile": View("posts", "getProfile", of(actor=OTHER)),
    "profiles": View("posts", "getProfiles", lambda me: {"actors": [OTHER, me.did]}),
    "the own feed": View("posts", "getAuthorFeed", lambda me: {"actor": me.did, "limit": 1}, added=9),
    "the own feed from a repost on": View("posts", "getAuthorFeed", lambda me: {"actor": me.did, "limit": 2}, added=9),
    "another's feed": View("posts", "getAuthorFeed", of(actor=OTHER)),
    "likes": View("posts", "getActorLikes", lambda me: {"actor": me.did}),
    "a thread": View("replies", "getPostThread", of(uri=ROOT), added=3),
    "a thread that is known": View("replies", "getPostThread", of(uri=ROOT, depth=2), lag=False),
    "a thread of one's own": View("replies", "getPostThread", about("before"), added=1),
    "a thread around a new post": View("replies", "getPostThread", about("new"), added=2),
    "a thread around a new reply": View("replies", "getPostThread", about("reply"), added=2),
    "a thread around a reply to what is gone": View("replies", "getPostThread", about("lost"), added=1),
    "no such thread": View("replies", "getPostThread", about("nothing"), lag=False),
    "a thread of an AppView that tells no rev": View("replies", "getPostThread", about("new", depth=3), lag=False),
    "another's thread that is not there": View(
        "replies", "getPostThread", of(uri=f"at://{OTHER}/{POST}/nothing"), lag=False
    ),
}
BETTER = {
    # Those that look at a feed from its second page on would see their newest posts on each.
    "a later page of a timeline": View("posts", "getTimeline", of(limit=9, cursor="next")),
    "a later page of the own feed": View("posts", "getAuthorFeed", lambda me: {"actor": me.did, "cursor": "next"}),
    "pictures of the own feed": View(
        "posts", "getAuthorFeed", lambda me: {"actor": me.did, "filter": "posts_with_media"}, added=2
    ),
    "the own thread from its second post": View("replies", "getPostThread", about("newer"), added=2),
}
"""Where the reference server is weaker, and so differs."""


@dataclass(frozen=True)
class Result:
    given: dict[str, Any]
    added: int


@pytest.fixture(scope="module")
def results(behind_app_view: BehindAppView, node: Node) -> dict[str, dict[str, Result]]:
    """Every view by every server."""
    servers = behind_app_view.servers
    worlds = {name: populate(server) for name, server in servers.items()}
    answer_for(behind_app_view.stub, list(worlds.values()))
    views = SAME | BETTER
    calls = [call(server, worlds[name], view) for name, server in servers.items() for view in views.values()]
    verdicts = iter(node.run(HERE / "app_view_client.mjs", calls))
    return {
        name: {title: result(worlds[name], view, next(verdicts)["ok"]) for title, view in views.items()}
        for name in servers
    }


def call(server: ServerProcess, world: World, view: View) -> dict[str, Any]:
    me: Written = getattr(world, view.who)
    session = {
        "did": me.did,
        "handle": me.account.handle,
        "accessJwt": me.account.access,
        "refreshJwt": me.account.refresh,
    }
    return {"service": server.url, "session": session, "method": view.method, "params": view.params(me)}


def result(world: World, view: View, given: dict[str, Any]) -> Result:
    """Take out of an answer what differs from account to account, and count the caller's posts in it."""
    me: Written = getattr(world, view.who)
    text = json.dumps(given, sort_keys=True)
    for name, cid in me.cids.items():
        text = text.replace(cid, f"cid-of-{name}")
    text = text.replace(me.did, "did:plc:me").replace(me.account.handle, "me.test")
    # Everything else in the scenario has a time of its own, and long ago or far ahead.
    text = re.sub(r'"indexedAt": "202[1-9]-[^"]*"', '"indexedAt": "now"', text)
    lag = given.get("lag")
    assert lag is None or 0 <= int(lag) < 600_000
    plain = json.loads(text)
    plain["lag"] = lag is not None
    return Result(plain, text.count('"indexedAt": "now"'))


@pytest.mark.parametrize("name", SAME)
def test_a_view_is_what_the_reference_server_makes_of_it(name: str, results: dict[str, dict[str, Result]]) -> None:
    theirs, ours = results["reference"][name], results["tempest"][name]
    assert ours.given == theirs.given
    assert (ours.added, ours.given["lag"]) == (SAME[name].added, SAME[name].lag)


@pytest.mark.parametrize("name", BETTER)
def test_a_view_is_better_than_the_reference_servers(name: str, results: dict[str, dict[str, Result]]) -> None:
    assert results["tempest"][name].added == BETTER[name].added
    assert results["reference"][name].added != BETTER[name].added, "no longer a difference"
