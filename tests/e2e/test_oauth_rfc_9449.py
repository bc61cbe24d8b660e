"""DPoP, RFC 9449, tried by a client that does everything wrong."""

from __future__ import annotations

import base64
import json
import time
from typing import Any

import httpx
import jwt
import pytest
from tests.support.oauth_raw import RawClient, SigningKey, base64url, refused
from tests.support.oauth_stage import Stage

GET_SESSION = "com.atproto.server.getSession"
OTHER = SigningKey()


def unsigned(client: RawClient, method: str, url: str, access: str | None) -> str:
    good = client.proof(method, url, access).split(".")
    header = {"typ": "dpop+jwt", "alg": "none", "jwk": client.key.bare}
    return f"{base64url(json.dumps(header).encode())}.{good[1]}."


def symmetric(client: RawClient, method: str, url: str, access: str | None) -> str:
    claims = jwt.decode(client.proof(method, url, access), options={"verify_signature": False})
    secret = bytes(32)
    return jwt.encode(claims, secret, "HS256", {"typ": "dpop+jwt", "jwk": {"kty": "oct", "k": base64url(secret)}})


def altered(client: RawClient, method: str, url: str, access: str | None) -> str:
    head, body, signature = client.proof(method, url, access).split(".")
    claims = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    return f"{head}.{base64url(json.dumps({**claims, 'jti': 'another'}).encode())}.{signature}"


def changed(**changes: Any) -> Any:
    return lambda client, method, url, access: client.proof(method, url, access, **changes)


WRONG = {
    "no JWT": lambda *_: "a.proof",
    "two in one": lambda client, *at: f"{client.proof(*at)}, {client.proof(*at)}",
    "another type": changed(header={"typ": "JWT"}),
    "no type": changed(header={"typ": None}),
    "no key": changed(header={"jwk": None}),
    "a private key": lambda client, *at: client.proof(*at, header={"jwk": client.key.private_jwk}),
    "the key of another": changed(header={"jwk": OTHER.bare}),
    "no signature": unsigned,
    "a symmetric signature": symmetric,
    "changed after it was signed": altered,
    "no identifier": changed(jti=None),
    "no method": changed(htm=None),
    "another method": changed(htm="PUT"),
    "no address": changed(htu=None),
    "the address of another endpoint": changed(htu="https://pds.example.com/oauth/revoke"),
    "the address of another server": changed(htu="https://elsewhere.example.com/oauth/par"),
    "no time": changed(iat=None),
}


def challenge(answer: httpx.Response) -> str:
    header: str = answer.headers["www-authenticate"]
    assert header.startswith("DPoP ")
    return header


@pytest.mark.parametrize("what", WRONG)
def test_a_wrong_proof_is_refused_by_the_authorization_server(stage: Stage, what: str) -> None:
    client = stage.client()
    client.request_uri()
    proof = WRONG[what](client, "POST", client.endpoint("pushed_authorization_request"), None)
    answer = client.push(proof=proof)
    refused(answer, "invalid_dpop_proof")


@pytest.mark.parametrize("what", WRONG)
def test_a_wrong_proof_is_refused_by_the_resource_server(stage: Stage, what: str) -> None:
    client, tokens = stage.signed_in
    assert client.call(GET_SESSION, tokens.access).status_code == 200
    proof = WRONG[what](client, "GET", f"{stage.issuer}/xrpc/{GET_SESSION}", tokens.access)
    answer = client.call(GET_SESSION, tokens.access, proof=proof)
    assert answer.status_code == 401
    assert 'error="invalid_dpop_proof"' in challenge(answer)


