"""The URL of something on a web server that is to be asked, read strictly (`protocol/syntax/web_address.py`).

What goes to the HTTP client is put together again from the parts that were checked.
"""

import ipaddress
import re
from dataclasses import dataclass
from typing import Final, Self
from urllib.parse import urljoin

from tempest_pds.protocol.errors import InvalidSyntax
from tempest_pds.protocol.syntax.web_address import DEFAULT_PORTS, WebAddress
from tempest_pds.remote.addresses import is_public, is_public_name
from tempest_pds.remote.errors import ForbiddenAddress

_FIRST_FREE_PORT: Final = 1024
_MAX_LENGTH: Final = 16 * 1024
_PLAIN: Final = re.compile(r"[!-~]*")


@dataclass(frozen=True, slots=True)
class WebUrl:
    """A URL of http or https, without credentials.

    Attributes:
        host: in lower case; an IPv6 address without its brackets.
        target: path and query, as they came.
    """

    scheme: str
    host: str
    port: int
    target: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a URL; a fragment is dropped.

        Raises:
            ForbiddenAddress: it is not one, or not in its plain spelling.
        """
        try:
            address = WebAddress.parse(text, _MAX_LENGTH)
        except InvalidSyntax as error:
            raise ForbiddenAddress("Not a URL of a web server") from error
        port = DEFAULT_PORTS[address.scheme] if address.port is None else address.port
        if not port:
            raise ForbiddenAddress("Not a URL of a web server")
        host, target = address.host.strip("[]"), address.rest.partition("#")[0]
        return cls(address.scheme, host, port, target if target.startswith("/") else f"/{target}")

    def joined(self, location: str) -> Self:
        """Read the URL that a redirect from here names; errors as for `parse`."""
        try:
            # `urljoin` drops characters that `parse` refuses.
            return self.parse(urljoin(str(self), location) if _PLAIN.fullmatch(location) else location)
        except ValueError as error:
            raise ForbiddenAddress("Not a URL of a web server") from error

    @property
    def site(self) -> str:
        """What one owner has: the last two labels of the name, or the address."""
        if _version(self.host) is not None:
            return self.host
        return ".".join(self.host.rstrip(".").split(".")[-2:])

    def require_public(self) -> None:
        """Refuse what a stranger may not send this server to.

        Ports below 1024 belong to mail, name servers and the like, 443 excepted.

        Raises:
            ForbiddenAddress: not https, or no public host, or such a port.
        """
        if self.scheme != "https":
            raise ForbiddenAddress("Only https is spoken to other servers")
        if self.port != DEFAULT_PORTS["https"] and self.port < _FIRST_FREE_PORT:
            raise ForbiddenAddress("No web server of others is spoken to on this port")
        if not (is_public(self.host) if _version(self.host) is not None else is_public_name(self.host)):
            raise ForbiddenAddress("The server has no public address")

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = "" if self.port == DEFAULT_PORTS[self.scheme] else f":{self.port}"
        return f"{self.scheme}://{host}{port}{self.target}"


def _version(host: str) -> int | None:
    try:
        return ipaddress.ip_address(host).version
    except ValueError:
        return None
