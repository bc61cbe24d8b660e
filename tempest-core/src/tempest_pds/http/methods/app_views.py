"""The views of app.bsky that the AppView answers, and into which the caller's newest records are merged."""

from __future__ import annotations

from tempest_pds.http.answers import Answer
from tempest_pds.http.context import Call
from tempest_pds.http.xrpc import query


@query("app.bsky.actor.getProfile")
async def get_profile(call: Call) -> Answer:
    """Pass on a profile; the caller's own is up to date."""
    return await call.views.view(call)


@query("app.bsky.actor.getProfiles", loose=True)
async def get_profiles(call: Call) -> Answer:
    """Pass on profiles; the caller's own is up to date."""
    return await call.views.view(call)


@query("app.bsky.feed.getActorLikes")
async def get_actor_likes(call: Call) -> Answer:
    """Pass on the posts that an account likes; the caller's own show his profile as it is."""
    return await call.views.view(call)


@query("app.bsky.feed.getAuthorFeed")
async def get_author_feed(call: Call) -> Answer:
    """Pass on an account's posts; the caller's own feed has his newest."""
    return await call.views.view(call)


@query("app.bsky.feed.getPostThread", loose=True)
async def get_post_thread(call: Call) -> Answer:
    """Pass on a thread, with the caller's newest replies, or around a post of his that is new itself."""
    return await call.views.view(call)


@query("app.bsky.feed.getTimeline", loose=True)
async def get_timeline(call: Call) -> Answer:
    """Pass on the home timeline, with the caller's newest posts."""
    return await call.views.view(call)
