"""Signing in to /admin: who gets in, for how long, and what no other site can make a browser do."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest
from browser import Browser
from edge_server import ADMIN_TOKEN, EdgeServer, edge_server

from tempest_pds.http.auth import ADMIN_FAILURES
from tempest_pds.http.pages.admin_sessions import ABSOLUTE_SECONDS, IDLE_SECONDS, AdminSessions
from tempest_pds.http.rate_limits import RateLimiter

SESSION = "__Host-tempest-admin"
NONCE = "__Host-tempest-admin-login"
# A page that is not there: 404 for who has signed in.
NOWHERE = "/admin/nowhere"


class Clock:
    now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def server(clock: Clock) -> AsyncIterator[EdgeServer]:
    limiter = RateLimiter(enabled=True)
    async with edge_server([], limiter=limiter, admin_sessions=AdminSessions(clock)) as server:
        yield server


@pytest.fixture
async def http(server: EdgeServer) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=server.url) as http:
        yield http


@pytest.fixture
def browser(http: httpx.AsyncClient) -> Browser:
    return Browser(http)


async def signed_in(browser: Browser) -> bool:
    """Ask for a page that needs a session."""
    status = (await browser.get(NOWHERE)).status_code
    assert status in {303, 404}
    return status == 404


async def test_the_token_opens_the_page_that_was_asked_for(browser: Browser) -> None:
    answer = await browser.get(NOWHERE + "?q=a%26b&after=1::did:plc:x")
    assert (answer.status_code, answer.headers["location"][:18]) == (303, "/admin/login?next=")
    await browser.follow(answer)
    answer = await browser.submit("/admin/login", token=ADMIN_TOKEN)
    assert answer.headers["location"] == NOWHERE + "?q=a%26b&after=1::did:plc:x"
    assert (await browser.follow(answer)).status_code == 404


async def test_a_token_pasted_with_a_line_break_is_right(browser: Browser) -> None:
    await browser.get("/admin/login")
    assert (await browser.submit("/admin/login", token=f" {ADMIN_TOKEN}\r\n")).status_code == 303


@pytest.mark.parametrize("token", ["", "wrong", ADMIN_TOKEN + "x", "\U0001f600", "x" * 5_000])
async def test_a_wrong_token_opens_nothing(browser: Browser, token: str) -> None:
    await browser.get("/admin/login")
    answer = await browser.submit("/admin/login", token=token)
    assert answer.status_code == 403
    assert "not the administrator’s token" in browser.page.words
    assert SESSION not in browser.cookies
    assert not await signed_in(browser)


async def test_after_a_wrong_token_the_form_is_good_for_the_right_one(browser: Browser) -> None:
    await browser.get("/admin/login")
    await browser.submit("/admin/login", token="wrong")
    assert (await browser.submit("/admin/login", token=ADMIN_TOKEN)).status_code == 303


async def test_failures_are_counted_together_with_those_of_the_api(browser: Browser, http: httpx.AsyncClient) -> None:
    await browser.get("/admin/login")
    for _ in range(ADMIN_FAILURES.points - 1):
        assert (await browser.submit("/admin/login", token="wrong")).status_code == 403
    headers = {"Authorization": "Bearer wrong"}
    assert (await http.get("/xrpc/_admin/nothing", headers=headers)).status_code == 401
    answer = await browser.submit("/admin/login", token=ADMIN_TOKEN)
    assert (answer.status_code, int(answer.headers["retry-after"]) > 0) == (429, True)
    assert "Too many attempts" in browser.page.words
    assert SESSION not in browser.cookies
    assert (await http.get("/xrpc/_admin/nothing", headers=headers)).status_code == 429


async def test_signing_out_ends_the_session_itself(browser: Browser) -> None:
    await browser.sign_in(ADMIN_TOKEN, NOWHERE)
    kept = dict(browser.cookies)
    answer = await browser.submit("/admin/logout")
    assert (answer.status_code, answer.headers["location"]) == (303, "/admin/login")
    assert SESSION not in browser.cookies
    browser.cookies = kept
    assert not await signed_in(browser)


async def test_a_session_ends_when_it_is_not_used(browser: Browser, clock: Clock) -> None:
    await browser.sign_in(ADMIN_TOKEN, NOWHERE)
    clock.now += IDLE_SECONDS - 1
    assert await signed_in(browser)
    clock.now += IDLE_SECONDS - 1
    assert await signed_in(browser)
    clock.now += IDLE_SECONDS
    assert not await signed_in(browser)


async def test_a_session_that_is_used_all_the_time_ends_as_well(browser: Browser, clock: Clock) -> None:
    await browser.sign_in(ADMIN_TOKEN, NOWHERE)
    for _ in range(int(ABSOLUTE_SECONDS // 600) - 1):
        clock.now += 600
        assert await signed_in(browser)
    clock.now += 600
    assert not await signed_in(browser)


async def test_a_session_of_another_start_of_the_server_is_none(browser: Browser) -> None:
    await browser.sign_in(ADMIN_TOKEN, NOWHERE)
    async with edge_server([]) as again, httpx.AsyncClient(base_url=again.url) as http:
        other = Browser(http)
        other.cookies = browser.cookies
        assert not await signed_in(other)


async def test_signing_in_makes_a_new_session_and_ends_the_one_before(browser: Browser) -> None:
    """Whoever plants a cookie in a browser does not share what its user signs in to."""
    browser.cookies[SESSION] = "planted"
    await browser.sign_in(ADMIN_TOKEN, NOWHERE)
    first = browser.cookies[SESSION]
    assert first != "planted"
    # In another tab, where the form was opened before.
    await browser.get("/admin/login")
    assert browser.answer.status_code == 303
    form = {"form_token": "", "token": ADMIN_TOKEN}
    del browser.cookies[SESSION]
    await browser.get("/admin/login")
    browser.cookies[SESSION] = first
    form = browser.page.form("/admin/login").fields | {"token": ADMIN_TOKEN}
    await browser.post("/admin/login", form)
    assert browser.cookies[SESSION] != first
    assert await signed_in(browser)
    browser.cookies[SESSION] = first
    assert not await signed_in(browser)


async def test_cookies_are_for_this_host_https_and_no_script(browser: Browser) -> None:
    await browser.get("/admin/login")
    [nonce] = browser.answer.headers.get_list("set-cookie")
    await browser.submit("/admin/login", token=ADMIN_TOKEN)
    session, cleared = browser.answer.headers.get_list("set-cookie")
    for cookie, name in ((nonce, NONCE), (session, SESSION)):
        value, *attributes = cookie.split("; ")
        assert value.startswith(f"{name}=")
        assert len(value) >= len(name) + 44
        assert attributes == ["Path=/", "Secure", "HttpOnly", "SameSite=Strict"]
    assert cleared.startswith(f"{NONCE}=;")
    assert cleared.endswith("Max-Age=0")


@pytest.mark.parametrize(
    ("given", "led_to"),
    [
        ("/admin/accounts/did:plc:abc", "/admin/accounts/did:plc:abc"),
        ("/admin/accounts?q=alice%40example.com&after=1", "/admin/accounts?q=alice%40example.com&after=1"),
        ("/admin/accounts?token=secret", "/admin"),
        ("https://evil.example", "/admin"),
        ("//evil.example/admin", "/admin"),
        ("/admin//evil.example", "/admin"),
        ("/admin/..//evil.example", "/admin"),
        ("/admin\\evil.example", "/admin"),
        ("/administrator", "/admin"),
        ("/admin@evil.example", "/admin"),
        ("javascript:alert(1)", "/admin"),
        ("/admin\r\nSet-Cookie: a=b", "/admin"),
        ("/admin/login", "/admin"),
        ("/admin/login?next=/admin/login", "/admin"),
        ("/admin/../account", "/admin"),
        ("/admin/%2e%2E/xrpc/com.atproto.sync.getBlob", "/admin"),
        ("/xrpc/com.atproto.server.deleteSession", "/admin"),
        ("/admin/" + "x" * 600, "/admin"),
        ("", "/admin"),
    ],
)
async def test_signing_in_leads_to_pages_below_admin_only(browser: Browser, given: str, led_to: str) -> None:
    await browser.get("/admin/login?" + str(httpx.QueryParams(next=given)))
    assert browser.page.form("/admin/login").fields["next"] == led_to
    answer = await browser.submit("/admin/login", token=ADMIN_TOKEN, next=given)
    assert answer.headers["location"] == led_to
    answer = await browser.get("/admin/login?" + str(httpx.QueryParams(next=given)))
    assert (answer.status_code, answer.headers["location"]) == (303, led_to)


ORIGINS = [
    {"Origin": "https://evil.example"},
    {"Origin": "null"},
    {"Origin": "http://pds.example.com"},
    {"Origin": "https://pds.example.com.evil.example"},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Sec-Fetch-Site": "none"},
    {"Origin": "https://pds.example.com", "Sec-Fetch-Site": "cross-site"},
]


@pytest.mark.parametrize("headers", ORIGINS)
async def test_no_other_site_signs_a_browser_in_or_out(browser: Browser, headers: dict[str, str]) -> None:
    await browser.get("/admin/login")
    answer = await browser.submit("/admin/login", headers, token=ADMIN_TOKEN)
    assert answer.status_code == 403
    assert SESSION not in browser.cookies
    await browser.sign_in(ADMIN_TOKEN, NOWHERE)
    assert (await browser.submit("/admin/logout", headers)).status_code == 403
    assert await signed_in(browser)


@pytest.mark.parametrize(
    "headers", [{"Origin": "https://pds.example.com", "Sec-Fetch-Site": "same-origin"}, {"Origin": "", "Host": ""}]
)
async def test_this_site_does(browser: Browser, server: EdgeServer, headers: dict[str, str]) -> None:
    if not headers["Origin"]:
        headers = {"Origin": f"https://127.0.0.1:{server.port}", "Host": f"127.0.0.1:{server.port}"}
    await browser.get("/admin/login")
    assert (await browser.submit("/admin/login", headers, token=ADMIN_TOKEN)).status_code == 303


async def test_the_login_form_is_good_in_its_own_browser_only(browser: Browser, http: httpx.AsyncClient) -> None:
    other = Browser(http)
    await other.get("/admin/login")
    form_token = other.page.form("/admin/login").fields["form_token"]
    fields = {"token": ADMIN_TOKEN, "form_token": form_token}
    assert (await browser.post("/admin/login", fields)).status_code == 403
    await browser.get("/admin/login")
    assert (await browser.post("/admin/login", fields)).status_code == 403
    assert (await browser.post("/admin/login", {"token": ADMIN_TOKEN})).status_code == 403
    assert SESSION not in browser.cookies


async def test_a_form_is_good_in_its_own_session_only(browser: Browser, http: httpx.AsyncClient) -> None:
    other = Browser(http)
    await other.sign_in(ADMIN_TOKEN, NOWHERE)
    await browser.sign_in(ADMIN_TOKEN, NOWHERE)
    stolen = other.page.form("/admin/logout").fields["form_token"]
    for fields in ({}, {"form_token": ""}, {"form_token": "x"}, {"form_token": stolen}):
        answer = await browser.post("/admin/logout", fields, **{"Content-Type": "application/x-www-form-urlencoded"})
        assert answer.status_code == 403
    assert await signed_in(browser)


async def test_a_body_that_is_no_form_is_refused(browser: Browser, http: httpx.AsyncClient) -> None:
    await browser.sign_in(ADMIN_TOKEN, NOWHERE)
    cookie = {"Cookie": f"{SESSION}={browser.cookies[SESSION]}"}
    for content_type in ("application/json", "text/plain", ""):
        headers = cookie | {"Content-Type": content_type}
        assert (await http.post("/admin/logout", content=b"{}", headers=headers)).status_code == 415
    large = {"form_token": "x" * 70_000}
    assert (await http.post("/admin/logout", data=large, headers=cookie)).status_code == 413


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "Bearer access"},
        {"Authorization": "Bearer x.e30.good"},
        {"Authorization": f"Bearer {ADMIN_TOKEN}"},
        {"Cookie": f"{SESSION}=x"},
        {"Cookie": f"{SESSION}="},
        {"Cookie": "tempest-admin=access"},
        {"Cookie": "\xff=\xff; =; ;;"},
    ],
)
async def test_nobody_else_sees_what_is_below_admin(http: httpx.AsyncClient, headers: dict[str, str]) -> None:
    """The token of an account is as good as none; the administrator's opens pages by the login only."""
    sent = {name: value.encode("latin-1") for name, value in headers.items()}
    for path in ("/admin", "/admin/", "/admin/storage", "/admin/accounts/x", NOWHERE, "/admin/crawl"):
        answer = await http.get(path, headers=sent)
        assert answer.status_code == 303
        assert answer.headers["location"].startswith("/admin/login")
        assert not answer.content
        for verb in ("POST", "PUT", "DELETE", "PATCH"):
            answer = await http.request(verb, path, headers=sent)
            assert answer.status_code == 403
            assert "sign in first" in answer.text