def test_two_proofs_are_none(stage: Stage) -> None:
    client, tokens = stage.signed_in
    url = client.endpoint("pushed_authorization_request")
    form = httpx.QueryParams(client.authorization()).__str__()
    headers = [
        ("Content-Type", "application/x-www-form-urlencoded"),
        ("DPoP", client.proof("POST", url)),
        ("DPoP", client.proof("POST", url)),
    ]
    pushed = stage.http.post(url, content=form, headers=headers)
    refused(pushed, "invalid_dpop_proof")
    url = f"{stage.issuer}/xrpc/{GET_SESSION}"
    two = [("DPoP", client.proof("GET", url, tokens.access)) for _ in range(2)]
    called = stage.http.get(url, headers=[("Authorization", f"DPoP {tokens.access}"), *two])
    assert called.status_code == 401


def test_the_address_of_a_proof_is_compared_as_an_address(stage: Stage) -> None:
    """Section 4.3: without query and fragment, and with what RFC 3986 says is the same taken for the same."""
    client, tokens = stage.signed_in
    url = f"{stage.issuer}/xrpc/{GET_SESSION}"
    for same in (f"{url}?a=b#c", url.replace("https://", "HTTPS://"), url.replace(".com/", ".com:443/")):
        assert client.call(GET_SESSION, tokens.access, htu=same).status_code == 200, same
    assert client.call(GET_SESSION, tokens.access, htu=url.upper()).status_code == 401


@pytest.mark.parametrize("hours", [-1, 1])
def test_the_time_of_a_proof_is_that_of_its_nonce(stage: Stage, hours: int) -> None:
    """Section 4.3: either will do, and many clocks are wrong."""
    client, tokens = stage.signed_in
    answer = client.call(GET_SESSION, tokens.access, iat=int(time.time()) + 3600 * hours)
    assert answer.status_code == (401 if stage.is_reference else 200)


def test_a_proof_is_good_once(stage: Stage) -> None:
    client, tokens = stage.signed_in
    client.call(GET_SESSION, tokens.access)
    proof = client.proof("GET", f"{stage.issuer}/xrpc/{GET_SESSION}", tokens.access)
    assert client.call(GET_SESSION, tokens.access, proof=proof).status_code == 200
    again = client.call(GET_SESSION, tokens.access, proof=proof)
    assert again.status_code == 401
    assert 'error="invalid_dpop_proof"' in challenge(again)
    pushed = client.proof("POST", client.endpoint("pushed_authorization_request"))
    assert client.push(proof=pushed).status_code == 201
    again = client.push(proof=pushed)
    refused(again, "invalid_dpop_proof")


def test_the_authorization_server_asks_for_a_nonce_and_gives_one(stage: Stage) -> None:
    client = stage.client()
    for nonce in (None, "of-long-ago"):
        answer = client.send("pushed_authorization_request", client.authorization(), nonce=nonce)
        assert (answer.status_code, answer.json()["error"]) == (400, "use_dpop_nonce")
        assert answer.headers["dpop-nonce"]
        assert "no-store" in answer.headers["cache-control"]
        assert "dpop-nonce" in answer.headers["access-control-expose-headers"].lower()
    assert client.push().status_code == 201


def test_the_resource_server_asks_for_a_nonce_and_gives_one(stage: Stage) -> None:
    client, tokens = stage.signed_in
    for nonce in (None, "of-long-ago"):
        answer = client.call(GET_SESSION, tokens.access, nonce=nonce)
        assert answer.status_code == 401
        assert 'error="use_dpop_nonce"' in challenge(answer)
        assert answer.headers["dpop-nonce"]
        exposed = answer.headers["access-control-expose-headers"].lower()
        assert {"dpop-nonce", "www-authenticate"} <= {name.strip() for name in exposed.split(",")}
    assert client.call(GET_SESSION, tokens.access).status_code == 200


def test_a_nonce_says_nothing_and_is_good_in_several_requests(stage: Stage) -> None:
    client, tokens = stage.signed_in
    client.call(GET_SESSION, tokens.access, nonce=None)
    nonce = client.nonce
    assert nonce is not None
    assert len(nonce) >= 20
    assert [client.call(GET_SESSION, tokens.access, nonce=nonce).status_code for _ in range(3)] == [200] * 3


