"""PKCE, RFC 7636: a code is worth nothing to whoever did not begin."""

from __future__ import annotations

import pytest
from tests.support.oauth_raw import refused
from tests.support.oauth_stage import Stage


def test_a_request_without_a_challenge_is_refused(stage: Stage) -> None:
    refused(stage.client().push(code_challenge=None, code_challenge_method=None), "invalid_request")


@pytest.mark.parametrize("method", ["plain", "S512", None])
def test_only_s256_is_taken(stage: Stage, method: str | None) -> None:
    client = stage.client()
    refused(client.push(code_challenge_method=method), "invalid_request")
    assert client.metadata["code_challenge_methods_supported"] == ["S256"]


@pytest.mark.parametrize("challenge", ["short", "x" * 129, "=" * 43])
def test_a_challenge_that_no_s256_makes_is_refused(stage: Stage, challenge: str) -> None:
    if stage.is_reference:
        pytest.skip("the reference server takes any")
    refused(stage.client().push(code_challenge=challenge), "invalid_request")


@pytest.mark.parametrize(
    "verifier",
    [None, "", "short", "another" + "x" * 57, "x" * 129],
    ids=["none", "empty", "short", "wrong", "long"],
)
def test_a_code_without_its_verifier_is_worth_nothing(stage: Stage, verifier: str | None) -> None:
    client = stage.client()
    code = client.code(stage.person)
    refused(client.exchange(code, code_verifier=verifier), "invalid_grant", "invalid_request")
    assert client.challenge not in code


def test_the_challenge_itself_is_no_verifier(stage: Stage) -> None:
    client = stage.client()
    code = client.code(stage.person)
    refused(client.exchange(code, code_verifier=client.challenge), "invalid_grant")


def test_a_client_that_signs_has_to_give_the_verifier_too(stage: Stage) -> None:
    client = stage.confidential()
    code = client.code(stage.person)
    refused(client.exchange(code, code_verifier=None), "invalid_grant", "invalid_request")


def test_a_challenge_is_used_once(stage: Stage) -> None:
    client = stage.client()
    client.sign_in(stage.person)
    again = client.push()
    if again.status_code == 201:
        again = client.exchange(stage.person.approve(client.authorize_url(again.json()["request_uri"]))["code"])
    refused(again, "invalid_request", "invalid_grant")
