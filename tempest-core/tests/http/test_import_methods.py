"""com.atproto.repo.importRepo over HTTP: by whom, how much, and in what form."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from tests.support.foreign_repo import RECORDS, Foreign
from whole_server import User, WholeServer, verdict, whole_server

from tempest_pds.protocol.syntax.did import Did

IMPORT = "/xrpc/com.atproto.repo.importRepo"
CAR = "application/vnd.ipld.car"
LIMIT = 200_000


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[WholeServer]:
    async with whole_server(tmp_path, TEMPEST_REPO_IMPORT_MAX_BYTES=str(LIMIT)) as server:
        yield server


async def send(
    user: User, data: bytes | AsyncIterator[bytes], *, token: str | None = None, content_type: str = CAR, **more: str
) -> httpx.Response:
    headers = {"Authorization": f"Bearer {token or user.token}", "Content-Type": content_type, **more}
    return await user.http.post(IMPORT, content=data, headers=headers)


async def in_pieces(data: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(data), 10_000):
        yield data[start : start + 10_000]


async def test_a_repository_is_as_large_as_the_operator_lets_it(server: WholeServer) -> None:
    alice = await server.sign_up("alice")
    data = Foreign(RECORDS, Did(alice.did)).car()
    assert len(data) < LIMIT
    await alice.write({"$type": "com.example.x", "stays": True})
    for large in (data + bytes(LIMIT), in_pieces(data + bytes(LIMIT))):
        assert verdict(await send(alice, large)) == (413, "PayloadTooLarge")
    assert list((server.folder / "tmp").iterdir()) == []
    described = await server.anybody("com.atproto.repo.describeRepo", repo=alice.did)
    assert described.json()["collections"] == ["com.example.x"]
    # With no length told beforehand, too.
    assert (await send(alice, in_pieces(data))).status_code == 200
    described = await server.anybody("com.atproto.repo.describeRepo", repo=alice.did)
    assert described.json()["collections"] == ["app.bsky.feed.post"]


async def test_only_the_owners_own_session_imports(server: WholeServer) -> None:
    alice, bob = await server.sign_up("alice"), await server.sign_up("bob")
    data = Foreign(RECORDS, Did(alice.did)).car()
    made = await alice.post("com.atproto.server.createAppPassword", {"name": "app", "privileged": True})
    given = {"identifier": alice.handle, "password": made.json()["password"]}
    app = (await server.http.post("/xrpc/com.atproto.server.createSession", json=given)).json()["accessJwt"]
    assert verdict(await send(alice, data, token=app)) == (400, "InvalidToken")
    assert verdict(await send(alice, data, token=alice.refresh)) == (400, "InvalidToken")
    service = await alice.service_token("did:web:localhost", "com.atproto.repo.importRepo")
    assert verdict(await send(alice, data, token=service))[0] == 400
    assert verdict(await server.http.post(IMPORT, content=data, headers={"Content-Type": CAR})) == (401, "AuthMissing")
    assert verdict(await send(alice, data, token=bob.token)) == (400, "InvalidRequest")
    await server.take_down(alice)
    assert verdict(await send(alice, data)) == (401, "AccountTakedown")


async def test_it_comes_as_a_car_file_and_says_so(server: WholeServer) -> None:
    alice = await server.sign_up("alice")
    data = Foreign(RECORDS, Did(alice.did)).car()
    assert verdict(await send(alice, data, content_type="application/json")) == (400, "InvalidRequest")
    assert (await send(alice, data, content_type=f"{CAR}; charset=binary")).status_code == 200


async def test_an_operator_may_take_no_repositories(tmp_path: Path) -> None:
    async with whole_server(tmp_path, TEMPEST_REPO_IMPORT_ENABLED="false") as server:
        alice = await server.sign_up("alice")
        answer = await send(alice, Foreign(RECORDS, Did(alice.did)).car())
        assert verdict(answer) == (400, "InvalidRequest")
        assert answer.json()["message"] == "Service is not accepting repo imports"
