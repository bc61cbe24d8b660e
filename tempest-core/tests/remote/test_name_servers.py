"""Look-ups of names that strangers chose, at a real name server, and at some that do not answer."""

import asyncio
import socket
from collections.abc import Iterator

import pytest
from tests.support.dns_server import DnsServer

from tempest_pds.remote.errors import Busy, Unreachable
from tempest_pds.remote.name_servers import NameServers


@pytest.fixture
def dns() -> Iterator[DnsServer]:
    with DnsServer() as server:
        yield server


@pytest.fixture
def silent() -> Iterator[socket.socket]:
    """A name server that takes questions, and answers none."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        server.setblocking(False)
        yield server


def ask(server: DnsServer) -> NameServers:
    host, port = server.address.split(":")
    return NameServers([(host, int(port))])


async def test_a_host_has_a_few_addresses_of_each_family(dns: DnsServer) -> None:
    dns.records["many.example.com", "A"] = [f"192.0.2.{number}" for number in range(1, 100)]
    dns.records["many.example.com", "AAAA"] = [f"2001:db8::{number}" for number in range(1, 100)]
    found = await ask(dns).addresses("many.example.com", 443)
    assert len(found) == 8
    assert all(port == 443 for _, port in found)
    assert [":" in address for address, _ in found] == [False] * 4 + [True] * 4


async def test_one_family_is_enough(dns: DnsServer) -> None:
    dns.records["six.example.com", "AAAA"] = ["2606:4700::1"]
    assert await ask(dns).addresses("six.example.com", 443) == [("2606:4700::1", 443)]


@pytest.mark.parametrize("name", ["unknown.example.com", "localhost", socket.gethostname()])
async def test_only_dns_is_asked_and_not_the_hosts_file(dns: DnsServer, name: str) -> None:
    with pytest.raises(OSError, match="no address"):
        await ask(dns).addresses(name, 443)


async def test_the_parts_of_a_text_are_joined_and_a_name_without_texts_has_none(dns: DnsServer) -> None:
    dns.records["_atproto.example.com", "TXT"] = ['"did=did:plc:" "abc"', '"v=spf1"']
    assert sorted(await ask(dns).texts("_atproto.example.com.")) == ["did=did:plc:abc", "v=spf1"]
    assert await ask(dns).texts("_atproto.example.org.") == []


async def test_name_servers_that_never_answer_are_given_up_on_and_hold_up_no_thread(silent: socket.socket) -> None:
    servers = NameServers([silent.getsockname()], seconds=0.4)
    async with asyncio.timeout(10):
        asked = [asyncio.create_task(servers.addresses(f"tarpit-{number}.example", 443)) for number in range(60)]
        await asyncio.sleep(0)
        assert await asyncio.to_thread(lambda: not any(task.done() for task in asked))
        results = await asyncio.gather(*asked, return_exceptions=True)
    assert all(isinstance(result, Unreachable | Busy) for result in results)


async def test_one_domain_is_asked_so_many_questions_at_once_and_leaves_room_for_others(silent: socket.socket) -> None:
    servers = NameServers([silent.getsockname()], seconds=8)
    asked = [asyncio.create_task(servers.texts(f"{number}.tarpit.example")) for number in range(60)]
    asked.append(asyncio.create_task(servers.texts("other.example.com")))
    names: set[bytes] = set()
    async with asyncio.timeout(5):
        while len(names) < 17:
            names.add((await asyncio.get_running_loop().sock_recv(silent, 4096))[12:])
    for task in asked:
        task.cancel()
    await asyncio.gather(*asked, return_exceptions=True)
    assert sum(b"tarpit" in name for name in names) == 16
    with pytest.raises(BlockingIOError):
        silent.recv(4096)
