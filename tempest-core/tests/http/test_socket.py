import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress

import cbor2
import httpx
import pytest
from edge_server import EdgeServer, edge_server
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tempest_pds.http import guarded_socket
from tempest_pds.http.answers import Answer
from tempest_pds.http.context import Call
from tempest_pds.http.socket import Socket
from tempest_pds.http.xrpc import query, subscription
from tempest_pds.services.firehose import ConsumerTooSlow, to_wire
from tempest_pds.services.repo_errors import FutureCursor

ended: list[str] = []
REPOS = "/xrpc/com.atproto.sync.subscribeRepos"


@subscription("com.atproto.sync.subscribeRepos")
async def subscribe_repos(call: Call, socket: Socket) -> None:
    match call.params.get("cursor"):
        case 1:
            raise FutureCursor("Cursor in the future.")
        case 2:
            raise RuntimeError("secret")
        case 3:
            await socket.send_bytes(b"one")
            await socket.write(to_wire(b"two") + to_wire(b"three" * 100))
            assert socket.try_write(to_wire(b"four" * 20_000))
        case 4:
            try:
                await socket.send_bytes(b"ready")
                await asyncio.Event().wait()
            finally:
                ended.append("cancelled")
        case 5:
            try:
                while True:
                    async with asyncio.timeout(0.5):
                        await socket.write(to_wire(b"x" * 60_000))
            except TimeoutError:
                ended.append("blocked")
                raise ConsumerTooSlow("Stream consumer too slow") from None


@subscription("com.atproto.label.subscribeLabels")
async def subscribe_labels(call: Call, socket: Socket) -> None:
    await socket.close(4000, "reason")


@query("com.atproto.server.describeServer")
async def describe_server(call: Call) -> Answer:
    return {}


@pytest.fixture
async def server() -> AsyncIterator[EdgeServer]:
    ended.clear()
    async with edge_server([subscribe_repos, subscribe_labels, describe_server]) as server:
        yield server


def address(server: EdgeServer, path: str) -> str:
    return f"ws://127.0.0.1:{server.port}{path}"


async def test_frames_arrive_in_order_however_they_are_sent(server: EdgeServer) -> None:
    async with connect(address(server, REPOS + "?cursor=3")) as ws:
        assert [await ws.recv() for _ in range(4)] == [b"one", b"two", b"three" * 100, b"four" * 20_000]
        with pytest.raises(ConnectionClosed) as closed:
            await ws.recv()
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1000


async def test_nothing_is_compressed(server: EdgeServer) -> None:
    async with connect(address(server, REPOS + "?cursor=3")) as ws:
        assert ws.response is not None
        assert "sec-websocket-extensions" not in ws.response.headers


@pytest.mark.parametrize(
    ("query", "error", "code"),
    [
        ("cursor=1", "FutureCursor", 1008),
        ("cursor=abc", "InvalidRequest", 1008),
        ("cursor=%ff", "InvalidRequest", 1008),
        ("cursor=2", "InternalServerError", 1011),
    ],
)
async def test_an_error_is_a_frame_and_a_close_that_tell_no_details(
    server: EdgeServer, query: str, error: str, code: int
) -> None:
    async with connect(address(server, f"{REPOS}?{query}")) as ws:
        frame = await ws.recv()
        assert isinstance(frame, bytes)
        assert frame.startswith(cbor2.dumps({"op": -1}))
        body = cbor2.loads(frame[len(cbor2.dumps({"op": -1})) :])
        assert body["error"] == error
        assert "secret" not in body["message"]
        with pytest.raises(ConnectionClosed) as closed:
            await ws.recv()
        assert closed.value.rcvd is not None
        assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (code, error)


async def test_the_method_may_close_with_a_reason(server: EdgeServer) -> None:
    async with connect(address(server, "/xrpc/com.atproto.label.subscribeLabels")) as ws:
        with pytest.raises(ConnectionClosed) as closed:
            await ws.recv()
        assert closed.value.rcvd is not None
        assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (4000, "reason")


async def test_the_method_is_cancelled_when_the_client_goes_away(server: EdgeServer) -> None:
    async with connect(address(server, REPOS + "?cursor=4")) as ws:
        await ws.send("whatever the client sends is dropped")
        assert await ws.recv() == b"ready"
    for _ in range(200):
        if ended:
            break
        await asyncio.sleep(0.01)
    assert ended == ["cancelled"]


async def test_a_client_that_never_reads_is_cut_off_in_the_end(
    monkeypatch: pytest.MonkeyPatch, server: EdgeServer
) -> None:
    monkeypatch.setattr(guarded_socket, "LINGER_SECONDS", 0.2)
    monkeypatch.setattr("tempest_pds.http.socket.CLOSE_SECONDS", 0.2)
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port, limit=1024)
    writer.write(
        f"GET {REPOS}?cursor=5 HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
    )
    for _ in range(500):
        if ended:
            break
        await asyncio.sleep(0.01)
    assert ended == ["blocked"]
    await asyncio.sleep(1)
    # The rest of what was buffered, and then the end: the connection is gone although nothing was read before.
    size = 0
    with suppress(ConnectionError):
        async with asyncio.timeout(5):
            while chunk := await reader.read(65536):
                size += len(chunk)
    assert size < 20_000_000
    writer.close()


@pytest.mark.parametrize(
    ("path", "status", "error"),
    [
        ("/xrpc/com.example.unknown", 501, "MethodNotImplemented"),
        ("/xrpc/com.atproto.server.describeServer", 400, "InvalidRequest"),
        ("/xrpc/%00", 400, "InvalidRequest"),
        ("/elsewhere", 404, "NotFound"),
    ],
)
async def test_other_paths_refuse_the_handshake_with_a_flat_error(
    server: EdgeServer, path: str, status: int, error: str
) -> None:
    with pytest.raises(InvalidStatus) as refused:
        await connect(address(server, path))
    assert refused.value.response.status_code == status
    assert refused.value.response.body is not None
    assert error.encode() in refused.value.response.body


async def test_a_plain_get_is_told_to_upgrade(server: EdgeServer) -> None:
    async with httpx.AsyncClient() as client:
        answer = await client.get(server.url + REPOS)
        assert answer.status_code == 426
        assert answer.headers["upgrade"] == "websocket"
        assert answer.json()["error"] == "UpgradeRequired"
        assert (await client.post(server.url + REPOS)).status_code == 426


async def test_a_broken_handshake_is_a_client_error(server: EdgeServer) -> None:
    answer = await server.raw(
        f"GET {REPOS} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n".encode(), seconds=2
    )
    assert answer.startswith(b"HTTP/1.1 4")
