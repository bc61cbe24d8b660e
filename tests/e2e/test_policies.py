"""A plugin that is installed, and refuses at each of the three doors: signing up, signing in, and letting an app in."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.support.account import Account, CallRefused, sign_up
from tests.support.oauth_person import Stuck, TempestPerson
from tests.support.oauth_raw import RawClient
from tests.support.plugin_folder import write_plugin
from tests.support.process import json_request
from tests.support.server import Tempest

SIGN_UP, SIGN_IN, CONSENT = "No guests today.", "You are not welcome here.", "This app is not welcome here."
GATEKEEPER = f"""
import json, pathlib
from tempest_pds_plugins import hookimpl

@hookimpl
def check_sign_up(handle, email, client_ip):
    return {SIGN_UP!r} if handle.startswith("guest") else None

@hookimpl
def check_sign_in(handle, surface):
    return {SIGN_IN!r} if handle.startswith(("shut", "no-" + surface[:4])) else None

@hookimpl
def check_consent(did, handle, client_id, client_name, scopes, client_ip):
    return {CONSENT!r} if "transition:generic" in scopes else None

def tell(name, facts):
    with pathlib.Path(__file__).with_name("told").open("a") as file:
        file.write(json.dumps([name, facts]) + "\\n")

@hookimpl
def signed_in(did, method, second_factor, surface, client_id, client_ip):
    tell("signed_in", [did, method, second_factor, surface, client_id, client_ip])

@hookimpl
def app_authorized(did, client_id, client_name, scopes, client_ip):
    tell("app_authorized", [did, client_id, client_name, scopes, client_ip])

@hookimpl
def app_revoked(did, client_id):
    tell("app_revoked", [did, client_id])
"""


@dataclass
class Guarded:
    """A server with the plugin, and what the plugin was told."""

    server: Tempest
    folder: Path
    http: httpx.Client

    def told(self) -> list[Any]:
        path = self.folder / "told"
        lines = path.read_text().splitlines() if path.exists() else []
        path.unlink(missing_ok=True)
        return [json.loads(line) for line in lines]

    def log_in(self, account: Account, password: str | None = None) -> tuple[int, Any]:
        given = {"identifier": account.handle, "password": password or account.password}
        return json_request(f"{self.server.url}/xrpc/com.atproto.server.createSession", given)

    def client(self) -> RawClient:
        return RawClient(self.server.url, self.http)


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    folder = tmp_path_factory.mktemp("gatekeeper")
    write_plugin(folder, "gatekeeper", GATEKEEPER)
    path = os.pathsep.join(filter(None, (str(folder), os.environ.get("PYTHONPATH"))))
    with Tempest(folder / "data", PYTHONPATH=path) as server, httpx.Client(timeout=30) as http:
        yield Guarded(server, folder, http)


def person_at(guarded: Guarded, account: Account, url: str) -> TempestPerson:
    person = TempestPerson(account, guarded.http)
    person.open(url)
    return person


def test_a_sign_up_is_refused_with_the_plugin_s_reason_by_the_api_and_on_the_page(guarded: Guarded) -> None:
    with pytest.raises(CallRefused, match=f"400 .*{SIGN_UP}"):
        sign_up(guarded.server, "guest")
    person = person_at(guarded, sign_up(guarded.server, "host"), f"{guarded.server.url}/account/sign-up")
    person.fill(name="guest7", email="guest7@mail.test", password="long enough")
    assert SIGN_UP in person.words


def test_a_sign_in_is_refused_at_every_door_to_who_knows_the_password(guarded: Guarded) -> None:
    account = sign_up(guarded.server, "shut")
    assert guarded.log_in(account) == (403, {"error": "Forbidden", "message": SIGN_IN})
    assert guarded.log_in(account, "wrong")[0] == 401
    client = guarded.client()
    for url in (f"{guarded.server.url}/account/sign-in", client.authorize_url(client.request_uri())):
        person = person_at(guarded, account, url)
        person.sign_in()
        assert SIGN_IN in person.words
        person = person_at(guarded, account, url)
        account.password, right = "wrong", account.password
        person.sign_in()
        account.password = right
        assert SIGN_IN not in person.words
    assert guarded.told() == []


def test_a_policy_is_told_at_which_door_somebody_stands(guarded: Guarded) -> None:
    account = sign_up(guarded.server, "no-auth")
    assert guarded.log_in(account)[0] == 200
    person = person_at(guarded, account, f"{guarded.server.url}/account/sign-in")
    person.sign_in()
    assert SIGN_IN not in person.words
    client = guarded.client()
    person = person_at(guarded, account, client.authorize_url(client.request_uri()))
    person.sign_in()
    assert SIGN_IN in person.words
    assert guarded.told() == [
        ["signed_in", [account.did, "password", None, surface, None, "127.0.0.1"]] for surface in ("api", "pages")
    ]


def test_an_app_is_refused_by_what_it_wants_and_let_in_with_less(guarded: Guarded) -> None:
    account = sign_up(guarded.server, "owner")
    client = guarded.client()
    person = person_at(guarded, account, client.authorize_url(client.request_uri()))
    person.sign_in()
    with pytest.raises(Stuck, match=CONSENT):
        person.accept()
    guarded.told()
    tokens = client.sign_in(TempestPerson(account, guarded.http), scope="atproto transition:email")
    assert tokens.scope == "atproto transition:email"
    scopes = ["atproto", "transition:email"]
    assert guarded.told() == [
        ["signed_in", [account.did, "password", None, "authorize", client.client_id, "127.0.0.1"]],
        ["app_authorized", [account.did, client.client_id, None, scopes, "127.0.0.1"]],
    ]
    TempestPerson(account, guarded.http).take_away(client.client_id)
    assert guarded.told()[-1] == ["app_revoked", [account.did, client.client_id]]
