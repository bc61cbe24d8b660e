"""Client ids: who an app is, said by where its metadata is.

A **discoverable** client's id is the https URL of its metadata document. A **loopback** client is one under
development: its id is `http://localhost`, and what its document would say stands in the query (`redirect_uri`, again
and again, and `scope`). There is no registration, so the id is the whole identity: two spellings of one URL would be
two clients, and only the plain one is taken.

https://atproto.com/specs/oauth#clients,
https://datatracker.ietf.org/doc/html/draft-ietf-oauth-client-id-metadata-document
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Self
from urllib.parse import parse_qsl

from tempest_pds.protocol.errors import InvalidSyntax
from tempest_pds.protocol.oauth.errors import InvalidClientId, InvalidRedirectUri
from tempest_pds.protocol.oauth.redirect_uri import RedirectUri
from tempest_pds.protocol.oauth.scope_syntax import is_scope_text
from tempest_pds.protocol.oauth.web_url import MAX_LENGTH, WebUrl, is_local_name, public_https_url

LOOPBACK_ORIGIN: Final = "http://localhost"


class DiscoverableClientId(str):
    """The https URL of a client's metadata document."""

    __slots__ = ()

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read the id of a discoverable client; raise InvalidClientId."""
        try:
            url = public_https_url(text)
        except InvalidSyntax as error:
            raise InvalidClientId(f"client_id: {error}") from error
        if url.fragment is not None:
            raise InvalidClientId("client_id must not have a fragment")
        if url.path.endswith("/"):
            raise InvalidClientId('client_id must have a path that does not end in "/", such as "/client.json"')
        if url.is_ip:
            raise InvalidClientId("client_id must have a domain name, not an IP address")
        if is_local_name(url.host):
            raise InvalidClientId("client_id must have a domain name of the internet, not a local one")
        if not url.is_canonical:
            raise InvalidClientId(f"client_id must be in canonical form, which starts with {url.origin!r}")
        return cls(text)

    @property
    def url(self) -> WebUrl:
        """The URL in its parts; fetch the document from its `text`."""
        return WebUrl.parse(self)

    @property
    def host(self) -> str:
        """The hostname, which is what a person is shown as the app's identity."""
        return self.url.host

    @property
    def private_scheme(self) -> str:
        """The one private-use URI scheme that this client may redirect to: its host, reversed."""
        return ".".join(reversed(self.host.split(".")))


@dataclass(frozen=True, slots=True)
class LoopbackClientId:
    """The id of a client under development, and what its query says; None and () where it says nothing."""

    text: str
    scope: str | None
    redirect_uris: tuple[RedirectUri, ...]

    def __str__(self) -> str:
        return self.text

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read the id of a loopback client; raise InvalidClientId."""
        if len(text) > MAX_LENGTH or not text.startswith(LOOPBACK_ORIGIN):
            raise InvalidClientId(f"the client_id of a loopback client must start with {LOOPBACK_ORIGIN!r}")
        if "#" in text:
            raise InvalidClientId("client_id must not have a fragment")
        rest = text.removeprefix(LOOPBACK_ORIGIN).removeprefix("/")
        if rest and not rest.startswith("?"):
            raise InvalidClientId("the client_id of a loopback client must have neither a port nor a path")
        scope: str | None = None
        redirect_uris: list[RedirectUri] = []
        for name, value in parse_qsl(rest[1:], keep_blank_values=True):
            if name == "redirect_uri":
                redirect_uris.append(_loopback_redirect(value))
            elif name != "scope":
                raise InvalidClientId(f"unexpected parameter {name[:80]!r} in the client_id")
            elif scope is not None:
                raise InvalidClientId('"scope" stands twice in the client_id')
            elif not is_scope_text(value):
                raise InvalidClientId('invalid "scope" in the client_id')
            else:
                scope = value
        return cls(text, scope, tuple(redirect_uris))


ClientId = DiscoverableClientId | LoopbackClientId


def parse_client_id(text: str) -> ClientId:
    """Read a client id of either kind; raise InvalidClientId."""
    if text.startswith("http:"):
        return LoopbackClientId.parse(text)
    return DiscoverableClientId.parse(text)


def _loopback_redirect(text: str) -> RedirectUri:
    try:
        uri = RedirectUri.parse(text)
    except InvalidRedirectUri as error:
        raise InvalidClientId(f"in the client_id: {error}") from error
    if not uri.is_loopback:
        raise InvalidClientId(f"a redirect_uri of a loopback client must lead to 127.0.0.1 or [::1]: {text[:200]!r}")
    return uri
