from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from edge_server import ALICE, edge_server

from tempest_pds.http.access import ACCESS
from tempest_pds.http.answers import Answer
from tempest_pds.http.client_address import client_address, limit_key
from tempest_pds.http.context import Call
from tempest_pds.http.rate_limits import DAY, GLOBAL, MINUTE, Limit, RateLimiter, by_account, by_address
from tempest_pds.http.xrpc import Method

SMALL = Limit("small", 3, 5 * MINUTE)
OWN = Limit("own", 6000, 5 * MINUTE)


async def nothing(call: Call) -> Answer:
    return {}


METHODS = [
    Method("com.atproto.server.describeServer", "query", nothing, limits=(SMALL,)),
    Method("com.atproto.sync.listRepos", "query", nothing, global_limit=OWN),
    Method("com.atproto.repo.deleteRecord", "procedure", nothing, cost=1),
    Method("com.atproto.repo.applyWrites", "procedure", nothing, cost=lambda call: 3 * len(call.input["writes"])),
]
WRITES = {method.nsid: ACCESS for method in METHODS if method.cost is not None}
DELETE = {"repo": ALICE, "collection": "a.b.c", "rkey": "1"}


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    limiter = RateLimiter(bypass_key="open-sesame")
    async with (
        edge_server(METHODS, access=WRITES, limiter=limiter, validate_responses=False) as server,
        httpx.AsyncClient(base_url=server.url, headers={"authorization": "Bearer access"}) as client,
    ):
        yield client


async def test_the_tightest_limit_is_told_in_four_headers(client: httpx.AsyncClient) -> None:
    answer = await client.get("/xrpc/com.atproto.server.describeServer")
    assert answer.headers["ratelimit-limit"] == "3"
    assert answer.headers["ratelimit-remaining"] == "2"
    assert answer.headers["ratelimit-policy"] == "3;w=300"
    assert int(answer.headers["ratelimit-reset"]) > 1_700_000_000


async def test_over_the_limit_is_429_with_a_time_to_wait(client: httpx.AsyncClient) -> None:
    for _ in range(3):
        assert (await client.get("/xrpc/com.atproto.server.describeServer")).status_code == 200
    answer = await client.get("/xrpc/com.atproto.server.describeServer")
    assert answer.status_code == 429
    assert answer.json() == {"error": "RateLimitExceeded", "message": "Rate Limit Exceeded"}
    assert answer.headers["ratelimit-remaining"] == "0"
    assert 0 < int(answer.headers["retry-after"]) <= 300
    assert answer.headers["access-control-allow-origin"] == "*"


async def test_the_bypass_header_lifts_all_limits(client: httpx.AsyncClient) -> None:
    headers = {"x-ratelimit-bypass": "open-sesame"}
    for _ in range(5):
        answer = await client.get("/xrpc/com.atproto.server.describeServer", headers=headers)
        assert answer.status_code == 200
        assert "ratelimit-limit" not in answer.headers
    answer = await client.get("/xrpc/com.atproto.server.describeServer", headers={"x-ratelimit-bypass": "x"})
    assert answer.headers["ratelimit-remaining"] == "2"


async def test_writes_cost_points_against_the_account(client: httpx.AsyncClient) -> None:
    first = await client.post("/xrpc/com.atproto.repo.deleteRecord", json=DELETE)
    assert first.status_code == 200, first.text
    # The hour's count of writes is larger than what is left of the address's five minutes, so that one is told.
    assert first.headers["ratelimit-limit"] == str(GLOBAL.points)
    write = {"$type": "com.atproto.repo.applyWrites#delete", "collection": "a.b.c", "rkey": "1"}
    answer = await client.post("/xrpc/com.atproto.repo.applyWrites", json={"repo": ALICE, "writes": [write] * 1600})
    assert answer.status_code == 413
    answer = await client.post("/xrpc/com.atproto.repo.applyWrites", json={"repo": ALICE, "writes": [write] * 100})
    assert answer.status_code == 200


