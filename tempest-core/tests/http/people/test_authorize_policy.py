"""What a plugin that is asked about consent is told, and what becomes of its refusal."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from authorizing import CONSENT, answer_of, loopback, opened, signed_in
from installed_plugin import installed_plugin
from whole_server import whole_server

GUARD = """
import json, pathlib
from tempest_pds_plugins import hookimpl

def tell(name, what):
    pathlib.Path(__file__).with_name(name).write_text(json.dumps(what))

@hookimpl
def check_consent(did, handle, client_id, client_name, scopes, client_ip):
    tell("asked", [did, handle, client_id, client_name, scopes, client_ip])
    return "Not <here>, please." if "transition:generic" in scopes else None

@hookimpl
def app_authorized(did, client_id, scopes):
    tell("told", [did, client_id, scopes])

@hookimpl
def signed_in(surface, client_id):
    tell("signed-in", [surface, client_id])
"""


@pytest.fixture
def guard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Install a plugin, and give its folder."""
    with installed_plugin("guard", GUARD, tmp_path / "site", monkeypatch) as folder:
        yield folder


async def test_a_refusal_is_shown_to_the_person_and_the_app_hears_that_it_was_denied(
    tmp_path: Path, guard: Path
) -> None:
    def told(name: str) -> object:
        return json.loads((guard / name).read_text())

    async with whole_server(tmp_path / "data") as server:
        alice = await server.sign_up("alice")
        browser = await opened(server, browser=await signed_in(server, alice), ui_locales="en")
        fields = browser.page.form(CONSENT).fields
        assert (await browser.submit(CONSENT, decision="allow")).status_code == 403
        assert "Not <here>, please." in browser.page.words
        [back] = [link["href"] for link in browser.page.all("a") if "error=access_denied" in link["href"]]
        assert back.startswith("http://127.0.0.1/back?iss=")
        assert "here" not in back
        scopes = ["atproto", "transition:generic", "transition:email"]
        assert told("asked") == [alice.did, "alice.test", loopback(), None, scopes, "127.0.0.1"]
        assert not (guard / "told").exists()
        assert (await browser.post(CONSENT, {**fields, "decision": "allow"})).status_code == 400

        await opened(server, browser=browser, response_mode="form_post")
        await browser.submit(CONSENT, decision="allow")
        assert browser.page.form("http://127.0.0.1/back").fields["error"] == "access_denied"

        await opened(server, browser=browser)
        fields = {name: value for name, value in browser.page.form(CONSENT).fields.items() if "generic" not in name}
        answer_of(await browser.post(CONSENT, {**fields, "decision": "allow"}))
        assert told("told") == [alice.did, loopback(), ["atproto", "transition:email"]]


async def test_a_sign_in_on_the_way_to_an_app_is_told_with_the_app(tmp_path: Path, guard: Path) -> None:
    async with whole_server(tmp_path / "data") as server:
        await server.sign_up("alice")
        browser = await opened(server)
        await browser.submit("/oauth/authorize/sign-in", identifier="alice.test", password="correct horse battery")
        assert json.loads((guard / "signed-in").read_text()) == ["authorize", loopback()]
