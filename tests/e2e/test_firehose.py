"""The rules of the firehose's cursor, and the seam from backfill to live, on the wire."""

import secrets
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.support.account import Account, sign_up
from tests.support.frames import Frame, Subscription
from tests.support.process import ServerProcess
from tests.support.reference import PlcDirectory, ReferencePds
from tests.support.server import Tempest


@pytest.fixture(scope="module")
def plc_url(plc: PlcDirectory) -> str:
    return plc.url


@pytest.fixture(scope="module")
def account_on(plc_url: str) -> dict[str, Account]:
    return {}


@pytest.fixture
def account(pds: ServerProcess, account_on: dict[str, Account]) -> Account:
    """One account for this file on each server."""
    if pds.name not in account_on:
        account_on[pds.name] = sign_up(pds, "frames")
    return account_on[pds.name]


def last_seq(server: ServerProcess, account: Account) -> int:
    """Write once and return the number of that event."""
    with Subscription(server) as live:
        return frame_of(live, account.post("a mark")["commit"]["rev"]).seq


def frame_of(live: Subscription, rev: str) -> Frame:
    """Read on to the event of a revision; the reference may still be telling what came before the subscription."""
    while True:
        frame = live.next()
        assert frame is not None
        if frame.body.get("rev") == rev:
            return frame


def test_without_a_cursor_only_what_happens_from_now_on_comes(pds: ServerProcess, account: Account) -> None:
    account.post("before")
    time.sleep(1.5)  # the reference asks its database once a second what is new
    with Subscription(pds) as live:
        assert live.quiet()
        made = account.post("after")
        frame = live.take(1)[0]
    assert frame.kind == "#commit"
    assert frame.body["rev"] == made["commit"]["rev"]


def test_cursor_zero_brings_everything_in_order(pds: ServerProcess, account: Account) -> None:
    newest = last_seq(pds, account)
    with Subscription(pds, cursor=0) as feed:
        frames = [feed.take(1)[0]]
        while frames[-1].seq < newest:
            frames += feed.take(1)
    numbers = [frame.seq for frame in frames]
    assert numbers == sorted(set(numbers))
    mine = [frame.kind for frame in frames if account.did in (frame.body.get("did"), frame.body.get("repo"))]
    assert mine[:4] == ["#identity", "#account", "#commit", "#sync"]


def test_a_commit_frame_carries_what_sync_1_1_asks_for(pds: ServerProcess, account: Account) -> None:
    first = account.post("one")
    with Subscription(pds) as live:
        made = account.post("two")
        body = frame_of(live, made["commit"]["rev"]).body
    assert body["repo"] == account.did
    assert body["since"] == first["commit"]["rev"]
    assert (body["rebase"], body["tooBig"], body["blobs"]) == (False, False, [])
    assert body["rev"] == made["commit"]["rev"]
    assert body["time"].endswith("Z")
    assert body["commit"].tag == body["prevData"].tag == 42
    assert [(op["action"], "prev" in op) for op in body["ops"]] == [("create", False)]
    required = "seq rebase tooBig repo commit rev since blocks ops blobs time prevData"
    assert set(body) - {"prev"} == set(required.split())


def test_a_delete_names_the_record_that_was(pds: ServerProcess, account: Account) -> None:
    made = account.post("short-lived")
    with Subscription(pds) as live:
        deleted = account.procedure(
            "com.atproto.repo.deleteRecord",
            repo=account.did,
            collection="app.bsky.feed.post",
            rkey=made["uri"].rpartition("/")[2],
        )
        op = frame_of(live, deleted["commit"]["rev"]).body["ops"][0]
    assert (op["action"], op["cid"]) == ("delete", None)
    assert op["prev"].tag == 42


def test_a_cursor_is_the_last_event_that_was_seen(pds: ServerProcess, account: Account) -> None:
    seq = last_seq(pds, account)
    made = account.post("the one after")
    with Subscription(pds, cursor=seq) as feed:
        assert feed.take(1)[0].body["rev"] == made["commit"]["rev"]


def test_a_cursor_at_the_end_waits(pds: ServerProcess, account: Account) -> None:
    with Subscription(pds, cursor=last_seq(pds, account)) as feed:
        assert feed.quiet()
        made = account.post("worth the wait")
        assert feed.take(1)[0].body["rev"] == made["commit"]["rev"]


def test_a_cursor_of_the_future_is_refused(pds: ServerProcess, account: Account) -> None:
    with Subscription(pds, cursor=last_seq(pds, account) + 1_000_000) as feed:
        frame = feed.next()
        assert frame is not None
        assert (frame.kind, frame.body["error"]) == ("error", "FutureCursor")
        assert feed.next() is None


