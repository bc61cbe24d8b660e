"""What clients say of themselves and how they prove it, at the doors of both servers: what is refused, by what name."""

from __future__ import annotations

import time
from typing import Any

import pytest
from tests.support.oauth_internet import APP, HOSTS, OAuthInternet, confidential, document
from tests.support.oauth_raw import ASSERTION_TYPE, RawClient, SigningKey

UNFIT: dict[str, Any] = {
    "absent.json": None,
    "elsewhere": "a folder, which is redirected to",
    "text.txt": document("text.txt"),
    "broken.json": "{",
    "list.json": [],
    "other.json": document("public.json"),
    "unbound.json": document("unbound.json", dpop_bound_access_tokens=False),
    "unscoped.json": document("unscoped.json", scope="transition:generic"),
    "unsafe.json": document("unsafe.json", redirect_uris=[f"http://{APP}/callback"]),
    "secret.json": document("secret.json", token_endpoint_auth_method="client_secret_post"),
    "keyless.json": confidential("keyless.json"),
    "apart.json": confidential("apart.json", jwks_uri=f"https://{APP}/absent-keys.json"),
    "loopback.json": confidential("loopback.json", jwks_uri="https://127.0.0.1/keys.json"),
    "near.json": confidential("near.json", jwks_uri="https://near.example.edu/keys.json"),
    "metadata.json": confidential("metadata.json", jwks_uri="https://metadata.example.edu/keys.json"),
    "large.json": document("large.json", padding="x" * 600_000),
}


@pytest.fixture(scope="module", params=list(HOSTS))
def which(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


def client_named(internet: OAuthInternet, which: str, name: str, key: SigningKey | None = None) -> RawClient:
    client_id, redirect_uri = f"https://{APP}/{name}", f"https://{APP}/callback"
    return RawClient(f"https://{HOSTS[which]}", internet.http, client_id, redirect_uri, assertion_key=key)


def test_a_document_that_is_unfit_makes_no_client(oauth_internet: OAuthInternet, which: str) -> None:
    oauth_internet.publish("fit.json", document("fit.json"))
    fit = client_named(oauth_internet, which, "fit.json").push()
    assert fit.status_code == 201, fit.text
    refused = {}
    for name, said in UNFIT.items():
        if name == "elsewhere":
            oauth_internet.publish_folder(name)
        elif said is not None:
            oauth_internet.publish(name, said)
        answer = client_named(oauth_internet, which, name).push()
        refused[name] = (answer.status_code, answer.json()["error"])
    expected = dict.fromkeys(UNFIT, (400, "invalid_client_metadata"))
    if which == "tempest":
        # RFC 7591, section 3.2.2, has a name of its own for this one.
        expected["unsafe.json"] = (400, "invalid_redirect_uri")
    assert refused == expected


def test_an_assertion_proves_a_client_once_and_to_one_server(oauth_internet: OAuthInternet, which: str) -> None:
    key, name = SigningKey("one"), f"once-{which}.json"
    oauth_internet.publish(name, confidential(name, jwks={"keys": [key.jwk]}))
    client = client_named(oauth_internet, which, name, key)
    first = client.push()
    assert first.status_code == 201, first.text
    assertion = client.assertion()
    said = {"client_assertion_type": ASSERTION_TYPE, "client_assertion": assertion}
    assert client.push(**said).status_code == 201
    wrong = {
        "again": assertion,
        "for another server": client.assertion(aud="https://other.example.edu"),
        "for its endpoint": client.assertion(aud=client.endpoint("token")),
        "of another client": client.assertion(iss=f"https://{APP}/fit.json"),
        "about another client": client.assertion(sub=f"https://{APP}/fit.json"),
        "by another key": client.assertion(key=SigningKey("one")),
        "by a key that is not listed": client.assertion(key=SigningKey("two")),
        "of two minutes ago": client.assertion(iat=int(time.time()) - 120),
    }
    for what, proof in wrong.items():
        answer = client.push(**{**said, "client_assertion": proof})
        assert answer.status_code in (400, 401), what
        assert answer.json()["error"] in ("invalid_client", "invalid_grant"), what
    if which == "tempest":
        # The reference means to refuse it too, and compares hashes of two kinds.
        client.key = key
        assert client.push().json()["error"] == "invalid_client"
