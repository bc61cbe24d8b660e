"""Posts in threads: replies below what they reply to.

A thread is a tree of views: `replies` below a post, `parent` above it. Threads may be as deep as people have patience,
so nothing here recurses.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from tempest_pds.services.read_after_write.json_values import View, reply_uri, text_at
from tempest_pds.services.read_after_write.local_records import LocalRecord

_THREAD_POST: Final = "app.bsky.feed.defs#threadViewPost"


def thread_of(post: View) -> View:
    """Make the view of a thread of one post."""
    return {"$type": _THREAD_POST, "post": post}


def missing_from(thread: View, posts: Sequence[LocalRecord]) -> list[LocalRecord]:
    """Give the posts that reply into a thread and are not there, each after what it replies to.

    Args:
        posts: the oldest first.
    """
    there = _by_uri(thread)
    top = thread["post"]
    roots = {top["uri"], reply_uri(top["record"], "root")}
    known = set(there)
    missing = []
    for post in posts:
        is_in = reply_uri(post.record, "root") in roots and reply_uri(post.record, "parent") in known
        if is_in and post.uri not in known:
            known.add(post.uri)
            missing.append(post)
    return missing


def insert(thread: View, views: Iterable[View]) -> None:
    """Put views of posts above the other replies to their parents; a parent before its replies."""
    there = _by_uri(thread)
    for view in views:
        reply = thread_of(view)
        there[view["uri"]] = reply
        parent = there[str(reply_uri(view["record"], "parent"))]
        parent["replies"] = [reply, *(parent.get("replies") or ())]


def is_thread(view: object) -> bool:
    """Tell whether it is a thread, and not the place of one that is gone or blocked."""
    return text_at(view, "$type") == _THREAD_POST


def ancestors(post: LocalRecord, posts: Iterable[LocalRecord]) -> list[LocalRecord]:
    """Give those of some posts that a post replies to, and what these reply to; the nearest first."""
    by_uri: Mapping[str | None, LocalRecord] = {other.uri: other for other in posts}
    found: list[LocalRecord] = []
    seen = {post.uri}
    above = by_uri.get(reply_uri(post.record, "parent"))
    while above is not None and above.uri not in seen:
        seen.add(above.uri)
        found.append(above)
        above = by_uri.get(reply_uri(above.record, "parent"))
    return found


def _by_uri(thread: View) -> dict[str, View]:
    found: dict[str, View] = {}
    left = [thread]
    while left:
        view = left.pop()
        found.setdefault(view["post"]["uri"], view)
        left.extend(reply for reply in reversed(view.get("replies") or ()) if is_thread(reply))
    return found
