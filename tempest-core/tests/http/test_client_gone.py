"""Who goes away need not be waited for: the service that was asked is let go at once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from whole_server import User, WholeServer, whole_server

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n"
PATIENCE = 10


class SilentService:
    """Reads a request, says `begins`, and no more. `left` is set when the connection to it is closed."""

    def __init__(self, begins: bytes = b"") -> None:
        self.asked = asyncio.Event()
        self.left = asyncio.Event()
        self.url = ""
        self._begins = begins

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        if b"content-length: 2" in head.lower():
            await reader.readexactly(2)
        writer.write(self._begins)
        self.asked.set()
        assert await reader.read() == b""
        self.left.set()
        writer.close()


@asynccontextmanager
async def silent_service(begins: bytes = b"") -> AsyncIterator[SilentService]:
    service = SilentService(begins)
    listener = await asyncio.start_server(service.serve, "127.0.0.1", 0)
    async with listener:
        service.url = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
        yield service


async def send(server: WholeServer, user: User, line: str, body: str = "") -> asyncio.StreamWriter:
    _, writer = await asyncio.open_connection("127.0.0.1", server.port)
    headers = f"Host: localhost\r\nAuthorization: Bearer {user.token}\r\n"
    if body:
        headers += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
    writer.write(f"{line} HTTP/1.1\r\n{headers}\r\n{body}".encode())
    return writer


@pytest.mark.parametrize(
    ("line", "body", "begins"),
    [
        ("GET /xrpc/com.example.anything", "", b""),
        ("GET /xrpc/app.bsky.feed.getTimeline", "", b""),
        ("POST /xrpc/app.bsky.graph.muteActor", "{}", b""),
        ("GET /xrpc/com.example.anything", "", HEAD + b"["),
        ("POST /xrpc/app.bsky.graph.muteActor", "{}", HEAD + b"["),
        ("GET /xrpc/com.atproto.repo.getRecord?repo=did:web:example.com&collection=com.example.some&rkey=x", "", b""),
    ],
)
async def test_a_service_is_let_go_when_the_client_has_gone(
    tmp_path: Path, line: str, body: str, begins: bytes
) -> None:
    async with (
        silent_service(begins) as service,
        whole_server(tmp_path, TEMPEST_APPVIEW_URL=service.url) as server,
    ):
        alice = await server.sign_up("alice")
        writer = await send(server, alice, line, body)
        async with asyncio.timeout(PATIENCE):
            await service.asked.wait()
            assert not service.left.is_set()
            writer.close()
            await service.left.wait()
        assert '"level": "error"' not in server.log_text()
        assert (await alice.get("com.atproto.server.getSession")).status_code == 200


async def test_a_body_that_is_too_large_is_told_as_such(tmp_path: Path) -> None:
    async with whole_server(tmp_path) as server:
        alice = await server.sign_up("alice")
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        head = f"POST /xrpc/app.bsky.graph.muteActor HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {alice.token}\r\n"
        writer.write(f"{head}Content-Type: application/json\r\nContent-Length: {1 << 40}\r\n\r\n".encode())
        async with asyncio.timeout(PATIENCE):
            assert b" 413 " in await reader.readline()
        writer.close()
