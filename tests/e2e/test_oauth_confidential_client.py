"""Applications with documents of their own, under public names with HTTPS; among them those that sign with a key."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.support.account import Account, post
from tests.support.oauth_app import AppFailed, OAuthApp
from tests.support.oauth_internet import APP, OAuthInternet, confidential, document
from tests.support.oauth_person import Person, ReferencePerson, TempestPerson
from tests.support.oauth_raw import SigningKey


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
def place(request: pytest.FixtureRequest, oauth_internet: OAuthInternet) -> Place:
    return Place(oauth_internet, request.param, oauth_internet.sign_up(request.param))


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
