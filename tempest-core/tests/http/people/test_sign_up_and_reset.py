"""How an account is opened on a page, and how one is come back to whose password was forgotten."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from account_owner import NEW_PASSWORD, code_for, new_name, path
from authorizing import signed_in
from browser import Browser
from whole_server import PASSWORD, User, WholeServer, whole_server

pytestmark = pytest.mark.asyncio(loop_scope="module")

SIGN_UP = "/account/sign-up"
RESET = "/account/reset-password"


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[WholeServer]:
    folder = tmp_path_factory.mktemp("account")
    async with whole_server(folder, TEMPEST_TERMS_OF_SERVICE_URL="https://example.com/terms") as server:
        yield server


# Opening an account


async def test_what_follows_a_name_is_read_out_with_its_field(server: WholeServer) -> None:
    browser = Browser(server.http)
    await browser.get(SIGN_UP)
    [name] = [given for given in browser.page.all("input") if given.get("id") == "name"]
    assert name["aria-describedby"] == "name-hint name-after"
    assert ".test" in browser.page.text.partition('id="name-after">')[2][:10]


async def test_an_account_is_opened_on_a_page_and_is_signed_in_there(server: WholeServer) -> None:
    browser, name = Browser(server.http), new_name()
    await browser.get(SIGN_UP)
    # In the form, and at the foot as on every page.
    assert [given["href"] for given in browser.page.all("a") if "example.com" in given["href"]] == [
        "https://example.com/terms"
    ] * 2
    answer = await browser.submit(SIGN_UP, name=name, email=f"{name}@example.com", password=PASSWORD)
    assert answer.status_code == 303
    await browser.follow(answer)
    assert "Your account is ready." in browser.page.words
    assert f"@{name}.test" in browser.page.words
    await browser.get(answer.headers["location"] + "/devices")
    assert "With your password" not in browser.page.words, "no session of the API is left behind"


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("name", "x", "3 to 18 letters"),
        ("name", "with space", "3 to 18 letters"),
        ("name", "admin", "taken"),
        ("email", "nobody", "No mail can be sent"),
        ("password", "short", "8 to 256"),
    ],
)
async def test_what_is_wrong_is_said_at_its_field_and_nothing_else_is_lost(
    server: WholeServer, field: str, value: str, said: str
) -> None:
    browser, name = Browser(server.http), new_name()
    given = {"name": name, "email": f"{name}@example.com", "password": PASSWORD} | {field: value}
    await browser.get(SIGN_UP)
    answer = await browser.submit(SIGN_UP, None, **given)
    assert answer.status_code == 400
    [wrong] = [tag for tag in browser.page.all("input") if "aria-invalid" in tag]
    assert (wrong["name"], f"{field}-error" in wrong["aria-describedby"]) == (field, True)
    assert said in browser.page.words
    kept = browser.page.form(SIGN_UP).fields
    assert (kept["name"], kept["email"], kept["password"]) == (given["name"], given["email"], "")


async def test_all_that_is_wrong_is_said_at_once(server: WholeServer, user: User) -> None:
    browser = Browser(server.http)
    await browser.get(SIGN_UP)
    taken = user.handle.removesuffix(".test")
    await browser.submit(SIGN_UP, name=taken, email="nobody", password="short")
    wrong = [tag["name"] for tag in browser.page.all("input") if "aria-invalid" in tag]
    assert wrong == ["name", "email", "password"]
    assert "This name is taken." in browser.page.words


async def test_a_password_manager_files_a_new_account_under_its_name_and_that_signs_in(server: WholeServer) -> None:
    browser, name = Browser(server.http), new_name()
    await browser.get(SIGN_UP)
    [field] = [tag for tag in browser.page.all("input") if tag.get("autocomplete") == "username"]
    assert field["name"] == "name"
    await browser.submit(SIGN_UP, name=name, email=f"{name}@example.com", password=PASSWORD)
    browser = Browser(server.http)
    await browser.get("/account/sign-in")
    assert (await browser.submit("/account/sign-in", identifier=f" @{name} ", password=PASSWORD)).status_code == 303


async def test_a_handle_that_is_taken_is_refused(server: WholeServer, user: User) -> None:
    browser = Browser(server.http)
    await browser.get(SIGN_UP)
    given = {"name": user.handle.removesuffix(".test"), "email": "else@example.com", "password": PASSWORD}
    assert (await browser.submit(SIGN_UP, None, **given)).status_code == 400
    assert "This name is taken." in browser.page.words


# A forgotten password


async def test_a_forgotten_password_is_set_anew_and_signs_out_everywhere(
    inside: Browser, server: WholeServer, user: User
) -> None:
    stranger = Browser(server.http)
    address = user.handle.replace(".test", "@example.com")
    await stranger.get(RESET)
    await stranger.follow(await stranger.submit(RESET, email=address))
    assert "a mail with a code is on its way" in stranger.page.words
    code = await code_for(server, address)
    await stranger.submit(f"{RESET}/code", code=code, password="short")
    assert stranger.answer.status_code == 400
    answer = await stranger.submit(f"{RESET}/code", code=code, password=NEW_PASSWORD)
    await stranger.follow(answer)
    assert "The password is changed." in stranger.page.words
    assert (await inside.get(path(user))).status_code == 303
    assert (await signed_in(server, user, password=NEW_PASSWORD)).answer.status_code == 303


async def test_an_address_that_is_nobody_s_is_answered_like_any_other(server: WholeServer, user: User) -> None:
    answers = []
    for address in (user.handle.replace(".test", "@example.com"), "nobody@example.com", "no address"):
        browser = Browser(server.http)
        await browser.get(RESET)
        answer = await browser.submit(RESET, email=address)
        await browser.follow(answer)
        answers.append((answer.status_code, answer.headers["location"], browser.page.words))
    assert len(set(answers)) == 1
