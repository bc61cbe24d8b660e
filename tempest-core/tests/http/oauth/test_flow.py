"""From a pushed request to tokens, and on: through the front door, with an owner who agrees without pages."""

from __future__ import annotations

import asyncio
from typing import Any
from unittest import mock

import pytest
from oauth_flow import CONFIDENTIAL, ISSUER, PUBLIC, SCOPE, Provider, verdict
from tests.support.app_hosts import client_document, confidential
from tests.support.oauth_raw import SigningKey
from whole_server import User

from tempest_pds.protocol.crypto.jwt import decode_unverified
from tempest_pds.protocol.oauth.authorization_parameters import MAX_SCOPE_AND_CLIENT_LENGTH, MAX_SCOPE_LENGTH
from tempest_pds.protocol.oauth.client_metadata import ClientMetadata
from tempest_pds.protocol.syntax.did import Did
from tempest_pds.services.oauth.requests import RequestRefused

pytestmark = pytest.mark.asyncio(loop_scope="module")


# The whole way


async def test_a_code_becomes_tokens(there: Provider, alice: User, client_id: str) -> None:
    client = there.client(client_id)
    request = await client.open()
    assert (request.client.client_id, str(request.scopes)) == (client_id, SCOPE)
    response = await client.agree(request, alice)
    assert set(response.values) == {"iss", "state", "code"}
    assert (response.values["iss"], response.values["state"]) == (ISSUER, "a state")
    assert response.reply.redirect_uri == client.redirect_uri
    answer = await client.exchange(response.values["code"])
    assert verdict(answer) == (200, "")
    tokens = answer.json()
    assert set(tokens) == {"access_token", "token_type", "expires_in", "refresh_token", "scope", "sub"}
    assert (tokens["token_type"], tokens["expires_in"]) == ("DPoP", 3600)
    assert (tokens["sub"], tokens["scope"]) == (alice.did, SCOPE)


async def test_an_access_token_says_who_may_do_what_with_which_key(there: Provider, alice: User) -> None:
    client = there.client()
    tokens = await client.sign_in(alice)
    parsed = decode_unverified(tokens["access_token"])
    assert (parsed.header["typ"], parsed.alg) == ("at+jwt", "ES256")
    claims = parsed.claims
    assert claims.pop("exp") - claims.pop("iat") == 3600
    assert len(claims.pop("jti")) >= 16
    (session,) = [
        view for view in there.server.services.oauth.sessions.list_for(Did(alice.did)) if view.id == claims["sid"]
    ]
    assert claims == {
        "iss": ISSUER,
        "aud": there.server.services.server.did,
        "sub": alice.did,
        "client_id": PUBLIC,
        "scope": SCOPE,
        "sid": session.id,
        "cnf": {"jkt": client.key.thumbprint},
    }
    assert (session.client_name, str(session.scopes), session.client_ip) == ("An app", SCOPE, "192.0.2.1")
    grant = there.server.services.oauth.tokens.verify_access(tokens["access_token"])
    assert (grant.did, grant.client_id, grant.thumbprint) == (alice.did, PUBLIC, client.key.thumbprint)
    assert str(grant.permissions) == SCOPE


async def test_what_was_narrowed_is_what_the_client_gets(there: Provider, alice: User) -> None:
    client = there.client()
    request = await client.open()
    client.sign_in_browser(alice)
    response = await client.requests.grant(
        request, client.browser, Did(alice.did), request.scopes.narrowed([]), client_ip=None
    )
    assert (await client.exchange(response.values["code"])).json()["scope"] == "atproto"


async def test_a_refresh_gives_new_tokens_to_the_same_session(there: Provider, alice: User, client_id: str) -> None:
    client = there.client(client_id)
    first = await client.sign_in(alice)
    answer = await client.refresh(first["refresh_token"])
    assert verdict(answer) == (200, "")
    second = answer.json()
    assert second["refresh_token"] != first["refresh_token"]
    sids = {decode_unverified(tokens["access_token"]).claims["sid"] for tokens in (first, second)}
    assert len(sids) == 1
    assert client.is_good(first["access_token"])
    assert client.is_good(second["access_token"])


