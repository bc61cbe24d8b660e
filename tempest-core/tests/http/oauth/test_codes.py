"""Codes: for one use, by one client with one key; and what a code in the wrong hands does."""

from __future__ import annotations

import asyncio
import hashlib
from typing import Any

import pytest
from authorizing import signed_in
from oauth_flow import CONFIDENTIAL, PUBLIC, Provider, verdict
from pyotp import TOTP
from tests.support.app_hosts import confidential
from tests.support.oauth_raw import SigningKey
from whole_server import User

from tempest_pds.protocol.syntax.did import Did
from tempest_pds.services.security_event_kinds import EventKind
from tempest_pds.services.sign_in import Visitor

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.mark.parametrize(
    "changes",
    [
        {"redirect_uri": "https://app.example.net/elsewhere"},
        {"redirect_uri": None},
        {"code_verifier": "x" * 43},
        {"code_verifier": "short"},
        {"code_verifier": None},
    ],
)
async def test_whoever_guesses_wrong_once_has_spoilt_the_code(
    there: Provider, alice: User, changes: dict[str, Any]
) -> None:
    client = there.client()
    code = await client.code(alice)
    assert verdict(await client.exchange(code, **changes)) == (400, "invalid_grant")
    assert verdict(await client.exchange(code)) == (400, "invalid_grant")


async def test_a_code_is_its_clients_alone(there: Provider, alice: User) -> None:
    client, other = there.client(), there.client(CONFIDENTIAL)
    code = await client.code(alice)
    other.key, other.verifier = client.key, client.verifier
    stolen = await other.exchange(code, redirect_uri=client.redirect_uri)
    assert verdict(stolen) == (400, "invalid_grant")
    assert verdict(await client.exchange(code)) == (400, "invalid_grant")


async def test_a_code_is_bound_to_the_key_that_pushed_its_request(there: Provider, alice: User) -> None:
    client = there.client()
    code = await client.code(alice)
    client.key = SigningKey()
    assert verdict(await client.exchange(code)) == (400, "invalid_grant")


async def test_without_a_proof_at_first_any_key_will_do_later(there: Provider, alice: User) -> None:
    client = there.client()
    code = await client.code(alice, dpop=False)
    client.key = SigningKey()
    assert verdict(await client.exchange(code)) == (200, "")


async def test_a_code_that_comes_again_ends_what_it_began(there: Provider, alice: User) -> None:
    client = there.client()
    code = await client.code(alice)
    tokens = (await client.exchange(code)).json()
    assert client.is_good(tokens["access_token"])
    assert verdict(await client.exchange(code)) == (400, "invalid_grant")
    assert not client.is_good(tokens["access_token"])
    assert verdict(await client.refresh(tokens["refresh_token"])) == (400, "invalid_grant")


async def test_the_owner_is_told_that_somebody_holds_a_copy(there: Provider, client_id: str) -> None:
    fay = await there.server.sign_up(f"fay{len(client_id)}")
    did, client = Did(fay.did), there.client(client_id)
    code = await client.code(fay)
    await client.exchange(code)
    assert copied(there, did) == []
    for _ in range(2):
        await client.exchange(code)
    assert copied(there, did) == [client_id]
    tokens = await there.client(client_id).sign_in(fay)
    await there.client(client_id).refresh(tokens["refresh_token"])
    assert copied(there, did) == [client_id] * 2
    client = there.client(client_id)
    tokens = await client.sign_in(fay)
    other = there.client(PUBLIC if client_id == CONFIDENTIAL else CONFIDENTIAL, key=client.key)
    await other.refresh(tokens["refresh_token"])
    assert copied(there, did) == [client_id] * 3
    client = there.client(client_id)
    tokens = await client.sign_in(fay)
    latest = tokens
    for _ in range(2):
        latest = (await client.refresh(latest["refresh_token"])).json()
    await client.refresh(tokens["refresh_token"])
    assert copied(there, did) == [client_id] * 4


def copied(there: Provider, did: Did) -> list[str]:
    """List the apps of the events that tell so."""
    events = there.server.services.security_events.list_for(did)
    return [event.detail["client_id"] for event in events if event.kind == EventKind.APP_TOKEN_MISUSED]


