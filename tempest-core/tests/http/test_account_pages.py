"""What the owner of an account does on its pages: open it, change it, look after who may use it, and leave."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import pytest_asyncio
from browser import Browser
from whole_server import PASSWORD, User, WholeServer, whole_server

from tempest_pds.http.pages.people import visit as visits
from tempest_pds.protocol.oauth.scope_set import ScopeSet
from tempest_pds.protocol.syntax.did import Did
from tempest_pds.services.oauth.sessions import OAuthSessionView
from tempest_pds.services.security_event_kinds import EventKind, told_of_app

pytestmark = pytest.mark.asyncio(loop_scope="module")

SIGN_IN = "/account/sign-in"
SIGN_UP = "/account/sign-up"
RESET = "/account/reset-password"
NEW = "another long password"
CODE = re.compile(r"[A-Z2-7]{5}-[A-Z2-7]{5}")


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[WholeServer]:
    folder = tmp_path_factory.mktemp("account")
    async with whole_server(folder, TEMPEST_TERMS_OF_SERVICE_URL="https://example.com/terms") as server:
        yield server


class Names:
    count = 0

    def __call__(self) -> str:
        self.count += 1
        return f"owner{self.count}"


new_name = Names()


@pytest_asyncio.fixture(loop_scope="module")
async def user(server: WholeServer) -> User:
    """An account of the test's own."""
    return await server.sign_up(new_name())


@pytest_asyncio.fixture(loop_scope="module")
async def inside(server: WholeServer, user: User) -> Browser:
    """A browser in which the account was just signed in."""
    return await signed_in(server, user)


async def signed_in(server: WholeServer, user: User, password: str = PASSWORD) -> Browser:
    browser = Browser(server.http)
    await browser.get(SIGN_IN)
    answer = await browser.submit(SIGN_IN, identifier=user.handle, password=password)
    assert answer.status_code == 303
    return browser


async def log_in(server: WholeServer, user: User, password: str = PASSWORD) -> httpx.Response:
    given = {"identifier": user.did, "password": password}
    return await server.http.post("/xrpc/com.atproto.server.createSession", json=given)


def path(user: User, *segments: str) -> str:
    return "/".join(["/account", user.did, *segments])


def codes(server: WholeServer, address: str) -> list[str]:
    """Return the codes of the mails that a developer's server has logged instead of sending them."""
    lines: list[dict[str, Any]] = [json.loads(line) for line in server.log_text().splitlines()]
    mails = [line for line in lines if line["event"] == "a mail, not sent" and line["to"] == address]
    return [code for mail in mails for code in CODE.findall(mail["text"])[:1]]


async def code_for(server: WholeServer, address: str, *, number: int = 1) -> str:
    """Wait for a code, the first mailed to an address or a later one."""
    for _ in range(2_000):
        if len(found := codes(server, address)) >= number:
            return found[-1]
        await asyncio.sleep(0.01)
    raise AssertionError("no mail came")


async def press(browser: Browser, page: str, action: str, **fields: str) -> httpx.Response:
    """Open a page and submit one of its forms."""
    assert (await browser.get(page)).status_code == 200
    return await browser.submit(action, None, **fields)


# Opening an account


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
    await browser.get(SIGN_IN)
    assert (await browser.submit(SIGN_IN, identifier=f" @{name} ", password=PASSWORD)).status_code == 303


async def test_a_handle_that_is_taken_is_refused(server: WholeServer, user: User) -> None:
    browser = Browser(server.http)
    await browser.get(SIGN_UP)
    given = {"name": user.handle.removesuffix(".test"), "email": "else@example.com", "password": PASSWORD}
    assert (await browser.submit(SIGN_UP, None, **given)).status_code == 400
    assert "This name is taken." in browser.page.words


