"""What clients ask for: pushed, signed, or brought to the page by a person; what is taken, and what is refused."""

from __future__ import annotations

import time
from typing import Any

import jwt as pyjwt
import pytest
from oauth_flow import BROWSER, CONFIDENTIAL, ISSUER, PUBLIC, FlowClient, Provider, verdict
from tests.support.app_hosts import client_document
from tests.support.oauth_raw import SigningKey

from tempest_pds.protocol.oauth.errors import InvalidRequest, OAuthError
from tempest_pds.services.oauth.requests import RequestRefused

pytestmark = pytest.mark.asyncio(loop_scope="module")


# Pushed requests


async def test_a_pushed_request_is_created_and_lives_five_minutes(there: Provider) -> None:
    for dpop in (True, False):
        answer = await there.client().push(dpop=dpop)
        assert verdict(answer) == (201, "")
        assert answer.json()["expires_in"] == 300
        assert answer.json()["request_uri"].startswith("urn:ietf:params:oauth:request_uri:")


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"response_type": None}, "invalid_request"),
        ({"redirect_uri": "https://evil.example.net/"}, "invalid_request"),
        ({"scope": "atproto rpc:*?aud=*"}, "invalid_scope"),
        ({"scope": "transition:generic"}, "invalid_scope"),
        ({"scope": None}, "invalid_scope"),
        ({"code_challenge": None}, "invalid_request"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"prompt": "none"}, "invalid_request"),
        ({"prompt": "maybe"}, "invalid_request"),
        ({"response_mode": "smoke"}, "invalid_request"),
        ({"login_hint": "not a handle"}, "invalid_request"),
        ({"request_uri": "urn:ietf:params:oauth:request_uri:x"}, "invalid_request"),
        ({"dpop_jkt": "short"}, "invalid_request"),
        ({"dpop_jkt": "x" * 43}, "invalid_dpop_proof"),
        ({"request": "x"}, "invalid_request"),
    ],
)
async def test_a_request_that_must_not_be_made_is_refused(there: Provider, changes: dict[str, Any], error: str) -> None:
    assert verdict(await there.client().push(**changes)) == (400, error)


async def test_a_client_whose_name_cannot_be_written_is_told_so_before_anybody_is_asked(there: Provider) -> None:
    unwritten = "https://unwritten.example.net/client.json"
    there.hosts.publish(unwritten, client_document(unwritten, client_name="half of a \ud800 pair"))
    assert verdict(await there.client(unwritten).push()) == (400, "invalid_client_metadata")


async def test_a_key_can_be_named_instead_of_proven(there: Provider) -> None:
    client = there.client()
    request = await client.open(dpop=False, dpop_jkt=client.key.thumbprint)
    assert request.parameters.dpop_jkt == client.key.thumbprint
    assert (await there.client().open()).parameters.dpop_jkt is not None


async def test_a_backend_vouches_for_the_key_of_its_frontend(there: Provider) -> None:
    client = there.client(CONFIDENTIAL)
    vouched = client.assertion(cnf={"jkt": client.key.thumbprint})
    request = await client.open(dpop=False, client_assertion=vouched)
    assert request.parameters.dpop_jkt == client.key.thumbprint


async def test_what_was_asked_for_arrives_where_the_person_is_asked(there: Provider) -> None:
    confident = there.client(CONFIDENTIAL)
    request = await confident.open(
        prompt="login", login_hint="Alice.Test", display="touch", ui_locales="de fr", response_mode="form_post"
    )
    parameters = request.parameters
    assert (parameters.prompt, parameters.login_hint, parameters.display) == ("login", "alice.test", "touch")
    assert (parameters.ui_locales, parameters.reply.response_mode) == (("de", "fr"), "form_post")
    assert (request.client_auth.method, request.client_auth.kid) == ("private_key_jwt", "backend")
    assert (await there.client().open(state=None)).parameters.reply.state is None


async def test_scopes_that_are_not_understood_are_shown_and_not_granted(there: Provider) -> None:
    modern, asked = "https://modern.example.net/client.json", "atproto space:com.example.club repo:*"
    there.hosts.publish(modern, client_document(modern, scope=asked))
    request = await there.client(modern).open(scope=asked)
    assert request.parameters.scope == asked, "the page tells engineers"
    assert str(request.scopes) == "atproto repo:*"


# Request objects


