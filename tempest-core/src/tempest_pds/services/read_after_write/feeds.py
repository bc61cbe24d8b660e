"""Posts in feeds: which of the newest belong in, and where.

A feed has the newest first, by the time at which a post was indexed; a repost counts by its own time, and a pinned post
stays at the top whatever its age. One page of it ends at a cursor, and what is newer than the first post of a later
page was on a page before.
"""

from collections.abc import Sequence
from typing import Any, Final

from tempest_pds.services.read_after_write.json_values import View, reply_uri, text_at
from tempest_pds.services.read_after_write.local_records import LocalRecord

_REPOST: Final = "app.bsky.feed.defs#reasonRepost"
_PIN: Final = "app.bsky.feed.defs#reasonPin"
_IMAGES: Final = "app.bsky.embed.images"
_VIDEO: Final = "app.bsky.embed.video"


def missing_from(feed: Sequence[View], posts: Sequence[LocalRecord], *, first_page: bool) -> list[LocalRecord]:
    """Give the posts that one page of a feed should have and has not, the newest first."""
    times = [time for item in feed if (time := _time_of(item)) is not None]
    if not times and not first_page:
        return []
    there = {text_at(item, "post", "uri") for item in feed if not _is(item, _REPOST)}
    return [
        post
        for post in reversed(posts)
        if post.uri not in there
        and (not times or post.indexed_at > times[-1])
        and (first_page or post.indexed_at <= times[0])
    ]


def insert(feed: list[View], views: Sequence[View]) -> None:
    """Put views of posts into a feed, each before the first item that is older."""
    for view in views:
        time = view["indexedAt"]
        place = next((at for at, item in enumerate(feed) if (its := _time_of(item)) is not None and its < time), None)
        feed.insert(len(feed) if place is None else place, {"post": view})


def passes(author_filter: str, author: str, record: View) -> bool:
    """Tell whether a post belongs into an author's feed that is filtered, as app.bsky.feed.getAuthorFeed names it."""
    match author_filter:
        case "posts_no_replies":
            return reply_uri(record, "parent") is None
        case "posts_and_author_threads":
            ends = [reply_uri(record, end) for end in ("root", "parent")]
            return all(uri is None or uri.startswith(f"at://{author}/") for uri in ends)
        case "posts_with_media":
            return _IMAGES in _media(record)
        case "posts_with_video":
            return _VIDEO in _media(record)
    return True


def authors(feed: Sequence[View]) -> list[Any]:
    """Give the views of the authors of a feed's posts."""
    return [item["post"]["author"] for item in feed]


def _media(record: View) -> Sequence[str | None]:
    embed = record.get("embed")
    return text_at(embed, "$type"), text_at(embed, "media", "$type")


def _is(item: View, reason: str) -> bool:
    return text_at(item, "reason", "$type") == reason


def _time_of(item: View) -> str | None:
    if _is(item, _PIN):
        return None
    return text_at(item, "reason", "indexedAt") or text_at(item, "post", "indexedAt")
