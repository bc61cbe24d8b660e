"""What an owner reads on the page of security events, after what was done by the API, on pages, and by an app."""

from __future__ import annotations

import httpx
from tests.support.account import sign_up
from tests.support.oauth_person import TempestPerson
from tests.support.oauth_raw import RawClient
from tests.support.process import json_request
from tests.support.server import Tempest

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"


def test_an_owner_reads_what_happened_and_from_where(tempest: Tempest) -> None:
    account = sign_up(tempest, "events")
    login = {"identifier": account.handle, "password": account.password}
    headers = {"User-Agent": FIREFOX}
    assert json_request(f"{tempest.url}/xrpc/com.atproto.server.createSession", login, headers=headers)[0] == 200
    account.procedure("com.atproto.server.createAppPassword", name="my phone")
    with httpx.Client(timeout=30) as http:
        client = RawClient(tempest.url, http)
        client.sign_in(TempestPerson(account, http))
        person = TempestPerson(account, http)
        person.take_away(client.client_id)
        person.open(f"{tempest.url}/account/{account.did}/security")
    newest_first = [
        "An app may not use the account any more",
        "Somebody signed in",
        "on the pages of this server",
        "An app was allowed to use the account",
        "Somebody signed in",
        "on the pages of this server, to allow an app",
        "An app password was made",
        "my phone",
        "Somebody signed in",
        "in an app, with the password",
        "Firefox",
        "The account was created",
    ]
    at = 0
    for text in newest_first:
        at = person.words.find(text, at) + len(text)
        assert at >= len(text), f"{text} is not told: {person.words}"
    assert "127.0.0.1" in person.words