async def test_failed_requests_count_as_well(client: httpx.AsyncClient) -> None:
    before = int((await client.get("/xrpc/com.example.unknown")).headers["ratelimit-remaining"])
    after = int((await client.get("/xrpc/com.example.unknown")).headers["ratelimit-remaining"])
    assert before - after == 1


async def test_a_method_may_have_a_limit_of_its_own_instead_of_the_global_one(client: httpx.AsyncClient) -> None:
    answer = await client.get("/xrpc/com.atproto.sync.listRepos")
    assert answer.headers["ratelimit-limit"] == "6000"


def test_a_window_opens_with_its_first_request_and_closes_in_time() -> None:
    now = [1000.0]
    limiter = RateLimiter(clock=lambda: now[0])
    assert limiter.consume(SMALL, "a").resets_at == 1300
    now[0] = 1299
    assert limiter.consume(SMALL, "a", 2).remaining == 0
    assert limiter.consume(SMALL, "a").exceeded
    assert not limiter.consume(SMALL, "b").exceeded
    now[0] = 1300
    assert limiter.consume(SMALL, "a").remaining == 2


def test_the_table_of_counts_does_not_grow_without_end() -> None:
    now = [0.0]
    limiter = RateLimiter(clock=lambda: now[0])
    for number in range(30_000):
        now[0] += 1
        limiter.consume(SMALL, str(number))
    assert len(limiter._windows) <= 10_001
    day = Limit("day", 1, DAY)
    now[0] = 0
    for number in range(250_000):
        limiter.consume(day, str(number))
    assert len(limiter._windows) <= 200_000


def test_keys_are_accounts_or_addresses() -> None:
    anonymous: Any = SimpleNamespace(client_ip="10.0.0.1", credentials=None)
    known: Any = SimpleNamespace(client_ip="10.0.0.1", credentials=SimpleNamespace(did=ALICE))
    assert by_address(known) == by_account(anonymous) == "10.0.0.1"
    assert by_account(known) == ALICE


def test_an_ipv6_client_is_counted_by_its_network() -> None:
    assert limit_key("2001:db8:1:2:3:4:5:6") == limit_key("2001:db8:1:2::9") == "2001:0db8:0001:0002::/64"
    assert limit_key("2001:db8:1:3::9") != limit_key("2001:db8:1:2::9")
    assert limit_key("::ffff:10.0.0.1") == "10.0.0.1"
    assert limit_key("fe80::1%eth0") == "fe80:0000:0000:0000::/64"
    assert limit_key("unknown") == "unknown"


@pytest.mark.parametrize(
    ("forwarded", "proxies", "expected"),
    [
        ([], 0, "192.0.2.1"),
        ([b"1.2.3.4"], 0, "192.0.2.1"),
        ([b"1.2.3.4"], 1, "1.2.3.4"),
        ([b"6.6.6.6, 1.2.3.4"], 1, "1.2.3.4"),
        ([b"6.6.6.6", b"1.2.3.4"], 1, "1.2.3.4"),
        ([b"6.6.6.6, 1.2.3.4, 10.0.0.1"], 2, "1.2.3.4"),
        ([b"1.2.3.4"], 2, "1.2.3.4"),
        ([b"1.2.3.4:5678"], 1, "1.2.3.4"),
        ([b"[2001:db8::1]:5678"], 1, "2001:db8::1"),
        ([b'"[2001:db8::1]"'], 1, "2001:db8::1"),
        ([b"::ffff:1.2.3.4"], 1, "1.2.3.4"),
        ([b"not an address"], 1, "192.0.2.1"),
        ([b"\xff"], 1, "192.0.2.1"),
        ([b""], 1, "192.0.2.1"),
        ([], 1, "192.0.2.1"),
    ],
)
def test_the_client_is_so_many_hops_back_as_proxies_are_trusted(
    forwarded: list[bytes], proxies: int, expected: str
) -> None:
    headers = [(b"host", b"x"), *[(b"x-forwarded-for", value) for value in forwarded]]
    assert client_address({"client": ("192.0.2.1", 99)}, headers, proxies) == expected
