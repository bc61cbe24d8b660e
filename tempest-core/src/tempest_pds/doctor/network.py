"""The network as the doctor sees it: names from DNS, as strangers see them, and not from this machine's hosts file.

A hosts file often gives a machine's own name a private address, and nobody else ever reads it. So names are asked of
name servers first; the machine's own resolver only helps with names that DNS does not know, such as `localhost`.
"""

from __future__ import annotations

import asyncio
import ipaddress
import ssl
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tempest_pds.protocol.errors import TempestError
from tempest_pds.remote.causes import explain
from tempest_pds.remote.errors import Unreachable
from tempest_pds.remote.guarded_sessions import look_up_addresses
from tempest_pds.remote.safe_fetch import SafeFetch

if TYPE_CHECKING:
    import dns.asyncresolver
    from websockets.asyncio.client import ClientConnection

_DNS_SECONDS: Final = 4.0
CONNECT_SECONDS: Final = 6.0


class NoNameServer(TempestError):
    """No name server answered; nothing is known of the name."""


class Network:
    """Ask the network.

    Args:
        nameservers: asked in place of those of this machine.
        own_names: the server's hostname, and its handle domains with their leading dot.
        connect_to: for a port of those names, where to connect in place of what DNS says.
        ca_file: authorities to trust beside those of the machine.
    """

    def __init__(
        self,
        *,
        nameservers: Sequence[tuple[str, int]],
        own_names: Sequence[str],
        connect_to: Mapping[int, tuple[str, int]],
        ca_file: Path | None,
    ) -> None:
        self._nameservers = nameservers
        self._own_names = tuple(own_names)
        self._connect_to = connect_to
        self._asked: dict[tuple[str, str], asyncio.Task[list[str]]] = {}
        self._resolver: dns.asyncresolver.Resolver | None = None
        self.tls = ssl.create_default_context()
        if ca_file is not None:
            self.tls.load_verify_locations(ca_file)
        # Everything that is asked here was named by the operator, or by the server under examination.
        self.http = SafeFetch(allow_private=True, user_agent="Tempest doctor", look_up=self.look_up, tls=self.tls)

    async def close(self) -> None:
        """Let go of connections, and of questions under way."""
        for task in self._asked.values():
            task.cancel()
        await asyncio.gather(*self._asked.values(), return_exceptions=True)
        await self.http.close()

    def is_own(self, host: str) -> bool:
        """Tell whether a name is the server's own, or one of a handle."""
        return host == self._own_names[0] or host.endswith(tuple(name for name in self._own_names if name[:1] == "."))

    async def addresses(self, name: str) -> list[str]:
        """Give the addresses that DNS has for a name, those of IPv4 first; none is an empty list.

        Raises:
            NoNameServer: nobody answered.
        """
        found = await asyncio.gather(self._records(name, "A"), self._records(name, "AAAA"))
        return [*found[0], *found[1]]

    async def texts(self, name: str) -> list[str]:
        """Give the TXT records of a name, as `HandleResolver` asks for them."""
        try:
            return await self._records(name.rstrip("."), "TXT")
        except NoNameServer as error:
            raise Unreachable(str(error)) from error

    async def look_up(self, host: str, port: int) -> Sequence[tuple[str, int]]:
        """Give the addresses and ports to connect to; raises OSError when there are none."""
        if port in self._connect_to and self.is_own(host):
            return [self._connect_to[port]]
        if not _is_literal(host) and "." in host:
            try:
                found = await self.addresses(host)
            except NoNameServer:
                found = []
            if found:
                return [(address, port) for address in found]
        return await look_up_addresses(host, port)

    async def certificate(self, host: str, address: str, port: int, *, verified: bool = True) -> bytes:
        """Give the certificate (DER) that a server shows for a name.

        Raises:
            OSError: no connection, or a certificate that is not accepted; `causes.explain` has the words.
        """
        context = self.tls if verified else _trusting()
        async with asyncio.timeout(CONNECT_SECONDS):
            _, writer = await asyncio.open_connection(address, port, ssl=context, server_hostname=host)
        try:
            found: bytes | None = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
        finally:
            writer.transport.abort()
        assert found is not None
        return found

    async def open_stream(
        self, host: str, port: int, *, tls: bool
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Open a plain connection to a name, with or without TLS; raises OSError."""
        last: OSError | None = None
        for address, target in await self.look_up(host, port):
            try:
                async with asyncio.timeout(CONNECT_SECONDS):
                    return await asyncio.open_connection(
                        address, target, ssl=self.tls if tls else None, server_hostname=host if tls else None
                    )
            except OSError as error:
                last = error
        raise last or OSError(f"{host} leads to no address")

    async def web_socket(self, url: str) -> ClientConnection:
        """Open a WebSocket. Raises OSError, or what `websockets` raises for an answer that is no upgrade."""
        from websockets.asyncio.client import connect
        from yarl import URL

        parts = URL(url)
        host, port = parts.host or "", parts.port or 443
        targets = await self.look_up(host, port)
        for position, (address, target) in enumerate(targets):
            try:
                return await connect(
                    url,
                    host=address,
                    port=target,
                    ssl=self.tls if parts.scheme == "wss" else None,
                    compression=None,
                    proxy=None,
                    max_size=None,
                    open_timeout=CONNECT_SECONDS,
                    close_timeout=1,
                )
            except OSError:
                if position == len(targets) - 1:
                    raise
        raise OSError(f"{host} leads to no address")

    async def _records(self, name: str, kind: str) -> list[str]:
        key = (name, kind)
        if key not in self._asked:
            self._asked[key] = asyncio.ensure_future(self._ask(name, kind))
        return await asyncio.shield(self._asked[key])

    async def _ask(self, name: str, kind: str) -> list[str]:
        import dns.exception
        import dns.resolver

        try:
            answer = await self._open_resolver().resolve(f"{name}.", kind, lifetime=_DNS_SECONDS, search=False)
        except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
            return []
        except (dns.exception.DNSException, OSError, ValueError) as error:
            raise NoNameServer(f"no name server answers for {name} ({explain(error)})") from error
        if kind == "TXT":
            return [b"".join(record.strings).decode("utf-8", "replace") for record in answer]
        return sorted(str(record.address) for record in answer)

    def _open_resolver(self) -> dns.asyncresolver.Resolver:
        import dns.asyncresolver
        import dns.nameserver

        if self._resolver is None:
            self._resolver = dns.asyncresolver.Resolver(configure=not self._nameservers)
            if self._nameservers:
                self._resolver.nameservers = [
                    dns.nameserver.Do53Nameserver(address, port) for address, port in self._nameservers
                ]
        return self._resolver


def _is_literal(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _trusting() -> ssl.SSLContext:
    """Give a context that takes any certificate: only to look at one that was refused."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
