"""Who is signed in in which browser, and what the others get to see."""

from __future__ import annotations

import re

import pytest
from browser import Browser
from people_pages import COOKIE, FORMS, OF_ACCOUNTS, SIGN_IN, VIEWS, is_signed_in, path_for, sign_in, token_of
from whole_server import PASSWORD, User, WholeServer

from tempest_pds.http.pages.people.own_paths import HOME

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_a_stranger_is_told_no_handle_that_the_world_is_not_told(
    browser: Browser, server: WholeServer, alice: User
) -> None:
    gone, blocked = await server.sign_up("gone"), await server.sign_up("blocked")
    await gone.post("com.atproto.server.deactivateAccount", {})
    await server.take_down(blocked)
    told = []
    for user in (alice, gone, blocked):
        await browser.get(f"{SIGN_IN}?account={user.did}")
        told.append(browser.page.form(SIGN_IN).fields["identifier"])
    assert told == [alice.handle, gone.did, blocked.did]


async def test_every_page_of_an_account_asks_a_stranger_to_sign_in_and_leads_back(
    browser: Browser, alice: User
) -> None:
    for path in [path for path in VIEWS if path.startswith(OF_ACCOUNTS)]:
        answer = await browser.get(path_for(path, alice))
        assert (answer.status_code, path) == (303, path)
        assert answer.headers["location"].startswith(f"{SIGN_IN}?"), path
    await browser.get(f"/account/{alice.did}/devices")
    await browser.follow(browser.answer)
    answer = await browser.submit(SIGN_IN, password=PASSWORD)
    assert answer.headers["location"] == f"/account/{alice.did}/devices"


async def test_every_form_of_an_account_does_nothing_for_who_is_signed_in_to_another(
    browser: Browser, alice: User, bob: User
) -> None:
    await sign_in(browser, alice)
    for path in [path for path in FORMS if path.startswith(OF_ACCOUNTS)]:
        token = await token_of(browser)
        answer = await browser.post(path_for(path, bob), {"form_token": token, "sure": "yes", "name": "x"})
        assert (answer.status_code, path) == (303, path)
        wanted = HOME if path.endswith("/sign-out") else SIGN_IN
        assert answer.headers["location"].startswith(wanted), path
    assert (await bob.get("com.atproto.server.getSession")).json()["active"] is True
    assert (await bob.get("com.atproto.server.listAppPasswords")).json()["passwords"] == []


async def test_every_page_of_an_account_is_there_for_its_owner(browser: Browser, alice: User) -> None:
    await sign_in(browser, alice)
    for path in [path for path in VIEWS if path.startswith(OF_ACCOUNTS) and path.count("*") == 1]:
        answer = await browser.get(path_for(path, alice))
        assert answer.status_code in {200, 303}, path
        assert "sign-in" not in answer.headers.get("location", ""), path


async def test_the_cookie_is_replaced_at_each_sign_in(browser: Browser, server: WholeServer, alice: User) -> None:
    foisted = "A" * 43
    browser.cookies[COOKIE] = foisted
    await sign_in(browser, alice)
    first = browser.cookies[COOKIE]
    assert first != foisted
    attacker = Browser(server.http)
    attacker.cookies[COOKIE] = foisted
    assert not await is_signed_in(attacker, alice)
    await sign_in(browser, alice)
    assert browser.cookies[COOKIE] != first
    attacker.cookies[COOKIE] = first
    assert not await is_signed_in(attacker, alice)
    assert await is_signed_in(browser, alice)


@pytest.mark.parametrize(
    "value", ["", "x", "A" * 42, "A" * 44, "A" * 42 + "\u00e9", "A" * 5_000, "../../../etc/passwd"]
)
async def test_a_cookie_that_is_none_of_ours_is_replaced(browser: Browser, value: str) -> None:
    browser.cookies[COOKIE] = value.encode().decode("latin-1")
    assert (await browser.get(SIGN_IN)).status_code == 200
    assert re.fullmatch(r"[A-Za-z0-9_-]{43}", browser.cookies[COOKIE])


