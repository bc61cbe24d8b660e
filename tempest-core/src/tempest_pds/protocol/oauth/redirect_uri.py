"""Redirect URIs: where the browser takes the answer of an authorization request.

Three kinds exist: **https**; **loopback**, which is plain http to 127.0.0.1 or [::1], for programs on the user's own
machine; and **private-use**, `com.example.app:/callback`, a scheme that an app has registered with the system.

A requested URI must be one that the client's document lists, character by character. Loopback ones alone may differ
in the port, because a program takes whichever is free; a port in the document is binding.

https://www.rfc-editor.org/rfc/rfc8252#section-7, https://www.rfc-editor.org/rfc/rfc9700#section-2.1
"""

from __future__ import annotations

import re
from typing import Final, Self

from tempest_pds.protocol.errors import InvalidSyntax
from tempest_pds.protocol.oauth.errors import InvalidRedirectUri
from tempest_pds.protocol.oauth.web_url import LOOPBACK_IPS, MAX_LENGTH, WebUrl, is_local_name, public_https_url

_PRIVATE: Final = re.compile(
    r"(?P<scheme>[a-z][a-z0-9+-]*(?:\.[a-z0-9+-]+)+):(?!//)[A-Za-z0-9\-._~!$&'()*+,;=:@%/?\[\]|]*",
    re.IGNORECASE | re.ASCII,
)


class RedirectUri(str):
    """A redirect URI of one of the three kinds, as the client wrote it."""

    __slots__ = ()

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a redirect URI; raise InvalidRedirectUri."""
        shown = repr(text[:200])
        private = _PRIVATE.fullmatch(text) if len(text) <= MAX_LENGTH else None
        if private is not None:
            if is_local_name(_reversed_name(private["scheme"].lower())):
                raise InvalidRedirectUri(f"redirect_uri {shown}: the scheme must be a domain name in reverse order")
            return cls(text)
        try:
            url = WebUrl.parse(text)
            if url.scheme == "https":
                url = public_https_url(text)
        except InvalidSyntax as error:
            raise InvalidRedirectUri(
                f"redirect_uri {shown}: must be an https URL, an http URL of a loopback address, "
                f"or of the form <private scheme>:/<path>"
            ) from error
        # https://www.rfc-editor.org/rfc/rfc6749#section-3.1.2; the answer may have to go there.
        if url.fragment is not None:
            raise InvalidRedirectUri(f"redirect_uri {shown}: must not have a fragment")
        if url.scheme == "http" and url.host not in LOOPBACK_IPS:
            raise InvalidRedirectUri(
                f"redirect_uri {shown}: http is for loopback addresses only, 127.0.0.1 or [::1], and not for localhost"
            )
        if url.scheme == "https" and is_local_name(url.host):
            raise InvalidRedirectUri(f"redirect_uri {shown}: the host must be a name of the internet, not a local one")
        return cls(text)

    @property
    def private_scheme(self) -> str | None:
        """The private-use scheme in lower case; None for http and https."""
        scheme = self.partition(":")[0].lower()
        return scheme if "." in scheme else None

    @property
    def is_loopback(self) -> bool:
        """Whether it leads to a program on the user's own machine."""
        return self.startswith("http:")

    @property
    def url(self) -> WebUrl | None:
        """The URL in its parts; None for the private-use kind."""
        return None if self.private_scheme else WebUrl.parse(self)

    def admits(self, requested: RedirectUri) -> bool:
        """Tell whether a client with this URI in its document may be answered at `requested`."""
        if self == requested:
            return True
        if not (self.is_loopback and requested.is_loopback):
            return False
        mine, theirs = WebUrl.parse(self), WebUrl.parse(requested)
        return (
            mine.host == theirs.host
            and mine.path == theirs.path
            and (mine.query or "") == (theirs.query or "")
            and (mine.port is None or mine.port == theirs.port)
        )


def _reversed_name(name: str) -> str:
    return ".".join(reversed(name.split(".")))
