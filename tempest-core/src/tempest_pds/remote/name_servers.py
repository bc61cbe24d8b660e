"""What DNS says of names that strangers chose.

The machine's own resolver is not asked for those. It takes a thread for each question, for as long as the name servers
of the name keep it waiting: half a dozen names that never answer would hold up whatever else needs a thread. It also
answers from the hosts file and the local network (`localhost`, `.local`), which are none of a stranger's business.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from tempest_pds.remote.errors import Unreachable
from tempest_pds.remote.slots import Slots

if TYPE_CHECKING:
    import dns.asyncresolver
    import dns.resolver

SECONDS: Final = 3.0
_AT_ONCE: Final = 128
_AT_ONCE_PER_SITE: Final = 16
_MAX_ADDRESSES: Final = 4


class NameServers:
    """Ask name servers, for a bounded time, so many questions at once.

    Args:
        servers: addresses and ports, asked in place of those that the machine is configured with.
        seconds: for all answers on one name.
    """

    def __init__(self, servers: Sequence[tuple[str, int]] = (), *, seconds: float = SECONDS) -> None:
        self._servers = servers
        self._seconds = seconds
        self._slots = Slots(_AT_ONCE, _AT_ONCE_PER_SITE, seconds=seconds)
        self._resolver: dns.asyncresolver.Resolver | None = None

    async def texts(self, name: str) -> list[str]:
        """Give the TXT records of a name, the parts of each joined; none is an empty list.

        Raises:
            Unreachable: no name server gave an answer.
            Busy: too many are being asked for names of this domain already.
        """
        answer = await self._ask(name, "TXT")
        return [b"".join(record.strings).decode("utf-8", "replace") for record in answer or ()]

    async def addresses(self, host: str, port: int) -> Sequence[tuple[str, int]]:
        """Give the addresses of a host to try, with the port, a few of each family, IPv4 first; see `LookUp`.

        Raises:
            OSError: there is none.
            Busy: as for `texts`.
        """
        answers = await asyncio.gather(self._ask(host, "A"), self._ask(host, "AAAA"), return_exceptions=True)
        found = [
            str(record.address)
            for answer in answers
            if not isinstance(answer, BaseException)
            for record in list(answer or ())[:_MAX_ADDRESSES]
        ]
        if not found:
            failures = [answer for answer in answers if isinstance(answer, BaseException)]
            raise failures[0] if failures else socket.gaierror(socket.EAI_NONAME, f"{host} leads to no address")
        return [(address, port) for address in found]

    async def _ask(self, name: str, kind: str) -> dns.resolver.Answer | None:
        # 40 ms and 6 MB: loaded by the first name of another server.
        import dns.exception
        import dns.name
        import dns.resolver

        name = name.rstrip(".")
        give_back = await self._slots.take(".".join(name.split(".")[-2:]))
        try:
            return await self._open_resolver().resolve(f"{name}.", kind, lifetime=self._seconds, search=False)
        except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer, dns.name.NameTooLong):
            return None
        except (dns.exception.DNSException, OSError, ValueError) as error:
            raise Unreachable(f"No name server answered for {name}") from error
        finally:
            give_back()

    def _open_resolver(self) -> dns.asyncresolver.Resolver:
        import dns.asyncresolver
        import dns.nameserver

        if self._resolver is None:
            self._resolver = dns.asyncresolver.Resolver(configure=not self._servers)
            if self._servers:
                self._resolver.nameservers = [
                    dns.nameserver.Do53Nameserver(address, port) for address, port in self._servers
                ]
        return self._resolver
