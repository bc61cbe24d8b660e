"""An owner deletes his account, with his password and a code that was mailed to him."""

from __future__ import annotations

import asyncio
import re
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path
from unittest import mock

import pytest
from whole_server import PASSWORD, User, WholeServer, verdict, whole_server

SERVER, SYNC = "com.atproto.server", "com.atproto.sync"
REQUEST, DELETE = f"{SERVER}.requestAccountDelete", f"{SERVER}.deleteAccount"
NOBODY = "did:plc:ewvi7nxzyoun6zhxrhs64oiz"
_CODE = re.compile(r"\b[A-Z2-7]{5}-[A-Z2-7]{5}\b")


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[WholeServer]:
    async with whole_server(tmp_path) as server:
        yield server


async def code_for(server: WholeServer, user: User) -> str:
    """Have a code mailed, and read it where a server without a mail server writes its mails: in its log."""
    before = len(_CODE.findall(server.log_text()))
    assert (await user.post(REQUEST)).status_code == 200
    for _ in range(1_000):
        found = _CODE.findall(server.log_text())
        if len(found) > before:
            return str(found[-1])
        await asyncio.sleep(0.01)
    raise AssertionError("no mail")


async def delete(server: WholeServer, did: str, password: str, code: str) -> tuple[int, str]:
    given = {"did": did, "password": password, "token": code}
    return verdict(await server.http.post(f"/xrpc/{DELETE}", json=given))


async def is_there(server: WholeServer, user: User) -> bool:
    return (await server.anybody(f"{SYNC}.getRepoStatus", did=user.did)).status_code == 200


async def test_password_and_code_delete_the_account_and_neither_does_alone(server: WholeServer) -> None:
    alice, bob = await server.sign_up("alice"), await server.sign_up("bob")
    assert await delete(server, alice.did, PASSWORD, "AAAAA-AAAAA") == (400, "InvalidToken")
    code = await code_for(server, alice)
    # A wrong password says nothing of the code, and does not use it up.
    for given in (code, "AAAAA-AAAAA"):
        assert await delete(server, alice.did, "not it", given) == (401, "AuthenticationRequired")
    assert await delete(server, bob.did, PASSWORD, code) == (400, "InvalidToken")
    assert await is_there(server, alice)
    assert await delete(server, alice.did, PASSWORD, f" {code.lower()} ") == (200, "")
    for _ in range(1_000):
        if "The account @alice.test was deleted" in server.log_text():
            break
        await asyncio.sleep(0.01)
    else:
        raise AssertionError("the owner is not told")
    assert not await is_there(server, alice)
    assert await is_there(server, bob)
    assert verdict(await alice.get(f"{SERVER}.getSession"))[0] >= 400


async def test_a_code_past_its_time_is_called_expired(server: WholeServer) -> None:
    alice = await server.sign_up("alice")
    code = await code_for(server, alice)
    with sqlite3.connect(server.folder / "account.sqlite") as connection:
        connection.execute("UPDATE email_token SET created_at = created_at - 16 * 60 * 1000000")
    connection.close()
    assert await delete(server, alice.did, PASSWORD, code) == (400, "ExpiredToken")
    assert await is_there(server, alice)


async def test_nobody_learns_which_accounts_are_here(server: WholeServer) -> None:
    """Neither by the answer nor by its time: a password is checked for an account that is not here as well."""
    alice = await server.sign_up("alice")
    answers, checked = [], []
    passwords = server.services.sign_in._passwords
    with mock.patch.object(passwords, "verify", wraps=passwords.verify) as verify:
        for did in (alice.did, NOBODY):
            given = {"did": did, "password": "not it", "token": "AAAAA-AAAAA"}
            answers.append((await server.http.post(f"/xrpc/{DELETE}", json=given)).json())
            checked.append(verify.await_count)
    assert answers == [{"error": "AuthenticationRequired", "message": "Invalid did or password"}] * 2
    assert checked == [1, 2]