# Profile


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
    await inside.follow(await press(inside, path(user, "password"), path(user, "password"), password=NEW))
    assert "Your password is changed." in inside.page.words
    assert inside.cookies["tempest-browser"] != before
    assert (await other.get(path(user))).status_code == 303
    assert (await log_in(server, user)).status_code == 401
    assert (await log_in(server, user, NEW)).status_code == 200
    user.token = user.refresh
    assert (await user.post("com.atproto.server.refreshSession")).status_code == 400


@pytest.mark.parametrize(
    ("page", "action", "fields"),
    [
        ("password", "password", {"password": NEW}),
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


# Who may use it


async def test_another_browser_is_signed_out(inside: Browser, server: WholeServer, user: User) -> None:
    others = [await signed_in(server, user) for _ in range(3)]
    devices = path(user, "devices")
    await inside.get(devices)
    assert inside.page.words.count("this browser") == 1
    forms = [form for form in inside.page.forms if form.action == f"{devices}/sign-out"]
    assert len(forms) == 3, "this browser is not among them"
    await inside.follow(await inside.post(forms[0].action, forms[0].fields))
    assert [(await other.get(path(user))).status_code for other in others].count(303) == 1
    await inside.follow(await inside.submit(f"{devices}/sign-out-others"))
    assert [(await other.get(path(user))).status_code for other in others] == [303, 303, 303]
    assert (await inside.get(devices)).status_code == 200


async def test_the_browser_of_another_account_is_not_signed_out_of_it(
    inside: Browser, server: WholeServer, user: User
) -> None:
    other = await server.sign_up(new_name())
    theirs = await signed_in(server, other)
    [view] = server.services.browsers.list_for(Did(other.did), None)
    await signed_in(server, user)
    await inside.get(path(user, "devices"))
    form = next(form for form in inside.page.forms if form.action == path(user, "devices", "sign-out"))
    await inside.post(form.action, form.fields | {"browser": view.id})
    assert (await theirs.get(path(other))).status_code == 200


async def test_the_session_of_an_app_with_a_password_is_ended(inside: Browser, server: WholeServer, user: User) -> None:
    made = (await user.post("com.atproto.server.createAppPassword", {"name": "on my phone"})).json()
    given = {"identifier": user.did, "password": made["password"]}
    agent = {"User-Agent": "Skeets/1.74.1 CFNetwork/1474 Darwin/23.0.0"}
    answer = await server.http.post("/xrpc/com.atproto.server.createSession", json=given, headers=agent)
    user.token = answer.json()["refreshJwt"]
    tokens = (await user.post("com.atproto.server.refreshSession")).json()
    devices = path(user, "devices")
    await inside.get(devices)
    assert "With the app password “on my phone”" in inside.page.words
    assert "Skeets/1.74.1" in inside.page.words, "the program that signed in, renewed or not"
    assert inside.page.words.count("Signed in from: 127.0.0.1") == 2
    sessions = server.services.api_sessions.list_for(Did(user.did))
    [wanted] = [session.id for session in sessions if session.app_password == "on my phone"]
    [form] = [form for form in inside.page.forms if form.fields.get("session") == wanted]
    assert form.action == f"{devices}/end-session"
    await inside.follow(await inside.post(form.action, form.fields))
    user.token = tokens["refreshJwt"]
    assert (await user.post("com.atproto.server.refreshSession")).status_code == 400
    user.token = user.refresh
    assert (await user.post("com.atproto.server.refreshSession")).status_code == 200, "the other goes on"
    await inside.get(devices)
    await inside.follow(await inside.submit(f"{devices}/end-sessions"))
    assert "With your password" not in inside.page.words


async def test_signing_out_apps_where_there_are_none_pushes_no_event_out_of_the_list(
    inside: Browser, server: WholeServer, user: User
) -> None:
    page = path(user, "devices", "end-sessions")
    await inside.get(path(user, "devices"))
    [form] = [form for form in inside.page.forms if form.action == page]
    for _ in range(3):
        await inside.post(form.action, form.fields)
    kinds = [event.kind for event in server.services.security_events.list_for(Did(user.did))]
    assert kinds.count("app_signed_out") == 1


async def test_an_app_password_is_shown_once_is_good_and_is_taken_back(
    inside: Browser, server: WholeServer, user: User
) -> None:
    page = path(user, "app-passwords")
    await press(inside, page, page, name="Skeets & co", privileged="yes")
    [shown] = re.findall(r"[a-z2-7]{4}(?:-[a-z2-7]{4}){3}", inside.page.words)
    assert (await log_in(server, user, shown)).status_code == 200
    assert "/account/language" not in [form.action for form in inside.page.forms], "that would not bring it back"
    await inside.get(page)
    assert shown not in inside.page.words
    assert "/account/language" in [form.action for form in inside.page.forms]
    assert "May read and write private messages" in inside.page.words
    await press(inside, page, page, name="Skeets & co")
    assert "You have an app password of that name." in inside.page.words
    await inside.follow(await press(inside, page, f"{page}/revoke"))
    assert (await log_in(server, user, shown)).status_code == 401


async def test_an_app_is_listed_with_what_it_may_do_and_its_access_is_taken_away(
    inside: Browser, server: WholeServer, user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    view = OAuthSessionView(
        id="session",
        client_id="https://app.example/client.json",
        client_name="<An App>",
        scopes=ScopeSet.parse("atproto transition:generic"),
        created_at=1_700_000_000_000_000,
        used_at=1_700_000_100_000_000,
        client_ip=None,
    )
    revoked = []

    async def revoke_client(did: str, client_id: str, *_: object) -> int:
        revoked.append((did, client_id))
        return 1

    sessions = server.services.oauth.sessions
    monkeypatch.setattr(sessions, "list_for", lambda did: [view])
    monkeypatch.setattr(sessions, "revoke_client", revoke_client)
    await inside.get(path(user, "apps"))
    for words in ("<An App>", "app.example", "Do nearly everything that you can do", "14 November 2023, 22:15 UTC"):
        assert words in inside.page.words
    await inside.follow(await inside.submit(path(user, "apps", "revoke")))
    assert revoked == [(user.did, "https://app.example/client.json")]


async def test_what_an_app_calls_itself_is_shown_without_what_turns_the_writing_round(
    inside: Browser, server: WholeServer, user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = "App\u202e\u2066 of\n" + "x" * 300
    view = OAuthSessionView(
        id="session",
        client_id="https://app.example/client.json",
        client_name=name,
        scopes=ScopeSet.parse("atproto"),
        created_at=1,
        used_at=1,
        client_ip=None,
    )
    monkeypatch.setattr(server.services.oauth.sessions, "list_for", lambda did: [view])
    await server.services.security_events.note(
        Did(user.did), EventKind.APP_AUTHORIZED, **told_of_app(view.client_id, name)
    )
    for page in ("apps", "security"):
        await inside.get(path(user, page))
        assert "App of xxx" in inside.page.text
        assert not {"\u202e", "\u2066"} & set(inside.page.text)
        assert "x" * 250 not in inside.page.text


async def test_what_has_happened_is_told(inside: Browser, user: User) -> None:
    await inside.get(path(user, "security"))
    assert "Somebody signed in" in inside.page.words
    assert "127.0.0.1" in inside.page.words


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
    answer = await stranger.submit(f"{RESET}/code", code=code, password=NEW)
    await stranger.follow(answer)
    assert "The password is changed." in stranger.page.words
    assert (await inside.get(path(user))).status_code == 303
    assert (await signed_in(server, user, NEW)).answer.status_code == 303


async def test_an_address_that_is_nobody_s_is_answered_like_any_other(server: WholeServer, user: User) -> None:
    answers = []
    for address in (user.handle.replace(".test", "@example.com"), "nobody@example.com", "no address"):
        browser = Browser(server.http)
        await browser.get(RESET)
        answer = await browser.submit(RESET, email=address)
        await browser.follow(answer)
        answers.append((answer.status_code, answer.headers["location"], browser.page.words))
    assert len(set(answers)) == 1
