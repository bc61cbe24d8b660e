"""What the endpoints of the OAuth provider say to clients, and to what is none."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oauth_flow import APP, CONFIDENTIAL, DOCUMENTS, FORM, ISSUER, FlowClient, Provider, provider, verdict

from tempest_pds.services.oauth.spent_tokens import SpentTokens

pytestmark = pytest.mark.asyncio(loop_scope="module")

ENDPOINTS = ["/oauth/par", "/oauth/token", "/oauth/revoke", "/oauth/introspect"]


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


async def test_with_no_room_for_another_proof_the_nonce_that_is_told_is_one_of_the_new_ones(there: Provider) -> None:
    client = there.client()
    assert (await client.push()).status_code == 201
    proofs: Any = there.server.services.oauth.proofs
    proofs._spent = SpentTokens(0)
    for expected in ((400, "use_dpop_nonce"), (201, "")):
        headers = {"DPoP": client.proof("/oauth/par")}
        answer = await there.server.http.post("/oauth/par", data=client.parameters(), headers=headers)
        assert verdict(answer) == expected
        client.nonce = answer.headers["dpop-nonce"]


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


# Whatever comes


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
