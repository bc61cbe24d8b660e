"""The pages for people lead to no address but their own."""

from __future__ import annotations

import httpx
import pytest
from browser import Browser
from people_pages import COOKIE, SIGN_IN, token_of
from whole_server import PASSWORD, User

from tempest_pds.http.pages.people.own_paths import HOME, own_path

pytestmark = pytest.mark.asyncio(loop_scope="module")


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
