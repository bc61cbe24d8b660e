"""The pages for people: whose forms are taken, where nobody can be led, and what every answer carries."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator

import httpx
import pytest
import pytest_asyncio
from browser import Browser
from whole_server import PASSWORD, User, WholeServer, whole_server

from tempest_pds.http.pages.people.all_pages import PAGES
from tempest_pds.http.pages.people.languages import LANGUAGES
from tempest_pds.http.pages.people.own_paths import HOME, own_path
from tempest_pds.http.pages.people.seals import Seals
from tempest_pds.http.pages.rendering import Templates

pytestmark = pytest.mark.asyncio(loop_scope="module")

COOKIE = "tempest-browser"
SIGN_IN = "/account/sign-in"
# What the pages of an authorization need is for their own tests.
OURS = [page for page in PAGES if page.path.startswith("/account")]
FORMS = sorted({page.path for page in OURS if page.http_method == "POST"})
VIEWS = sorted({page.path for page in OURS if page.http_method == "GET"})
OF_ACCOUNTS = "/account/*"


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[WholeServer]:
    async with whole_server(tmp_path_factory.mktemp("people")) as server:
        yield server


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def alice(server: WholeServer) -> User:
    return await server.sign_up("alice")


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def bob(server: WholeServer) -> User:
    return await server.sign_up("bob")


@pytest.fixture
def browser(server: WholeServer) -> Browser:
    return Browser(server.http)


async def sign_in(browser: Browser, user: User, remember: str = "no") -> httpx.Response:
    await browser.get(SIGN_IN)
    return await browser.submit(SIGN_IN, identifier=user.handle, password=PASSWORD, remember=remember)


async def is_signed_in(browser: Browser, user: User) -> bool:
    return (await browser.get(f"/account/{user.did}")).status_code == 200


async def token_of(browser: Browser) -> str:
    await browser.get(SIGN_IN)
    return browser.page.form(SIGN_IN).fields["form_token"]


def path_for(pattern: str, user: User) -> str:
    return pattern.replace("*", user.did)


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


# Forms


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


async def test_a_body_that_is_no_form_is_refused(browser: Browser, server: WholeServer) -> None:
    await token_of(browser)
    cookie = {"Cookie": f"{COOKIE}={browser.cookies[COOKIE]}"}
    answer = await server.http.post(SIGN_IN, json={"identifier": "x"}, headers=cookie)
    assert answer.status_code == 415


# Who is signed in


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


# Where nobody can be led


EVIL = [
    "//evil.example",
    "/\\evil.example",
    "\\\\evil.example",
    "https://evil.example",
    "https:evil.example",
    "javascript:alert(1)",
    "/account//evil.example",
    "/account/\\evil.example",
    "/account\\@evil.example",
    "/account@evil.example",
    "/accounts",
    "/account/../xrpc/x",
    "/account/.",
    "/account/x\r\nSet-Cookie: a=b",
    "/account/x?a=b\r\nx: y",
    "/account?next=//evil#x",
    "/account/\u00e9",
    "/oauth/authorize/../../evil",
    "/account/%2e%2e/xrpc/com.atproto.sync.getBlob?did=did:plc:a&cid=b",
    "/account/%2E./admin",
    "/account/a/.%2e/%2e%2E/admin",
    "/oauth/authorizex",
    "/admin",
    "/account/" + "x" * 2_000,
    "",
]


@pytest.mark.parametrize("wanted", EVIL)
async def test_a_sign_in_leads_to_no_page_but_ours(browser: Browser, alice: User, wanted: str) -> None:
    await browser.get(SIGN_IN)
    answer = await browser.submit(SIGN_IN, identifier=alice.handle, password=PASSWORD, next=wanted)
    assert answer.status_code == 303
    assert answer.headers["location"] == f"/account/{alice.did}"
    assert [name for name in answer.headers.get_list("set-cookie") if not name.startswith(COOKIE)] == []


@pytest.mark.parametrize("wanted", EVIL)
async def test_an_address_that_is_not_ours_is_not_even_written_into_a_page(browser: Browser, wanted: str) -> None:
    query = httpx.QueryParams({"next": wanted})
    await browser.get(f"{SIGN_IN}?{query}")
    assert "next" not in browser.page.form(SIGN_IN).fields


async def test_the_choice_of_a_language_leads_to_no_page_but_ours(browser: Browser) -> None:
    token = await token_of(browser)
    for wanted in EVIL:
        answer = await browser.post("/account/language", {"form_token": token, "language": "de", "next": wanted})
        assert answer.headers["location"] == HOME


@pytest.mark.parametrize(
    "path",
    [
        "/account",
        "/account/did:plc:abc/app-passwords",
        "/account/did%3Aweb%3Aa.example/apps?x=1",
        "/oauth/authorize",
        "/oauth/authorize/consent?request=a-b_c&x=%26",
        "/oauth/authorize?client_id=https%3A%2F%2Fa.example%2Fx.json&request_uri=urn:x:y",
    ],
)
async def test_a_page_of_ours_may_stand_in_a_link(path: str) -> None:
    assert own_path(path) == path


# What every answer carries


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
        assert {"style"} >= {tag for tag, _ in browser.page.tags} & {"style", "iframe", "object", "img", "link"}, path
        assert [given for _, given in browser.page.tags if any(name.startswith("on") for name in given)] == []
        assert [given for _, given in browser.page.tags if "style" in given] == []


async def test_a_page_is_asked_for_by_its_head_alone(server: WholeServer) -> None:
    answer = await server.http.head(SIGN_IN)
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["content-security-policy"]


async def test_an_address_is_asked_the_wrong_way(server: WholeServer) -> None:
    answer = await server.http.get("/account/language")
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")
    answer = await server.http.put(SIGN_IN)
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, HEAD, POST")


@pytest.mark.parametrize(
    "path", ["/account/", "/account/x/y/z", "/account/nobody", "/Account", "/account/did:plc:a/nothing", "/accounts"]
)
async def test_a_page_that_is_not_there_is_not_found(server: WholeServer, path: str) -> None:
    assert (await server.http.get(path)).status_code == 404


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


# Cookies, languages and notices


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


@pytest.mark.parametrize(
    ("address", "source"),
    [
        ("https://app.example/callback?x=1#y", "https:"),
        ("http://127.0.0.1:8080/", "http:"),
        ("http://[::1]:8080/callback", "http:"),
        ("com.example.app:/callback", "com.example.app:"),
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