@pytest.mark.parametrize("id_length", [36, 1_000, 4_000])
async def test_whatever_may_be_asked_for_fits_into_a_token(there: Provider, alice: User, id_length: int) -> None:
    wide = "https://wide.example.net/client.json".ljust(id_length, "x")
    length = min(MAX_SCOPE_LENGTH, MAX_SCOPE_AND_CLIENT_LENGTH - id_length)
    scope = "atproto " + " ".join(f"repo:com.example.kind{1_000 + number}" for number in range((length - 8) // 26))
    scope = scope.ljust(length, "x")
    longer = f"{scope}x"
    there.hosts.publish(wide, client_document(wide, scope=f"{scope} {longer.rpartition(' ')[2]}"))
    tokens = await there.client(wide).sign_in(alice, scope=scope)
    assert tokens["scope"] == scope
    assert there.client(wide).is_good(tokens["access_token"])
    assert verdict(await there.client(wide).push(scope=longer)) == (400, "invalid_scope")


async def test_json_is_taken_as_forms_are(there: Provider, alice: User) -> None:
    client = there.client()
    pushed = await client.push(json=True)
    assert pushed.status_code == 201
    asked = {"client_id": PUBLIC, "request_uri": pushed.json()["request_uri"]}
    code = (await client.agree(await client.requests.open(asked, client.browser), alice)).values["code"]
    given = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": client.redirect_uri,
        "code_verifier": client.verifier,
    }
    assert (await client.send("/oauth/token", given, json=True)).status_code == 200


async def test_a_client_without_the_refresh_grant_gets_no_refresh_token(there: Provider, alice: User) -> None:
    short = "https://short.example.net/client.json"
    there.hosts.publish(short, {**client_document(short), "grant_types": ["authorization_code"]})
    tokens = await there.client(short).sign_in(alice)
    assert "refresh_token" not in tokens


async def test_a_client_that_has_given_up_the_refresh_grant_refreshes_no_more(there: Provider, alice: User) -> None:
    fickle = "https://fickle.example.net/client.json"
    there.hosts.publish(fickle, client_document(fickle))
    client = there.client(fickle)
    tokens = await client.sign_in(alice)
    there.hosts.publish(fickle, {**client_document(fickle), "grant_types": ["authorization_code"]})
    await there.server.services.oauth.clients.get(fickle, max_age=0)
    assert verdict(await client.refresh(tokens["refresh_token"])) == (400, "invalid_grant")
    assert not client.is_good(tokens["access_token"])


# Refresh tokens


async def test_two_tabs_that_refresh_at_once_get_the_same_successor(there: Provider, alice: User) -> None:
    client = there.client()
    token = (await client.sign_in(alice))["refresh_token"]
    answers = await asyncio.gather(*(client.refresh(token) for _ in range(4)))
    assert [answer.status_code for answer in answers] == [200] * 4
    assert len({answer.json()["refresh_token"] for answer in answers}) == 1
    assert all(client.is_good(answer.json()["access_token"]) for answer in answers)
    assert (await client.refresh(answers[0].json()["refresh_token"])).status_code == 200


async def test_an_older_refresh_token_ends_the_session(there: Provider, alice: User) -> None:
    client = there.client()
    tokens = [await client.sign_in(alice)]
    for _ in range(2):
        tokens.append((await client.refresh(tokens[-1]["refresh_token"])).json())
    assert verdict(await client.refresh(tokens[0]["refresh_token"])) == (400, "invalid_grant")
    assert verdict(await client.refresh(tokens[-1]["refresh_token"])) == (400, "invalid_grant")
    assert not client.is_good(tokens[-1]["access_token"])


async def test_a_refresh_token_in_other_hands_ends_the_session(there: Provider, alice: User, client_id: str) -> None:
    client, thief = there.client(client_id), there.client(client_id)
    tokens = await client.sign_in(alice)
    assert verdict(await thief.refresh(tokens["refresh_token"])) == (400, "invalid_grant")
    assert not client.is_good(tokens["access_token"])
    other = there.client(PUBLIC if client_id == CONFIDENTIAL else CONFIDENTIAL, key=client.key)
    tokens = await client.sign_in(alice, code_challenge=_again(client))
    assert verdict(await other.refresh(tokens["refresh_token"])) == (400, "invalid_grant")
    assert not client.is_good(tokens["access_token"])


async def test_a_session_is_bound_to_the_key_of_its_client(there: Provider, alice: User) -> None:
    backend = "https://changing.example.net/client.json"
    keys = [SigningKey("one"), SigningKey("two")]
    document = confidential(backend, [key.jwk for key in keys])
    there.hosts.publish(backend, document)
    client = there.client(backend)
    client.assertion_key = keys[0]
    tokens = await client.sign_in(alice)
    client.assertion_key = keys[1]
    assert verdict(await client.refresh(tokens["refresh_token"])) == (400, "invalid_grant")
    assert not client.is_good(tokens["access_token"])


@pytest.mark.parametrize("token", ["ref-x", "ref-" + "A" * 72, "nothing", "é"])
async def test_a_refresh_token_that_is_none_is_refused(there: Provider, token: str) -> None:
    assert verdict(await there.client().refresh(token)) == (400, "invalid_grant")


async def test_a_refresh_cannot_give_more_than_the_document_still_asks_for(there: Provider, alice: User) -> None:
    shrinking = "https://shrinking.example.net/client.json"
    there.hosts.publish(shrinking, client_document(shrinking))
    client = there.client(shrinking)
    tokens = await client.sign_in(alice)
    there.hosts.publish(shrinking, {**client_document(shrinking), "scope": "atproto"})
    await there.server.services.oauth.clients.get(shrinking, max_age=0)
    answer = await client.refresh(tokens["refresh_token"])
    assert answer.json()["scope"] == "atproto"
    there.hosts.publish(shrinking, client_document(shrinking))
    await there.server.services.oauth.clients.get(shrinking, max_age=0)
    assert (await client.refresh(answer.json()["refresh_token"])).json()["scope"] == "atproto"
    grant = there.server.services.oauth.tokens.verify_access(tokens["access_token"])
    assert str(grant.permissions) == "atproto"


async def test_what_a_client_declares_is_read_once_in_a_refresh(there: Provider, alice: User) -> None:
    client = there.client()
    tokens = await client.sign_in(alice)
    declared = mock.PropertyMock(return_value=frozenset(SCOPE.split(" ")))
    with mock.patch.object(ClientMetadata, "scopes", declared):
        assert verdict(await client.refresh(tokens["refresh_token"])) == (200, "")
    declared.assert_called_once()


# The end of sessions


@pytest.mark.parametrize("kind", ["access_token", "refresh_token"])
async def test_revoking_either_token_ends_the_session_at_once(
    there: Provider, alice: User, client_id: str, kind: str
) -> None:
    client = there.client(client_id)
    tokens = await client.sign_in(alice)
    answer = await client.revoke(tokens[kind], token_type_hint="refresh_token")
    assert (verdict(answer), answer.json()) == ((200, ""), {})
    assert not client.is_good(tokens["access_token"])
    assert verdict(await client.refresh(tokens["refresh_token"])) == (400, "invalid_grant")
    assert verdict(await client.revoke(tokens[kind])) == (200, "")


async def test_nobody_revokes_the_tokens_of_another_client(there: Provider, alice: User) -> None:
    client = there.client()
    tokens = await client.sign_in(alice)
    assert verdict(await there.client(CONFIDENTIAL).revoke(tokens["refresh_token"])) == (200, "")
    assert client.is_good(tokens["access_token"])


async def test_a_confidential_client_revokes_as_itself_only(there: Provider, alice: User) -> None:
    client = there.client(CONFIDENTIAL)
    tokens = await client.sign_in(alice)
    client.assertion_key = SigningKey("backend")
    assert verdict(await client.revoke(tokens["refresh_token"])) == (400, "invalid_client")
    assert client.is_good(tokens["access_token"])


async def test_the_owner_ends_sessions(there: Provider, alice: User) -> None:
    sessions = there.server.services.oauth.sessions
    did = Did(alice.did)
    client = there.client(CONFIDENTIAL)
    one, two = await client.sign_in(alice), await there.client(CONFIDENTIAL).sign_in(alice)
    other = await there.client().sign_in(alice)
    sid = decode_unverified(one["access_token"]).claims["sid"]
    assert not await sessions.revoke(Did("did:plc:aaaaaaaaaaaaaaaaaaaaaaaa"), sid)
    assert await sessions.revoke(did, sid)
    assert (client.is_good(one["access_token"]), client.is_good(two["access_token"])) == (False, True)
    assert there.server.services.oauth.consents.granted(did, CONFIDENTIAL) is not None
    assert await sessions.revoke_client(did, CONFIDENTIAL) >= 1
    assert there.server.services.oauth.consents.granted(did, CONFIDENTIAL) is None
    assert (client.is_good(two["access_token"]), client.is_good(other["access_token"])) == (False, True)
    assert await sessions.revoke_client(did, PUBLIC) >= 1
    assert not client.is_good(other["access_token"])
    assert {view.client_id for view in sessions.list_for(did)} & {PUBLIC, CONFIDENTIAL} == set()


async def test_an_account_has_only_so_many_sessions(there: Provider) -> None:
    dora = await there.server.sign_up("dora")
    clients = [there.client(client_id) for client_id in (CONFIDENTIAL, PUBLIC, PUBLIC)]
    with mock.patch("tempest_pds.services.oauth.code_grant.MAX_SESSIONS", 2):
        tokens = [(await client.sign_in(dora))["access_token"] for client in clients]
    good = [client.is_good(token) for client, token in zip(clients, tokens, strict=True)]
    assert good == [True, False, True]


async def test_a_new_password_ends_sessions_and_codes(there: Provider) -> None:
    bob = await there.server.sign_up("bob")
    client, late = there.client(), there.client()
    tokens, code = await client.sign_in(bob), await late.code(bob)
    given = {"did": bob.did, "password": "another battery staple"}
    changed = await there.server.administer("com.atproto.admin.updateAccountPassword", given)
    assert changed.status_code == 200
    assert not client.is_good(tokens["access_token"])
    assert verdict(await client.refresh(tokens["refresh_token"])) == (400, "invalid_grant")
    assert verdict(await late.exchange(code)) == (400, "invalid_grant")


async def test_a_sign_in_that_has_ended_grants_nothing(there: Provider) -> None:
    frank = await there.server.sign_up("frank")
    client = there.client()
    request = await client.open()
    client.sign_in_browser(frank)
    await there.server.services.browsers.sign_out_others(Did(frank.did), "")
    with pytest.raises(RequestRefused) as refused:
        await client.grant(request, frank)
    assert refused.value.response.values["error"] == "access_denied"


async def test_a_takedown_ends_sessions_and_codes_and_a_deletion_too(there: Provider) -> None:
    carol = await there.server.sign_up("carol")
    client, late = there.client(), there.client()
    tokens, request = await client.sign_in(carol), await late.open()
    await there.server.take_down(carol)
    assert not client.is_good(tokens["access_token"])
    with pytest.raises(Exception, match="cannot be used"):
        await late.grant(request, carol)
    await there.server.set_takedown({"$type": "com.atproto.admin.defs#repoRef", "did": carol.did}, applied=False)
    tokens = await there.client().sign_in(carol)
    assert (await there.server.administer("com.atproto.admin.deleteAccount", {"did": carol.did})).status_code == 200
    assert not client.is_good(tokens["access_token"])


async def test_a_deactivated_account_keeps_its_sessions_and_begins_none(there: Provider) -> None:
    dan = await there.server.sign_up("dan")
    client = there.client()
    tokens = await client.sign_in(dan)
    await dan.post("com.atproto.server.deactivateAccount", {})
    assert (await client.refresh(tokens["refresh_token"])).status_code == 200
    with pytest.raises(Exception, match="deactivated"):
        await there.client().code(dan)


# Introspection


async def test_a_confidential_client_asks_about_its_own_tokens(there: Provider, alice: User) -> None:
    client = there.client(CONFIDENTIAL)
    tokens = await client.sign_in(alice)
    about = (await client.introspect(tokens["access_token"])).json()
    assert about["active"] is True
    assert (about["sub"], about["client_id"], about["scope"]) == (alice.did, CONFIDENTIAL, SCOPE)
    assert (about["token_type"], about["cnf"]) == ("DPoP", {"jkt": client.key.thumbprint})
    assert about["exp"] - about["iat"] == 3600
    assert (await client.introspect(tokens["refresh_token"])).json()["active"] is True
    await client.revoke(tokens["refresh_token"])
    for kind in ("access_token", "refresh_token"):
        assert (await client.introspect(tokens[kind])).json() == {"active": False}


async def test_others_tokens_are_none_of_its_business(there: Provider, alice: User) -> None:
    tokens = await there.client().sign_in(alice)
    for kind in ("access_token", "refresh_token"):
        assert (await there.client(CONFIDENTIAL).introspect(tokens[kind])).json() == {"active": False}


async def test_the_administrator_asks_about_any_token_and_a_public_client_about_none(
    there: Provider, alice: User
) -> None:
    tokens = await there.client().sign_in(alice)
    assert verdict(await there.client().introspect(tokens["access_token"])) == (400, "invalid_client")
    for auth, status in (
        (f"Bearer {there.server.admin_token}", 200),
        ("Bearer nothing", 401),
        ("Basic nothing", 401),
    ):
        answer = await there.server.http.post(
            "/oauth/introspect", data={"token": tokens["access_token"]}, headers={"Authorization": auth}
        )
        assert answer.status_code == status
    basic = await there.server.http.post(
        "/oauth/introspect", data={"token": tokens["access_token"]}, auth=("admin", there.server.admin_token)
    )
    assert basic.json()["active"] is True


def _again(client: Any) -> str:
    """Make another verifier, as each request has one of its own."""
    client.verifier += "x"
    challenge: str = client.challenge
    return challenge
