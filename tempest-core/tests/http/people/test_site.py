"""What every answer of the pages for people carries; their languages and notices."""

from __future__ import annotations

import re
from base64 import b64encode
from hashlib import sha256

import pytest
from browser import Browser
from people_pages import COOKIE, SIGN_IN, VIEWS, path_for, sign_in, token_of
from whole_server import User, WholeServer

from tempest_pds.http.pages.people.languages import LANGUAGES
from tempest_pds.http.pages.people.seals import Seals
from tempest_pds.http.pages.rendering import Templates

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_every_page_carries_what_keeps_it_safe(browser: Browser, alice: User) -> None:
    await sign_in(browser, alice)
    for path in [*VIEWS, "/account/no/such/page"]:
        answer = await browser.get(path_for(path, alice))
        assert answer.headers["cache-control"] == "no-store", path
        assert answer.headers["x-content-type-options"] == "nosniff", path
        assert answer.headers["referrer-policy"] == "same-origin", path
        assert "access-control-allow-origin" not in answer.headers, path
        if answer.status_code == 303:
            continue
        policy = answer.headers["content-security-policy"]
        assert answer.headers["x-frame-options"] == "DENY", path
        assert answer.headers["cross-origin-opener-policy"] == "same-origin", path
        for rule in ("default-src 'none'", "form-action 'self'", "frame-ancestors 'none'", "base-uri 'none'"):
            assert rule in policy.split("; "), path
        assert "unsafe" not in policy, path
        [script] = re.findall(r"<script>(.*?)</script>", answer.text, re.DOTALL)
        assert f"script-src 'sha256-{b64encode(sha256(script.encode()).digest()).decode()}'" in policy.split("; "), path
        assert {"style"} >= {tag for tag, _ in browser.page.tags} & {"style", "iframe", "object", "img", "link"}, path
        assert [given for _, given in browser.page.tags if any(name.startswith("on") for name in given)] == []
        assert [given for _, given in browser.page.tags if "style" in given] == []


@pytest.mark.parametrize("path", ["/account/x/y/z", "/account/language"])
async def test_who_looked_for_what_is_not_there_is_not_sent_to_it_again(browser: Browser, path: str) -> None:
    await browser.get(path)
    assert [given["href"] for given in browser.page.all("a") if not given["href"].startswith("#")] == ["/account"]


async def test_a_form_that_went_wrong_leads_back_to_the_page_that_it_stands_on(browser: Browser, alice: User) -> None:
    await sign_in(browser, alice)
    own = f"/account/{alice.did}"
    pages = {
        f"{own}/email/change": f"{own}/email",
        f"{own}/password": f"{own}/password",
        f"{own}/devices/end-sessions": f"{own}/devices",
        f"{own}/activate": own,
        "/account/sign-in/factor": SIGN_IN,
        "/account/language": "/account",
    }
    for path, page in pages.items():
        await browser.post(path, {})
        assert page in [given["href"] for given in browser.page.all("a")], path
        assert browser.page.form("/account/language").fields["next"] == page


async def test_the_menu_says_where_one_is_and_the_way_past_it_leads_to_the_content(
    browser: Browser, alice: User
) -> None:
    await sign_in(browser, alice)
    own = f"/account/{alice.did}"
    for page, tab, current in [
        ("", "", "page"),
        ("/handle", "", "true"),
        ("/delete", "", "true"),
        ("/apps", "/apps", "page"),
        ("/second-factor", "/security", "true"),
    ]:
        await browser.get(own + page)
        marked = [(given["href"], given["aria-current"]) for given in browser.page.all("a") if "aria-current" in given]
        assert marked == [(own + tab, current)], page
    order = re.findall(r'class="skip"|<nav|id="main"|<h1', browser.answer.text)
    assert order == ['class="skip"', "<nav", 'id="main"', "<h1"]


async def test_a_page_is_asked_for_by_its_head_alone(server: WholeServer) -> None:
    answer = await server.http.head(SIGN_IN)
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["content-security-policy"]


async def test_an_address_that_is_asked_the_wrong_way_says_which_ways_there_are(server: WholeServer) -> None:
    answer = await server.http.get("/account/language")
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")
    answer = await server.http.put(SIGN_IN)
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, HEAD, POST")


@pytest.mark.parametrize(
    "path", ["/account/", "/account/x/y/z", "/account/nobody", "/Account", "/account/did:plc:a/nothing", "/accounts"]
)
async def test_a_page_that_is_not_there_is_not_found(server: WholeServer, path: str) -> None:
    assert (await server.http.get(path)).status_code == 404


async def test_what_cannot_be_read_is_refused_by_a_page(browser: Browser) -> None:
    answer = await browser.get(f"{SIGN_IN}?next=%ff")
    assert (answer.status_code, answer.headers["content-type"]) == (400, "text/html; charset=utf-8")


