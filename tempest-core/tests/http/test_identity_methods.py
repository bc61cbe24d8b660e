"""com.atproto.identity.* through the whole server, and the hosts of handles under its domains."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from aiohttp import web
from tests.support.answering import answering
from whole_server import PASSWORD, WholeServer, verdict, whole_server

from tempest_pds.protocol.crypto import jwt
from tempest_pds.protocol.crypto.keys import generate_k256
from tempest_pds.protocol.identity.did_document import build_did_document

IDENTITY = "com.atproto.identity"
NOBODY = "did:plc:nnnnnnnnnnnnnnnnnnnnnnnn"


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[WholeServer]:
    settings = {"TEMPEST_HANDLE_DOMAINS": ".test,.people.example.org", "TEMPEST_SSRF_PROTECTION": "false"}
    async with whole_server(tmp_path, **settings) as server:
        yield server


class Elsewhere:
    """A did:web that answers at once, or when it is let; as a service it says what it was asked."""

    def __init__(self) -> None:
        self.did = ""
        self.key = generate_k256()
        self.open = asyncio.Event()
        self.open.set()
        self.reached = asyncio.Event()
        self.asked: list[str] = []

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(request.path)
        self.reached.set()
        await self.open.wait()
        if request.path == "/.well-known/did.json":
            document = build_did_document(self.did, "handle.test", self.key.public.did_key, self.url)  # type: ignore[arg-type]
            document["service"].append({"id": "#directory", "type": "Some", "serviceEndpoint": self.url})
            return web.json_response(document)
        return web.json_response({"did": NOBODY, "handle": "from.elsewhere.example", "didDoc": {}})

    @property
    def url(self) -> str:
        return f"http://localhost:{self.did.rpartition('%3A')[2]}"


@asynccontextmanager
async def serve_elsewhere() -> AsyncIterator[Elsewhere]:
    made = Elsewhere()
    async with answering(made.answer) as port:
        made.did = f"did:web:localhost%3A{port}"
        yield made
        made.open.set()


@pytest.fixture
async def elsewhere() -> AsyncIterator[Elsewhere]:
    async with serve_elsewhere() as made:
        yield made


async def refresh(server: WholeServer, identifier: str, **headers: str) -> httpx.Response:
    return await server.http.post(f"/xrpc/{IDENTITY}.refreshIdentity", json={"identifier": identifier}, headers=headers)


async def test_anybody_may_ask_who_an_account_here_is(server: WholeServer) -> None:
    alice = await server.sign_up("alice")
    document = (await server.anybody(f"{IDENTITY}.resolveDid", did=alice.did)).json()["didDoc"]
    assert (document["id"], document["alsoKnownAs"]) == (alice.did, ["at://alice.test"])
    expected = {"did": alice.did, "handle": "alice.test", "didDoc": document}
    for identifier in (alice.did, "alice.test", "ALICE.test"):
        assert (await server.anybody(f"{IDENTITY}.resolveIdentity", identifier=identifier)).json() == expected
        assert (await refresh(server, identifier)).json() == expected
    # A session changes nothing about it.
    assert (await alice.get(f"{IDENTITY}.resolveIdentity", identifier=alice.did)).json() == expected


async def test_what_does_not_exist_has_the_errors_of_the_lexicon(server: WholeServer) -> None:
    for params, error in [
        ({"did": NOBODY}, "DidNotFound"),
        ({"did": "did:example:somebody"}, "DidNotFound"),
        ({"did": "alice.test"}, "InvalidRequest"),
        ({}, "InvalidRequest"),
    ]:
        assert verdict(await server.anybody(f"{IDENTITY}.resolveDid", **params)) == (400, error)
    for identifier, error in [(NOBODY, "DidNotFound"), ("nobody.test", "HandleNotFound"), ("a b", "InvalidRequest")]:
        answer = await server.anybody(f"{IDENTITY}.resolveIdentity", identifier=identifier)
        assert verdict(answer) == (400, error)
        assert verdict(await refresh(server, identifier)) == (400, error)


async def test_the_identity_of_somebody_elsewhere_is_resolved_here(server: WholeServer, elsewhere: Elsewhere) -> None:
    for _ in range(2):
        answer = await server.anybody(f"{IDENTITY}.resolveIdentity", identifier=elsewhere.did)
        assert (answer.json()["did"], answer.json()["handle"]) == (elsewhere.did, "handle.invalid")
    assert elsewhere.asked == ["/.well-known/did.json"]


async def test_who_names_another_service_is_passed_on_to_it(server: WholeServer, elsewhere: Elsewhere) -> None:
    alice = await server.sign_up("alice")
    named = {"atproto-proxy": f"{elsewhere.did}#directory"}
    answer = await alice.get(f"{IDENTITY}.resolveIdentity", identifier=alice.did, headers=named)
    assert answer.json()["handle"] == "from.elsewhere.example"
    posted = await alice.post(f"{IDENTITY}.refreshIdentity", {"identifier": alice.did}, **named)
    assert posted.json()["handle"] == "from.elsewhere.example"
    assert elsewhere.asked[1:] == [f"/xrpc/{IDENTITY}.resolveIdentity", f"/xrpc/{IDENTITY}.refreshIdentity"]
    # In whose name would a stranger be passed on?
    answer = await server.http.get(f"/xrpc/{IDENTITY}.resolveDid", params={"did": alice.did}, headers=named)
    assert answer.status_code == 401


async def test_an_issuer_that_keeps_us_waiting_keeps_nobody_else_waiting(
    server: WholeServer, elsewhere: Elsewhere
) -> None:
    elsewhere.open.clear()
    upload = "com.atproto.repo.uploadBlob"
    claims: dict[str, Any] = {"iss": elsewhere.did, "aud": "did:web:localhost", "exp": 9_999_999_999, "lxm": upload}
    token = jwt.encode({"typ": "JWT"}, claims, elsewhere.key)
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "text/plain"}
    asking = asyncio.create_task(server.http.post(f"/xrpc/{upload}", content=b"text", headers=headers))
    await elsewhere.reached.wait()
    alice = await server.sign_up("alice")
    await alice.write({"$type": "com.example.note"})
    assert (await server.anybody("_health")).status_code == 200
    assert not asking.done()
    elsewhere.open.set()
    assert (await asking).status_code in (400, 401, 403)


async def test_each_domain_of_the_server_has_handles_and_their_hosts(server: WholeServer) -> None:
    dids: dict[str, str] = {}
    for handle in ("alice.test", "alice.people.example.org"):
        given = {"handle": handle, "email": f"{len(dids)}@example.com", "password": PASSWORD}
        dids[handle] = (await server.http.post("/xrpc/com.atproto.server.createAccount", json=given)).json()["did"]
    for handle, did in dids.items():
        for host in (handle, handle.upper(), f"{handle}:8443", f"{handle}."):
            answer = await server.http.get("/.well-known/atproto-did", headers={"Host": host})
            assert (answer.status_code, answer.text) == (200, did)
        assert (await server.http.get(f"/tls-check?domain={handle}")).status_code == 200
        # Its DID is a did:plc: the host has no document.
        assert (await server.http.get("/.well-known/did.json", headers={"Host": handle})).status_code == 404
    assert (await server.anybody("com.atproto.server.describeServer")).json()["availableUserDomains"] == [
        ".test",
        ".people.example.org",
    ]
    for host in ("bob.test", "alice.example.org", "people.example.org"):
        answer = await server.http.get("/.well-known/atproto-did", headers={"Host": host})
        assert answer.status_code == 404


async def test_a_slur_is_refused_as_the_reference_refuses_it(server: WholeServer) -> None:
    alice = await server.sign_up("alice")
    answer = await alice.post(f"{IDENTITY}.updateHandle", {"handle": "ch1nk.test"})
    assert answer.json() == {"error": "InvalidHandle", "message": "Inappropriate language in handle"}
    given = {"handle": "c00n.test", "email": "b@example.com", "password": PASSWORD}
    answer = await server.http.post("/xrpc/com.atproto.server.createAccount", json=given)
    assert verdict(answer) == (400, "InvalidHandle")
    given = {"handle": "maine-coon.test", "email": "b@example.com", "password": PASSWORD}
    answer = await server.http.post("/xrpc/com.atproto.server.createAccount", json=given)
    assert answer.status_code == 200


async def test_a_refresh_has_a_limit(tmp_path: Path) -> None:
    async with whole_server(tmp_path, TEMPEST_RATE_LIMITS_ENABLED="true") as server:
        answers = [(await refresh(server, "nobody.test")).status_code for _ in range(31)]
        assert answers == [400] * 30 + [429]
        answer = await server.anybody(f"{IDENTITY}.resolveIdentity", identifier="nobody.test")
        assert verdict(answer) == (400, "HandleNotFound")
        assert answer.headers["ratelimit-policy"] == "600;w=300"
