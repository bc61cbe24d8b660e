"""The operator's pages in a real browser: its rules for cookies, forms and styles are not ours to imitate."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

import pytest
from tests.support.account import Account, sign_up
from tests.support.chromium import Chromium
from tests.support.server import Tempest

PAGES = ["/", "/admin", "/admin/storage", "/admin/accounts", "/admin/accounts/DID"]
# Chromium tells the status of every page that is not 200.
EXPECTED = "the server responded with a status of 403"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tempest]:
    with Tempest(tmp_path_factory.mktemp("pages") / "data") as server:
        yield server


@pytest.fixture(scope="module")
def account(server: Tempest) -> Account:
    return sign_up(server, "alice")


@pytest.fixture(scope="module")
def inside(server: Tempest, browser: Chromium, account: Account) -> Chromium:
    """A browser whose user asked for the accounts, gave a wrong token, then the right one."""
    token = (server.folder / "keys" / "secret_admin_token").read_text().strip()
    browser.open(f"{server.url}/admin/accounts?q=alice")
    browser.wait_for("document.querySelector('#token')")
    fill_in(browser, "wrong")
    browser.wait_for("document.querySelector('[role=alert]')")
    fill_in(browser, token)
    browser.wait_for("document.querySelector('#q')")
    return browser


def fill_in(browser: Chromium, token: str) -> None:
    browser.evaluate(
        f"document.querySelector('#token').value = {json.dumps(token)}; document.querySelector('form button').click()"
    )


def test_a_browser_signs_in_and_is_where_it_was_going(inside: Chromium, server: Tempest, account: Account) -> None:
    assert inside.evaluate("location.href") == f"{server.url}/admin/accounts?q=alice"
    assert inside.evaluate("document.querySelector('td a').textContent") == account.handle
    assert inside.evaluate("document.cookie") == ""


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize(("width", "scheme"), [(1200, "light"), (1200, "dark"), (360, "light"), (320, "dark")])
def test_a_page_is_styled_and_fits(
    inside: Chromium, server: Tempest, account: Account, page: str, width: int, scheme: str
) -> None:
    inside.show_as(width, scheme)
    inside.open(server.url + page.replace("DID", account.did))
    inside.wait_for("document.querySelector('h1')")
    ground = inside.evaluate("getComputedStyle(document.body).backgroundColor")
    assert ground == {"light": "rgb(251, 250, 248)", "dark": "rgb(22, 23, 26)"}[scheme]
    assert inside.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert inside.screenshot().startswith(b"\x89PNG")
    assert inside.evaluate("[...document.querySelectorAll('time')].every(e => e.getClientRects().length === 1)")
    small = "[...document.querySelectorAll('main button, nav a')].filter(e => e.getBoundingClientRect().height < 24)"
    assert inside.evaluate(f"{small}.length") == 0


@pytest.mark.parametrize(("width", "above"), [(1200, False), (360, True)])
def test_on_a_narrow_screen_a_label_stands_above_its_value(
    inside: Chromium, server: Tempest, account: Account, width: int, above: bool
) -> None:
    inside.show_as(width, "light")
    inside.open(f"{server.url}/admin/accounts/{account.did}")
    inside.wait_for("document.querySelector('dd')")
    label, value = (f"document.querySelector('{tag}').getBoundingClientRect()" for tag in ("dt", "dd"))
    assert inside.evaluate(f"{label}.bottom <= {value}.top") is above


def test_the_browser_asks_for_a_tick_before_an_account_is_harmed(
    inside: Chromium, server: Tempest, account: Account
) -> None:
    inside.open(f"{server.url}/admin/accounts/{account.did}")
    inside.wait_for("document.querySelector('#sure-takedown')")
    for action in ("takedown", "password"):
        form = f"document.querySelector('form[action$=\"/{action}\"]')"
        assert inside.evaluate(f"{form}.checkValidity()") is False
        inside.evaluate(f"{form}.querySelector('[name=sure]').click()")
        assert inside.evaluate(f"{form}.checkValidity()") is True


def test_every_control_has_a_name_that_is_read_out(inside: Chromium, server: Tempest, account: Account) -> None:
    for path in ("/admin", "/admin/accounts", "/admin/storage", f"/admin/accounts/{account.did}"):
        inside.open(server.url + path)
        inside.call("Accessibility.enable")
        nodes = inside.call("Accessibility.getFullAXTree")["nodes"]
        controls = [
            node
            for node in nodes
            if not node["ignored"]
            and node["role"]["value"] in {"button", "checkbox", "link", "meter", "region", "searchbox", "textbox"}
        ]
        assert len(controls) > 5
        assert [node for node in controls if not node["name"]["value"].strip()] == []


def test_a_form_of_ours_is_taken_and_the_session_ends(inside: Chromium, server: Tempest) -> None:
    inside.open(f"{server.url}/admin/accounts")
    inside.evaluate("document.querySelector('form[action=\"/admin/invites\"] button').click()")
    inside.wait_for("document.querySelector('.figure.code')")
    assert inside.evaluate("document.querySelector('.figure.code').textContent").startswith("localhost-")
    inside.evaluate("document.querySelector('form[action=\"/admin/logout\"] button').click()")
    inside.wait_for("document.querySelector('#token')")
    inside.open(f"{server.url}/admin")
    assert inside.evaluate("location.pathname") == "/admin/login"


def test_a_backup_is_made_from_the_overview(server: Tempest, browser: Chromium) -> None:
    browser.open(f"{server.url}/admin")
    browser.wait_for("document.querySelector('#token')")
    fill_in(browser, (server.folder / "keys" / "secret_admin_token").read_text().strip())
    browser.wait_for("document.querySelector('form[action=\"/admin/backup\"] button')")
    browser.evaluate("document.querySelector('form[action=\"/admin/backup\"] button').click()")
    browser.wait_for("document.body.textContent.includes('A backup is being made')")
    deadline = time.monotonic() + 30
    while "last backup" not in browser.evaluate("document.querySelector('[aria-labelledby=backups]').textContent"):
        assert time.monotonic() < deadline
        browser.open(f"{server.url}/admin")
        browser.wait_for("document.querySelector('#backups')")


def test_the_browser_had_nothing_to_complain_of(inside: Chromium) -> None:
    """A style or a form that the policy of a page refuses would be told here."""
    told = [line for line in inside.complaints if EXPECTED not in line and "favicon" not in line]
    assert told == []
