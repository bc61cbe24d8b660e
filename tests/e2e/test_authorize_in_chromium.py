"""The pages of an authorization in a real browser: with scripts and without, on a phone and on a desk, light and dark.

What no imitation shows: that Chromium, which holds redirects against `form-action`, lets people go back to the app.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from tests.support.account import Account, sign_up
from tests.support.chromium import Chromium
from tests.support.server import Tempest
from tests.support.web_app import WebApp

SIGNED_IN = "document.querySelector('form.consent')"
IN_FOCUS = """(() => {
  const e = document.activeElement, {top, bottom} = e.getBoundingClientRect();
  return [e.name === 'decision' ? e.textContent : e.name || e.textContent,
    getComputedStyle(e).outlineStyle === 'solid' && getComputedStyle(e).outlineWidth === '3px',
    top >= 0 && bottom <= innerHeight];
})()"""
# Chromium tells the status of every page that is not 200.
EXPECTED = "the server responded with a status of 4"


@pytest.fixture(scope="module")
def app() -> Iterator[WebApp]:
    with WebApp() as app:
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


def arrive(browser: Chromium, app: WebApp, url: str) -> None:
    """Come from the app, on another site, as people do."""
    browser.open(app.url)
    browser.evaluate(f"location.href = {json.dumps(url)}")
    browser.wait_for("document.querySelector('form') && document.querySelector('h1')")


def fill_in(browser: Chromium, account: Account) -> None:
    browser.evaluate(
        f"document.querySelector('#identifier').value = {json.dumps(account.handle)};"
        f"document.querySelector('#password').value = {json.dumps(account.password)}"
    )


def sign_in(browser: Chromium, account: Account) -> None:
    fill_in(browser, account)
    press(browser, "main form button")
    browser.wait_for(SIGNED_IN)


def press(browser: Chromium, selector: str) -> None:
    browser.evaluate(f"document.querySelector({json.dumps(selector)}).click()")


@pytest.mark.parametrize("on", [True, False], ids=["with-scripts", "without"])
@pytest.mark.parametrize(("mode", "command"), [("query", "GET"), ("form_post", "POST")])
def test_a_person_gets_from_an_app_through_the_pages_and_back(
    browser: Chromium, server: Tempest, app: WebApp, alice: Account, on: bool, mode: str, command: str
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


def test_a_person_who_says_no_gets_back_too(browser: Chromium, server: Tempest, app: WebApp, alice: Account) -> None:
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


def test_letting_an_app_in_takes_a_keyboard_alone_and_shows_where_it_is(
    browser: Chromium, server: Tempest, app: WebApp, alice: Account
) -> None:
    leave_everything(browser)
    browser.show_as(390, "light")
    arrive(browser, app, app.authorize_url(server))
    browser.wait_for("document.activeElement.id === 'identifier'")
    browser.call("Input.insertText", text=alice.handle)
    browser.press("Tab")
    browser.call("Input.insertText", text=alice.password)
    browser.press("Enter")
    browser.wait_for(SIGNED_IN)
    assert browser.evaluate("document.activeElement === document.body")
    passed: list[str] = []
    while not passed or passed[-1] != "Allow":
        browser.press("Tab")
        name, is_outlined, is_in_sight = browser.evaluate(IN_FOCUS)
        assert (is_outlined, is_in_sight) == (True, True), name
        passed.append(name)
        if name == "allow identity:handle":
            browser.press(" ")
    assert passed[:2] == ["Skip to the content", "Use another"]
    assert len(passed) == len(set(passed)) == 7
    browser.press("Enter")
    browser.wait_for("document.querySelector('#app')")
    assert "code" in app.answers.get(timeout=30)[1]


def test_a_second_click_does_not_take_back_what_the_first_has_done(
    browser: Chromium, server: Tempest, app: WebApp, alice: Account
) -> None:
    leave_everything(browser)
    arrive(browser, app, app.authorize_url(server))
    fill_in(browser, alice)
    button = "document.querySelector('main form button')"
    # The second comes while the password is looked at.
    browser.evaluate(f"for (const wait of [0, 30]) setTimeout(() => {button}.click(), wait)")
    browser.wait_for("document.title && !document.title.startsWith('Sign in')")
    assert browser.evaluate("document.title").startswith("Allow an app?")


@pytest.fixture(scope="module")
def inside(browser: Chromium, server: Tempest, app: WebApp, alice: Account) -> str:
    """Sign in, and give the address of a consent page."""
    leave_everything(browser)
    arrive(browser, app, app.authorize_url(server))
    sign_in(browser, alice)
    return str(browser.evaluate("location.href"))


def test_no_page_complains_of_its_own_policy(browser: Chromium, inside: str) -> None:
    for step in ("consent", "choose", "sign-in", "sign-up", "nowhere"):
        browser.open(inside.replace("/consent?", f"/{step}?"))
        browser.wait_for("document.querySelector('h1')")
    assert [line for line in browser.complaints if EXPECTED not in line and "verbose" not in line] == []
