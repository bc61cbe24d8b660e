"""What the owner of an account changes on its pages, and how an account is left."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from unittest import mock

import httpx
import pytest
from account_owner import NEW_PASSWORD, code_for, log_in, new_name, path, press
from authorizing import signed_in
from browser import Browser
from whole_server import PASSWORD, User, WholeServer, verdict

from tempest_pds.http.pages.people import visit as visits
from tempest_pds.protocol.syntax.did import Did

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_the_handle_is_changed(inside: Browser, user: User) -> None:
    name = new_name()
    await inside.get(path(user, "handle"))
    [hosted] = [form for form in inside.page.forms if form.fields.get("kind") == "hosted"]
    answer = await inside.post(hosted.action, hosted.fields | {"name": f"@{name.upper()}.test"})
    await inside.follow(answer)
    assert f"@{name}.test" in inside.page.words
    assert "Your handle is changed." in inside.page.words


async def test_a_domain_that_does_not_lead_here_is_no_handle(inside: Browser, user: User) -> None:
    await inside.get(path(user, "handle"))
    [own] = [form for form in inside.page.forms if form.fields.get("kind") == "own"]
    answer = await inside.post(own.action, own.fields | {"domain_name": "nobody.invalid"})
    assert answer.status_code == 400
    [wrong] = [tag for tag in inside.page.all("input") if "aria-invalid" in tag]
    assert wrong["name"] == "domain_name"


async def test_the_address_is_confirmed_and_then_changed_with_codes(
    inside: Browser, server: WholeServer, user: User
) -> None:
    old = user.handle.replace(".test", "@example.com")
    email = path(user, "email")
    await inside.follow(await press(inside, email, f"{email}/code"))
    await inside.submit(f"{email}/confirm", code="WRONG-WRONG")
    assert inside.answer.status_code == 400
    await inside.follow(await press(inside, email, f"{email}/confirm", code=f" {await code_for(server, old)} "))
    assert "Your e-mail address is confirmed." in inside.page.words
    await press(inside, email, f"{email}/change", email="new-" + old, code="WRONG-WRONG")
    assert inside.answer.status_code == 400
    await inside.follow(await press(inside, email, f"{email}/change-code"))
    code = await code_for(server, old, number=2)
    await inside.follow(await inside.submit(f"{email}/change", email="new-" + old, code=code))
    assert f"new-{old}" in inside.page.words
    assert "Not confirmed" in inside.page.words


async def test_another_password_signs_out_everywhere_but_here(inside: Browser, server: WholeServer, user: User) -> None:
    other = await signed_in(server, user)
    before = inside.cookies["tempest-browser"]
    await inside.follow(await press(inside, path(user, "password"), path(user, "password"), password=NEW_PASSWORD))
    assert "Your password is changed." in inside.page.words
    assert inside.cookies["tempest-browser"] != before
    assert (await other.get(path(user))).status_code == 303
    assert (await log_in(server, user)).status_code == 401
    assert (await log_in(server, user, NEW_PASSWORD)).status_code == 200
    user.token = user.refresh
    assert (await user.post("com.atproto.server.refreshSession")).status_code == 400


async def test_another_password_ends_the_code_that_somebody_had_mailed_to_reset_the_one_before(
    inside: Browser, server: WholeServer, user: User
) -> None:
    address = user.handle.replace(".test", "@example.com")
    await server.http.post("/xrpc/com.atproto.server.requestPasswordReset", json={"email": address})
    code = await code_for(server, address)
    await inside.follow(await press(inside, path(user, "password"), path(user, "password"), password=NEW_PASSWORD))
    given = {"token": code, "password": "of a thief's choice"}
    answer = await server.http.post("/xrpc/com.atproto.server.resetPassword", json=given)
    assert verdict(answer) == (400, "InvalidToken")


async def test_another_password_makes_the_proof_of_its_owner_no_younger(
    inside: Browser, server: WholeServer, user: User
) -> None:
    """Else who has sat down at a browser once could do for ever what takes password and factor afresh."""

    def confirmed_at() -> int:
        with closing(sqlite3.connect(server.folder / "account.sqlite", timeout=30)) as database:
            [[found]] = database.execute("SELECT confirmed_at FROM browser_account WHERE did = ?", (user.did,))
        return int(found)

    before = confirmed_at()
    await inside.follow(await press(inside, path(user, "password"), path(user, "password"), password=NEW_PASSWORD))
    assert "Your password is changed." in inside.page.words
    assert confirmed_at() == before


async def test_who_is_thrown_out_while_his_password_is_hashed_sets_none(
    inside: Browser, server: WholeServer, user: User
) -> None:
    passwords = server.services.password_change._passwords
    hash_password = passwords.hash

    async def slow(password: str) -> str:
        hashed = await hash_password(password)
        with mock.patch.object(passwords, "hash", hash_password):
            await server.services.administration.set_password(Did(user.did), NEW_PASSWORD)
        return hashed

    await inside.get(path(user, "password"))
    with mock.patch.object(passwords, "hash", slow):
        answer = await inside.submit(path(user, "password"), password="of a thief's choice")
    assert answer.headers["location"] == "/account/sign-in"
    assert (await log_in(server, user, NEW_PASSWORD)).status_code == 200


@pytest.mark.parametrize(
    ("page", "action", "fields"),
    [
        ("password", "password", {"password": NEW_PASSWORD}),
        ("app-passwords", "app-passwords", {"name": "app"}),
        ("email", "email/change", {"email": "else@example.com"}),
        ("deactivate", "deactivate", {}),
        ("delete", "delete", {"sure": "yes", "password": PASSWORD, "code": "X"}),
    ],
)
async def test_what_harms_asks_for_the_password_again_after_a_while(
    inside: Browser, user: User, monkeypatch: pytest.MonkeyPatch, page: str, action: str, fields: dict[str, str]
) -> None:
    await inside.get(path(user, page))
    [form, *_] = [form for form in inside.page.forms if form.action == path(user, action)]
    monkeypatch.setattr(visits, "RECENT_US", 0)
    answer = await inside.post(form.action, form.fields | fields)
    assert answer.status_code == 303
    assert answer.headers["location"] == f"{path(user, 'confirm')}?" + str(
        httpx.QueryParams({"next": path(user, page)})
    )
    monkeypatch.undo()
    await inside.follow(answer)
    answer = await inside.submit(path(user, "confirm"), password=PASSWORD)
    assert answer.headers["location"] == path(user, page)
    assert (await inside.get(path(user))).status_code == 200, "nothing has happened meanwhile"


@pytest.mark.parametrize("page", ["password", "handle", "deactivate", "delete"])
async def test_a_page_with_such_a_form_asks_before_it_is_filled_in(
    inside: Browser, user: User, monkeypatch: pytest.MonkeyPatch, page: str
) -> None:
    # Less is left than filling in may take.
    monkeypatch.setattr(visits, "RECENT_US", visits._FILLING_IN_US)
    answer = await inside.get(path(user, page))
    assert answer.headers["location"].startswith(path(user, "confirm"))


@pytest.mark.parametrize(("page", "action"), [("email", "email/change"), ("app-passwords", "app-passwords")])
async def test_a_page_that_says_more_asks_for_the_password_where_its_form_would_stand(
    inside: Browser, user: User, monkeypatch: pytest.MonkeyPatch, page: str, action: str
) -> None:
    monkeypatch.setattr(visits, "RECENT_US", visits._FILLING_IN_US)
    assert (await inside.get(path(user, page))).status_code == 200
    assert path(user, action) not in [form.action for form in inside.page.forms]
    monkeypatch.undo()
    [link] = [given["href"] for given in inside.page.all("a") if "/confirm?" in given["href"]]
    await inside.get(link)
    await inside.follow(await inside.submit(path(user, "confirm"), password=PASSWORD))
    assert path(user, action) in [form.action for form in inside.page.forms]


async def test_the_account_is_switched_off_and_on(inside: Browser, server: WholeServer, user: User) -> None:
    off, on = path(user, "deactivate"), path(user, "activate")
    await inside.follow(await press(inside, off, off))
    assert "Your account is deactivated" in inside.page.words
    assert (await server.anybody("com.atproto.sync.getRepoStatus", did=user.did)).json()["status"] == "deactivated"
    await inside.follow(await inside.submit(on))
    assert "Your account is active again." in inside.page.words
    assert (await server.anybody("com.atproto.sync.getRepoStatus", did=user.did)).json()["active"] is True


async def test_the_account_is_deleted_with_code_password_and_tick(
    inside: Browser, server: WholeServer, user: User
) -> None:
    page = path(user, "delete")
    await inside.follow(await press(inside, page, f"{page}/code"))
    code = await code_for(server, user.handle.replace(".test", "@example.com"))
    for wrong in (
        {"code": code, "password": PASSWORD},
        {"code": code, "password": "wrong", "sure": "yes"},
        {"code": "WRONG-WRONG", "password": PASSWORD, "sure": "yes"},
    ):
        await inside.get(page)
        assert (await inside.submit(page, None, **wrong)).status_code in {400, 403}
        kept = inside.page.form(page).fields
        assert (kept["code"], kept.get("sure"), kept["password"]) == (wrong["code"], wrong.get("sure"), "")
    await inside.get(page)
    answer = await inside.submit(page, code=code, password=PASSWORD, sure="yes")
    assert answer.headers["location"] == "/account"
    await inside.follow(answer)
    await inside.follow(inside.answer)
    assert "The account is deleted." in inside.page.words
    assert (await server.anybody("com.atproto.sync.getRepoStatus", did=user.did)).status_code == 400
