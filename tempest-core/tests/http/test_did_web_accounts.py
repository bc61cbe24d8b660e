"""Accounts whose DID is a did:web of this server: they live as those with a did:plc do."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from whole_server import PASSWORD, WholeServer, verdict, whole_server

SERVER = "com.atproto.server"


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[WholeServer]:
    async with whole_server(tmp_path, TEMPEST_HOSTED_DID_METHOD="web") as server:
        yield server


async def document_at(server: WholeServer, host: str) -> dict[str, Any]:
    answer = await server.http.get("/.well-known/did.json", headers={"Host": host})
    assert answer.status_code == 200
    document: dict[str, Any] = answer.json()
    return document


async def test_a_did_web_account_goes_comes_back_and_changes_its_handle(server: WholeServer) -> None:
    alice = await server.sign_up("alice")
    assert alice.did == "did:web:alice.test"
    document = await document_at(server, "alice.test")
    assert (document["id"], document["alsoKnownAs"]) == (alice.did, ["at://alice.test"])
    assert (await alice.get(f"{SERVER}.checkAccountStatus")).json()["validDid"] is True
    assert (await alice.post(f"{SERVER}.deactivateAccount", {})).status_code == 200
    assert (await alice.post(f"{SERVER}.activateAccount")).status_code == 200
    assert (await alice.post("com.atproto.identity.updateHandle", {"handle": "alicia.test"})).status_code == 200
    assert (await document_at(server, "alice.test"))["alsoKnownAs"] == ["at://alicia.test"]
    # The proxy in front must go on having a certificate for the host that the DID names.
    for host in ("alice.test", "alicia.test"):
        assert (await server.http.get("/tls-check", params={"domain": host})).status_code == 200
    described = (await server.anybody("com.atproto.repo.describeRepo", repo=alice.did)).json()
    assert (described["handle"], described["handleIsCorrect"]) == ("alicia.test", True)
    token = await alice.service_token("did:web:localhost", "com.atproto.repo.uploadBlob")
    assert (await alice.upload(b"text", "text/plain", token)).status_code == 200
    await alice.write({"$type": "com.example.note"})


async def test_the_name_in_a_did_web_is_nobody_elses_handle(server: WholeServer) -> None:
    alice = await server.sign_up("alice")
    await alice.post("com.atproto.identity.updateHandle", {"handle": "alicia.test"})
    given = {"handle": "alice.test", "email": "bob@example.com", "password": PASSWORD}
    answer = await server.http.post(f"/xrpc/{SERVER}.createAccount", json=given)
    assert verdict(answer) == (400, "HandleNotAvailable")
    bob = await server.sign_up("bob")
    answer = await bob.post("com.atproto.identity.updateHandle", {"handle": "alice.test"})
    assert verdict(answer) == (400, "HandleNotAvailable")


async def test_the_document_of_a_did_web_is_there_until_its_account_is_deleted(server: WholeServer) -> None:
    """Whoever cannot resolve a DID cannot move it elsewhere, and that an account that is not active may do."""
    alice = await server.sign_up("alice")
    document = await document_at(server, "alice.test")
    await alice.post(f"{SERVER}.deactivateAccount", {})
    assert await document_at(server, "alice.test") == document
    await server.take_down(alice)
    assert await document_at(server, "alice.test") == document
    await server.administer("com.atproto.admin.deleteAccount", {"did": alice.did})
    answer = await server.http.get("/.well-known/did.json", headers={"Host": "alice.test"})
    assert answer.status_code == 404
