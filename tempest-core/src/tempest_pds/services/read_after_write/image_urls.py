"""Where the images of an account are shown from."""

from typing import Final
from urllib.parse import quote

from tempest_pds.protocol.syntax.did import Did

AVATAR: Final = "avatar"
BANNER: Final = "banner"
THUMBNAIL: Final = "feed_thumbnail"
FULL_SIZE: Final = "feed_fullsize"


class ImageUrls:
    """Make URLs of images: those of the AppView's CDN, or else the blob itself as this server serves it.

    Args:
        public_url: the origin of this server.
        pattern: of the CDN's URLs, with a `%s` each for the size by name, the DID and the CID.
    """

    def __init__(self, public_url: str, pattern: str | None = None) -> None:
        self._public_url = public_url
        self._pattern = pattern

    def url(self, size: str, did: Did, cid: str) -> str:
        """Give the URL of an image in one of the sizes of this module."""
        if self._pattern is not None:
            return self._pattern.replace("%s", size, 1).replace("%s", did, 1).replace("%s", cid, 1)
        return f"{self._public_url}/xrpc/com.atproto.sync.getBlob?did={quote(did, safe=':')}&cid={cid}"
