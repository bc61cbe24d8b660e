"""What the owner of an account sees and ends of the browsers and apps that may use it."""

from __future__ import annotations

import re

import pytest
from account_owner import log_in, new_name, path, press
from authorizing import signed_in
from browser import Browser
from whole_server import User, WholeServer

from tempest_pds.protocol.syntax.did import Did
from tempest_pds.services.oauth.sessions import OAuthSessionView
from tempest_pds.services.security_event_kinds import EventKind, told_of_app

pytestmark = pytest.mark.asyncio(loop_scope="module")


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
        scope="atproto transition:generic",
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
        scope="atproto",
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
