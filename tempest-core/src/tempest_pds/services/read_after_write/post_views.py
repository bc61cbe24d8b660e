"""Views of the account's own posts that the AppView has not seen."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from tempest_pds.protocol.syntax.did import Did
from tempest_pds.services.read_after_write.image_urls import FULL_SIZE, THUMBNAIL, ImageUrls
from tempest_pds.services.read_after_write.json_values import View, blob_cid, text_at
from tempest_pds.services.read_after_write.local_records import LocalRecord
from tempest_pds.services.read_after_write.profile import Profile
from tempest_pds.services.read_after_write.quoted_records import AppView, quoted_records

IMAGES: Final = "app.bsky.embed.images"
EXTERNAL: Final = "app.bsky.embed.external"
RECORD: Final = "app.bsky.embed.record"
RECORD_WITH_MEDIA: Final = "app.bsky.embed.recordWithMedia"


class PostViews:
    """Make views of posts of one account. A video has none: only the service that made it knows where it plays.

    Args:
        newest: the posts that the AppView may not know.
    """

    def __init__(
        self, did: Did, profile: Profile, newest: Sequence[LocalRecord], images: ImageUrls, app_view: AppView
    ) -> None:
        self._did = did
        self._profile = profile
        self._newest = newest
        self._images = images
        self._app_view = app_view

    async def views(self, posts: Sequence[LocalRecord]) -> Mapping[str, View]:
        """Give the views of some posts by URI.

        Raises:
            UpstreamError: the AppView refuses to tell about what they quote.
            UpstreamFailure: the AppView is not reached.
        """
        uris = [uri for post in posts if (uri := quoted_uri(post.record)) is not None]
        quoted: Mapping[str, View] = {}
        if uris:
            own = {post.uri: self._quoted(post) for post in self._newest if post.uri in uris}
            quoted = {**own, **await quoted_records(self._app_view, uris, self._did)}
        return {post.uri: self._view(post, quoted) for post in posts}

    def _view(self, post: LocalRecord, quoted: Mapping[str, View]) -> View:
        view: View = {
            "uri": post.uri,
            "cid": post.cid,
            "author": self._profile.author(),
            "record": post.record,
            # Nobody has had the time.
            "replyCount": 0,
            "repostCount": 0,
            "likeCount": 0,
            "quoteCount": 0,
            "indexedAt": post.indexed_at,
        }
        embed = self._embed(post.record, quoted)
        if embed is not None:
            view["embed"] = embed
        return view

    def _quoted(self, post: LocalRecord) -> View:
        view: View = {
            "$type": f"{RECORD}#viewRecord",
            "uri": post.uri,
            "cid": post.cid,
            "author": self._profile.author(),
            "value": post.record,
            "indexedAt": post.indexed_at,
        }
        media = self._media(post.record.get("embed"))
        if media is not None:
            view["embeds"] = [media]
        return view

    def _embed(self, record: View, quoted: Mapping[str, View]) -> View | None:
        embed: Any = record.get("embed")
        kind = text_at(embed, "$type")
        if kind == RECORD:
            return _quote(record, quoted)
        if kind == RECORD_WITH_MEDIA:
            media, quote = self._media(embed.get("media")), _quote(record, quoted)
            if media is None or quote is None:
                return None
            return {"$type": f"{RECORD_WITH_MEDIA}#view", "record": quote, "media": media}
        return self._media(embed)

    def _media(self, embed: Any) -> View | None:
        shape = {IMAGES: self._image_embed, EXTERNAL: self._external_embed}.get(text_at(embed, "$type") or "")
        try:
            return None if shape is None else shape(embed)
        except (KeyError, TypeError, AttributeError):
            # A record that was written without validation.
            return None

    def _image_embed(self, embed: View) -> View:
        images = []
        for image in embed["images"]:
            view = {
                "thumb": self._image(THUMBNAIL, image["image"]),
                "fullsize": self._image(FULL_SIZE, image["image"]),
                "alt": image["alt"],
            }
            if "aspectRatio" in image:
                view["aspectRatio"] = image["aspectRatio"]
            images.append(view)
        return {"$type": f"{IMAGES}#view", "images": images}

    def _external_embed(self, embed: View) -> View:
        external = embed["external"]
        view = {key: external[key] for key in ("uri", "title", "description")}
        if "thumb" in external:
            view["thumb"] = self._image(THUMBNAIL, external["thumb"])
        return {"$type": f"{EXTERNAL}#view", "external": view}

    def _image(self, size: str, blob: object) -> str:
        cid = blob_cid(blob)
        if cid is None:
            raise KeyError("ref")
        return self._images.url(size, self._did, cid)


def quoted_uri(record: View) -> str | None:
    """Give the URI of what a post quotes."""
    embed = record.get("embed")
    match text_at(embed, "$type"):
        case "app.bsky.embed.record":
            return text_at(embed, "record", "uri")
        case "app.bsky.embed.recordWithMedia":
            return text_at(embed, "record", "record", "uri")
    return None


def _quote(record: View, quoted: Mapping[str, View]) -> View | None:
    uri = quoted_uri(record)
    if uri is None:
        return None
    missing = {"$type": f"{RECORD}#viewNotFound", "uri": uri, "notFound": True}
    return {"$type": f"{RECORD}#view", "record": quoted.get(uri, missing)}