async def test_two_accounts_are_signed_in_in_one_browser_and_one_signs_out(
    browser: Browser, alice: User, bob: User
) -> None:
    await sign_in(browser, alice)
    await sign_in(browser, bob)
    await browser.get("/account")
    assert all(user.handle in browser.page.words for user in (alice, bob))
    await browser.submit(f"/account/{alice.did}/sign-out")
    assert not await is_signed_in(browser, alice)
    assert await is_signed_in(browser, bob)


async def test_nobody_is_signed_in_by_a_wrong_password_and_a_name_that_is_not_here_is_told_alike(
    browser: Browser, alice: User
) -> None:
    answers = []
    for name in (alice.handle, "nobody.test", "nobody@example.com", "did:plc:aaaaaaaaaaaaaaaaaaaaaaaa", "", "\x00"):
        await browser.get(SIGN_IN)
        answer = await browser.submit(SIGN_IN, identifier=name, password="wrong")
        answers.append((answer.status_code, re.sub(r'value="[^"]*"', "", answer.text).replace(" autofocus", "")))
    assert len({text for _, text in answers if text}) <= 2, "with a name, and without one"
    assert {status for status, _ in answers} == {403}
    assert not await is_signed_in(browser, alice)


async def test_who_is_known_by_name_starts_at_the_password(browser: Browser, alice: User) -> None:
    for account, first in (("", "identifier"), (alice.did, "password")):
        await browser.get(f"{SIGN_IN}?account={account}")
        assert [tag["name"] for tag in browser.page.all("input") if "autofocus" in tag] == [first]
    await browser.submit(SIGN_IN, identifier=alice.handle, password="wrong")
    [password] = [tag for tag in browser.page.all("input") if "autofocus" in tag]
    assert (password["name"], password["aria-describedby"], password["aria-invalid"]) == ("password", "problem", "true")


async def test_the_title_tells_first_what_has_become_of_a_form(browser: Browser, alice: User) -> None:
    """It is what is read out first of a page that was loaded."""
    await browser.get(SIGN_IN)
    await browser.submit(SIGN_IN, identifier=alice.handle, password="wrong")
    assert "<title>Error: Sign in – localhost</title>" in browser.answer.text
    await browser.get("/account/reset-password")
    await browser.follow(await browser.submit("/account/reset-password", email="nobody@example.com"))
    [title] = re.findall("<title>(.*)</title>", browser.answer.text)
    assert re.fullmatch(r"If that is the address of an account here.*\. Set a new password – localhost", title)


async def test_an_app_password_opens_no_page(browser: Browser, alice: User) -> None:
    made = (await alice.post("com.atproto.server.createAppPassword", {"name": "app"})).json()
    await browser.get(SIGN_IN)
    answer = await browser.submit(SIGN_IN, identifier=alice.handle, password=made["password"])
    assert answer.status_code == 403
    await alice.post("com.atproto.server.revokeAppPassword", {"name": "app"})


async def test_an_account_that_is_taken_down_is_signed_in_nowhere(browser: Browser, server: WholeServer) -> None:
    carol = await server.sign_up("carol")
    await sign_in(browser, carol)
    await server.take_down(carol)
    assert not await is_signed_in(browser, carol)
    answer = await sign_in(browser, carol)
    assert (answer.status_code, "taken down" in browser.page.words) == (403, True)


async def test_on_localhost_the_cookie_needs_no_https(server: WholeServer, alice: User, browser: Browser) -> None:
    [cookie] = (await server.http.get(SIGN_IN, headers={"Cookie": ""})).headers.get_list("set-cookie")
    assert cookie.partition("=")[0] == COOKIE
    assert cookie.split("; ")[1:] == ["Path=/", "HttpOnly", "SameSite=Lax"]


@pytest.mark.parametrize(("remember", "age"), [("yes", ["Max-Age=604800"]), ("no", [])])
async def test_the_cookie_outlives_the_browser_only_if_asked_to(
    browser: Browser, alice: User, remember: str, age: list[str]
) -> None:
    answer = await sign_in(browser, alice, remember=remember)
    [cookie] = answer.headers.get_list("set-cookie")
    assert [part for part in cookie.split("; ") if part.startswith("Max-Age")] == age