async def test_addresses_that_are_spelled_otherwise_are_not_there(browser: Browser, http: httpx.AsyncClient) -> None:
    await browser.sign_in(ADMIN_TOKEN, NOWHERE)
    for path in ("/Admin", "/ADMIN/storage", "/%61dmin", "/admin%2Fstorage", "/administrator"):
        answer = await browser.get(path)
        assert (answer.status_code, answer.headers["content-type"]) == (404, "application/json; charset=utf-8"), path
    assert (await http.get("/admin/")).status_code == 303


async def test_a_wrong_verb_is_told_to_who_has_signed_in(browser: Browser) -> None:
    await browser.sign_in(ADMIN_TOKEN, NOWHERE)
    form = {"form_token": browser.page.form("/admin/logout").fields["form_token"]}
    answer = await browser.get("/admin/crawl")
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")
    answer = await browser.post("/admin/storage", form)
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, HEAD")
    assert (await browser.get("/admin/logout")).status_code == 405


async def test_pages_for_people_answer_no_other_origin(http: httpx.AsyncClient) -> None:
    for path in ("/admin", "/admin/login", NOWHERE):
        headers = {"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}
        for verb in ("GET", "OPTIONS"):
            answer = await http.request(verb, path, headers=headers)
            assert "access-control-allow-origin" not in answer.headers


async def test_what_breaks_inside_is_not_shown(browser: Browser) -> None:
    """The services of this server are none at all."""
    await browser.sign_in(ADMIN_TOKEN, NOWHERE)
    answer = await browser.get("/admin")
    assert answer.status_code == 500
    assert "Internal Server Error" in browser.page.words
    assert "NoneType" not in answer.text
    assert "Traceback" not in answer.text