def test_a_token_is_for_the_key_it_was_made_for(stage: Stage) -> None:
    client, tokens = stage.signed_in
    thief = stage.client(nonce=client.nonce)
    assert thief.call(GET_SESSION, tokens.access).status_code == 401
    for ath in (None, base64url(bytes(32))):
        answer = client.call(GET_SESSION, tokens.access, ath=ath)
        assert answer.status_code == 401, ath
        assert 'error="invalid_dpop_proof"' in challenge(answer)


def test_a_bound_token_is_no_bearer_token(stage: Stage) -> None:
    client, tokens = stage.signed_in
    for proof in (None, ""):
        answer = client.call(GET_SESSION, tokens.access, scheme="Bearer", proof=proof)
        # The error is the one of the protocol for a token that is none, whose status has always been 400.
        assert answer.status_code in {400, 401}
    assert client.call(GET_SESSION, tokens.access, proof="").status_code == 401


def test_a_request_has_one_authorization(stage: Stage) -> None:
    client, tokens = stage.signed_in
    client.call(GET_SESSION, tokens.access)
    url = f"{stage.issuer}/xrpc/{GET_SESSION}"
    both = [("Authorization", f"DPoP {tokens.access}"), ("Authorization", f"Bearer {tokens.access}")]
    proof = ("DPoP", client.proof("GET", url, tokens.access))
    assert stage.http.get(url, headers=[both[1], both[0], proof]).status_code in {400, 401}
    if not stage.is_reference:
        assert stage.http.get(url, headers=[*both, proof]).status_code in {400, 401}


def test_a_challenge_names_the_scheme(stage: Stage) -> None:
    client, _ = stage.signed_in
    answer = client.call(GET_SESSION, "no.real.token")
    assert answer.status_code == 401
    assert 'error="invalid_token"' in challenge(answer)


def test_tokens_are_bound_and_say_so(stage: Stage) -> None:
    client, tokens = stage.signed_in
    assert tokens.body["token_type"] == "DPoP"
    assert "ES256" in client.metadata["dpop_signing_alg_values_supported"]
    assert not {"none", "HS256"} & set(client.metadata["dpop_signing_alg_values_supported"])
    claims = jwt.decode(tokens.access, options={"verify_signature": False})
    assert claims["cnf"] == {"jkt": client.key.thumbprint}
    assert claims["sub"] == tokens.sub == stage.account.did


def test_no_proof_no_tokens(stage: Stage) -> None:
    client = stage.client()
    code = client.code(stage.person)
    answer = client.exchange(code, proof="")
    refused(answer, "invalid_dpop_proof", "invalid_request", "invalid_token")


def test_a_refresh_token_of_a_public_client_is_bound_to_its_key(stage: Stage) -> None:
    client = stage.client()
    tokens = client.sign_in(stage.person)
    thief = stage.client(nonce=client.nonce)
    answer = thief.refresh(tokens.refresh)
    refused(answer, "invalid_grant", "invalid_dpop_proof")
    refused(thief.refresh(tokens.refresh, proof=""), "invalid_grant", "invalid_dpop_proof", "invalid_request")


def test_a_code_is_for_the_key_that_the_request_was_pushed_with(stage: Stage) -> None:
    client = stage.client()
    code = client.code(stage.person)
    client.key, mine = OTHER, client.key
    answer = client.exchange(code)
    refused(answer, "invalid_grant", "invalid_dpop_proof")
    assert mine.thumbprint != OTHER.thumbprint


def test_a_code_is_for_the_key_that_the_request_names(stage: Stage) -> None:
    client = stage.client()
    request_uri = client.push(proof="", dpop_jkt=OTHER.thumbprint).json()["request_uri"]
    code = stage.person.approve(client.authorize_url(request_uri))["code"]
    answer = client.exchange(code)
    refused(answer, "invalid_grant", "invalid_dpop_proof")


def test_a_request_that_names_another_key_than_it_proves_is_refused(stage: Stage) -> None:
    answer = stage.client().push(dpop_jkt=OTHER.thumbprint)
    refused(answer, "invalid_dpop_proof", "invalid_request", "invalid_token")
