"""The URLs that strangers give an OAuth provider: http and https, in the one spelling that every reader reads alike.

Client ids and redirect URIs are compared as strings, fetched as URLs and shown to people. A spelling that a browser
would rewrite first (`\\`, a tab, `/../`, `127.1`, `https://bank.example@evil.example/`) means one thing to the check
and another to the browser, so it is refused here instead of being normalised. Only the case of the host, and the port
that the scheme implies, are evened out.

https://www.rfc-editor.org/rfc/rfc3986, https://www.rfc-editor.org/rfc/rfc9700#section-4.1
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Self

from tempest_pds.protocol.errors import InvalidSyntax
from tempest_pds.protocol.syntax.web_address import DEFAULT_PORTS, WebAddress

MAX_LENGTH: Final = 4096

LOOPBACK_IPS: Final = frozenset({"127.0.0.1", "[::1]"})
LOOPBACK_HOSTS: Final = LOOPBACK_IPS | {"localhost"}

# Names that no one can own (RFC 6761, RFC 6762).
_LOCAL_TLDS: Final = frozenset({"test", "local", "localhost", "invalid", "example"})

_PLAIN: Final = r"[A-Za-z0-9\-._~!$&'()*+,;=:@%\[\]|]"
_REST: Final = re.compile(
    rf"(?P<path>(?:/{_PLAIN}*)*)(?:\?(?P<query>(?:{_PLAIN}|[/?])*))?(?:#(?P<fragment>(?:{_PLAIN}|[/?])*))?"
)
_DOT_SEGMENT: Final = re.compile(r"/(?:\.|%2e){1,2}(?:/|$)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class WebUrl:
    """An http or https URL; `host` is in lower case, `port` is None where the scheme implies it."""

    text: str
    scheme: str
    host: str
    port: int | None
    path: str
    query: str | None
    fragment: str | None

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a URL; raise InvalidSyntax for what is none, or is not spelled plainly."""
        address = WebAddress.parse(text, MAX_LENGTH)
        match = _REST.fullmatch(address.rest)
        if match is None or not text.startswith(address.scheme):
            raise InvalidSyntax(f"not a plain http or https URL: {text[:200]!r}")
        if _DOT_SEGMENT.search(match["path"]):
            raise InvalidSyntax(f"a URL with dot segments in its path: {text[:200]!r}")
        if address.host.endswith("."):
            raise InvalidSyntax(f"a URL whose hostname ends in a dot: {text[:200]!r}")
        return cls(
            text=text,
            scheme=address.scheme,
            host=address.host,
            port=None if address.port == DEFAULT_PORTS[address.scheme] else address.port,
            path=match["path"] or "/",
            query=match["query"],
            fragment=match["fragment"],
        )

    @property
    def origin(self) -> str:
        """Scheme, host and port, as a browser names them."""
        return f"{self.scheme}://{self.host}" + ("" if self.port is None else f":{self.port}")

    @property
    def is_canonical(self) -> bool:
        """Whether a reader of URLs would write it back as it stands."""
        root = self.origin
        return self.text == root or self.text.startswith((f"{root}/", f"{root}?", f"{root}#"))

    @property
    def is_loopback(self) -> bool:
        """Whether it leads to the machine of whoever opens it."""
        return self.host in LOOPBACK_HOSTS

    @property
    def is_ip(self) -> bool:
        """Whether the host is an address and not a name."""
        return self.host.startswith("[") or self.host.replace(".", "").isdigit()


def is_local_name(host: str) -> bool:
    """Tell whether no one on the internet can own this hostname."""
    name, dot, tld = host.rpartition(".")
    return not (name and dot) or tld in _LOCAL_TLDS


def public_https_url(text: str) -> WebUrl:
    """Read an https URL whose host is not this machine's; raise InvalidSyntax."""
    url = WebUrl.parse(text)
    if url.scheme != "https":
        raise InvalidSyntax(f"not an https URL: {text[:200]!r}")
    if url.is_loopback:
        raise InvalidSyntax(f"an https URL of a loopback host: {text[:200]!r}")
    if not url.is_ip and ("." not in url.host or url.host.endswith(".local")):
        raise InvalidSyntax(f"a URL whose host is no public name: {text[:200]!r}")
    return url


def web_url(text: str) -> WebUrl:
    """Read an https URL of a public host, or an http URL of a loopback one; raise InvalidSyntax."""
    url = WebUrl.parse(text)
    if url.scheme == "https":
        return public_https_url(text)
    if not url.is_loopback:
        raise InvalidSyntax(f"an http URL of a host other than a loopback one: {text[:200]!r}")
    return url
