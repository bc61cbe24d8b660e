"""Applications with documents of their own, under public names with HTTPS; among them those that sign with a key."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.support.account import Account, post
from tests.support.lone_host import require_lone_host
from tests.support.node import Node
from tests.support.oauth_app import EVERYTHING, AppFailed, OAuthApp
from tests.support.oauth_internet import APP, REFERENCE, TEMPEST, OAuthInternet
from tests.support.oauth_person import Person, ReferencePerson, TempestPerson
from tests.support.oauth_raw import ASSERTION_TYPE, RawClient, SigningKey


def document(name: str, **more: Any) -> dict[str, Any]:
    """Return what a client says of itself, to be published under that name."""
    return {
        "client_id": f"https://{APP}/{name}",
        "client_name": "An application",
        "client_uri": f"https://{APP}",
        "redirect_uris": [f"https://{APP}/callback"],
        "response_types": ["code"],
        "grant_types": ["authorization_code", "refresh_token"],
        "scope": EVERYTHING,
        "application_type": "web",
        "token_endpoint_auth_method": "none",
        "dpop_bound_access_tokens": True,
        **more,
    }


def confidential(name: str, **more: Any) -> dict[str, Any]:
    return document(name, token_endpoint_auth_method="private_key_jwt", token_endpoint_auth_signing_alg="ES256", **more)


@pytest.fixture(scope="module")
def internet(node: Node, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OAuthInternet]:
    require_lone_host()
    with ExitStack() as stack:
        yield OAuthInternet(tmp_path_factory.mktemp("oauth"), node, stack)


@dataclass
class Place:
    """One of the two servers there, and an account on it."""

    internet: OAuthInternet
    which: str
    account: Account

    def person(self) -> Person:
        kind = ReferencePerson if self.which == "reference" else TempestPerson
        return kind(self.account, self.internet.http)

    def app(self, folder: Path, **given: Any) -> OAuthApp:
        return self.internet.app(self.which, folder, **given)

    def sign_in(self, app: OAuthApp) -> None:
        assert app.callback(self.person().approve(app.authorize(self.account.handle))) == self.account.did

    def write(self, app: OAuthApp) -> None:
        body = {"repo": self.account.did, "collection": "app.bsky.feed.post", "record": post("by a public name")}
        app.call(self.account.did, "com.atproto.repo.createRecord", body=body)


@pytest.fixture(scope="module", params=["reference", "tempest"])
def place(request: pytest.FixtureRequest, internet: OAuthInternet) -> Place:
    return Place(internet, request.param, internet.sign_up(request.param))


def test_a_public_client_lives_its_whole_life(place: Place, tmp_path: Path) -> None:
    place.internet.publish("public.json", document("public.json"))
    with place.app(tmp_path / "app", metadata=document("public.json")) as app:
        place.sign_in(app)
        place.write(app)
        app.ask("restore", did=place.account.did, refresh=True)
        place.write(app)
        assert app.ask("info", did=place.account.did)["iss"].startswith("https://")
        app.ask("signOut", did=place.account.did)


def test_a_client_that_signs_lives_its_whole_life(place: Place, tmp_path: Path) -> None:
    key = SigningKey("one")
    name = f"signs-{place.which}.json"
    said = confidential(name, jwks={"keys": [key.jwk]})
    place.internet.publish(name, said)
    with place.app(tmp_path / "app", metadata=said, keys=[key.private_jwk]) as app:
        place.sign_in(app)
        place.write(app)
        for _ in range(2):
            app.ask("restore", did=place.account.did, refresh=True)
        place.write(app)
        stored = app.ask("stored", did=place.account.did)
        assert stored["authMethod"] == {"method": "private_key_jwt", "kid": "one"}
        app.ask("signOut", did=place.account.did)
        assert [asked["status"] for asked in app.requests() if asked["path"] == "/oauth/revoke"] == [200]


def test_the_keys_may_be_in_a_document_of_their_own(place: Place, tmp_path: Path) -> None:
    key = SigningKey("one")
    name = f"apart-{place.which}"
    said = confidential(f"{name}.json", jwks_uri=f"https://{APP}/{name}-keys.json")
    place.internet.publish(f"{name}.json", said)
    place.internet.publish(f"{name}-keys.json", {"keys": [key.jwk]})
    with place.app(tmp_path / "app", metadata=said, keys=[key.private_jwk]) as app:
        place.sign_in(app)
        place.write(app)


@pytest.mark.parametrize("offset", [-30, 30])
def test_the_clock_of_a_client_that_signs_is_half_a_minute_off(place: Place, tmp_path: Path, offset: int) -> None:
    key = SigningKey("one")
    name = f"clock-{place.which}{offset}.json"
    said = confidential(name, jwks={"keys": [key.jwk]})
    place.internet.publish(name, said)
    with place.app(tmp_path / "app", metadata=said, keys=[key.private_jwk], clock_offset=offset) as app:
        if place.which == "reference" and offset > 0:
            # https://github.com/bluesky-social/atproto/issues/4474
            with pytest.raises(AppFailed, match="client_assertion"):
                app.authorize(place.account.handle)
            return
        place.sign_in(app)
        place.write(app)
        app.ask("restore", did=place.account.did, refresh=True)
        place.write(app)


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


def test_a_document_that_is_unfit_makes_no_client(place: Place) -> None:
    issuer = f"https://{ {'reference': REFERENCE, 'tempest': TEMPEST}[place.which] }"
    place.internet.publish("fit.json", document("fit.json"))
    fit = RawClient(issuer, place.internet.http, f"https://{APP}/fit.json", f"https://{APP}/callback")
    assert fit.push(proof=None).status_code == 201
    refused = {}
    for name, said in UNFIT.items():
        if name == "elsewhere":
            place.internet.publish_folder(name)
        elif said is not None:
            place.internet.publish(name, said)
        answer = RawClient(issuer, place.internet.http, client_id=f"https://{APP}/{name}").push(proof=None)
        refused[name] = (answer.status_code, answer.json()["error"])
    expected = dict.fromkeys(UNFIT, (400, "invalid_client_metadata"))
    if place.which == "tempest":
        # RFC 7591, section 3.2.2, has a name of its own for this one.
        expected["unsafe.json"] = (400, "invalid_redirect_uri")
    assert refused == expected


def raw_client(place: Place, name: str, key: SigningKey) -> RawClient:
    place.internet.publish(name, confidential(name, jwks={"keys": [key.jwk]}))
    server = {"reference": REFERENCE, "tempest": TEMPEST}[place.which]
    return RawClient(
        f"https://{server}",
        place.internet.http,
        client_id=f"https://{APP}/{name}",
        redirect_uri=f"https://{APP}/callback",
        assertion_key=key,
    )


def test_an_assertion_proves_a_client_once_and_to_this_server(place: Place) -> None:
    key = SigningKey("one")
    client = raw_client(place, f"once-{place.which}.json", key)
    first = client.push(proof=None)
    assert first.status_code == 201, first.text
    assertion = client.assertion()
    said = {"client_assertion_type": ASSERTION_TYPE, "client_assertion": assertion}
    assert client.push(proof=None, **said).status_code == 201
    wrong = {
        "again": assertion,
        "for another server": client.assertion(aud="https://other.example.edu"),
        "for its endpoint": client.assertion(aud=client.endpoint("token")),
        "of another client": client.assertion(iss=f"https://{APP}/public.json"),
        "about another client": client.assertion(sub=f"https://{APP}/public.json"),
        "by another key": client.assertion(key=SigningKey("one")),
        "by a key that is not listed": client.assertion(key=SigningKey("two")),
        "of two minutes ago": client.assertion(iat=int(time.time()) - 120),
    }
    for what, proof in wrong.items():
        answer = client.push(proof=None, **{**said, "client_assertion": proof})
        assert answer.status_code in (400, 401), what
        assert answer.json()["error"] in ("invalid_client", "invalid_grant"), what
    if place.which == "tempest":
        # The reference wants it too, and compares hashes of two kinds.
        client.key = key
        assert client.push(proof=None).json()["error"] == "invalid_client"
