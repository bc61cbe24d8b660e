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
from ipaddress import AddressValueError, IPv4Address, IPv6Address
from typing import Final, Self

from tempest_pds.protocol.errors import InvalidSyntax

MAX_LENGTH: Final = 4096

DEFAULT_PORTS: Final = {"http": 80, "https": 443}

LOOPBACK_IPS: Final = frozenset({"127.0.0.1", "[::1]"})
LOOPBACK_HOSTS: Final = LOOPBACK_IPS | {"localhost"}

# Names that no one can own (RFC 6761, RFC 6762).
_LOCAL_TLDS: Final = frozenset({"test", "local", "localhost", "invalid", "example"})

_PLAIN: Final = r"[A-Za-z0-9\-._~!$&'()*+,;=:@%\[\]|]"
_URL: Final = re.compile(
    rf"(?P<scheme>https?)://(?P<host>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9_.-]+)(?::(?P<port>[0-9]{{1,5}}))?"
    rf"(?P<path>(?:/{_PLAIN}*)*)(?:\?(?P<query>(?:{_PLAIN}|[/?])*))?(?:#(?P<fragment>(?:{_PLAIN}|[/?])*))?"
)
_LABEL: Final = re.compile(r"[a-z0-9_-]{1,63}")
_NUMBER: Final = re.compile(r"[0-9]+|0x[0-9a-f]*")
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
        match = _URL.fullmatch(text) if len(text) <= MAX_LENGTH else None
        if match is None:
            raise InvalidSyntax(f"not a plain http or https URL: {text[:200]!r}")
        if _DOT_SEGMENT.search(match["path"]):
            raise InvalidSyntax(f"a URL with dot segments in its path: {text[:200]!r}")
        scheme = match["scheme"]
        port = int(match["port"]) if match["port"] else None
        if port is not None and port > 65535:
            raise InvalidSyntax(f"a URL with a port beyond 65535: {text[:200]!r}")
        return cls(
            text=text,
            scheme=scheme,
            host=_host(match["host"].lower()),
            port=None if port == DEFAULT_PORTS[scheme] else port,
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


def _host(host: str) -> str:
    if host.startswith("["):
        try:
            return f"[{IPv6Address(host[1:-1])}]"
        except AddressValueError:
            raise InvalidSyntax(f"not an IPv6 address: {host!r}") from None
    labels = host.split(".")
    if len(host) > 253 or not all(_LABEL.fullmatch(label) for label in labels):
        raise InvalidSyntax(f"not a hostname: {host[:80]!r}")
    if _NUMBER.fullmatch(labels[-1]):
        # Browsers read every name that ends in a number as an address, also `127.1` and `0x7f.1`.
        try:
            return str(IPv4Address(host))
        except AddressValueError:
            raise InvalidSyntax(f"not an IPv4 address in dotted decimals: {host!r}") from None
    return host
