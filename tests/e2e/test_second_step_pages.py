"""The second step of signing in, in a real browser with an authenticator of its own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from pyotp import TOTP
from tests.support.account import sign_up
from tests.support.chromium import Chromium
from tests.support.second_step import Person
from tests.support.server import Tempest

SECTION = "Second step when signing in"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tempest]:
    with Tempest(tmp_path_factory.mktemp("second-step") / "data") as server:
        yield server


@pytest.fixture
def person(server: Tempest, browser: Chromium) -> Iterator[Person]:
    person = Person(browser, server, sign_up(server, "sam"))
    person.sign_out()
    person.give_password()
    person.see("Profile")
    yield person
    browser.call("WebAuthn.disable")


def set_up_app(person: Person) -> None:
    person.open("second-factor")
    person.see("Switched off")
    person.press("Set up an authenticator app")
    person.browser.wait_for("document.querySelector('svg.qr')")
    person.app = TOTP(person.browser.evaluate("document.querySelector('#secret').textContent").replace(" ", ""))
    assert person.app.secret in person.browser.evaluate("document.querySelector('a[href^=otpauth]').href")
    person.fill(code="000000")
    person.press("Switch it on")
    person.see("That code is not right")
    person.fill(code=person.code())
    person.press("Switch it on")
    person.see("Your recovery codes")
    person.codes = person.browser.evaluate("[...document.querySelectorAll('main pre code')].map(e => e.textContent)")
    assert len(person.codes) == 10
    person.press("I have kept them")
    person.see("Switched on")


def test_an_app_is_set_up_and_asked_for_its_code_at_the_next_sign_in(person: Person) -> None:
    set_up_app(person)
    person.sign_out()
    person.give_password()
    person.see("Second step")
    person.fill(code="not it")
    person.press("Continue")
    person.see("That was not right")
    person.fill(code=person.codes.pop())
    person.press("Continue")
    person.see("Profile")
    person.open("second-factor")
    person.see("Left: 9 of 10")
    person.open("security")
    person.see("A recovery code was used")
    person.see("a recovery code")


def test_a_passkey_is_set_up_named_used_and_removed(person: Person) -> None:
    browser = person.browser
    authenticator = person.add_authenticator()
    person.open("second-factor", "passkey")
    browser.wait_for("document.querySelector('#new-passkey')")
    person.fill(name="My phone")
    person.press("Set up a passkey")
    person.see("Your recovery codes")
    person.press("I have kept them")
    person.see("My phone")
    # The device knows that it has one already.
    person.open("second-factor", "passkey")
    browser.wait_for("document.querySelector('#new-passkey')")
    person.press("Set up a passkey")
    person.see("That passkey is here already.")

    for _ in range(2):
        person.sign_out()
        person.give_password()
        person.see("Use a passkey")
        person.press("Use a passkey")
        person.see("Profile")
    [held] = browser.call("WebAuthn.getCredentials", authenticatorId=authenticator)["credentials"]
    assert held["rpId"] == "localhost"

    person.open("confirm?next=/account/" + person.account.did + "/second-factor")
    person.see("Is it really you?")
    person.fill(password=person.account.password)
    person.press("Continue")
    person.see("Use a passkey")
    person.press("Use a passkey")
    person.see("My phone")
    browser.evaluate("document.querySelector('main .items details').open = true")
    person.fill(name="Old phone")
    person.press("Change the name")
    person.see("Old phone")
    person.press("Remove it")
    person.see("The passkey is removed.")
    person.see("Switched off")


def test_a_device_that_lost_its_passkey_says_so_and_a_recovery_code_helps(person: Person) -> None:
    browser = person.browser
    authenticator = person.add_authenticator()
    person.open("second-factor", "passkey")
    browser.wait_for("document.querySelector('#new-passkey')")
    person.press("Set up a passkey")
    person.see("Your recovery codes")
    codes = browser.evaluate("[...document.querySelectorAll('main pre code')].map(e => e.textContent)")
    browser.call("WebAuthn.clearCredentials", authenticatorId=authenticator)
    person.sign_out()
    person.give_password()
    person.see("Use a passkey")
    person.press("Use a passkey")
    person.see("The passkey did not work")
    person.fill(code=codes[0])
    person.press("Continue")
    person.see("Profile")


def test_no_page_of_it_complains_of_its_own_policy(person: Person) -> None:
    person.browser.complaints.clear()
    for page in ("second-factor", "second-factor/app", "second-factor/passkey", "confirm"):
        person.open(page)
        person.browser.wait_for("document.querySelector('h1')")
        if page.startswith("second-factor"):
            assert person.browser.evaluate("document.querySelector('.tabs [aria-current]').textContent") == "Security"
    assert person.browser.complaints == []
    assert person.browser.evaluate("[...document.scripts].map(e => e.src)") == [""]
