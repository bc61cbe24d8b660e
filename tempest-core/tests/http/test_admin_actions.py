"""What the operator does from the pages at /admin, as the world sees it afterwards."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator

import httpx
import pytest
import pytest_asyncio
from browser import Browser
from pyotp import TOTP
from whole_server import PASSWORD, WholeServer, whole_server

from tempest_pds.protocol.syntax.did import Did
from tempest_pds.services.sign_in import Visitor

pytestmark = pytest.mark.asyncio(loop_scope="module")

SESSION = "com.atproto.server.createSession"


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[WholeServer]:
    folder = tmp_path_factory.mktemp("actions") / "data"
    async with whole_server(folder, TEMPEST_INVITE_REQUIRED="true") as server:
        yield server


@pytest_asyncio.fixture(loop_scope="module")
async def browser(server: WholeServer) -> Browser:
    browser = Browser(server.http)
    await browser.sign_in(server.admin_token)
    return browser


async def make_code(browser: Browser) -> str:
    await browser.get("/admin/accounts")
    await browser.submit("/admin/invites")
    assert browser.answer.status_code == 200
    code: str = browser.page.words.partition("For one account")[2].split()[0]
    return code


async def log_in(server: WholeServer, name: str, password: str) -> httpx.Response:
    return await server.http.post(f"/xrpc/{SESSION}", json={"identifier": name, "password": password})


async def test_an_invite_code_is_good_for_one_account(server: WholeServer, browser: Browser) -> None:
    code = await make_code(browser)
    await server.sign_up("ann", inviteCode=code)
    second = {"handle": "anne.test", "email": "anne@example.com", "password": PASSWORD, "inviteCode": code}
    answer = await server.http.post("/xrpc/com.atproto.server.createAccount", json=second)
    assert (answer.status_code, answer.json()["error"]) == (400, "InvalidInviteCode")


async def test_a_takedown_hides_the_account_and_can_be_undone(server: WholeServer, browser: Browser) -> None:
    bob = await server.sign_up("bob", inviteCode=await make_code(browser))
    path = f"/admin/accounts/{bob.did}"
    await browser.get(path)
    [action] = [form.action for form in browser.page.forms if form.action.endswith("/takedown")]
    await browser.follow(await browser.submit(action, reference=" spam\r\nand more  spam ", sure="yes"))
    assert "The account is taken down." in browser.page.words
    assert "spam and more spam" in browser.page.words
    assert (await server.anybody("com.atproto.sync.getRepo", did=bob.did)).json()["error"] == "RepoTakendown"
    assert (await log_in(server, "bob.test", PASSWORD)).json()["error"] == "AccountTakedown"
    [action] = [form.action for form in browser.page.forms if form.action.endswith("/restore")]
    await browser.follow(await browser.submit(action))
    assert "The takedown is undone." in browser.page.words
    assert (await server.anybody("com.atproto.sync.getRepo", did=bob.did)).status_code == 200
    assert (await log_in(server, "bob.test", PASSWORD)).status_code == 200


async def test_a_new_password_is_shown_once_and_is_the_one(server: WholeServer, browser: Browser) -> None:
    carol = await server.sign_up("carol", inviteCode=await make_code(browser))
    path = f"/admin/accounts/{carol.did}"
    await browser.get(path)
    [action] = [form.action for form in browser.page.forms if form.action.endswith("/password")]
    answer = await browser.submit(action, sure="yes")
    assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-store")
    password = browser.page.words.partition("that you trust")[2].split()[0]
    assert re.fullmatch(r"[a-z2-7]{4}(-[a-z2-7]{4}){4}", password)
    assert (await log_in(server, "carol.test", PASSWORD)).status_code == 401
    assert (await log_in(server, "carol.test", password)).status_code == 200
    refreshed = await server.http.post(
        "/xrpc/com.atproto.server.refreshSession", headers={"Authorization": f"Bearer {carol.refresh}"}
    )
    assert refreshed.status_code == 400
    assert password not in (await browser.get(path)).text
    assert password not in server.log_text()


@pytest.mark.parametrize("action", ["takedown", "restore", "password"])
async def test_acting_takes_a_form_of_this_session_and_an_account_that_is_here(
    server: WholeServer, browser: Browser, action: str
) -> None:
    path = f"/admin/accounts/did:plc:aaaaaaaaaaaaaaaaaaaaaaaa/{action}"
    assert (await browser.post(path, {"form_token": "x"})).status_code == 403
    assert (await Browser(server.http).post(path, {"form_token": "x"})).status_code == 403
    await browser.get("/admin/accounts")
    fields = browser.page.form("/admin/logout").fields | {"sure": "yes"}
    assert (await browser.post(path, fields)).status_code == 400
    assert (await browser.post(f"/admin/accounts/alice/{action}", fields)).status_code == 404
    assert (await browser.get(path)).status_code == 405


@pytest.mark.parametrize("action", ["takedown", "password"])
async def test_nothing_is_done_to_an_account_without_a_tick(server: WholeServer, browser: Browser, action: str) -> None:
    erin = await server.sign_up(f"erin-{action}", inviteCode=await make_code(browser))
    path = f"/admin/accounts/{erin.did}"
    await browser.get(path)
    [form] = [form.action for form in browser.page.forms if form.action.endswith(f"/{action}")]
    assert (await browser.submit(form)).status_code == 400
    assert "Nothing was done." in browser.page.words
    assert (await log_in(server, erin.handle, PASSWORD)).status_code == 200


async def test_an_account_shows_its_invite_codes(server: WholeServer, browser: Browser) -> None:
    frank = await server.sign_up("frank", inviteCode=await make_code(browser))
    made = await server.http.post(
        "/xrpc/com.atproto.server.createInviteCode",
        json={"useCount": 3, "forAccount": frank.did},
        headers={"Authorization": f"Bearer {server.admin_token}"},
    )
    await browser.get(f"/admin/accounts/{frank.did}")
    assert f"{made.json()['code']} 3 of 3 left" in browser.page.words


async def test_what_was_done_stands_in_the_log_without_what_was_shown(server: WholeServer, browser: Browser) -> None:
    code = await make_code(browser)
    dave = await server.sign_up("dave", inviteCode=code)
    await browser.get(f"/admin/accounts/{dave.did}")
    [action] = [form.action for form in browser.page.forms if form.action.endswith("/takedown")]
    await browser.submit(action, reference="case 7", sure="yes")
    lines = [json.loads(line) for line in server.log_text().splitlines()]
    acted = [line for line in lines if line["event"] == "admin.action"][-1]
    assert (acted["method"], acted["by"], acted["subject"], acted["reference"]) == (
        "/admin/accounts/*/takedown",
        "admin",
        dave.did,
        "case 7",
    )
    assert code not in server.log_text()


async def test_a_second_step_that_was_lost_is_removed(server: WholeServer, browser: Browser) -> None:
    dora = await server.sign_up("dora", inviteCode=await make_code(browser))
    enrolment = server.services.enrolment
    visitor = Visitor(client_ip=None)
    app = TOTP((await enrolment.begin_app(Did(dora.did), visitor)).secret)
    await enrolment.confirm_app(Did(dora.did), app.now(), visitor)
    assert (await log_in(server, "dora.test", PASSWORD)).status_code == 401
    await browser.get(f"/admin/accounts/{dora.did}")
    assert "recovery codes, authenticator app" in browser.page.words
    [action] = [form.action for form in browser.page.forms if form.action.endswith("/second-factor-off")]
    assert (await browser.submit(action)).status_code == 400
    await browser.get(f"/admin/accounts/{dora.did}")
    await browser.follow(await browser.submit(action, sure="yes"))
    assert "The password alone opens the account now." in browser.page.words
    assert [form for form in browser.page.forms if form.action.endswith("/second-factor-off")] == []
    assert (await log_in(server, "dora.test", PASSWORD)).status_code == 200
