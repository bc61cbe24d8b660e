"""What the server gives a browser and knows again: the token of each form, and the notice that the next page shows.

Both are bound to the value of the browser's cookie by a key that comes of the server's secret. So nothing is kept, a
restart loses nothing, and neither is worth anything in another browser.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from typing import Final

_MAX_NOTICE: Final = 600


class Seals:
    """Make and check what is bound to a browser.

    Args:
        key: known to this server alone, and the same after a restart.
    """

    def __init__(self, key: bytes) -> None:
        self._key = key

    def form_token(self, secret: str) -> str:
        """Give what each form in a browser carries."""
        return self._mac("form", secret)

    def accepts(self, form_token: str, secret: str) -> bool:
        """Tell whether a form was written by this server for this browser."""
        return hmac.compare_digest(form_token.encode("utf-8", "replace"), self.form_token(secret).encode())

    def seal_notice(self, text: str, secret: str) -> str:
        """Write a notice as a cookie may have it."""
        return f"{base64.urlsafe_b64encode(text.encode()).decode().rstrip('=')}.{self._mac('notice', secret, text)}"

    def open_notice(self, sealed: str, secret: str) -> str | None:
        """Read a notice; None unless this server wrote it for this browser."""
        encoded, _, mac = sealed.partition(".")
        if len(sealed) > _MAX_NOTICE:
            return None
        try:
            text = base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4)).decode()
        except ValueError:
            return None
        expected = self._mac("notice", secret, text)
        return text if hmac.compare_digest(mac.encode("utf-8", "replace"), expected.encode()) else None

    def _mac(self, *parts: str) -> str:
        message = "\0".join(parts).encode("utf-8", "replace")
        return hmac.new(self._key, message, hashlib.sha256).hexdigest()
