"""Where a URL of http or https leads: the scheme, the host and the port, read strictly, and the rest as it came.

Two readers that disagree on where the host ends are a way around every check, so this is the one reader of it: for what
is fetched (`remote/web_url.py`) and for what is compared and shown (`protocol/oauth/web_url.py`). Only printable ASCII
is taken; an international name must come as it stands in DNS (`xn--…`), where no look-alike of a digit or a dot can
hide. There are no credentials, and a host is a name or an address in its plain spelling: browsers read every name that
ends in a number as an address, also `127.1` and `0x7f.1`.

https://www.rfc-editor.org/rfc/rfc3986, https://url.spec.whatwg.org/#concept-host-parser
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv4Address, IPv6Address
from typing import Final, Self

from tempest_pds.protocol.errors import InvalidSyntax

DEFAULT_PORTS: Final = {"http": 80, "https": 443}

_SHOWN: Final = 200
_URL: Final = re.compile(
    r"(?P<scheme>https?)://(?P<host>[a-z0-9_.-]+|\[[0-9a-f:.]+\])(?::(?P<port>[0-9]{1,5}))?(?P<rest>(?:[/?#][!-~]*)?)",
    re.IGNORECASE | re.ASCII,
)
_LABEL: Final = re.compile(r"[a-z0-9_-]{1,63}")
_NUMBER: Final = re.compile(r"[0-9]+|0x[0-9a-f]*")


@dataclass(frozen=True, slots=True)
class WebAddress:
    """The address in a URL.

    Attributes:
        scheme: in lower case.
        host: in lower case, an IPv6 address in brackets. A name may end in a dot.
        port: None where the URL names none.
        rest: path, query and fragment, or nothing.
    """

    scheme: str
    host: str
    port: int | None
    rest: str

    @classmethod
    def parse(cls, text: str, max_length: int) -> Self:
        """Read a URL; raise InvalidSyntax."""
        match = _URL.fullmatch(text) if len(text) <= max_length else None
        if match is None:
            raise InvalidSyntax(f"not a plain http or https URL: {text[:_SHOWN]!r}")
        port = int(match["port"]) if match["port"] else None
        if port is not None and port > 65535:
            raise InvalidSyntax(f"a URL with a port beyond 65535: {text[:_SHOWN]!r}")
        return cls(match["scheme"].lower(), _host(match["host"].lower()), port, match["rest"])


def _host(host: str) -> str:
    if host.startswith("["):
        try:
            return f"[{IPv6Address(host[1:-1])}]"
        except AddressValueError:
            raise InvalidSyntax(f"not an IPv6 address: {host!r}") from None
    labels = host.removesuffix(".").split(".")
    if len(host) > 253 or not all(_LABEL.fullmatch(label) for label in labels):
        raise InvalidSyntax(f"not a hostname: {host[:80]!r}")
    if _NUMBER.fullmatch(labels[-1]):
        try:
            return str(IPv4Address(host))
        except AddressValueError:
            raise InvalidSyntax(f"not an IPv4 address in dotted decimals: {host!r}") from None
    return host
