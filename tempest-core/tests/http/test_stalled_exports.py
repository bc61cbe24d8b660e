"""Who asks for a repository and does not read it gets no more of it after a while."""

import asyncio
import socket
from pathlib import Path

import pytest
from whole_server import POST, whole_server

from tempest_pds.http import lean_cycle

pytest.importorskip("httptools", reason="h11 has no such end of patience")


async def test_an_export_that_nobody_reads_comes_to_an_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lean_cycle, "STALLED_SECONDS", 0.3)
    async with whole_server(tmp_path) as server:
        alice = await server.sign_up("alice")
        record = {"$type": POST, "text": "long", "createdAt": "2026-01-01T00:00:00Z", "more": "y" * 40_000}
        create = {"$type": "com.atproto.repo.applyWrites#create", "collection": POST, "value": record}
        for _ in range(20):
            answer = await alice.post("com.atproto.repo.applyWrites", {"repo": alice.did, "writes": [create] * 20})
            assert answer.status_code == 200, answer.text
        client = socket.socket()
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.setblocking(False)
        loop = asyncio.get_running_loop()
        await loop.sock_connect(client, ("127.0.0.1", server.port))
        path = f"/xrpc/com.atproto.sync.getRepo?did={alice.did}"
        await loop.sock_sendall(client, f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        sync = server.services.sync
        async with asyncio.timeout(20):
            while not sync._users:  # noqa: ASYNC110 - nothing tells
                await asyncio.sleep(0.01)
            while sync._users:  # noqa: ASYNC110 - nothing tells
                await asyncio.sleep(0.01)
        client.close()
        assert (await alice.get("com.atproto.server.getSession")).status_code == 200
        assert "unexpected error" not in server.log_text()
        assert "Exception" not in server.log_text()
