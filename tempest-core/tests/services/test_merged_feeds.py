"""Which posts a page of a feed lacks, and where they go."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tempest_pds.services.read_after_write import feeds
from tempest_pds.services.read_after_write.local_records import LocalRecord

ME = "did:plc:ewvi7nxzyoun6zhxrhs64oiz"
REPOST = "app.bsky.feed.defs#reasonRepost"
PIN = "app.bsky.feed.defs#reasonPin"


def local(second: int, name: str | None = None, **record: Any) -> LocalRecord:
    return LocalRecord(uri(name or f"own{second}"), "cid", second * 1_000_000, record)


def uri(name: str) -> str:
    return f"at://{ME}/app.bsky.feed.post/{name}"


def item(second: int, name: str | None = None, **more: Any) -> dict[str, Any]:
    return {"post": {"uri": uri(name or f"seen{second}"), "indexedAt": local(second).indexed_at}, **more}


def reposted(second: int, original: int) -> dict[str, Any]:
    return item(original, reason={"$type": REPOST, "indexedAt": local(second).indexed_at})


def view(post: LocalRecord) -> dict[str, Any]:
    return {"uri": post.uri, "indexedAt": post.indexed_at}


def merged(feed: list[dict[str, Any]], posts: list[LocalRecord], *, first_page: bool = True) -> list[str]:
    feeds.insert(feed, [view(post) for post in feeds.missing_from(feed, posts, first_page=first_page)])
    return [entry["post"]["uri"].rpartition("/")[2] for entry in feed]


def test_posts_go_before_what_is_older() -> None:
    feed = [item(9), item(5), item(1)]
    assert merged(feed, [local(3), local(6), local(7)]) == ["seen9", "own7", "own6", "seen5", "own3", "seen1"]


def test_a_post_older_than_the_page_belongs_on_the_next() -> None:
    assert merged([item(9), item(5)], [local(4), local(5, "same")]) == ["seen9", "seen5"]


def test_a_later_page_gets_only_what_lies_within_it() -> None:
    assert merged([item(5), item(1)], [local(3), local(7)], first_page=False) == ["seen5", "own3", "seen1"]
    assert merged([], [local(3)], first_page=False) == []


def test_an_empty_feed_gets_all() -> None:
    assert merged([], [local(3), local(7)]) == ["own7", "own3"]


def test_what_is_there_already_is_not_put_in_again() -> None:
    assert merged([item(5), item(4, "own7")], [local(7)]) == ["seen5", "own7"]


def test_a_repost_stands_where_it_was_reposted() -> None:
    assert merged([reposted(9, 2), item(5)], [local(7)]) == ["seen2", "own7", "seen5"]
    assert merged([item(9), reposted(5, 2)], [local(3)]) == ["seen9", "seen2"]
    # Somebody reposted it at once; it is still to be seen for itself.
    again = {**item(7, "own7"), "reason": {"$type": REPOST, "indexedAt": local(8).indexed_at}}
    assert merged([again, item(5)], [local(7)]) == ["own7", "own7", "seen5"]


def test_a_pinned_post_stays_at_the_top() -> None:
    pinned = item(1, "pinned", reason={"$type": PIN})
    assert merged([pinned, item(5)], [local(7)]) == ["pinned", "own7", "seen5"]
    assert merged([pinned], [local(7)]) == ["pinned", "own7"]


@given(
    st.lists(st.integers(0, 60), unique=True), st.lists(st.integers(0, 60), unique=True), st.booleans(), st.booleans()
)
def test_a_feed_stays_sorted_complete_and_without_duplicates(
    seen: list[int], written: list[int], overlap: bool, first_page: bool
) -> None:
    before = [item(second, f"own{second}" if overlap else None) for second in sorted(seen, reverse=True)]
    feed = list(before)
    names = merged(feed, [local(second) for second in sorted(written)], first_page=first_page)
    times = [entry["post"]["indexedAt"] for entry in feed]
    assert times == sorted(times, reverse=True)
    assert len(names) == len(set(names))
    assert [entry for entry in feed if entry in before] == before
    if first_page:
        oldest = min(seen, default=-1)
        assert {f"own{second}" for second in written if second > oldest} <= set(names)


IMAGES = {"$type": "app.bsky.embed.images"}
VIDEO = {"$type": "app.bsky.embed.video"}
TO_ME = {"root": {"uri": uri("a")}, "parent": {"uri": uri("b")}}
TO_OTHERS = {"root": {"uri": "at://did:web:example.com/x/y"}, "parent": {"uri": uri("b")}}


@pytest.mark.parametrize(
    ("author_filter", "passing"),
    [
        ("posts_with_replies", {"text", "image", "video", "quote", "own thread", "reply"}),
        ("posts_no_replies", {"text", "image", "video", "quote"}),
        ("posts_and_author_threads", {"text", "image", "video", "quote", "own thread"}),
        ("posts_with_media", {"image", "quote"}),
        ("posts_with_video", {"video"}),
    ],
)
def test_a_filtered_feed_gets_the_posts_that_its_filter_lets_pass(author_filter: str, passing: set[str]) -> None:
    records: dict[str, dict[str, Any]] = {
        "text": {},
        "image": {"embed": IMAGES},
        "video": {"embed": VIDEO},
        "quote": {"embed": {"$type": "app.bsky.embed.recordWithMedia", "media": IMAGES}},
        "own thread": {"reply": TO_ME},
        "reply": {"reply": TO_OTHERS},
    }
    assert {name for name, record in records.items() if feeds.passes(author_filter, ME, record)} == passing