def claims_of(client: FlowClient, **changes: Any) -> dict[str, Any]:
    now = int(time.time())
    token = {"iss": client.client_id, "aud": ISSUER, "iat": now, "exp": now + 50, "jti": f"jti-{time.time_ns()}"}
    return {**client.parameters(), **token, **changes}


async def push_object(client: FlowClient, request: str) -> tuple[int, str]:
    return verdict(await client.send("/oauth/par", {"request": request}))


async def test_a_signed_request_is_taken_once(there: Provider) -> None:
    client = there.client(CONFIDENTIAL)
    assert client.assertion_key is not None
    request = client.assertion_key.sign(claims_of(client))
    assert await push_object(client, request) == (201, "")
    assert await push_object(client, request) == (400, "invalid_request")


@pytest.mark.parametrize(
    "changes", [{"aud": "https://x.example"}, {"iss": PUBLIC}, {"sub": CONFIDENTIAL}, {"jti": None}]
)
async def test_a_signed_request_that_is_none_is_refused(there: Provider, changes: dict[str, Any]) -> None:
    client = there.client(CONFIDENTIAL)
    assert client.assertion_key is not None
    assert await push_object(client, client.assertion_key.sign(claims_of(client, **changes))) == (
        400,
        "invalid_request",
    )
    assert await push_object(client, SigningKey("backend").sign(claims_of(client))) == (400, "invalid_request")


async def test_a_request_that_is_not_signed_is_for_clients_that_say_so(there: Provider) -> None:
    plain = "https://plain.example.net/client.json"
    there.hosts.publish(plain, client_document(plain, request_object_signing_alg="none"))
    client, public = there.client(plain), there.client()
    assert await push_object(client, pyjwt.encode(claims_of(client), "", "none")) == (201, "")
    once = pyjwt.encode({k: v for k, v in claims_of(client).items() if k not in ("iss", "aud")}, "", "none")
    assert await push_object(client, once) == (201, "")
    assert await push_object(client, once) == (400, "invalid_request")
    assert await push_object(public, pyjwt.encode(claims_of(public), "", "none")) == (400, "invalid_request")
    assert await push_object(client, SigningKey("x").sign(claims_of(client))) == (400, "invalid_request")


# Requests that were not pushed


async def test_a_request_may_come_to_the_authorize_page_unpushed(there: Provider) -> None:
    bob = await there.server.sign_up("bob")
    for client in (there.client(), there.client(CONFIDENTIAL)):
        request = await client.requests.open(client.parameters(), BROWSER)
        code = (await client.agree(request, bob)).values["code"]
        assert (await client.exchange(code)).status_code == 200


async def test_what_is_wrong_with_it_goes_to_the_client_once_the_address_is_known(there: Provider) -> None:
    client = there.client()
    for changes, error in (
        ({"scope": "atproto repo:*"}, "invalid_scope"),
        ({"prompt": "none"}, "consent_required"),
        ({"code_challenge": None}, "invalid_request"),
        ({"response_type": "token"}, "unsupported_response_type"),
    ):
        with pytest.raises(RequestRefused) as caught:
            await client.requests.open(client.parameters(**changes), BROWSER)
        values = caught.value.response.values
        assert (values["error"], values["state"], values["iss"]) == (error, "a state", ISSUER)
        assert caught.value.response.reply.redirect_uri == client.redirect_uri


@pytest.mark.parametrize(
    "fields",
    [
        {"redirect_uri": "https://evil.example.net/"},
        {"response_mode": "smoke"},
        {"client_id": "https://nowhere.example.net/client.json"},
        {"client_id": ""},
        {"request": "x"},
        {"request_uri": "https://app.example.net/request"},
        {"request_uri": "urn:ietf:params:oauth:request_uri:unknown"},
    ],
)
async def test_until_then_it_is_told_to_the_person_alone(there: Provider, fields: dict[str, str]) -> None:
    client = there.client()
    with pytest.raises(OAuthError):
        await client.requests.open(client.parameters(**fields), BROWSER)


async def test_a_request_object_comes_to_the_page_as_well(there: Provider) -> None:
    client = there.client(CONFIDENTIAL)
    assert client.assertion_key is not None
    signed = client.assertion_key.sign(claims_of(client))
    opened = await client.requests.open({"client_id": CONFIDENTIAL, "request": signed}, BROWSER)
    assert opened.parameters.reply.state == "a state"
    with pytest.raises(InvalidRequest, match="used before"):
        await client.requests.open({"client_id": CONFIDENTIAL, "request": signed}, BROWSER)
