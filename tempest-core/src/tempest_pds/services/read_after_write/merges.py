"""The views that are merged, one function each: what changes in the answer of the AppView."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from tempest_pds.protocol.syntax.did import Did
from tempest_pds.services.read_after_write import feeds, threads
from tempest_pds.services.read_after_write.json_values import View
from tempest_pds.services.read_after_write.local_records import LocalRecords
from tempest_pds.services.read_after_write.post_views import PostViews
from tempest_pds.services.read_after_write.profile import Profile

GET_POST_THREAD: Final = "app.bsky.feed.getPostThread"


@dataclass(frozen=True, slots=True)
class Scene:
    """Who asked for what, and what is newer here.

    Attributes:
        params: of the method, by the lexicon.
        profile: as it stands, whether it is newer or not.
    """

    did: Did
    handle: str
    params: Mapping[str, Any]
    local: LocalRecords
    profile: Profile
    posts: PostViews


Merge = Callable[[View, Scene], Awaitable[bool]]


async def _profile(body: View, scene: Scene) -> bool:
    if scene.local.profile is None or not scene.profile.is_own(body):
        return False
    scene.profile.update_profile(body)
    return True


async def _profiles(body: View, scene: Scene) -> bool:
    own = [view for view in body["profiles"] if scene.profile.is_own(view)]
    if scene.local.profile is None or not own:
        return False
    for view in own:
        scene.profile.update_profile(view)
    return True


async def _timeline(body: View, scene: Scene) -> bool:
    missing = feeds.missing_from(body["feed"], scene.local.posts, first_page=_is_first_page(scene))
    return await _insert(body["feed"], missing, scene)


async def _author_feed(body: View, scene: Scene) -> bool:
    if scene.params["actor"].lower() not in (scene.did, scene.handle):
        return False
    kept = [post for post in scene.local.posts if feeds.passes(scene.params["filter"], scene.did, post.record)]
    missing = feeds.missing_from(body["feed"], kept, first_page=_is_first_page(scene))
    updated = await _actor_likes(body, scene)
    return await _insert(body["feed"], missing, scene) or updated


async def _actor_likes(body: View, scene: Scene) -> bool:
    own = [author for author in feeds.authors(body["feed"]) if scene.profile.is_own(author)]
    if scene.local.profile is None or not own:
        return False
    for author in own:
        scene.profile.update_author(author)
    return True


async def _post_thread(body: View, scene: Scene) -> bool:
    thread = body["thread"]
    if not threads.is_thread(thread):
        return False
    missing = threads.missing_from(thread, scene.local.posts)
    views = await scene.posts.views(missing)
    threads.insert(thread, [views[post.uri] for post in missing])
    return bool(missing)


async def _insert(feed: list[View], missing: list[Any], scene: Scene) -> bool:
    views = await scene.posts.views(missing)
    feeds.insert(feed, [views[post.uri] for post in missing])
    return bool(missing)


def _is_first_page(scene: Scene) -> bool:
    return not scene.params.get("cursor")


MERGES: Final[Mapping[str, Merge]] = {
    "app.bsky.actor.getProfile": _profile,
    "app.bsky.actor.getProfiles": _profiles,
    "app.bsky.feed.getTimeline": _timeline,
    "app.bsky.feed.getAuthorFeed": _author_feed,
    "app.bsky.feed.getActorLikes": _actor_likes,
    GET_POST_THREAD: _post_thread,
}
"""By method; each tells whether it changed the view."""
