"""The address of something on a web server, read strictly.

Two readers that disagree on where the host ends are a way around every check. So a URL is read here and nowhere else,
and what goes to the HTTP client is put together again from the parts that were checked. Only printable ASCII is taken:
an international name must come as it stands in DNS (`xn--…`), where no look-alike of a digit or a dot can hide.
"""

import ipaddress
import re
from dataclasses import dataclass
from typing import Final, Self
from urllib.parse import urljoin

from tempest_pds.remote.addresses import is_public, is_public_name
from tempest_pds.remote.errors import ForbiddenAddress

_DEFAULT_PORTS: Final = {"http": 80, "https": 443}
_FIRST_FREE_PORT: Final = 1024
_MAX_LENGTH: Final = 16 * 1024
_PLAIN: Final = re.compile(r"[!-~]*")
_URL: Final = re.compile(
    r"(?P<scheme>https?)://"
    r"(?P<host>[a-z0-9_](?:[a-z0-9._-]{0,251}[a-z0-9_])?\.?|\[[0-9a-f:.]{2,45}\])"
    r"(?::(?P<port>[0-9]{1,5}))?"
    r"(?P<target>(?:[/?][!\"$-~]*)?)"
    r"(?:#[!-~]*)?",
    re.IGNORECASE,
)


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
        match = _URL.fullmatch(text) if len(text) <= _MAX_LENGTH else None
        if match is None:
            raise ForbiddenAddress("Not a URL of a web server")
        scheme, host, target = match["scheme"].lower(), match["host"].lower(), match["target"]
        port = int(match["port"]) if match["port"] else _DEFAULT_PORTS[scheme]
        if host.startswith("["):
            host = host[1:-1]
            if _version(host) != 6:
                raise ForbiddenAddress("Not a URL of a web server")
        if not 0 < port < 65536:
            raise ForbiddenAddress("Not a URL of a web server")
        return cls(scheme, host, port, target if target.startswith("/") else f"/{target}")

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
        if self.port != _DEFAULT_PORTS["https"] and self.port < _FIRST_FREE_PORT:
            raise ForbiddenAddress("No web server of others is spoken to on this port")
        if not (is_public(self.host) if _version(self.host) is not None else is_public_name(self.host)):
            raise ForbiddenAddress("The server has no public address")

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = "" if self.port == _DEFAULT_PORTS[self.scheme] else f":{self.port}"
        return f"{self.scheme}://{host}{port}{self.target}"


def _version(host: str) -> int | None:
    try:
        return ipaddress.ip_address(host).version
    except ValueError:
        return None
