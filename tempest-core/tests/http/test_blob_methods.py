"""Blobs over HTTP: what may be uploaded and by whom, and how a browser is kept from running what comes back."""

import time
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from whole_server import PNG, User, WholeServer, verdict, whole_server

from tempest_pds.protocol.crypto import jwt
from tempest_pds.protocol.crypto.keys import generate_k256

UPLOAD, GET_BLOB = "com.atproto.repo.uploadBlob", "com.atproto.sync.getBlob"
OWN_DID = "did:web:localhost"


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[WholeServer]:
    async with whole_server(tmp_path, TEMPEST_BLOB_MAX_BYTES="100000") as server:
        yield server


@pytest.fixture
async def alice(server: WholeServer) -> User:
    return await server.sign_up("alice")


def count(answer: httpx.Response, name: str) -> int:
    return len(answer.headers.get_list(name))


async def test_a_blob_comes_back_in_a_form_that_no_browser_runs(server: WholeServer, alice: User) -> None:
    cid = await alice.picture()
    answer = await server.anybody(GET_BLOB, did=alice.did, cid=cid)
    assert (answer.status_code, answer.content) == (200, PNG)
    expected = {
        "x-content-type-options": "nosniff",
        "content-security-policy": "default-src 'none'; sandbox",
        "content-disposition": f'attachment; filename="{cid}"',
        "content-type": "image/png",
        "content-length": str(len(PNG)),
        "etag": f'"{cid}"',
        "accept-ranges": "bytes",
    }
    assert {name: answer.headers[name] for name in expected} == expected
    assert {count(answer, name) for name in expected} == {1}
    head = await server.http.head(f"/xrpc/{GET_BLOB}", params={"did": alice.did, "cid": cid})
    assert (head.status_code, head.content) == (200, b"")
    assert {name: head.headers[name] for name in expected} == expected


@pytest.mark.parametrize(
    ("header", "status", "start", "end"),
    [
        ("bytes=0-9", 206, 0, 10),
        ("bytes=1000-", 206, 1000, None),
        ("bytes=-5", 206, -5, None),
        ("bytes=0-99999", 206, 0, None),
        ("bytes=0-1,4-5", 200, 0, None),
        ("bytes=9-1", 200, 0, None),
        ("lines=0-9", 200, 0, None),
    ],
)
async def test_a_range_is_sent_as_asked_for(
    server: WholeServer, alice: User, header: str, status: int, start: int, end: int | None
) -> None:
    cid = await alice.picture()
    path = f"/xrpc/{GET_BLOB}?did={alice.did}&cid={cid}"
    answer = await server.http.get(path, headers={"Range": header})
    assert (answer.status_code, answer.content) == (status, PNG[start:end])
    if status == 206:
        first = start % len(PNG)
        assert answer.headers["content-range"] == f"bytes {first}-{first + len(answer.content) - 1}/{len(PNG)}"
    beyond = await server.http.get(path, headers={"Range": "bytes=5000-"})
    assert (beyond.status_code, beyond.headers["content-range"]) == (416, f"bytes */{len(PNG)}")


async def test_a_blob_that_the_client_has_is_not_sent_again(server: WholeServer, alice: User) -> None:
    cid = await alice.picture()
    path = f"/xrpc/{GET_BLOB}?did={alice.did}&cid={cid}"
    for value in (f'"{cid}"', f'W/"{cid}"', f'"x", "{cid}"', "*"):
        answer = await server.http.get(path, headers={"If-None-Match": value, "Range": "bytes=0-3"})
        assert (answer.status_code, answer.content) == (304, b"")
        assert answer.headers["etag"] == f'"{cid}"'
        assert not {"content-length", "content-type", "transfer-encoding"} & set(answer.headers)
    assert (await server.http.get(path, headers={"If-None-Match": '"x"'})).status_code == 200
    for value, status in ((f'"{cid}"', 206), ('"x"', 200)):
        answer = await server.http.get(path, headers={"If-Range": value, "Range": "bytes=0-3"})
        assert answer.status_code == status


