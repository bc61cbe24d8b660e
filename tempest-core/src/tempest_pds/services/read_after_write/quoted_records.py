"""What posts quote: posts, feeds and lists, mostly of others, so the AppView is asked about them."""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, Protocol

from tempest_pds.protocol.errors import InvalidSyntax
from tempest_pds.protocol.syntax.at_uri import AtUri
from tempest_pds.protocol.syntax.did import Did
from tempest_pds.services.read_after_write.json_values import View

_POST: Final = "app.bsky.feed.post"
_FEED: Final = "app.bsky.feed.generator"
_LIST: Final = "app.bsky.graph.list"


class AppView(Protocol):
    """Whom to ask: `services.proxy.Proxy`."""

    async def ask_app_view(self, method: str, params: Iterable[tuple[str, str]], caller: Did) -> Any:
        """Ask in the caller's name, and give the parsed answer; raise UpstreamError, UpstreamFailure."""
        ...


async def quoted_records(app_view: AppView, uris: Iterable[str], caller: Did) -> Mapping[str, View]:
    """Give what the AppView shows of quoted records, by URI, as `app.bsky.embed.record#view` holds it.

    What it does not know, and what is quoted in no view that is known here, is left out.

    Args:
        uris: at most `local_records.MAX_RECORDS`, as many as getPosts takes.

    Raises:
        UpstreamError: the AppView refuses.
        UpstreamFailure: it is not reached, or fails.
    """
    by_collection: dict[str, list[str]] = {}
    for uri in dict.fromkeys(uris):
        by_collection.setdefault(_collection(uri), []).append(uri)
    asked = [_one(app_view, uri, caller, *_SINGLE[kind]) for kind in _SINGLE for uri in by_collection.get(kind, ())]
    if _POST in by_collection:
        asked.append(_posts(app_view, by_collection[_POST], caller))
    found = await asyncio.gather(*asked)
    return {uri: view for views in found for uri, view in views.items()}


def _feed(answer: Any) -> View:
    return {"$type": "app.bsky.feed.defs#generatorView", **answer["view"]}


def _list(answer: Any) -> View:
    return {"$type": "app.bsky.graph.defs#listView", **answer["list"]}


# By collection: the method, its parameter, and how its answer becomes a view.
_SINGLE: Final[Mapping[str, tuple[str, str, Callable[[Any], View]]]] = {
    _FEED: ("app.bsky.feed.getFeedGenerator", "feed", _feed),
    _LIST: ("app.bsky.graph.getList", "list", _list),
}


async def _posts(app_view: AppView, uris: list[str], caller: Did) -> Mapping[str, View]:
    answer = await app_view.ask_app_view("app.bsky.feed.getPosts", [("uris", uri) for uri in uris], caller)
    return {post["uri"]: _quoted_post(post) for post in answer["posts"]}


async def _one(
    app_view: AppView, uri: str, caller: Did, method: str, param: str, shape: Callable[[Any], View]
) -> Mapping[str, View]:
    return {uri: shape(await app_view.ask_app_view(method, [(param, uri)], caller))}


def _quoted_post(post: View) -> View:
    view = {
        "$type": "app.bsky.embed.record#viewRecord",
        "uri": post["uri"],
        "cid": post["cid"],
        "author": post["author"],
        "value": post["record"],
        "indexedAt": post["indexedAt"],
    }
    if "labels" in post:
        view["labels"] = post["labels"]
    if post.get("embed"):
        view["embeds"] = [post["embed"]]
    return view


def _collection(uri: str) -> str:
    try:
        return AtUri.parse(uri).collection or ""
    except InvalidSyntax:
        return ""
