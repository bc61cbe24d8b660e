"""The pages for people in a real browser: what it does with their cookies, forms and styles, and who can read them."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from tests.support.account import Account, sign_up
from tests.support.chromium import Chromium
from tests.support.page_faults import Judge
from tests.support.server import Tempest

OF_STRANGERS = ["/account/sign-in", "/account/sign-up", "/account/reset-password", "/account/reset-password/code"]
OF_OWNERS = [
    "/account",
    *(
        f"/account/DID{page}"
        for page in (
            "",
            "/handle",
            "/email",
            "/password",
            "/deactivate",
            "/delete",
            "/devices",
            "/apps",
            "/app-passwords",
            "/security",
            "/second-factor",
            "/confirm",
        )
    ),
]
# Chromium tells the status of every page that is not 200.
EXPECTED = "the server responded with a status of 40"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tempest]:
    said = {
        "TEMPEST_SERVICE_NAME": "A harbour with a rather long name, for a narrow screen",
        "TEMPEST_CONTACT_EMAIL": "help@example.com",
        "TEMPEST_TERMS_OF_SERVICE_URL": "https://example.com/terms",
        "TEMPEST_PRIVACY_POLICY_URL": "https://example.com/privacy",
    }
    with Tempest(tmp_path_factory.mktemp("people") / "data", **said) as server:
        yield server


@pytest.fixture(scope="module")
def account(server: Tempest) -> Account:
    account = sign_up(server, "alice")
    account.procedure(
        "com.atproto.server.createAppPassword", name="an app with a rather long name, for a narrow screen"
    )
    return account


@pytest.fixture(scope="module")
def inside(server: Tempest, browser: Chromium, account: Account) -> Chromium:
    """A browser whose user wanted to see the app passwords, gave a wrong password, then the right one."""
    browser.open(f"{server.url}/account/{account.did}/app-passwords")
    browser.wait_for("document.querySelector('#identifier')")
    assert browser.evaluate("document.querySelector('#identifier').value") == account.handle
    fill_in(browser, password="wrong")
    browser.wait_for("document.querySelector('[role=alert]')")
    fill_in(browser, password=account.password)
    browser.wait_for("document.querySelector('.tabs')")
    return browser


def fill_in(browser: Chromium, form: str = "main form", **values: str) -> None:
    """Type into the fields of a form, and submit it as its button does."""
    for name, value in values.items():
        browser.evaluate(f"document.querySelector('{form} [name={name}]').value = {json.dumps(value)}")
    browser.evaluate(f"document.querySelector('{form} button').click()")


def test_a_browser_signs_in_and_is_where_it_was_going(inside: Chromium, server: Tempest, account: Account) -> None:
    assert inside.evaluate("location.href") == f"{server.url}/account/{account.did}/app-passwords"
    assert inside.evaluate("document.cookie") == ""


@pytest.mark.parametrize("language", ["de", "fr"])
def test_another_language_fits_on_a_small_screen(
    inside: Chromium, judge: Judge, server: Tempest, account: Account, language: str
) -> None:
    inside.show_as(320, "light")
    inside.open(f"{server.url}/account")
    inside.wait_for("document.querySelector('h1')")
    inside.evaluate(f"document.querySelector('.languages [lang={language}]').click()")
    inside.wait_for(f"document.documentElement.lang === '{language}'")
    faults = {}
    for page in [*OF_STRANGERS, *OF_OWNERS]:
        inside.open(server.url + page.replace("DID", account.did))
        inside.wait_for("document.querySelector('h1')")
        if found := judge.faults(inside):
            faults[page] = found
    inside.evaluate("document.querySelector('.languages [lang=en]').click()")
    inside.wait_for("document.documentElement.lang === 'en'")
    assert faults == {}


def test_what_is_hard_to_use_is_found(inside: Chromium, judge: Judge, server: Tempest) -> None:
    inside.open(f"{server.url}/account/sign-up")
    inside.wait_for("document.querySelector('h1')")
    inside.evaluate("document.querySelector('h1').style.color = getComputedStyle(document.body).backgroundColor")
    inside.evaluate("document.querySelector('label').remove()")
    found = {fault.partition(":")[0] for fault in judge.faults(inside)}
    assert found >= {"contrast 1.00", "no label", "color-contrast", "label-title-only"}


def test_every_control_has_a_name_that_is_read_out(inside: Chromium, server: Tempest, account: Account) -> None:
    for page in [*OF_STRANGERS, *OF_OWNERS]:
        inside.open(server.url + page.replace("DID", account.did))
        inside.wait_for("document.querySelector('h1')")
        inside.call("Accessibility.enable")
        nodes = inside.call("Accessibility.getFullAXTree")["nodes"]
        controls = [
            node
            for node in nodes
            if not node["ignored"]
            and node["role"]["value"] in {"button", "checkbox", "combobox", "link", "navigation", "textbox"}
        ]
        assert len(controls) > 5, page
        assert [node for node in controls if not node["name"]["value"].strip()] == [], page


def test_signing_in_takes_a_keyboard_alone(server: Tempest, browser: Chromium, account: Account) -> None:
    browser.open(f"{server.url}/account/sign-in")
    browser.wait_for("document.querySelector('#identifier')")
    browser.wait_for("document.activeElement.id === 'identifier'")
    browser.call("Input.insertText", text=account.handle)
    browser.press("Tab")
    assert browser.evaluate("document.activeElement.id") == "password"
    assert browser.evaluate("getComputedStyle(document.activeElement).outlineWidth") == "3px"
    browser.call("Input.insertText", text=account.password)
    browser.press("Enter")
    browser.wait_for("document.querySelector('.tabs')")


def test_in_the_reader_s_own_colours_the_edges_and_the_page_in_front_are_still_to_be_seen(
    inside: Chromium, server: Tempest, account: Account
) -> None:
    inside.show_as(1200, "dark", forced_colors="active")
    inside.open(f"{server.url}/account/{account.did}/app-passwords")
    inside.wait_for("document.querySelector('h1')")
    assert inside.evaluate("matchMedia('(forced-colors: active)').matches")
    edged = "main button:not(.link), main input[type=text], .tabs [aria-current]"
    without = """(edged => [...document.querySelectorAll(edged)].filter(e => {
      const style = getComputedStyle(e);
      return style.borderBottomStyle === 'none' || style.borderBottomColor === style.backgroundColor;
    }).map(e => e.outerHTML))"""
    assert inside.evaluate(f"{without}({edged!r})") == []


def test_signing_in_works_without_scripts(server: Tempest, browser: Chromium, account: Account) -> None:
    browser.call("Network.clearBrowserCookies")
    browser.call("Emulation.setScriptExecutionDisabled", value=True)
    try:
        browser.open(f"{server.url}/account/sign-in")
        browser.wait_for("document.querySelector('#identifier')")
        fill_in(browser, identifier=account.handle, password=account.password)
        browser.wait_for("document.querySelector('.tabs')")
    finally:
        browser.call("Emulation.setScriptExecutionDisabled", value=False)


def test_an_app_password_that_was_made_is_not_made_again_by_reloading(
    inside: Chromium, server: Tempest, account: Account
) -> None:
    inside.open(f"{server.url}/account/{account.did}/app-passwords")
    inside.wait_for("document.querySelector('#name')")
    fill_in(inside, form="main form.card", name="tablet")
    inside.wait_for("document.querySelector('.figure.code')")
    inside.open(f"{server.url}/account/{account.did}/app-passwords")
    inside.wait_for("document.querySelector('#name') && !document.querySelector('.figure.code')")
    names = "[...document.querySelectorAll('.items strong')].map(e => e.textContent)"
    assert inside.evaluate(names).count("tablet") == 1


def test_nothing_can_frame_a_page(inside: Chromium, server: Tempest) -> None:
    """Not even an address of the same origin, which is what the driver can look into."""
    inside.open(f"{server.url}/robots.txt")
    inside.wait_for("document.body")
    inside.evaluate(
        f"document.body.innerHTML = '<iframe src=\"{server.url}/account/sign-in\"></iframe>'; "
        "new Promise(done => document.querySelector('iframe').onload = () => done())"
    )
    [frame] = inside.call("Page.getFrameTree")["frameTree"]["childFrames"]
    assert frame["frame"]["unreachableUrl"] == f"{server.url}/account/sign-in"
    inside.complaints[:] = [line for line in inside.complaints if "frame-ancestors" not in line]


def test_the_browser_had_nothing_to_complain_of(inside: Chromium) -> None:
    """A style or a form that the policy of a page refuses would be told here."""
    told = [line for line in inside.complaints if EXPECTED not in line and "favicon" not in line]
    assert told == []
