"""Request objects, RFC 9101: what a client asks for, signed."""

from __future__ import annotations

import secrets
import time
from typing import Any

import jwt
import pytest
from tests.support.oauth_raw import RawClient, SigningKey, refused
from tests.support.oauth_stage import Stage

NAMES = ("invalid_request", "invalid_request_object", "invalid_client")


def signed(
    client: RawClient, header: dict[str, Any] | None = None, key: SigningKey | None = None, **claims: Any
) -> str:
    """Return a request object that is good but for what is said."""
    now = int(time.time())
    usual = {"iss": client.client_id, "aud": client.issuer, "iat": now, "exp": now + 30, "jti": secrets.token_hex(8)}
    signer = key or client.assertion_key
    assert signer is not None
    return signer.sign(
        {**client.authorization(), **usual, **claims}, **{"typ": "oauth-authz-req+jwt", **(header or {})}
    )


def push(client: RawClient, request: str, **beside: Any) -> Any:
    return client.send("pushed_authorization_request", {"request": request, **beside})


def test_a_signed_request_leads_to_tokens(stage: Stage) -> None:
    client = stage.confidential()
    answer = push(client, signed(client))
    assert answer.status_code == 201, answer.text
    code = stage.person.approve(client.authorize_url(answer.json()["request_uri"]))["code"]
    assert client.tokens(client.exchange(code)).sub == stage.account.did


def read(request: str) -> dict[str, Any]:
    claims: dict[str, Any] = jwt.decode(request, options={"verify_signature": False})
    return claims


def hour_ago() -> dict[str, Any]:
    return {"iat": int(time.time()) - 3600, "exp": int(time.time()) - 3570}


@pytest.mark.parametrize(
    "wrong",
    [
        lambda client: signed(client, key=SigningKey("one")),
        lambda client: signed(client, key=SigningKey("two")),
        lambda client: signed(client, **hour_ago()),
        lambda client: signed(client, aud="https://elsewhere.example.com"),
        lambda client: signed(client, iss=f"{client.client_id}x"),
        lambda client: signed(client, client_id=f"{client.client_id}x"),
        lambda client: signed(client, redirect_uri="https://elsewhere.example.edu/"),
        lambda client: "no.request.object",
        lambda client: jwt.encode(read(signed(client)), "", "none", {"typ": "oauth-authz-req+jwt"}),
        lambda client: jwt.encode(read(signed(client)), bytes(32), "HS256", {"kid": "one"}),
    ],
    ids=["key", "kid", "old", "aud", "iss", "client", "redirect", "no JWT", "unsigned", "symmetric"],
)
def test_a_request_that_the_client_did_not_sign_for_this_server_now_is_refused(stage: Stage, wrong: Any) -> None:
    client = stage.confidential()
    assert push(client, signed(client)).status_code == 201
    refused(push(client, wrong(client)), *NAMES, "invalid_redirect_uri")


def test_what_stands_beside_a_request_object_does_not_count(stage: Stage) -> None:
    client = stage.confidential()
    answer = push(client, signed(client), state="beside", redirect_uri="https://elsewhere.example.edu/")
    if answer.status_code == 201:
        parameters = stage.person.approve(client.authorize_url(answer.json()["request_uri"]))
        assert parameters["state"] == client.state
        assert stage.person.answer.headers["location"].startswith(client.redirect_uri)
    else:
        refused(answer, *NAMES)


def test_a_request_object_is_not_in_another(stage: Stage) -> None:
    if stage.is_reference:
        pytest.skip("the reference server passes it over")
    client = stage.confidential()
    refused(push(client, signed(client, request="one.more.object")), *NAMES)
    refused(push(client, signed(client, request_uri="urn:ietf:params:oauth:request_uri:req-x")), *NAMES)


def test_a_client_assertion_is_no_request_object(stage: Stage) -> None:
    client = stage.confidential()
    refused(push(client, client.assertion()), *NAMES)
    if not stage.is_reference:
        refused(push(client, signed(client, sub=client.client_id)), *NAMES)


def test_a_request_object_is_no_client_assertion(stage: Stage) -> None:
    if stage.is_reference:
        pytest.skip("the reference server looks at no type")
    client = stage.confidential()
    client.request_uri()
    refused(client.push(client_assertion=signed(client, sub=client.client_id)), "invalid_client")


def test_a_request_object_elsewhere_is_not_fetched(stage: Stage) -> None:
    client = stage.client()
    visitor = stage.stranger()
    visitor.open(client.authorize_url("https://app.example.edu/request.jwt"))
    assert 400 <= visitor.answer.status_code < 500
    assert client.metadata.get("require_request_uri_registration", True) is True or stage.is_reference


def test_the_metadata_says_what_is_signed_with(stage: Stage) -> None:
    said = stage.client().metadata
    assert said["request_parameter_supported"] is True
    algorithms = said["request_object_signing_alg_values_supported"]
    assert "ES256" in algorithms
    assert not {"HS256", "HS384", "HS512"} & set(algorithms)
    assert not any(said.get(f"request_object_encryption_{kind}_values_supported") for kind in ("alg", "enc"))
