"""A hundred subscribers, one of which never reads: nobody notices, and memory stays bounded."""

import asyncio
import functools
import secrets
import socket
import statistics
import time

from bench.http_client import Connection
from bench.subscribers import Subscribers
from bench.targets import check, create_record
from tests.support.account import Account, sign_up
from tests.support.server import Tempest

UPGRADE = (
    b"GET /xrpc/com.atproto.sync.subscribeRepos HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
    b"Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)


async def write(server: Tempest, accounts: list[Account], each: int) -> list[float]:
    """Have every account write *each* posts as fast as they are answered; return the seconds that each took."""
    seconds: list[float] = []

    async def write_on(account: Account) -> None:
        connection = await Connection.open(server.port)
        make = functools.partial(create_record, account)
        for _ in range(each):
            request = make("x" * 200 + secrets.token_hex(20))
            started = time.monotonic()
            check(await connection.request(request))
            seconds.append(time.monotonic() - started)
        connection.close()

    await asyncio.gather(*map(write_on, accounts))
    return seconds


def test_one_that_never_reads_is_noticed_by_nobody(lone_tempest: Tempest) -> None:
    lone_tempest.start()
    accounts = [sign_up(lone_tempest, "busy") for _ in range(4)]
    events = 1500
    with Subscribers(lone_tempest.port, 99) as audience, socket.socket() as deaf:
        alone = asyncio.run(write(lone_tempest, accounts, 50))
        warm = lone_tempest.memory_mib()
        before = audience.counts()
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        deaf.connect(("127.0.0.1", lone_tempest.port))
        deaf.sendall(UPGRADE)
        assert deaf.recv(12) == b"HTTP/1.1 101"
        beside = asyncio.run(write(lone_tempest, accounts, events // len(accounts)))
        deadline = time.monotonic() + 60
        while min(audience.counts()) < before[0] + events and time.monotonic() < deadline:
            time.sleep(0.1)
        counts = audience.counts()
        assert {count - first for count, first in zip(counts, before, strict=True)} == {events}
        assert audience.closed() == 0
        assert statistics.median(beside) < 3 * statistics.median(alone) + 0.01
        assert lone_tempest.memory_mib() < warm + 60


def test_readers_from_the_start_join_without_holding_up_a_writer(lone_tempest: Tempest) -> None:
    """Backfill is read in pieces: fifty who ask for all of it cost memory for the pieces only."""
    lone_tempest.start()
    accounts = [sign_up(lone_tempest, "old") for _ in range(4)]
    asyncio.run(write(lone_tempest, accounts, 250))
    warm = lone_tempest.memory_mib()
    everything = 4 * len(accounts) + 1000
    with Subscribers(lone_tempest.port, 50, cursor=0) as audience:
        asyncio.run(write(lone_tempest, accounts, 25))
        everything += 100
        deadline = time.monotonic() + 60
        while min(audience.counts()) < everything and time.monotonic() < deadline:
            time.sleep(0.1)
        assert set(audience.counts()) == {everything}
    assert lone_tempest.memory_mib() < warm + 80
