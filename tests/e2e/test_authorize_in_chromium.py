"""The pages of an authorization in a real browser: with scripts and without, on a phone and on a desk, light and dark.

What no imitation shows: that Chromium, which holds redirects against `form-action`, lets people go back to the app.
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from queue import Queue
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest
from tests.support.account import Account, sign_up
from tests.support.chromium import Chromium
from tests.support.page_faults import FAULTS
from tests.support.server import Tempest
from tests.support.stub_server import Request, StubServer

SCOPE = "atproto transition:generic repo:app.bsky.feed.post identity:handle blob:image/*"
SIGNED_IN = "document.querySelector('form.consent')"
# Chromium tells the status of every page that is not 200.
EXPECTED = "the server responded with a status of 4"


class App(StubServer):
    """A web app on this machine: it sends people to the server, and keeps what they come back with."""

    def __init__(self) -> None:
        super().__init__()
        self.answers: Queue[tuple[str, dict[str, str]]] = Queue()

    def answer(self, request: Request) -> None:
        asked = urlsplit(request.path)
        if asked.path == "/back":
            values = request.content.decode() if request.command == "POST" else asked.query
            self.answers.put((request.command, dict(parse_qsl(values))))
        page = b"<!doctype html><title>app</title><link rel='icon' href='data:,'><p id='app'>The app"
        request.send(200, page, {"Content-Type": "text/html"})

    def authorize_url(self, pds: Tempest, **more: str) -> str:
        digest = hashlib.sha256(secrets.token_bytes(32)).digest()
        fields = {
            "client_id": "http://localhost?" + urlencode({"scope": SCOPE, "redirect_uri": f"{self.url}/back"}),
            "redirect_uri": f"{self.url}/back",
            "response_type": "code",
            "scope": SCOPE,
            "code_challenge": base64.urlsafe_b64encode(digest).decode().rstrip("="),
            "code_challenge_method": "S256",
            **more,
        }
        return f"{pds.url}/oauth/authorize?{urlencode(fields)}"


@pytest.fixture(scope="module")
def app() -> Iterator[App]:
    with App() as app:
        yield app


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tempest]:
    with Tempest(tmp_path_factory.mktemp("authorize") / "data") as server:
        yield server


@pytest.fixture(scope="module")
def alice(server: Tempest) -> Account:
    return sign_up(server, "alice")


@contextmanager
def scripts(browser: Chromium, *, on: bool) -> Iterator[None]:
    browser.call("Emulation.setScriptExecutionDisabled", value=not on)
    try:
        yield
    finally:
        browser.call("Emulation.setScriptExecutionDisabled", value=False)


def leave_everything(browser: Chromium) -> None:
    browser.call("Network.clearBrowserCookies")


def arrive(browser: Chromium, app: App, url: str) -> None:
    """Come from the app, on another site, as people do."""
    browser.open(app.url)
    browser.evaluate(f"location.href = {json.dumps(url)}")
    browser.wait_for("document.querySelector('form') && document.querySelector('h1')")


def sign_in(browser: Chromium, account: Account) -> None:
    browser.evaluate(
        f"document.querySelector('#identifier').value = {json.dumps(account.handle)};"
        f"document.querySelector('#password').value = {json.dumps(account.password)};"
        "document.querySelector('main form button').click()"
    )
    browser.wait_for(SIGNED_IN)


def press(browser: Chromium, selector: str) -> None:
    browser.evaluate(f"document.querySelector({json.dumps(selector)}).click()")


@pytest.mark.parametrize("on", [True, False], ids=["with-scripts", "without"])
@pytest.mark.parametrize(("mode", "command"), [("query", "GET"), ("form_post", "POST")])
def test_a_person_gets_from_an_app_through_the_pages_and_back(
    browser: Chromium, server: Tempest, app: App, alice: Account, on: bool, mode: str, command: str
) -> None:
    leave_everything(browser)
    with scripts(browser, on=on):
        arrive(browser, app, app.authorize_url(server, response_mode=mode, state="a b"))
        sign_in(browser, alice)
        press(browser, "input[name='allow identity:handle']")
        press(browser, "button[value=allow]")
        if mode == "form_post" and not on:
            browser.wait_for("document.querySelector('#answer')")
            press(browser, "#answer button")
        browser.wait_for("document.querySelector('#app')")
    verb, values = app.answers.get(timeout=30)
    assert (verb, set(values)) == (command, {"code", "state", "iss"})
    assert values["state"] == "a b"
    assert [line for line in browser.complaints if EXPECTED not in line and "verbose" not in line] == []


def test_a_person_who_says_no_gets_back_too(browser: Chromium, server: Tempest, app: App, alice: Account) -> None:
    leave_everything(browser)
    arrive(browser, app, app.authorize_url(server))
    press(browser, "form.cancel button")
    browser.wait_for("document.querySelector('#app')")
    assert app.answers.get(timeout=30)[1]["error"] == "access_denied"
    arrive(browser, app, app.authorize_url(server))
    sign_in(browser, alice)
    press(browser, "button[value=deny]")
    browser.wait_for("document.querySelector('#app')")
    assert app.answers.get(timeout=30)[1]["error"] == "access_denied"
    # And then goes back in the history: nothing happens twice.
    browser.evaluate("history.back()")
    browser.wait_for("location.host !== '127.0.0.1' && document.querySelector('h1')")
    assert app.answers.empty()


@pytest.fixture(scope="module")
def inside(browser: Chromium, server: Tempest, app: App, alice: Account) -> str:
    """Sign in, and give the address of a consent page."""
    leave_everything(browser)
    arrive(browser, app, app.authorize_url(server))
    sign_in(browser, alice)
    return str(browser.evaluate("location.href"))


@pytest.mark.parametrize(("width", "scheme"), [(1200, "light"), (390, "dark"), (320, "light")])
@pytest.mark.parametrize("step", ["consent", "choose", "sign-in", "sign-up", "nowhere"])
def test_a_page_fits_and_can_be_used(
    browser: Chromium, server: Tempest, inside: str, step: str, width: int, scheme: str
) -> None:
    browser.show_as(width, scheme)
    browser.open(inside.replace("/consent?", f"/{step}?"))
    browser.wait_for("document.querySelector('h1')")
    assert browser.evaluate(FAULTS) == []
    assert [line for line in browser.complaints if EXPECTED not in line and "verbose" not in line] == []
