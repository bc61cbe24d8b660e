"""The operator's pages and `GET /xrpc/_admin/status`, on a whole server with accounts."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
from browser import Browser, Page
from whole_server import User, WholeServer, whole_server

from tempest_pds.http.pages.rendering import Templates
from tempest_pds.protocol.syntax.did import Did
from tempest_pds.protocol.syntax.handle import Handle

PAGES = ["/admin", "/admin/storage", "/admin/accounts", "/admin/accounts?q=alice", "/admin/nothing"]
HOSTILE = "\"><script>alert(1)</script><img src=x onerror=alert(2)>'{{7*7}}"

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[WholeServer]:
    relays = "http://127.0.0.1:1"
    async with whole_server(tmp_path_factory.mktemp("admin") / "data", TEMPEST_CRAWLERS=relays) as server:
        yield server


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def alice(server: WholeServer) -> User:
    alice = await server.sign_up("alice")
    await alice.post("com.atproto.server.createAppPassword", {"name": "phone"})
    await alice.picture()
    return alice


@pytest_asyncio.fixture(loop_scope="module")
async def browser(server: WholeServer) -> Browser:
    """Of somebody who has signed in."""
    browser = Browser(server.http)
    await browser.sign_in(server.admin_token)
    assert browser.answer.status_code == 200
    return browser


async def status(server: WholeServer) -> dict[str, Any]:
    answer = await server.http.get("/xrpc/_admin/status", headers={"Authorization": f"Bearer {server.admin_token}"})
    assert answer.status_code == 200
    report: dict[str, Any] = answer.json()
    return report


# Every page


def check_markup(page: Page) -> None:
    """What an accessibility checker looks at first."""
    assert page.text.startswith('<!doctype html>\n<html lang="en">')
    assert len(page.all("h1")) == len(page.all("main")) == len(page.all("title")) == 1
    labels = {label["for"] for label in page.all("label")}
    shown = [given for given in page.all("input") if given.get("type") != "hidden" and "hidden" not in given]
    assert all(given["id"] in labels for given in shown)
    identifiers = [given["id"] for _, given in page.tags if "id" in given]
    assert len(identifiers) == len(set(identifiers))
    assert {given["aria-labelledby"] for _, given in page.tags if "aria-labelledby" in given} <= set(identifiers)
    assert all(given.get("scope") for given in page.all("th"))
    assert "viewport" in {given.get("name") for given in page.all("meta")}
    levels = [int(tag[1]) for tag, _ in page.tags if re.fullmatch("h[1-6]", tag)]
    assert levels == sorted(levels)


def check_headers(answer: httpx.Response) -> None:
    policy = dict(rule.partition(" ")[::2] for rule in answer.headers["content-security-policy"].split("; "))
    assert policy["default-src"] == policy["frame-ancestors"] == policy["base-uri"] == "'none'"
    assert policy["form-action"] == "'self'"
    assert re.fullmatch(r"'sha256-[A-Za-z0-9+/=]{44}'", policy["style-src"])
    assert len(policy) == 5
    assert answer.headers["x-frame-options"] == "DENY"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cross-origin-opener-policy"] == "same-origin"


@pytest.mark.parametrize("path", PAGES)
async def test_every_page_is_whole_and_guarded(browser: Browser, alice: User, path: str) -> None:
    answer = await browser.get(path)
    assert answer.status_code == (404 if path == "/admin/nothing" else 200)
    check_markup(browser.page)
    check_headers(answer)
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["referrer-policy"] == "same-origin"
    assert "access-control-allow-origin" not in answer.headers
    assert not re.search(r"<script|\son[a-z]+=|\sstyle=|javascript:", answer.text)


@pytest.mark.parametrize("path", ["/", "/admin/login"])
async def test_pages_for_everybody_are_guarded_too(server: WholeServer, path: str) -> None:
    answer = await server.http.get(path)
    check_markup(Page(answer.text))
    check_headers(answer)


async def test_the_style_in_a_page_is_the_one_that_its_policy_allows(browser: Browser) -> None:

    answer = await browser.get("/admin")
    [style] = re.findall(r"<style>(.*?)</style>", answer.text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert f"'sha256-{digest}'" in answer.headers["content-security-policy"]


async def test_no_page_shows_a_secret(server: WholeServer, browser: Browser, alice: User) -> None:
    keys = {path.read_bytes().strip() for path in (server.folder / "keys").rglob("*") if path.is_file()}
    secrets = {key.hex() for key in keys} | {key.decode("latin-1") for key in keys}
    secrets |= {server.admin_token, alice.token, alice.refresh, *browser.cookies.values(), str(server.folder)}
    for path in [*PAGES, f"/admin/accounts/{alice.did}"]:
        text = (await browser.get(path)).text
        assert [secret for secret in secrets if secret in text] == [], path


async def test_a_page_can_be_asked_for_its_head(server: WholeServer, browser: Browser) -> None:
    cookie = "; ".join(f"{name}={value}" for name, value in browser.cookies.items())
    answer = await server.http.head("/admin", headers={"Cookie": cookie})
    assert (answer.status_code, answer.content) == (200, b"")


# What they show


async def test_the_overview_begins_with_what_is_wrong(browser: Browser) -> None:
    await browser.get("/admin")
    words = " ".join(browser.page.words.split())
    for said in ("things to look at", "Asking the relay http://127.0.0.1:1 failed", "A ledger in the data directory"):
        assert said in words
    assert words.index("things to look at") < words.index("Version")


async def test_a_command_in_a_problem_is_shown_as_code(server: WholeServer) -> None:
    report = await status(server) | {"problems": ["Try it with `tempest mail test`: `<b>`."]}
    text = Templates().text(
        "admin/overview.html",
        server=server._opened[0].services.server,
        form_token="x",
        notice=None,
        status_report=report,
        backup_age=None,
    )
    assert "<li>Try it with <code>tempest mail test</code>: <code>&lt;b&gt;</code>.</li>" in text


async def test_what_never_was_has_no_row_in_the_mail_card(browser: Browser) -> None:
    await browser.get("/admin")
    assert "Given up" in browser.page.words
    assert "Failing since" not in browser.page.words
    assert "Oldest posted" not in browser.page.words


async def test_relays_are_asked_by_a_button(browser: Browser) -> None:
    await browser.get("/admin")
    answer = await browser.submit("/admin/crawl")
    assert (answer.status_code, answer.headers["location"]) == (303, "/admin")
    await browser.follow(answer)
    assert "0 of 1 relays will crawl this server." in browser.page.words
    await browser.get("/admin")
    assert "will crawl" not in browser.page.words


async def test_asking_relays_takes_a_form_of_this_session(browser: Browser) -> None:
    for fields in ({"form_token": "x"}, {"other": "x"}):
        assert (await browser.post("/admin/crawl", fields)).status_code == 403


async def test_storage_names_parts_and_owners(browser: Browser, alice: User) -> None:
    await browser.get("/admin/storage")
    for said in ("sequencer.sqlite", "alice.test", alice.did, "free of"):
        assert said in browser.page.words


async def test_an_account_is_found_and_shown(browser: Browser, alice: User) -> None:
    for search in ("alice", "ALICE@example", alice.did):
        await browser.get("/admin/accounts?" + str(httpx.QueryParams(q=search)))
        [link] = [given["href"] for given in browser.page.all("a") if "/admin/accounts/" in given["href"]]
    await browser.get(link)
    for said in ("alice.test", alice.did, "alice@example.com", "not confirmed", "active", "phone", "bafyrei"):
        assert said in browser.page.words
    await browser.get("/admin/accounts?q=nobody-of-that-name")
    assert "No account fits." in browser.page.words


@pytest.mark.parametrize(
    "name", ["did:plc:aaaaaaaaaaaaaaaaaaaaaaaa", "alice.test", "..%2f..", "%ff", "did:web:%00", "%"]
)
async def test_an_account_that_is_not_here_is_not_found(browser: Browser, name: str) -> None:
    answer = await browser.get(f"/admin/accounts/{name}")
    assert answer.status_code == 404
    assert "There is no such account here." in browser.page.words


@pytest.mark.parametrize(
    "query", ["after=x", "after=1", "after=::", "after=-1::did", "q=%ff", "after=" + "9" * 30 + "::x"]
)
async def test_an_address_that_was_tampered_with_is_refused(browser: Browser, query: str) -> None:
    answer = await browser.get(f"/admin/accounts?{query}")
    assert answer.status_code == 400
    check_markup(browser.page)


async def test_names_with_markup_are_shown_as_text(tmp_path: Path) -> None:
    async with whole_server(tmp_path) as server:
        mallory = await server.sign_up("mallory")
        await mallory.post("com.atproto.server.createAppPassword", {"name": HOSTILE[:30]})
        accounts = server._opened[0].services.accounts
        store = accounts._store.accounts
        # As if a rule for handles and addresses had failed.
        await accounts._writer.run(store.set_handle, mallory.did, Handle(HOSTILE))
        await accounts._writer.run(store.set_email, mallory.did, HOSTILE, given_at=1)
        await accounts._writer.run(store.set_takedown, mallory.did, HOSTILE)
        await accounts._writer.run(store.set_invites, mallory.did, disabled=True, note=HOSTILE)
        browser = Browser(server.http)
        await browser.sign_in(server.admin_token)
        search = str(httpx.QueryParams(q=HOSTILE))
        pages = ["/admin/accounts", f"/admin/accounts?{search}", f"/admin/accounts/{mallory.did}", "/admin/storage"]
        for path in pages:
            await browser.get(path)
            assert HOSTILE in browser.page.words, path
            assert not browser.page.all("script")
            assert not browser.page.all("img")
        await browser.get(f"/admin/accounts?{search}")
        [field] = [given for given in browser.page.all("input") if given.get("name") == "q"]
        assert field["value"] == HOSTILE


async def test_long_lists_come_in_pages(tmp_path: Path) -> None:
    async with whole_server(tmp_path) as server:
        alice = await server.sign_up("alice")
        store = server._opened[0].services.account_listing._store
        template = store.accounts.get(alice.did)
        assert template is not None

        def fill() -> None:
            for index in range(120):
                handle = Handle(f"user{index}.test")
                store.accounts.create(
                    replace(template, did=Did(f"did:web:user{index}.test"), handle=handle, email=f"{index}@example.com")
                )

        await server._opened[0].services.accounts._writer.run(fill)
        browser = Browser(server.http)
        await browser.sign_in(server.admin_token)
        for search, total in (("", 121), ("USER", 120), ("user1", 31), ("100%", 0)):
            seen: list[str] = []
            path: str | None = "/admin/accounts?" + str(httpx.QueryParams(q=search))
            while path:
                await browser.get(path)
                links = browser.page.all("a")
                seen += [given["href"] for given in links if given["href"].startswith("/admin/accounts/")]
                path = next((given["href"] for given in links if given.get("rel") == "next"), None)
            assert len(seen) == len(set(seen)) == total


async def test_a_restart_ends_a_session(tmp_path: Path) -> None:
    async with whole_server(tmp_path) as server:
        browser = Browser(server.http)
        await browser.sign_in(server.admin_token)
        kept = browser.cookies
    async with whole_server(tmp_path) as server:
        browser = Browser(server.http)
        browser.cookies = kept
        assert (await browser.get("/admin")).status_code == 303


async def test_on_localhost_the_login_tells_where_the_token_is(server: WholeServer) -> None:
    browser = Browser(server.http)
    await browser.get("/admin/login")
    assert "keys/secret_admin_token of the data directory" in browser.page.words


async def test_on_localhost_cookies_do_without_https(server: WholeServer) -> None:
    browser = Browser(server.http)
    await browser.get("/admin/login")
    [nonce] = browser.answer.headers.get_list("set-cookie")
    await browser.submit("/admin/login", token=server.admin_token)
    session, _ = browser.answer.headers.get_list("set-cookie")
    assert re.fullmatch(r"tempest-admin-login=[\w-]{43}; Path=/admin/login; HttpOnly; SameSite=Strict", nonce)
    assert re.fullmatch(r"tempest-admin=[\w-]{43}; Path=/admin; HttpOnly; SameSite=Strict", session)