async def test_a_blob_is_public_from_its_first_record_to_its_last(server: WholeServer, alice: User) -> None:
    blob = (await alice.upload(PNG, "image/png")).json()["blob"]
    cid = blob["ref"]["$link"]

    async def seen() -> tuple[int, str]:
        return verdict(await server.anybody(GET_BLOB, did=alice.did, cid=cid))

    assert await seen() == (400, "BlobNotFound")
    made = [await alice.write({"$type": "com.example.note", "blob": blob}) for _ in range(2)]
    for record in made:
        assert await seen() == (200, "")
        rkey = record["uri"].rpartition("/")[2]
        given = {"repo": alice.did, "collection": "com.example.note", "rkey": rkey}
        assert (await alice.post("com.atproto.repo.deleteRecord", given)).status_code == 200
    deadline = time.monotonic() + 5
    while await seen() != (400, "BlobNotFound"):
        assert time.monotonic() < deadline
    again = await alice.post(
        "com.atproto.repo.createRecord",
        {"repo": alice.did, "collection": "com.example.note", "record": {"$type": "com.example.note", "blob": blob}},
    )
    assert verdict(again) == (400, "BlobNotFound")
    assert (await alice.upload(PNG, "image/png")).json()["blob"] == blob


@pytest.mark.parametrize("content_type", ["nonsense", "text/", "/plain", "text plain/x", "image/png, text/html"])
async def test_a_type_that_is_none_is_refused(alice: User, content_type: str) -> None:
    assert verdict(await alice.upload(b"text", content_type)) == (400, "InvalidRequest")


async def test_a_type_comes_without_its_parameters(alice: User) -> None:
    blob = (await alice.upload(b"text", "text/plain; charset=utf-8")).json()["blob"]
    assert blob["mimeType"] == "text/plain"


async def test_too_large_a_blob_is_refused_declared_or_not(alice: User) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(20):
            yield bytes(10_000)

    assert verdict(await alice.upload(bytes(100_001), "image/png")) == (413, "PayloadTooLarge")
    headers = alice.bearer | {"Content-Type": "image/png"}
    answer = await alice.http.post(f"/xrpc/{UPLOAD}", content=pieces(), headers=headers)
    assert verdict(answer) == (413, "PayloadTooLarge")
    assert (await alice.upload(bytes(100_000), "image/png")).status_code == 200


async def test_a_service_uploads_with_the_accounts_token_for_it(server: WholeServer, alice: User) -> None:
    """As the video service does, with a token that the account asked for."""
    assert (await alice.upload(PNG, "image/png", await alice.service_token(OWN_DID, UPLOAD))).status_code == 200
    wrong = {
        "BadJwtAudience": await alice.service_token("did:web:other.example", UPLOAD),
        "BadJwtLexiconMethod": await alice.service_token(OWN_DID, "com.atproto.repo.importRepo"),
    }
    claims = {"iss": alice.did, "aud": OWN_DID, "lxm": UPLOAD, "exp": int(time.time()) + 60}
    key = generate_k256()
    wrong["BadJwtSignature"] = jwt.encode({"typ": "JWT"}, claims, key)
    wrong["JwtExpired"] = jwt.encode({"typ": "JWT"}, claims | {"exp": int(time.time()) - 5}, key)
    wrong["BadJwtIss"] = jwt.encode({"typ": "JWT"}, claims | {"iss": "nobody"}, key)
    for name, token in wrong.items():
        assert verdict(await alice.upload(PNG, "image/png", token)) == (401, name)
    # Elsewhere a service token opens nothing, whatever method it names.
    token = await alice.service_token(OWN_DID, "com.atproto.repo.createRecord")
    given = {"repo": alice.did, "collection": "com.example.note", "record": {"$type": "com.example.note"}}
    headers = {"Authorization": f"Bearer {token}"}
    answer = await server.http.post("/xrpc/com.atproto.repo.createRecord", json=given, headers=headers)
    assert verdict(answer) == (400, "InvalidToken")


async def test_deactivated_accounts_upload_and_those_that_were_taken_down_do_not(
    server: WholeServer, alice: User
) -> None:
    token = await alice.service_token(OWN_DID, UPLOAD)
    assert (await alice.post("com.atproto.server.deactivateAccount", {})).status_code == 200
    assert (await alice.upload(PNG, "image/png")).status_code == 200
    assert (await alice.upload(PNG, "image/png", token)).status_code == 200
    await server.take_down(alice)
    assert verdict(await alice.upload(PNG, "image/png")) == (401, "AccountTakedown")
    assert verdict(await alice.upload(PNG, "image/png", token)) == (401, "AccountTakedown")