async def test_an_app_password_neither_asks_for_a_code_nor_deletes(server: WholeServer) -> None:
    alice = await server.sign_up("alice")
    code = await code_for(server, alice)
    made = (await alice.post(f"{SERVER}.createAppPassword", {"name": "app", "privileged": True})).json()["password"]
    assert await delete(server, alice.did, made, code) == (401, "AuthenticationRequired")
    login = {"identifier": alice.did, "password": made}
    session = (await server.http.post(f"/xrpc/{SERVER}.createSession", json=login)).json()
    alice.token = session["accessJwt"]
    assert verdict(await alice.post(REQUEST)) == (400, "InvalidToken")
    assert await is_there(server, alice)


async def test_a_deactivated_account_can_be_deleted(server: WholeServer) -> None:
    alice = await server.sign_up("alice")
    await alice.post(f"{SERVER}.deactivateAccount", {})
    assert await delete(server, alice.did, PASSWORD, await code_for(server, alice)) == (200, "")
    assert not await is_there(server, alice)


async def test_an_account_that_was_taken_down_gets_no_code(server: WholeServer) -> None:
    alice = await server.sign_up("alice")
    await server.take_down(alice)
    login = {"identifier": alice.did, "password": PASSWORD, "allowTakendown": True}
    narrow = (await server.http.post(f"/xrpc/{SERVER}.createSession", json=login)).json()["accessJwt"]
    assert verdict(await alice.post(REQUEST)) == (401, "AccountTakedown")
    alice.token = narrow
    assert verdict(await alice.post(REQUEST)) == (400, "InvalidToken")


async def test_a_code_deletes_once_however_often_it_is_sent(server: WholeServer) -> None:
    alice = await server.sign_up("alice")
    code = await code_for(server, alice)
    verdicts = await asyncio.gather(*(delete(server, alice.did, PASSWORD, code) for _ in range(4)))
    assert verdicts.count((200, "")) == 1
    gone = {(400, "AccountNotFound"), (400, "InvalidToken"), (401, "AuthenticationRequired")}
    assert set(verdicts) <= {(200, "")} | gone


async def test_a_password_that_changes_meanwhile_deletes_nothing(server: WholeServer) -> None:
    """What was proven is proven again in the transaction that deletes."""
    alice = await server.sign_up("alice")
    code = await code_for(server, alice)
    deletion = server.services.owner_deletion

    def changed_meanwhile(*arguments: object) -> None:
        with sqlite3.connect(server.folder / "account.sqlite") as connection:
            connection.execute("UPDATE account SET password_hash = 'another'")
        connection.close()

    with mock.patch.object(deletion._codes, "check", side_effect=changed_meanwhile):
        assert await delete(server, alice.did, PASSWORD, code) == (401, "AuthenticationRequired")
    assert await is_there(server, alice)


async def test_a_deletion_that_has_to_wait_leaves_the_code_good(server: WholeServer) -> None:
    alice = await server.sign_up("alice")
    code = await code_for(server, alice)
    did = server.services.hosting.writable(alice.did).did
    async with server.services.repos._repos.locked_out(did):
        assert await delete(server, alice.did, PASSWORD, code) == (400, "RepoBusy")
    assert await delete(server, alice.did, PASSWORD, code) == (200, "")


async def test_codes_are_mailed_five_times_an_hour(tmp_path: Path) -> None:
    async with whole_server(tmp_path, TEMPEST_RATE_LIMITS_ENABLED="true") as server:
        alice, bob = await server.sign_up("alice"), await server.sign_up("bob")
        for _ in range(5):
            assert (await alice.post(REQUEST)).status_code == 200
        refused = await alice.post(REQUEST)
        assert verdict(refused) == (429, "RateLimitExceeded")
        assert refused.headers["ratelimit-policy"] == "5;w=3600"
        assert (await bob.post(REQUEST)).status_code == 200
