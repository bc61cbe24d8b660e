"""Which replies a thread lacks, and below what they go."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tempest_pds.services.read_after_write import threads
from tempest_pds.services.read_after_write.local_records import LocalRecord

View = dict[str, Any]


def reply(name: str, parent: str, root: str = "root") -> LocalRecord:
    return LocalRecord(name, "cid", 0, {"reply": {"root": {"uri": root}, "parent": {"uri": parent}}})


def seen(name: str, *replies: View, root: str | None = "root", parent: str = "root") -> View:
    record = {} if root is None else {"reply": {"root": {"uri": root}, "parent": {"uri": parent}}}
    return {**threads.thread_of({"uri": name, "record": record}), "replies": list(replies)}


def merged(thread: View, *posts: LocalRecord) -> dict[str, Any]:
    missing = threads.missing_from(thread, posts)
    threads.insert(thread, [{"uri": post.uri, "record": post.record} for post in missing])
    return tree(thread)


def tree(thread: View) -> dict[str, Any]:
    return {below["post"]["uri"]: tree(below) for below in thread.get("replies", ()) if "post" in below}


def test_a_reply_goes_first_below_its_parent() -> None:
    thread = seen("root", seen("a", seen("b")), root=None)
    assert list(merged(thread, reply("1", "root"), reply("2", "b"), reply("3", "root"))) == ["3", "1", "a"]
    assert tree(thread) == {"3": {}, "1": {}, "a": {"b": {"2": {}}}}


def test_a_reply_to_a_new_reply_goes_below_that() -> None:
    assert merged(seen("root", root=None), reply("1", "root"), reply("2", "1"), reply("3", "2")) == {
        "1": {"2": {"3": {}}}
    }


def test_a_thread_seen_from_its_middle_takes_replies_of_the_same_root() -> None:
    assert merged(seen("a", root="root"), reply("1", "a"), reply("2", "a", "another")) == {"1": {}}


def test_replies_to_what_is_not_shown_and_those_that_are_there_are_left_out() -> None:
    thread = seen("root", seen("1"), root=None)
    gone = {"$type": "app.bsky.feed.defs#notFoundPost", "uri": "gone", "notFound": True}
    thread["replies"].append(gone)
    assert merged(thread, reply("1", "root"), reply("2", "gone"), reply("3", "nowhere")) == {"1": {}}
    assert gone in thread["replies"]


def test_a_thread_may_be_deeper_than_the_stack() -> None:
    thread = seen("0", root=None)
    for number in range(1, 3000):
        thread = seen(str(number), thread)
    assert [post.uri for post in threads.missing_from(thread, [reply("new", "0")])] == ["new"]


def test_ancestors_are_followed_as_far_as_they_are_new() -> None:
    posts = [reply("1", "elsewhere"), reply("2", "1"), reply("3", "2"), reply("round", "round")]
    assert [post.uri for post in threads.ancestors(posts[2], posts)] == ["2", "1"]
    assert threads.ancestors(posts[3], posts) == []


@given(st.lists(st.integers(0, 12), max_size=12))
def test_each_reply_is_below_its_parent_once(parents: list[int]) -> None:
    """Post n + 1 replies to post `parents[n]`; 0 is the root, and one that comes later is not there to reply to."""
    posts = [reply(str(number), str(parent), "0") for number, parent in enumerate(parents, start=1)]
    thread = seen("0", root=None)
    merged(thread, *posts)
    found: dict[str, str] = {}
    left = [thread]
    while left:
        above = left.pop()
        for below in above.get("replies", ()):
            assert below["post"]["uri"] not in found
            found[below["post"]["uri"]] = above["post"]["uri"]
            left.append(below)
    placed: set[str] = {"0"}
    for post, parent in zip(posts, parents, strict=True):
        if str(parent) in placed:
            placed.add(post.uri)
    assert found == {post.uri: str(parent) for post, parent in zip(posts, parents, strict=True) if post.uri in placed}
