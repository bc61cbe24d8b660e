"""An upload that the death of the server cuts off leaves nothing: no blob, and no bytes that nobody knows of."""

import socket

import pytest
from tests.support.account import CallRefused, sign_up
from tests.support.server import Tempest

# More than the kernel holds for a connection: once all of it is sent, the server has read a part.
HALF = 20_000_000


def test_half_an_upload_is_no_upload(lone_tempest: Tempest) -> None:
    server = lone_tempest.start()
    account = sign_up(server, "half")
    head = (
        "POST /xrpc/com.atproto.repo.uploadBlob HTTP/1.1\r\nHost: localhost\r\n"
        f"Authorization: Bearer {account.access}\r\n"
        f"Content-Type: image/png\r\nContent-Length: {2 * HALF}\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", server.port)) as client:
        client.sendall(head.encode() + bytes(HALF))
        server.kill()
    server.start()
    assert list((server.folder / "tmp").iterdir()) == []
    assert [path for path in (server.folder / "blobs").rglob("*") if path.is_file()] == []
    assert account.query("com.atproto.sync.listBlobs", did=account.did)["cids"] == []
    with pytest.raises(CallRefused):
        account.query(
            "com.atproto.sync.getBlob",
            did=account.did,
            cid="bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku",
        )
