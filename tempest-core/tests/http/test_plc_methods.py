"""com.atproto.identity.*PlcOperation* over HTTP: who may call them, and how often."""

import re
from collections.abc import AsyncIterator
from pathlib import Path
from unittest import mock

import pytest
from whole_server import PASSWORD, User, WholeServer, verdict, whole_server

from tempest_pds.protocol.syntax.did import Did

IDENTITY = "com.atproto.identity"
ASK, SIGN, SUBMIT = (
    f"{IDENTITY}.{name}" for name in ("requestPlcOperationSignature", "signPlcOperation", "submitPlcOperation")
)
RECOMMENDED = f"{IDENTITY}.getRecommendedDidCredentials"
CODE = re.compile(r"\b[A-Z2-7]{5}-[A-Z2-7]{5}\b")


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[WholeServer]:
    async with whole_server(tmp_path, TEMPEST_RATE_LIMITS_ENABLED="true") as server:
        yield server


async def code_for(server: WholeServer, user: User) -> str:
    """Ask for a code, and read it in the mail that waits to be sent."""
    outbox, texts = server.services.mail, []
    with mock.patch.object(outbox, "add", lambda mail, lifetime: texts.append(mail.text)):
        assert verdict(await user.post(ASK)) == (200, "")
    found: str = CODE.findall(texts[0])[0]
    return found


async def app_password_session(user: User) -> User:
    made = (await user.post("com.atproto.server.createAppPassword", {"name": "app"})).json()
    given = {"identifier": user.handle, "password": made["password"]}
    session = (await user.post("com.atproto.server.createSession", given)).json()
    return User(user.http, user.did, user.handle, session["accessJwt"], session["refreshJwt"])


async def test_only_a_session_of_the_accounts_own_password_has_an_operation_signed(server: WholeServer) -> None:
    alice = await server.sign_up("alice")
    app = await app_password_session(alice)
    code = await code_for(server, alice)
    assert verdict(await app.post(ASK)) == (400, "InvalidToken")
    assert verdict(await app.post(SIGN, {"token": code})) == (400, "InvalidToken")
    assert verdict(await app.get(RECOMMENDED)) == (200, "")
    signed = (await alice.post(SIGN, {"token": code})).json()
    assert verdict(await app.post(SUBMIT, signed)) == (200, "")
    for answer in (
        await server.http.post(f"/xrpc/{ASK}"),
        await server.http.post(f"/xrpc/{SIGN}", json={"token": code}),
        await server.http.post(f"/xrpc/{SUBMIT}", json=signed),
        await server.anybody(RECOMMENDED),
    ):
        assert verdict(answer) == (401, "AuthMissing")


async def test_an_account_that_was_taken_down_may_still_leave(server: WholeServer) -> None:
    alice = await server.sign_up("alice")
    await server.take_down(alice)
    given = {"identifier": "alice.test", "password": PASSWORD, "allowTakendown": True}
    session = (await alice.post("com.atproto.server.createSession", given)).json()
    narrow = User(alice.http, alice.did, alice.handle, session["accessJwt"], session["refreshJwt"])
    for user in (narrow, alice):
        signed = await user.post(SIGN, {"token": await code_for(server, user)})
        assert verdict(signed) == (200, "")
    assert verdict(await narrow.post(SUBMIT, signed.json())) == (400, "InvalidToken")


async def test_a_code_is_mailed_five_times_an_hour(server: WholeServer) -> None:
    alice, bob = await server.sign_up("alice"), await server.sign_up("bob")
    for _ in range(5):
        assert verdict(await alice.post(ASK)) == (200, "")
    assert verdict(await alice.post(ASK)) == (429, "RateLimitExceeded")
    assert verdict(await bob.post(ASK)) == (200, "")


async def test_what_is_not_an_operation_of_json_is_no_failure_of_the_server(server: WholeServer) -> None:
    alice = await server.sign_up("alice")
    code = await code_for(server, alice)
    recommended = (await alice.get(RECOMMENDED)).json()
    good = (await alice.post(SIGN, {"token": code})).json()["operation"]
    for changes in (
        {"services": {"atproto_pds": None}},
        {"services": {"atproto_pds": {**recommended["services"]["atproto_pds"], "endpoint": 7}}},
        {"verificationMethods": {"atproto": None}},
        {"rotationKeys": [7]},
        {"rotationKeys": good["rotationKeys"] * 6},
        {"alsoKnownAs": {}},
        {"prev": 7},
        {"sig": "not base64url!"},
        {"sig": ""},
        {"more": "x" * 8_000},
        {"more": 1e300},
    ):
        refused = await alice.post(SUBMIT, {"operation": {**good, **changes}})
        assert verdict(refused) == (400, "InvalidRequest"), changes
        refused = await alice.post(SIGN, {"token": code, **changes})
        assert refused.status_code == 400, changes
    assert verdict(await alice.post(SUBMIT, {"operation": good})) == (200, "")


async def test_a_did_web_of_this_server_is_told_what_it_says_and_signs_nothing(tmp_path: Path) -> None:
    async with whole_server(tmp_path, TEMPEST_HOSTED_DID_METHOD="web") as server:
        alice = await server.sign_up("alice")
        recommended = (await alice.get(RECOMMENDED)).json()
        document = (await server.http.get("/.well-known/did.json", headers={"Host": "alice.test"})).json()
        assert recommended["alsoKnownAs"] == document["alsoKnownAs"]
        key = document["verificationMethod"][0]["publicKeyMultibase"]
        assert recommended["verificationMethods"] == {"atproto": f"did:key:{key}"}
        for method, given in ((ASK, None), (SIGN, {"token": "AAAAA-AAAAA"}), (SUBMIT, {"operation": {}})):
            assert verdict(await alice.post(method, given)) == (400, "InvalidRequest")


async def test_the_did_of_an_account_that_was_deleted_here_is_its_owners_still(server: WholeServer) -> None:
    alice = await server.sign_up("alice")
    signed = (await alice.post(SIGN, {"token": await code_for(server, alice)})).json()["operation"]
    assert (await server.administer("com.atproto.admin.deleteAccount", {"did": alice.did})).status_code == 200
    document = await server.services.dids.resolve(Did(alice.did), max_age=0)
    assert document.signing_key == signed["verificationMethods"]["atproto"]