async def test_the_log_names_the_page_and_not_the_account(browser: Browser, server: WholeServer, alice: User) -> None:
    await sign_in(browser, alice)
    before = len(server.log_text())
    await browser.get(f"/account/{alice.did}/devices")
    assert alice.did not in server.log_text()[before:]


async def test_the_well_known_address_leads_to_where_a_password_is_set(server: WholeServer) -> None:
    answer = await server.http.get("/.well-known/change-password")
    assert (answer.status_code, answer.headers["location"]) == (303, "/account/reset-password")


@pytest.mark.parametrize(
    ("address", "source"),
    [
        ("https://app.example/callback?x=1#y", "https:"),
        ("http://127.0.0.1:8080/", "http:"),
        ("http://[::1]:8080/callback", "http:"),
        ("com.example.app:/callback", "com.example.app:"),
        ("Com.Example.App:/callback", "com.example.app:"),
        ("https://app.example/callback;a=1?b=2,3", "https:"),
    ],
)
async def test_the_policy_of_a_page_names_where_its_forms_may_lead(address: str, source: str) -> None:
    rules = Templates().policy_with([address]).decode().split("; ")
    assert f"form-action 'self' {source}" in rules


@pytest.mark.parametrize("address", ["", "evil", "x; script-src *:", "https://a.example\r\nx:", "*", "'none'"])
async def test_a_policy_cannot_be_widened_by_an_address_that_is_none(address: str) -> None:
    try:
        policy = Templates().policy_with([address]).decode()
    except ValueError:
        return
    assert not {"*", "\r"} & set(policy)


async def test_the_style_calls_nothing_that_browsers_of_2021_do_not_know() -> None:
    """A colour that one does not know leaves a field without a border, and a button without a ground."""
    known = {"attr", "brightness", "fit-content", "inset", "lang", "min", "minmax", "repeat", "var"}
    assert set(re.findall(r"([a-z-]+)\(", Templates().style)) <= known


# Languages and notices


async def test_a_page_is_in_the_language_of_the_browser_until_the_person_chooses_another(server: WholeServer) -> None:
    browser = Browser(server.http, {"Accept-Language": "de-AT,de;q=0.9,en;q=0.5"})
    await browser.get(SIGN_IN)
    assert browser.page.all("html") == [{"lang": "de"}]
    assert "Anmelden" in browser.page.words
    token = browser.page.form(SIGN_IN).fields["form_token"]
    await browser.post("/account/language", {"form_token": token, "language": "fr", "next": SIGN_IN})
    await browser.get(f"{SIGN_IN}?ui_locales=de")
    assert browser.page.all("html") == [{"lang": "fr"}]


async def test_clients_are_told_the_languages_that_there_are(server: WholeServer) -> None:
    answer = await server.http.get("/.well-known/oauth-authorization-server")
    assert answer.json()["ui_locales_supported"] == list(LANGUAGES)


async def test_a_language_that_is_none_is_not_remembered(browser: Browser) -> None:
    token = await token_of(browser)
    await browser.post("/account/language", {"form_token": token, "language": "x\r\ny: z"})
    assert list(browser.cookies) == [COOKIE]


async def test_a_notice_is_shown_once_and_only_if_this_server_wrote_it(browser: Browser, alice: User) -> None:
    await sign_in(browser, alice)
    await browser.get("/account")
    await browser.submit(f"/account/{alice.did}/sign-out")
    notice = browser.cookies["tempest-notice"]
    await browser.get(SIGN_IN)
    assert "You are signed out." in browser.page.words
    await browser.get(SIGN_IN)
    assert "You are signed out." not in browser.page.words
    browser.cookies = {COOKIE: "B" * 43, "tempest-notice": notice}
    await browser.get(SIGN_IN)
    assert "You are signed out." not in browser.page.words
    for forged in ("", ".", "WW91.x", "\xff", "WW91." + "0" * 64, "A" * 10_000):
        browser.cookies = {COOKIE: "B" * 43, "tempest-notice": forged}
        assert (await browser.get(SIGN_IN)).status_code == 200


async def test_what_is_sealed_for_one_browser_or_by_one_key_is_worth_nothing_with_another() -> None:
    seals = Seals(b"key")
    assert seals.accepts(seals.form_token("a"), "a")
    assert not seals.accepts(seals.form_token("a"), "b")
    assert not seals.accepts(Seals(b"other").form_token("a"), "a")
    assert not seals.accepts("\u20ac", "a")
    assert seals.open_notice(seals.seal_notice("Caf\u00e9", "a"), "a") == "Caf\u00e9"
    assert seals.open_notice(seals.seal_notice("x", "a"), "b") is None