async def test_of_two_who_exchange_a_code_at_once_neither_keeps_a_session(there: Provider, alice: User) -> None:
    client = there.client()
    code = await client.code(alice)
    answers = await asyncio.gather(client.exchange(code), client.exchange(code))
    assert sorted(answer.status_code for answer in answers) == [200, 400]
    (good,) = [answer.json() for answer in answers if answer.status_code == 200]
    assert not client.is_good(good["access_token"])


async def test_a_challenge_serves_for_one_code(there: Provider, alice: User) -> None:
    client = there.client()
    await client.sign_in(alice)
    assert verdict(await client.exchange(await client.code(alice))) == (400, "invalid_grant")


@pytest.mark.parametrize("code", ["", "cod-nothing", "x" * 10_000])
async def test_a_code_that_is_none_is_refused(there: Provider, code: str) -> None:
    expected = "invalid_grant" if code else "invalid_request"
    assert verdict(await there.client().exchange(code)) == (400, expected)


async def test_a_challenge_for_a_nonce_uses_nothing_up(there: Provider, alice: User) -> None:
    """The code is still good, and so is the client's assertion, which official clients send once more as it is."""
    client = there.client(CONFIDENTIAL)
    code = await client.code(alice)
    client.nonce = "of another server"
    fields = {
        **client.credentials(),
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": client.redirect_uri,
        "code_verifier": client.verifier,
    }
    first = await there.server.http.post("/oauth/token", data=fields, headers={"DPoP": client.proof("/oauth/token")})
    assert verdict(first) == (400, "use_dpop_nonce")
    client.nonce = first.headers["dpop-nonce"]
    second = await there.server.http.post("/oauth/token", data=fields, headers={"DPoP": client.proof("/oauth/token")})
    assert verdict(second) == (200, "")


async def test_a_code_that_comes_again_signs_its_owner_out_where_it_was_granted(there: Provider, alice: User) -> None:
    bob = await there.server.sign_up("bob")
    granting, other = await signed_in(there.server, bob, alice), await signed_in(there.server, alice)
    cookie = granting.cookies["tempest-browser"]
    client = there.client(browser=hashlib.sha256(cookie.encode()).digest())
    code = await client.code(alice)
    assert (await client.exchange(code)).status_code == 200
    profile = f"/account/{alice.did}"
    assert (await granting.get(profile)).status_code == 200
    assert verdict(await client.exchange(code)) == (400, "invalid_grant")
    assert (await granting.get(profile)).headers["location"].startswith("/account/sign-in?")
    assert (await granting.get(f"/account/{bob.did}")).status_code == 200
    assert (await other.get(profile)).status_code == 200


async def test_a_code_that_was_given_before_there_was_a_second_factor_is_none_after(there: Provider) -> None:
    dave, visitor = await there.server.sign_up("dave"), Visitor(browser=b"d" * 32)
    client, enrolment = there.client(), there.server.services.enrolment
    code = await client.code(dave)
    new = await enrolment.begin_app(Did(dave.did), visitor)
    await enrolment.confirm_app(Did(dave.did), TOTP(new.secret).now(), visitor)
    assert verdict(await client.exchange(code)) == (400, "invalid_grant")


async def test_a_code_that_was_never_given_signs_nobody_out(there: Provider, alice: User) -> None:
    browser = await signed_in(there.server, alice)
    assert verdict(await there.client().exchange("cod-" + "A" * 43)) == (400, "invalid_grant")
    assert (await browser.get(f"/account/{alice.did}")).status_code == 200


async def test_a_code_is_bound_to_the_key_that_its_client_pushed_the_request_with(there: Provider, alice: User) -> None:
    backend = "https://two-keys.example.net/client.json"
    keys = [SigningKey("one"), SigningKey("two")]
    there.hosts.publish(backend, confidential(backend, [key.jwk for key in keys]))
    client = there.client(backend)
    client.assertion_key = keys[0]
    code = await client.code(alice)
    client.assertion_key = keys[1]
    assert verdict(await client.exchange(code)) == (400, "invalid_grant")
    client.assertion_key = keys[0]
    assert verdict(await client.exchange(code)) == (400, "invalid_grant")
