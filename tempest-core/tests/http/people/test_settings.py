"""The pages for people on servers of another kind: behind HTTPS, by invitation, with limits, and started anew."""

from __future__ import annotations

from pathlib import Path

import httpx
from authorizing import asked, loopback, signed_in
from browser import Browser
from edge_server import edge_server
from whole_server import PASSWORD, whole_server

COOKIE = "tempest-browser"
SIGN_IN = "/account/sign-in"
SIGN_UP = "/account/sign-up"
RESET = "/account/reset-password"


async def test_behind_https_the_cookie_is_the_host_s_own() -> None:
    async with edge_server([]) as secure, httpx.AsyncClient(base_url=secure.url) as http:
        [cookie] = (await http.get(SIGN_IN)).headers.get_list("set-cookie")
    name, _, attributes = cookie.partition("=")
    assert name == f"__Host-{COOKIE}"
    assert attributes.split("; ")[1:] == ["Path=/", "Secure", "HttpOnly", "SameSite=Lax"]


async def test_an_invite_code_is_asked_for_where_one_is_needed(tmp_path: Path) -> None:
    async with whole_server(tmp_path, TEMPEST_INVITE_REQUIRED="true") as server:
        browser = Browser(server.http)
        given = {"name": "alice", "email": "alice@example.com", "password": PASSWORD}
        await browser.get(SIGN_UP)
        await browser.submit(SIGN_UP, None, **given, invite_code="wrong")
        assert "This invite code is not good" in browser.page.words
        code = (await server.administer("com.atproto.server.createInviteCode", {"useCount": 1})).json()["code"]
        answer = await browser.submit(SIGN_UP, None, **given, invite_code=f" {code} ")
        assert answer.status_code == 303


async def test_pages_say_whose_server_it_is_and_lead_to_what_its_operator_has_published(tmp_path: Path) -> None:
    said = {
        "TEMPEST_SERVICE_NAME": "Harbour <& Co>",
        "TEMPEST_CONTACT_EMAIL": "help@example.com",
        "TEMPEST_PRIVACY_POLICY_URL": "https://example.com/privacy",
        "TEMPEST_TERMS_OF_SERVICE_URL": "https://example.com/terms",
    }
    async with whole_server(tmp_path, **said) as server:
        browser = Browser(server.http)
        await browser.get(SIGN_IN)
        page = browser.page
        assert "<strong>Harbour &lt;&amp; Co&gt;</strong>" in page.text
        links = [a["href"] for a in page.all("a") if ":" in a["href"]]
        published = ["https://example.com/terms", "https://example.com/privacy"]
        assert links == [*published, "mailto:help@example.com"]
        await browser.get(SIGN_UP)
        links = [a["href"] for a in browser.page.all("a") if a["href"].startswith("https:")]
        assert links == published * 2
        assert "By opening an account you agree to:" in browser.page.words
        # Where the account will be is said by a name that nobody can choose.
        assert "on this server, localhost." in browser.page.words


async def test_a_server_that_says_nothing_of_itself_is_called_by_its_hostname(tmp_path: Path) -> None:
    async with whole_server(tmp_path) as server:
        browser = Browser(server.http)
        await browser.get(SIGN_UP)
        assert "<strong>localhost</strong>" in browser.page.text
        assert [a["href"] for a in browser.page.all("a") if ":" in a["href"]] == []
        assert "agree to" not in browser.page.words


async def test_a_form_is_good_after_the_server_was_restarted(tmp_path: Path) -> None:
    async with whole_server(tmp_path) as server:
        user = await server.sign_up("alice")
        browser = Browser(server.http)
        await browser.get(SIGN_IN)
        await browser.submit(SIGN_IN, identifier=user.handle, password=PASSWORD)
        await browser.get(f"/account/{user.did}/app-passwords")
        form = browser.page.form(f"/account/{user.did}/app-passwords")
    async with whole_server(tmp_path) as server:
        again = Browser(server.http)
        again.cookies = browser.cookies
        answer = await again.post(form.action, form.fields | {"name": "phone"})
        assert (answer.status_code, "phone" in again.page.words) == (200, True)


async def test_requests_that_are_not_pushed_are_limited_together_with_those_that_are(tmp_path: Path) -> None:
    async with whole_server(tmp_path, TEMPEST_RATE_LIMITS_ENABLED="true") as server:
        for _ in range(599):
            await server.http.get("/oauth/par")
        assert (await server.http.get(asked(loopback()))).status_code == 303
        for more in ("", "&request_uri="):
            refused = await server.http.get(asked(loopback()) + more)
            assert (refused.status_code, refused.headers["ratelimit-remaining"]) == (429, "0")
            assert int(refused.headers["retry-after"]) > 0
        # Who looks at a page without beginning anything is not held up.
        assert (await server.http.get(SIGN_IN)).status_code == 200


async def test_guessing_is_limited_together_with_the_methods(tmp_path: Path) -> None:
    async with whole_server(tmp_path, TEMPEST_RATE_LIMITS_ENABLED="true") as server:
        user = await server.sign_up("alice")
        for _ in range(29):
            await server.http.post(
                "/xrpc/com.atproto.server.createSession", json={"identifier": "@Alice.test", "password": "wrong"}
            )
        browser = Browser(server.http)
        await browser.get(SIGN_IN)
        statuses = []
        for _ in range(2):
            await browser.submit(SIGN_IN, identifier=user.handle, password="wrong")
            statuses.append(browser.answer.status_code)
            await browser.get(SIGN_IN)
        assert statuses == [403, 429]
        answer = await browser.submit(SIGN_IN, identifier=user.handle, password=PASSWORD)
        assert (answer.status_code, answer.headers["retry-after"].isdecimal()) == (429, True)
        for _ in range(16):
            await browser.get(RESET)
            answer = await browser.submit(RESET, email="a@example.com")
        assert answer.status_code == 429


async def test_who_is_signed_in_guesses_at_the_password_no_oftener_where_an_account_is_deleted(tmp_path: Path) -> None:
    async with whole_server(tmp_path, TEMPEST_RATE_LIMITS_ENABLED="true") as server:
        user = await server.sign_up("alice")
        browser = await signed_in(server, user)
        for _ in range(30):
            given = {"identifier": user.did, "password": "wrong"}
            await server.http.post("/xrpc/com.atproto.server.createSession", json=given)
        page = f"/account/{user.did}/delete"
        await browser.get(page)
        answer = await browser.submit(page, sure="yes", password="wrong", code="AAAAA-AAAAA")
        assert answer.status_code == 429
