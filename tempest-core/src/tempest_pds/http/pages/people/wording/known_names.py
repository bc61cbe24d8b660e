"""What records, methods, services and files are called in plain words, for those that many apps ask for.

The words are English sources for the translation function, and stand in the middle of a sentence.
"""

from __future__ import annotations

from typing import Final

RECORDS: Final = {
    "app.bsky.actor.profile": "your Bluesky profile",
    "app.bsky.actor.status": "your status on Bluesky",
    "app.bsky.actor.contentVisibilityDeclaration": "rules for who sees your content",
    "app.bsky.feed.generator": "feeds that you offer to others",
    "app.bsky.feed.like": "likes",
    "app.bsky.feed.post": "posts",
    "app.bsky.feed.postgate": "rules for quoting your posts",
    "app.bsky.feed.repost": "reposts",
    "app.bsky.feed.threadgate": "rules for replying to your posts",
    "app.bsky.graph.block": "blocks",
    "app.bsky.graph.follow": "follows",
    "app.bsky.graph.list": "lists",
    "app.bsky.graph.listblock": "blocks of whole lists",
    "app.bsky.graph.listitem": "the members of your lists",
    "app.bsky.graph.starterpack": "starter packs",
    "app.bsky.graph.verification": "verifications of other accounts",
    "app.bsky.labeler.service": "a moderation service that you run",
    "app.bsky.notification.declaration": "rules for who is told of your posts",
    "chat.bsky.actor.declaration": "rules for who may send you messages",
    "com.atproto.lexicon.schema": "schemas of apps that you develop",
}

# By the longest name that fits: a whole method, or the group that it is in.
METHODS: Final = {
    "app.bsky.actor": "profiles and your Bluesky settings",
    "app.bsky.ageassurance": "proof of your age",
    "app.bsky.bookmark": "your bookmarks",
    "app.bsky.contact": "finding people by your address book",
    "app.bsky.draft": "your drafts",
    "app.bsky.feed": "posts, feeds and your timeline",
    "app.bsky.graph": "follows, lists, mutes and blocks",
    "app.bsky.labeler": "moderation services",
    "app.bsky.notification": "your notifications",
    "app.bsky.unspecced": "suggestions and trends",
    "app.bsky.video": "uploading of videos",
    "chat.bsky": "your private messages",
    "com.atproto.moderation": "reports to moderators",
    "com.atproto.server.createAccount": "opening an account for you elsewhere, as for a move",
    "tools.ozone": "the work of moderators",
}

PRIVATE_METHODS: Final = ("chat.bsky.", "app.bsky.contact.")
"""Beginnings of methods that show what is private to more people than the account's owner."""

GRAVE_METHODS: Final = frozenset({"chat.bsky.actor.deleteAccount", "chat.bsky.actor.exportAccountData"})
"""Methods that are named one by one among however many others."""

CHAT_SERVICE: Final = "did:web:api.bsky.chat"

MOVING_METHODS: Final = frozenset({"com.atproto.server.createAccount"})
"""Methods with which an account is moved away."""

SERVICES: Final = {
    "did:web:api.bsky.app#bsky_appview": "Bluesky",
    "did:web:api.bsky.chat#bsky_chat": "Bluesky chat",
    "did:web:video.bsky.app#bsky_video": "Bluesky video",
    "did:plc:ar7c4by46qjdydhdevvrndac#atproto_labeler": "Bluesky’s moderators",
}

FILES: Final = {
    "*/*": "files of any kind",
    "image/*": "pictures",
    "video/*": "videos",
    "audio/*": "sound recordings",
    "text/*": "text files",
    "image/gif": "GIF pictures",
    "image/jpeg": "JPEG pictures",
    "image/png": "PNG pictures",
    "image/webp": "WebP pictures",
    "video/mp4": "MP4 videos",
}


def method_words(nsid: str) -> str | None:
    """Find what a method is about; None when nobody has said it here."""
    name = nsid
    while name:
        if name in METHODS:
            return METHODS[name]
        name = name.rpartition(".")[0]
    return None
