"""What the endpoints and documents of the OAuth provider say to clients, and to what is none."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlencode

import jwt as pyjwt
import pytest
import pytest_asyncio
from hypothesis import given, settings
from hypothesis import strategies as st
from oauth_flow import (
    BROWSER,
    CONFIDENTIAL,
    FORM,
    ISSUER,
    PUBLIC,
    FlowClient,
    Provider,
    provider,
    verdict,
)
from tests.support.app_hosts import client_document
from tests.support.oauth_raw import SigningKey

from tempest_pds.protocol.oauth.errors import InvalidRequest, OAuthError
from tempest_pds.protocol.oauth.jwk import JwkSet
from tempest_pds.protocol.oauth.server_metadata import authorization_server_metadata, protected_resource_metadata
from tempest_pds.services.oauth.requests import RequestRefused

pytestmark = pytest.mark.asyncio(loop_scope="module")

ENDPOINTS = ["/oauth/par", "/oauth/token", "/oauth/revoke", "/oauth/introspect"]
DOCUMENTS = ["/.well-known/oauth-protected-resource", "/.well-known/oauth-authorization-server", "/oauth/jwks"]
APP = {"Origin": "https://app.example.net"}


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def there(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Provider]:
    async with provider(tmp_path_factory.mktemp("oauth")) as started:
        yield started


# Documents


async def test_the_documents_are_those_of_the_protocol(there: Provider) -> None:
    resource, server = [(await there.server.http.get(path)).json() for path in DOCUMENTS[:2]]
    assert resource == protected_resource_metadata(ISSUER)
    assert server == authorization_server_metadata(ISSUER, ui_locales=("en", "de", "fr"), introspection=True)


async def test_every_endpoint_that_is_announced_is_there(there: Provider) -> None:
    server = (await there.server.http.get(DOCUMENTS[1])).json()
    for name in ("token", "revocation", "introspection", "pushed_authorization_request"):
        path = server[f"{name}_endpoint"].removeprefix(ISSUER)
        assert (await there.server.http.post(path)).status_code == 415, name
    assert (await there.server.http.get(server["jwks_uri"].removeprefix(ISSUER))).status_code == 200


async def test_tokens_verify_with_the_keys_that_are_published(there: Provider) -> None:
    alice = await there.server.sign_up("alice")
    token = (await there.client().sign_in(alice))["access_token"]
    keys = (await there.server.http.get(DOCUMENTS[2])).json()
    assert JwkSet.parse(keys).keys
    assert all("d" not in key for key in keys["keys"])
    kid = pyjwt.get_unverified_header(token)["kid"]
    claims = pyjwt.decode(
        token,
        pyjwt.PyJWKSet.from_dict(keys)[kid].key,
        algorithms=["ES256"],
        audience=there.server.services.server.did,
        issuer=ISSUER,
    )
    assert claims["sub"] == alice.did


@pytest.mark.parametrize("path", DOCUMENTS)
async def test_documents_are_for_everybody_and_for_a_while(there: Provider, path: str) -> None:
    answer = await there.server.http.get(path, headers=APP)
    assert answer.headers["content-type"].startswith("application/json")
    assert answer.headers["cache-control"] == "max-age=300"
    assert answer.headers["access-control-allow-origin"] == "*"
    assert (await there.server.http.head(path)).status_code == 200
    refused = await there.server.http.post(path)
    assert (refused.status_code, refused.headers["allow"]) == (405, "GET, HEAD, OPTIONS")


# What every endpoint does


@pytest.mark.parametrize("path", ENDPOINTS)
@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "PATCH"])
async def test_endpoints_take_posts_only(there: Provider, path: str, method: str) -> None:
    answer = await there.server.http.request(method, path)
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST, OPTIONS")
    assert answer.headers["dpop-nonce"]


@pytest.mark.parametrize("path", [*ENDPOINTS, *DOCUMENTS])
async def test_a_page_of_any_origin_may_ask_but_not_with_cookies(there: Provider, path: str) -> None:
    wanted = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type,dpop"}
    preflight = await there.server.http.options(path, headers={**APP, **wanted})
    assert preflight.is_success
    assert preflight.headers["access-control-allow-origin"] == "*"
    assert "POST" in preflight.headers["access-control-allow-methods"]
    assert "dpop" in preflight.headers["access-control-allow-headers"].lower()
    answer = await there.server.http.post(path, headers=APP)
    assert answer.headers["access-control-allow-origin"] == "*"
    assert "DPoP-Nonce" in answer.headers["access-control-expose-headers"]
    for headers in (preflight.headers, answer.headers):
        assert "access-control-allow-credentials" not in headers
        assert "set-cookie" not in headers


@pytest.mark.parametrize("path", ENDPOINTS)
@pytest.mark.parametrize(
    ("content_type", "body", "status"),
    [
        (None, b"", 415),
        ("text/plain", b"client_id=x", 415),
        ("multipart/form-data; boundary=x", b"--x--", 415),
        ("application/jsonp", b"{}", 415),
        (f"{FORM}; charset=latin-1", b"client_id=x", 415),
        ("application/json", b"", 400),
        ("application/json", b"[]", 400),
        ("application/json", b"null", 400),
        ("application/json", b"{" * 10_000, 400),
        ("application/json", b"[" * 60_000, 400),
        ("application/json", b'{"client_id": NaN}', 400),
        ("application/json", b'{"state": "\\ud800"}', 400),
        ("application/json", b'{"state": "\xff"}', 400),
        ("application/json", b"1" * 5_000, 400),
        ("application/json", b'{"client_id": 1}', 400),
        ("application/json", b'{"client_id": {"a": []}}', 400),
        (FORM, b"", 400),
        (FORM, b"client_id=x&client_id=x", 400),
        (FORM, b"client_id=%ff", 400),
        (FORM, b"client_id=" + b"x" * 70_000, 413),
    ],
)
async def test_what_is_no_request_is_refused_in_words_for_clients(
    there: Provider, path: str, content_type: str | None, body: bytes, status: int
) -> None:
    headers = {} if content_type is None else {"Content-Type": content_type}
    answer = await there.server.http.post(path, content=body, headers=headers)
    code, error = verdict(answer)
    # Which client it is, is asked after the proof, which the token endpoint cannot do without.
    assert (code, error) in {(status, "invalid_request"), (status, "invalid_dpop_proof")}


@pytest.mark.parametrize("path", ENDPOINTS)
async def test_a_proof_without_a_nonce_is_told_which_to_use(there: Provider, path: str) -> None:
    client = there.client()
    headers = {"DPoP": client.proof(path)}
    answer = await there.server.http.post(path, data=client.credentials(), headers=headers)
    assert verdict(answer) == (400, "use_dpop_nonce")
    client.nonce = answer.headers["dpop-nonce"]
    headers = {"DPoP": client.proof(path)}
    again = await there.server.http.post(path, data=client.credentials(), headers=headers)
    assert verdict(again)[1] != "use_dpop_nonce"
    replayed = await there.server.http.post(path, data=client.credentials(), headers=headers)
    assert verdict(replayed) == (400, "invalid_dpop_proof")


@pytest.mark.parametrize(
    ("changes", "headers"),
    [
        ({"htu": f"{ISSUER}/oauth/token"}, 1),
        ({"htm": "GET"}, 1),
        ({"ath": "x"}, 1),
        ({"jti": None}, 1),
        ({}, 2),
    ],
)
async def test_a_proof_that_proves_nothing_is_refused(there: Provider, changes: dict[str, Any], headers: int) -> None:
    client = there.client()
    await client.push()
    proofs = [("DPoP", client.proof("/oauth/par", **changes)) for _ in range(headers)]
    answer = await there.server.http.post("/oauth/par", data=client.parameters(), headers=proofs)
    assert verdict(answer) == (400, "invalid_dpop_proof")


@pytest.mark.parametrize("path", ENDPOINTS)
async def test_a_client_that_is_none_is_refused(there: Provider, path: str) -> None:
    for client_id, error in (
        ("https://nowhere.example.net/client.json", "invalid_client_metadata"),
        ("nothing", "invalid_client_id"),
    ):
        client = FlowClient(there.server, client_id)
        assert verdict(await client.send(path, {})) == (400, error)


@pytest.mark.parametrize("path", ENDPOINTS)
async def test_a_confidential_client_must_prove_itself(there: Provider, path: str) -> None:
    client = there.client(CONFIDENTIAL)
    assert verdict(await client.send(path, {"client_assertion": None}))[0] == 400
    assert verdict(await client.send(path, {"client_assertion": client.assertion(aud="x")})) == (400, "invalid_client")
    once = {"client_assertion": client.assertion()}
    assert verdict(await client.send(path, once))[1] != "invalid_client"
    assert verdict(await client.send(path, once)) == (400, "invalid_client")


async def test_who_tries_the_authorization_header_is_told_that_it_is_not_the_way(there: Provider) -> None:
    client = there.client(CONFIDENTIAL)
    answer = await client.send("/oauth/token", {"client_assertion": "x"}, Authorization="Basic eDp5")
    assert verdict(answer) == (401, "invalid_client")
    assert answer.headers["www-authenticate"].startswith("Basic ")


async def test_the_key_of_dpop_is_not_the_clients(there: Provider) -> None:
    client = there.client(CONFIDENTIAL)
    client.key = there.key
    assert verdict(await client.push())[0] == 400


# The token endpoint


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({}, "invalid_request"),
        ({"grant_type": "password"}, "unsupported_grant_type"),
        ({"grant_type": "client_credentials"}, "unsupported_grant_type"),
        ({"grant_type": "authorization_code"}, "invalid_request"),
        ({"grant_type": "refresh_token"}, "invalid_request"),
        ({"grant_type": "authorization_code", "code": "x"}, "invalid_grant"),
        ({"grant_type": "refresh_token", "refresh_token": "x"}, "invalid_grant"),
    ],
)
async def test_a_token_request_that_asks_for_nothing_good(there: Provider, fields: dict[str, str], error: str) -> None:
    assert verdict(await there.client().send("/oauth/token", fields)) == (400, error)


async def test_tokens_are_for_who_proves_to_hold_a_key(there: Provider) -> None:
    answer = await there.client().send("/oauth/token", {"grant_type": "authorization_code"}, dpop=False)
    assert verdict(answer) == (400, "invalid_dpop_proof")


@pytest.mark.parametrize("path", ["/oauth/revoke", "/oauth/introspect"])
async def test_a_token_must_be_named(there: Provider, path: str) -> None:
    assert verdict(await there.client(CONFIDENTIAL).send(path, {})) == (400, "invalid_request")


@pytest.mark.parametrize("token", ["x", "ref-x", "a.b.c", "é" * 100])
async def test_to_revoke_what_is_no_token_is_no_error(there: Provider, token: str) -> None:
    answer = await there.client().send("/oauth/revoke", {"token": token}, dpop=False)
    assert verdict(answer) == (200, "")


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


async def test_scopes_that_are_not_understood_are_dropped(there: Provider) -> None:
    modern = "https://modern.example.net/client.json"
    there.hosts.publish(modern, client_document(modern, scope="atproto space:com.example.club repo:*"))
    request = await there.client(modern).open(scope="atproto space:com.example.club repo:*")
    assert str(request.scopes) == request.parameters.scope == "atproto repo:*"


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


async def test_an_error_of_ours_tells_nothing(there: Provider, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail(*_: object, **__: object) -> None:
        raise RuntimeError("secret detail")

    monkeypatch.setattr(there.server.services.oauth.requests, "push", fail)
    answer = await there.client().push()
    assert verdict(answer) == (500, "server_error")
    assert "secret" not in answer.text
    assert "secret detail" in there.server.log_text()


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=5,
)
NAMES = [
    "client_id", "grant_type", "code", "code_verifier", "refresh_token", "token", "request", "request_uri", "scope",
    "redirect_uri", "state", "max_age", "login_hint", "client_assertion", "client_assertion_type", "dpop_jkt",
]  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(
    path=st.sampled_from(ENDPOINTS),
    changes=st.dictionaries(st.sampled_from(NAMES), JSON_VALUES, max_size=4),
    grant_type=st.sampled_from(["authorization_code", "refresh_token"]),
)
async def test_whatever_stands_in_a_request_is_no_error_of_ours(
    there: Provider, path: str, changes: dict[str, Any], grant_type: str
) -> None:
    client = there.client()
    good = {**client.parameters(), "grant_type": grant_type, "code": "x", "refresh_token": "x", "token": "x"}
    await client.push()
    body = json.dumps({**good, **changes}).encode()
    headers = {"Content-Type": "application/json", "DPoP": client.proof(path)}
    assert verdict(await there.server.http.post(path, content=body, headers=headers))[0] < 500
    form = urlencode({name: str(value) for name, value in {**good, **changes}.items()}, errors="replace")
    headers = {"Content-Type": FORM, "DPoP": client.proof(path)}
    assert verdict(await there.server.http.post(path, content=form, headers=headers))[0] < 500


# Limits


async def test_pushes_are_limited_and_say_when_to_come_again(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("limited")
    async with provider(folder, TEMPEST_RATE_LIMITS_ENABLED="true") as limited:
        for _ in range(600):
            answer = await limited.server.http.get("/oauth/par")
        assert (answer.status_code, answer.headers["ratelimit-remaining"]) == (405, "0")
        refused = await limited.server.http.get("/oauth/par")
        assert verdict(refused) == (429, "temporarily_unavailable")
        assert int(refused.headers["retry-after"]) > 0
        assert (await limited.server.http.get("/oauth/token")).status_code == 405
