"""A profile, as views of profiles and of authors show it."""

from typing import Any

from tempest_pds.protocol.syntax.did import Did
from tempest_pds.services.read_after_write.image_urls import AVATAR, BANNER, ImageUrls
from tempest_pds.services.read_after_write.json_values import View, blob_cid, set_or_drop, text_at


class Profile:
    """Show an account's profile.

    Args:
        record: the profile's record; an empty one when the account has none.
    """

    def __init__(self, did: Did, handle: str, record: View, images: ImageUrls) -> None:
        self._did = did
        self._handle = handle
        self._record = record
        self._images = images

    def author(self) -> View:
        """Make the view of a post's author."""
        view: View = {"did": self._did, "handle": self._handle}
        self.update_author(view)
        return view

    def is_own(self, view: Any) -> bool:
        """Tell whether a view of an account is of this one."""
        return text_at(view, "did") == self._did

    def update_author(self, view: View) -> None:
        """Bring the author of a post up to date."""
        set_or_drop(view, "displayName", text_at(self._record, "displayName"))
        set_or_drop(view, "avatar", self._image(AVATAR))

    def update_profile(self, view: View) -> None:
        """Bring the detailed view of a profile up to date."""
        self.update_author(view)
        set_or_drop(view, "description", text_at(self._record, "description"))
        set_or_drop(view, "banner", self._image(BANNER))

    def _image(self, size: str) -> str | None:
        # The record calls its images what the views and the CDN call them.
        cid = blob_cid(self._record.get(size))
        return None if cid is None else self._images.url(size, self._did, cid)
