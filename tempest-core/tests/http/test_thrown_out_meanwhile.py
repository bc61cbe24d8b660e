"""A body may take as long as its sender likes, and a client's document as long as its host.

What was proven before is looked at again then. Else who holds a session could begin something, and end it when the
owner has thrown everybody out.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any
from unittest import mock
from urllib.parse import urlencode

import httpx
import pytest
from account_owner import NEW_PASSWORD, log_in
from authorizing import CONSENT, opened, signed_in
from granted_app import GrantedApp, Grants
from whole_server import POST, User, WholeServer, verdict, whole_server

from tempest_pds.http.request_body import read_chunks

Happening = Callable[[], Awaitable[Any]]
REPO, SERVER = "com.atproto.repo", "com.atproto.server"


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[WholeServer]:
    async with whole_server(tmp_path, grants) as started:
        yield started


grants = Grants()


@pytest.fixture
async def alice(server: WholeServer) -> User:
    return await server.sign_up("alice")


async def meanwhile(
    send: Callable[[AsyncIterator[bytes]], Awaitable[httpx.Response]], content: bytes, happens: Happening
) -> httpx.Response:
    """Send a request whose body ends only after something has happened, while the server is waiting for it."""
    waiting = asyncio.Event()

    def reading(*arguments: Any, **named: Any) -> AsyncIterator[bytes]:
        waiting.set()
        return read_chunks(*arguments, **named)

    async def body() -> AsyncIterator[bytes]:
        yield content[:1]
        await waiting.wait()
        await happens()
        yield content[1:]

    with mock.patch("tempest_pds.http.request_body.read_chunks", reading):
        return await send(body())


def as_alice(
    alice: User, method: str, content_type: str = "application/json"
) -> Callable[..., Awaitable[httpx.Response]]:
    headers = {**alice.bearer, "Content-Type": content_type}

    def send(content: AsyncIterator[bytes]) -> Awaitable[httpx.Response]:
        return alice.http.post(f"/xrpc/{method}", content=content, headers=headers)

    return send


async def set_password(server: WholeServer, user: User) -> None:
    """Have the operator set a password, a moment from now: tokens tell the time in seconds."""
    at = time.time_ns() // 1000 + 2_000_000
    with mock.patch("tempest_pds.services.administration.now_us", return_value=at):
        given = {"did": user.did, "password": NEW_PASSWORD}
        assert (await server.administer("com.atproto.admin.updateAccountPassword", given)).status_code == 200


async def test_a_call_that_was_begun_before_a_new_password_makes_no_app_password(
    server: WholeServer, alice: User
) -> None:
    send = as_alice(alice, f"{SERVER}.createAppPassword")
    answer = await meanwhile(send, b'{"name":"back door"}', lambda: set_password(server, alice))
    assert verdict(answer) == (400, "ExpiredToken")


async def test_a_file_that_was_begun_before_a_new_password_is_not_taken(server: WholeServer, alice: User) -> None:
    send = as_alice(alice, f"{REPO}.uploadBlob", "image/png")
    answer = await meanwhile(send, b"a picture", lambda: set_password(server, alice))
    assert verdict(answer) == (400, "ExpiredToken")


async def test_a_call_that_was_begun_before_a_takedown_changes_no_handle(server: WholeServer, alice: User) -> None:
    send = as_alice(alice, "com.atproto.identity.updateHandle")
    answer = await meanwhile(send, b'{"handle":"mallory.test"}', lambda: server.take_down(alice))
    assert verdict(answer) == (401, "AccountTakedown")


async def test_a_call_that_an_app_began_before_it_was_taken_its_access_writes_nothing(
    server: WholeServer, alice: User
) -> None:
    app = GrantedApp(server.http, server.services.server.public_url, grants)
    scope = f"atproto repo:{POST}"
    assert (await app.call("GET", f"/xrpc/{SERVER}.getSession", alice.did, scope)).status_code == 200
    path, token = f"/xrpc/{REPO}.createRecord", app.token(alice.did, scope)

    def send(content: AsyncIterator[bytes]) -> Awaitable[httpx.Response]:
        return app.once("POST", path, token, content=content, headers={"content-type": "application/json"})

    async def revoke() -> None:
        grants.revoke(token)

    record = f'{{"$type":"{POST}","text":"hi","createdAt":"2026-01-02T03:04:05.678Z"}}'
    given = f'{{"repo":"{alice.did}","collection":"{POST}","record":{record}}}'
    assert verdict(await meanwhile(send, given.encode(), revoke)) == (401, "invalid_token")


async def test_a_form_that_was_begun_before_a_new_password_sets_no_other(server: WholeServer, alice: User) -> None:
    browser = await signed_in(server, alice)
    page = f"/account/{alice.did}/password"
    await browser.get(page)
    form = urlencode(browser.page.form(page).fields | {"password": "of a thief's choice"})
    cookie = "; ".join(f"{name}={value}" for name, value in browser.cookies.items())
    headers = {"Content-Type": "application/x-www-form-urlencoded", "Cookie": cookie}

    def send(content: AsyncIterator[bytes]) -> Awaitable[httpx.Response]:
        return server.http.post(page, content=content, headers=headers)

    answer = await meanwhile(send, form.encode(), lambda: set_password(server, alice))
    assert answer.headers["location"].startswith("/account/sign-in?")
    assert (await log_in(server, alice, NEW_PASSWORD)).status_code == 200


async def test_who_is_thrown_out_while_the_document_of_his_app_is_fetched_lets_none_in(
    server: WholeServer, alice: User
) -> None:
    browser = await opened(server, browser=await signed_in(server, alice))
    clients = server.services.oauth.clients
    find = clients.get

    async def slowly(*arguments: Any, **named: Any) -> Any:
        await set_password(server, alice)
        return await find(*arguments, **named)

    with mock.patch.object(clients, "get", slowly):
        answer = await browser.submit(CONSENT, decision="allow")
    assert answer.headers["location"].startswith("/oauth/authorize/resume?")