@pytest.mark.parametrize("query", ["cursor=abc", "cursor=1.5"])
def test_a_cursor_that_is_no_number_does_not_subscribe(pds: ServerProcess, query: str) -> None:
    request = (
        f"GET /xrpc/com.atproto.sync.subscribeRepos?{query} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
        "Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", pds.port), timeout=5) as raw:
        raw.sendall(request.encode())
        answer = raw.recv(65536)
        if answer.startswith(b"HTTP/1.1 101"):
            # The reference accepts first and then sends an error frame; so may we.
            while b"InvalidRequest" not in answer:
                more = raw.recv(65536)
                assert more, answer
                answer += more
        else:
            assert answer.startswith(b"HTTP/1.1 400"), answer


@contextmanager
def writers(accounts: list[Account], written: list[str]) -> Iterator[threading.Event]:
    """Keep every account writing until the block ends; *written* collects the revs that were acknowledged."""
    stop = threading.Event()

    def write(account: Account) -> None:
        while not stop.is_set():
            written.append(account.post("seam")["commit"]["rev"])

    threads = [threading.Thread(target=write, args=(account,)) for account in accounts]
    for thread in threads:
        thread.start()
    try:
        yield stop
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def test_the_seam_from_backfill_to_live_is_exact(pds: ServerProcess) -> None:
    """Whoever joins while others write sees every event from the cursor on, once and in order."""
    accounts = [sign_up(pds, "seam") for _ in range(4)]
    start = last_seq(pds, accounts[0])
    written: list[str] = []
    feeds: list[list[Frame]] = [[] for _ in range(12)]
    quit_reading = threading.Event()

    def read(number: int) -> None:
        with Subscription(pds, cursor=start) as feed:
            while not quit_reading.is_set():
                try:
                    frame = feed.next(0.5)
                except TimeoutError:
                    continue
                assert frame is not None
                feeds[number].append(frame)

    readers = []
    with writers(accounts, written):
        for number in range(len(feeds)):
            reader = threading.Thread(target=read, args=(number,))
            reader.start()
            readers.append(reader)
            time.sleep(0.15)
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline and any(len(feed) < len(written) for feed in feeds):
        time.sleep(0.1)
    quit_reading.set()
    for reader in readers:
        reader.join()
    assert len(written) > 20
    longest = [frame.seq for frame in feeds[0]]
    assert longest == sorted(set(longest))
    for feed in feeds:
        assert [frame.seq for frame in feed] == longest
        assert sorted(frame.body["rev"] for frame in feed) == sorted(written)


@pytest.fixture(params=["reference", "tempest"])
def narrow_pds(request: pytest.FixtureRequest, plc: PlcDirectory, tmp_path: Path) -> Iterator[ServerProcess]:
    """A server whose buffer for a slow subscriber is small."""
    if request.param == "reference":
        node = request.getfixturevalue("node")
        server: ServerProcess = ReferencePds(node, tmp_path / "pds", plc.url, PDS_MAX_SUBSCRIPTION_BUFFER="20")
    else:
        server = Tempest(tmp_path / "data", plc.url, TEMPEST_FIREHOSE_MAX_BUFFER="20")
    with server:
        yield server


def test_a_consumer_that_is_too_slow_is_told_and_cut_off(narrow_pds: ServerProcess) -> None:
    account = sign_up(narrow_pds, "slow")
    request = (
        "GET /xrpc/com.atproto.sync.subscribeRepos HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
        "Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    )
    with socket.socket() as raw:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        raw.settimeout(20)
        raw.connect(("127.0.0.1", narrow_pds.port))
        raw.sendall(request.encode())
        assert raw.recv(12) == b"HTTP/1.1 101"
        for _ in range(80):
            writes = [
                {
                    "$type": "com.atproto.repo.applyWrites#create",
                    "collection": "com.example.big",
                    "value": {"$type": "com.example.big", "text": secrets.token_hex(15_000)},
                }
                for _ in range(4)
            ]
            account.procedure("com.atproto.repo.applyWrites", repo=account.did, writes=writes)
        received = b""
        while b"ConsumerTooSlow" not in received:
            chunk = raw.recv(1 << 20)
            assert chunk, "closed without a word"
            received = received[-64:] + chunk


def test_an_outdated_cursor_gets_word_of_it(narrow_pds: ServerProcess, tmp_path: Path) -> None:
    """Events older than the window are gone: the answer starts with #info, then what is still there."""
    import sqlite3

    account = sign_up(narrow_pds, "old")
    account.post("long ago")
    narrow_pds.stop()
    with sqlite3.connect(narrow_pds.folder / "sequencer.sqlite") as database:
        if narrow_pds.name == "Tempest":
            database.execute("UPDATE event SET time_us = time_us - ?", (365 * 86_400_000_000,))
        else:
            database.execute("UPDATE repo_seq SET sequencedAt = '2020-01-01T00:00:00.000Z'")
    narrow_pds.start()
    made = account.post("today")
    with Subscription(narrow_pds, cursor=1) as feed:
        info, commit = feed.take(2)
    assert (info.kind, info.body["name"]) == ("#info", "OutdatedCursor")
    assert commit.body["rev"] == made["commit"]["rev"]
