"""Pushed authorization requests, RFC 9126, tried by clients that do everything wrong."""

from __future__ import annotations

import secrets
from typing import Any
from urllib.parse import urlencode

import pytest
from tests.support.oauth_raw import RawClient, SigningKey, refused
from tests.support.oauth_stage import Stage

PAR = "pushed_authorization_request"


def test_a_good_request_is_answered_with_its_name_and_its_life(stage: Stage) -> None:
    answer = stage.client().push()
    assert answer.status_code == 201
    assert "no-store" in answer.headers["cache-control"]
    told = answer.json()
    assert told["request_uri"].startswith("urn:ietf:params:oauth:request_uri:")
    assert 0 < told["expires_in"] <= 600


def test_names_of_requests_are_not_to_be_guessed(stage: Stage) -> None:
    names = [stage.client().request_uri().rsplit(":", 1)[1] for _ in range(2)]
    assert names[0] != names[1]
    assert all(len(name) >= 20 for name in names)


def test_json_is_taken_as_a_form_is(stage: Stage) -> None:
    client = stage.client()
    client.request_uri()
    url = client.endpoint(PAR)
    body = client.authorization()
    answer = stage.http.post(url, json=body, headers={"DPoP": client.proof("POST", url)})
    assert answer.status_code == 201


def test_only_post_is_served(stage: Stage) -> None:
    assert stage.http.get(stage.client().endpoint(PAR)).status_code in {404, 405}


def test_the_metadata_says_where_and_that_it_is_required(stage: Stage) -> None:
    said = stage.client().metadata
    assert said["pushed_authorization_request_endpoint"].startswith(stage.issuer)
    assert said["require_pushed_authorization_requests"] is True


def test_a_pushed_request_names_no_pushed_request(stage: Stage) -> None:
    if stage.is_reference:
        pytest.skip("the reference server passes it over")
    client = stage.client()
    named = client.request_uri()
    refused(client.push(request_uri=named), "invalid_request")


@pytest.mark.parametrize(
    ("change", "names"),
    [
        ({"redirect_uri": "https://elsewhere.example.edu/callback"}, {"invalid_request", "invalid_redirect_uri"}),
        ({"redirect_uri": "https://app.example.edu/callback/more"}, {"invalid_request", "invalid_redirect_uri"}),
        ({"response_type": "token"}, {"invalid_request", "unsupported_response_type"}),
        ({"scope": "transition:generic"}, {"invalid_scope", "invalid_request"}),
        ({"scope": "atproto repo:com.example.never"}, {"invalid_scope", "invalid_request"}),
        ({"response_mode": "web_message"}, {"invalid_request"}),
        ({"prompt": "maybe"}, {"invalid_request"}),
    ],
    ids=lambda value: str(sorted(value) if isinstance(value, set) else value)[:60],
)
def test_a_pushed_request_is_judged_as_any_other(stage: Stage, change: dict[str, str], names: set[str]) -> None:
    refused(stage.client().push(**change), *names)


def test_a_client_that_has_a_key_signs(stage: Stage) -> None:
    client = stage.confidential()
    assert client.push().status_code == 201
    names = ("invalid_client", "invalid_request")
    for assertion in (
        client.assertion(key=SigningKey("one")),
        client.assertion(key=SigningKey("two")),
        client.assertion(aud="https://elsewhere.example.com"),
        client.assertion(iss=f"{client.client_id}x"),
        client.assertion(sub=f"{client.client_id}x"),
        client.assertion(jti=None),
        client.assertion(iat=1, exp=2),
        "no.real.assertion",
    ):
        refused(client.push(client_assertion=assertion), *names)
    unsigned = RawClient(stage.issuer, stage.http, client.client_id, client.redirect_uri)
    refused(unsigned.push(), *names)


def test_an_assertion_is_good_once(stage: Stage) -> None:
    client = stage.confidential()
    client.request_uri()
    assertion = client.assertion()
    assert client.push(client_assertion=assertion).status_code == 201
    refused(client.push(client_assertion=assertion), "invalid_client", "invalid_grant")


def test_a_request_is_of_the_client_that_pushed_it(stage: Stage) -> None:
    client, thief = stage.client(), stage.published()
    stage.leads_nowhere(client, thief.authorize_url(client.request_uri()))


def test_a_request_is_good_for_one_code(stage: Stage) -> None:
    client = stage.client()
    url = client.authorize_url(client.request_uri())
    assert "code" in stage.person.approve(url)
    stage.leads_nowhere(client, url)


def test_a_request_may_be_loaded_again_until_it_is_decided(stage: Stage) -> None:
    client = stage.client()
    url = client.authorize_url(client.request_uri())
    person = stage.stranger()
    person.open(url)
    person.open(url)
    person.sign_in()
    assert "code" in person.accept()


def test_a_request_that_a_browser_began_is_not_for_another(stage: Stage) -> None:
    client = stage.client()
    url = client.authorize_url(client.request_uri())
    stage.stranger().open(url)
    stage.leads_nowhere(client, url)


@pytest.mark.parametrize(
    "uri", ["urn:ietf:params:oauth:request_uri:req-" + "0" * 32, "urn:x", "https://app.example.edu/r"]
)
def test_a_name_that_nothing_was_pushed_under_is_refused(stage: Stage, uri: str) -> None:
    client = stage.client()
    stage.leads_nowhere(client, client.authorize_url(uri))


def test_what_stands_beside_the_name_changes_nothing(stage: Stage) -> None:
    client = stage.client()
    more: dict[str, Any] = {"redirect_uri": "https://elsewhere.example.edu/", "state": secrets.token_hex(8)}
    person = stage.stranger()
    person.open(client.authorize_url(client.request_uri(), **more))
    if person.answer.status_code == 200:
        person.sign_in()
        assert person.accept()["state"] == client.state
        assert person.answer.headers["location"].startswith(client.redirect_uri)
    else:
        assert person.answer.status_code == 400
        assert "location" not in person.answer.headers


def test_a_body_without_end_is_not_read(stage: Stage) -> None:
    client = stage.client()
    answer = client.push(login_hint="x" * 2_000_000)
    assert answer.status_code in {400, 413}


def test_a_request_that_was_not_pushed_is_judged_as_one_that_was(stage: Stage) -> None:
    if stage.is_reference:
        pytest.skip("the program in its page gives the page another address")
    client = stage.client()
    good, endpoint = client.authorization(), client.endpoint("authorization")
    for change in ({"code_challenge": ""}, {"code_challenge_method": "plain"}, {"scope": "transition:generic"}):
        stage.leads_nowhere(client, f"{endpoint}?{urlencode({**good, **change})}")
    code = stage.person.approve(f"{endpoint}?{urlencode(good)}")["code"]
    assert client.tokens(client.exchange(code)).sub == stage.account.did
