"""The HTTP client below `SafeFetch`: whom it connects to, and which connections it keeps.

The name is looked up here, every address that is not public is dropped, and the connection goes to one of what is left:
there is no second look-up that could answer differently (DNS rebinding). aiohttp does not ask the resolver when the
host is an IP literal, so the same check stands a second time in the socket factory, the last step of every connect.

aiohttp takes 150 ms and 15 MB to import, and a server that talks to nobody never needs it: it is loaded by the first
request.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import time
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from tempest_pds.remote.addresses import is_public

if TYPE_CHECKING:
    import aiohttp
    import aiohttp.abc

LookUp = Callable[[str, int], Awaitable[Sequence[tuple[str, int]]]]
"""From a host and a port to the addresses and ports to try, in order; raises OSError when there are none."""

_KEEP_SECONDS: Final = 15.0
_KEPT_HOSTS: Final = 256
_UNTAKEN_SECONDS: Final = 60
_MAX_LINE: Final = 8190
_MAX_HEADERS: Final = 128


class RefusedAddress(OSError):
    """Raised inside aiohttp's connect, which only understands OSError."""


class GuardedSessions:
    """Sessions of aiohttp that connect only where they may.

    Connections are kept for the next request to the same host, those of a few hundred hosts at a time: a stranger may
    have as many host names as he likes.

    Args:
        allow_private: let private addresses through.
    """

    def __init__(self, *, allow_private: bool, user_agent: str, look_up: LookUp, tls: ssl.SSLContext | None) -> None:
        self._allow_private = allow_private
        self._user_agent = user_agent
        self._look_up = look_up
        self._tls: ssl.SSLContext | bool = tls or True
        self._opened: dict[bool, aiohttp.ClientSession] = {}
        self._kept: dict[str, float] = {}

    def session_for(self, host: str) -> aiohttp.ClientSession:
        """Give the session for a request to a host."""
        keep = self._may_keep(host)
        if keep not in self._opened:
            self._opened[keep] = self._open(keep=keep)
        return self._opened[keep]

    async def close(self) -> None:
        """Close what is open. The sessions can be used again."""
        opened, self._opened = self._opened, {}
        for session in opened.values():
            await session.close()

    def _may_keep(self, host: str) -> bool:
        now = time.monotonic()
        if len(self._kept) >= _KEPT_HOSTS and host not in self._kept:
            self._kept = {kept: used for kept, used in self._kept.items() if now - used < 2 * _KEEP_SECONDS}
            if len(self._kept) >= _KEPT_HOSTS:
                return False
        self._kept[host] = now
        return True

    def _open(self, *, keep: bool) -> aiohttp.ClientSession:
        import aiohttp

        from tempest_pds.remote.counted_response import counted_response

        connector = aiohttp.TCPConnector(
            ssl=self._tls,
            resolver=_guarded_resolver(self._allow_private, self._look_up),
            use_dns_cache=False,
            socket_factory=self._open_socket,
            # `Slots` says how many there may be.
            limit=0,
            **({"keepalive_timeout": _KEEP_SECONDS} if keep else {"force_close": True}),
        )
        # There is no public way to say it; a test that is flooded fails when this one goes away.
        connector._factory = partial(counted_response, loop=asyncio.get_running_loop())
        return aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,
            headers={"User-Agent": self._user_agent},
            # Whoever reads the body undoes its encoding, and counts.
            auto_decompress=False,
            max_line_size=_MAX_LINE,
            max_field_size=_MAX_LINE,
            max_headers=_MAX_HEADERS,
        )

    def _open_socket(self, address: tuple[Any, ...]) -> socket.socket:
        family, kind, protocol, _, target = address
        if not self._allow_private and not is_public(str(target[0])):
            raise RefusedAddress("not a public address")
        opened = socket.socket(family, kind, protocol)
        opened.setblocking(False)
        if hasattr(socket, "TCP_USER_TIMEOUT"):
            # A closed connection lasts until the other side has taken what was sent, which it may never do.
            opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _UNTAKEN_SECONDS * 1000)
        return opened


async def look_up_addresses(host: str, port: int) -> Sequence[tuple[str, int]]:
    """Ask the machine's own resolver, its hosts file included; for names that the operator chose. Raises OSError."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [(str(target[0]), port) for _, _, _, _, target in found]


def _guarded_resolver(allow_private: bool, look_up: LookUp) -> aiohttp.abc.AbstractResolver:
    import aiohttp.abc

    class GuardedResolver(aiohttp.abc.AbstractResolver):
        async def resolve(
            self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
        ) -> list[aiohttp.abc.ResolveResult]:
            addresses = [
                (address, target)
                for address, target in await look_up(host, port)
                if allow_private or is_public(address)
            ]
            if not addresses:
                raise RefusedAddress("no public address")
            return [
                aiohttp.abc.ResolveResult(
                    hostname=host,
                    host=address,
                    port=target,
                    family=socket.AF_INET6 if ":" in address else socket.AF_INET,
                    proto=socket.IPPROTO_TCP,
                    flags=socket.AI_NUMERICHOST,
                )
                for address, target in addresses
            ]

        async def close(self) -> None:
            pass

    return GuardedResolver()
