"""Whose forms are taken by the pages for people."""

from __future__ import annotations

import pytest
from browser import Browser
from people_pages import COOKIE, FORMS, SIGN_IN, is_signed_in, path_for, sign_in, token_of
from whole_server import PASSWORD, User, WholeServer

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_no_form_is_taken_without_its_token(browser: Browser, alice: User) -> None:
    await sign_in(browser, alice)
    answers = {path: await browser.post(path_for(path, alice), {"sure": "yes"}) for path in FORMS}
    assert {path: answer.status_code for path, answer in answers.items()} == dict.fromkeys(FORMS, 403)
    assert await is_signed_in(browser, alice)


async def test_no_form_is_taken_with_the_token_of_another_browser(
    browser: Browser, server: WholeServer, alice: User
) -> None:
    token = await token_of(Browser(server.http))
    await sign_in(browser, alice)
    answers = {path: await browser.post(path_for(path, alice), {"form_token": token}) for path in FORMS}
    assert {path: answer.status_code for path, answer in answers.items()} == dict.fromkeys(FORMS, 403)


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "none"},
    ],
)
async def test_no_form_is_taken_from_another_site(browser: Browser, alice: User, headers: dict[str, str]) -> None:
    await sign_in(browser, alice)
    token = await token_of(browser)
    answers = {path: await browser.post(path_for(path, alice), {"form_token": token}, **headers) for path in FORMS}
    assert {path: answer.status_code for path, answer in answers.items()} == dict.fromkeys(FORMS, 403)


async def test_a_form_from_another_site_takes_no_browser_its_cookie(browser: Browser) -> None:
    """Browsers send none along with it, and would keep the one of the answer."""
    for path in (SIGN_IN, "/account/language", "/oauth/authorize/consent", "/account/no/such/page"):
        answer = await browser.post(path, {}, **{"Sec-Fetch-Site": "cross-site"})
        assert answer.headers.get_list("set-cookie") == [], path


async def test_a_form_of_ours_is_taken_from_our_own_site(browser: Browser, server: WholeServer, alice: User) -> None:
    await browser.get(SIGN_IN)
    headers = {"Origin": f"http://127.0.0.1:{server.port}", "Sec-Fetch-Site": "same-origin"}
    answer = await browser.submit(SIGN_IN, headers, identifier=alice.handle, password=PASSWORD)
    assert answer.status_code == 303


async def test_a_browser_that_keeps_no_cookies_is_told_so(browser: Browser, alice: User) -> None:
    await browser.get(SIGN_IN)
    form = browser.page.form(SIGN_IN)
    browser.cookies.clear()
    answer = await browser.post(SIGN_IN, form.fields | {"identifier": alice.handle, "password": PASSWORD})
    assert answer.status_code == 403
    assert "not opened in this browser" in browser.page.words


async def test_who_came_by_another_name_of_the_server_is_led_to_the_right_one(browser: Browser) -> None:
    """A cookie of a server with HTTPS is not kept by who looks at its pages without."""
    for host, is_led in (("192.0.2.1:4000", True), ("localhost:4000", False)):
        await browser.post(SIGN_IN, {"form_token": "x"}, Host=host)
        assert ("http://localhost:4000/account" in [a["href"] for a in browser.page.all("a")]) is is_led


async def test_a_body_that_is_no_form_is_refused(browser: Browser, server: WholeServer) -> None:
    await token_of(browser)
    cookie = {"Cookie": f"{COOKIE}={browser.cookies[COOKIE]}"}
    answer = await server.http.post(SIGN_IN, json={"identifier": "x"}, headers=cookie)
    assert answer.status_code == 415


async def test_a_choice_of_the_language_that_comes_too_late_leads_back_to_its_page(browser: Browser) -> None:
    await browser.get("/account/reset-password/code?next=%2Faccount")
    form = browser.page.form("/account/language")
    answer = await browser.post("/account/language", {**form.fields, "language": "de", "form_token": "x"})
    assert answer.status_code == 403
    assert form.fields["next"] in [link["href"] for link in browser.page.all("a")]


async def test_a_form_is_begun_at_the_first_field_that_is_empty(browser: Browser, alice: User) -> None:
    for path, first in ((SIGN_IN, "identifier"), (f"{SIGN_IN}?account={alice.did}", "password")):
        await browser.get(path)
        assert [field["name"] for field in browser.page.all("input") if "autofocus" in field] == [first]


async def test_what_comes_before_a_code_is_not_scrolled_away(browser: Browser, user: User) -> None:
    """A browser scrolls to the field that it begins at, past the picture that an app has to be shown."""
    await sign_in(browser, user)
    await browser.get(f"/account/{user.did}/second-factor/app")
    assert [field["required"] for field in browser.page.all("input") if field["name"] == "code"] == [""]
    assert [field for field in browser.page.all("input") if "autofocus" in field] == []
