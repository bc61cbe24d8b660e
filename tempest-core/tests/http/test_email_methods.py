"""The methods of e-mail over HTTP: who may call them, how often, and what they answer."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from unittest import mock

import httpx
import pytest
from browser import Browser
from whole_server import PASSWORD, User, WholeServer, verdict, whole_server

from tempest_pds.services.passwords import Passwords

SERVER = "com.atproto.server"
NEW = "another long password"
CODE = re.compile(r"[A-Z2-7]{5}-[A-Z2-7]{5}")
COUNTS = {"ratelimit-limit", "ratelimit-remaining", "ratelimit-reset", "ratelimit-policy"}


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[WholeServer]:
    async with whole_server(tmp_path) as server:
        yield server


@pytest.fixture
async def limited(tmp_path: Path) -> AsyncIterator[WholeServer]:
    async with whole_server(tmp_path, TEMPEST_RATE_LIMITS_ENABLED="true") as server:
        yield server


async def post(server: WholeServer, method: str, **given: Any) -> httpx.Response:
    """Call a method without credentials."""
    return await server.http.post(f"/xrpc/{SERVER}.{method}", json=given)


def mails(server: WholeServer) -> list[dict[str, Any]]:
    """Return what a developer's server has logged instead of sending it."""
    lines = [json.loads(line) for line in server.log_text().splitlines()]
    return [line for line in lines if line["event"] == "a mail, not sent"]


async def mailed(server: WholeServer, count: int) -> dict[str, Any]:
    """Wait for so many mails in all, and return the last."""
    for _ in range(2000):
        if len(found := mails(server)) >= count:
            break
        await asyncio.sleep(0.01)
    assert len(found) == count
    return found[-1]


async def code_of(server: WholeServer, count: int) -> str:
    mail = await mailed(server, count)
    assert CODE.findall(mail["text"]) == [mail["code"]]
    return str(mail["code"])


async def test_a_developer_reads_the_code_in_the_log_of_his_own_server(server: WholeServer) -> None:
    alice = await server.sign_up("alice")
    assert (await alice.post(f"{SERVER}.requestEmailConfirmation")).status_code == 200
    given = {"email": "alice@example.com", "token": await code_of(server, 1)}
    assert (await alice.post(f"{SERVER}.confirmEmail", given)).status_code == 200
    session = (await alice.get(f"{SERVER}.getSession")).json()
    assert (session["email"], session["emailConfirmed"]) == ("alice@example.com", True)
    assert (await alice.post(f"{SERVER}.requestEmailUpdate")).json() == {"tokenRequired": True}
    given = {"email": "new@example.com", "token": await code_of(server, 2)}
    assert (await alice.post(f"{SERVER}.updateEmail", given)).status_code == 200
    assert (await mailed(server, 3))["to"] == "alice@example.com"
    session = (await alice.get(f"{SERVER}.getSession")).json()
    assert (session["email"], session["emailConfirmed"]) == ("new@example.com", False)
    assert (await post(server, "requestPasswordReset", email="new@example.com")).status_code == 200
    reset = await post(server, "resetPassword", token=await code_of(server, 4), password=NEW)
    assert reset.status_code == 200
    assert (await mailed(server, 5))["subject"] == "The password of @alice.test was changed"
    assert (await post(server, "createSession", identifier="alice.test", password=NEW)).status_code == 200


async def test_a_password_that_was_changed_on_the_page_is_told_in_words_of_its_own(server: WholeServer) -> None:
    alice, browser = await server.sign_up("alice"), Browser(server.http)
    await browser.get("/account/sign-in")
    await browser.submit("/account/sign-in", identifier="alice.test", password=PASSWORD)
    page = f"/account/{alice.did}/password"
    await browser.get(page)
    assert (await browser.submit(page, password=NEW)).status_code == 303
    mail = await mailed(server, 1)
    assert mail["subject"] == "A new password was set for @alice.test"
    text = " ".join(mail["text"].split())
    assert "Somebody who was signed in to @alice.test" in text
    assert "with a code from a mail" not in text
    assert "reads your mail" not in text


PUBLIC = {
    "TEMPEST_HOSTNAME": "pds.example.com",
    "TEMPEST_PUBLIC_URL": "https://pds.example.com",
    "SECRET_KEY_BASE": "8sKq2Vw0aXz7Lm4Nc1Rt9Yp6Bd3Hf5Gj",
    "TEMPEST_ADMIN_TOKEN_HASH": "$argon2id$v=19$m=8,t=1,p=1$c29tZXNhbHQ$RdescudvJCsgt3ub+b",
    "TEMPEST_INVITE_REQUIRED": "false",
    "TEMPEST_HANDLE_DOMAINS": ".test",
    "TEMPEST_HOSTED_DID_METHOD": "web",
    "TEMPEST_CRAWLERS": "http://localhost:1",
    "TEMPEST_PLC_URL": "http://localhost:1",
}


async def test_a_public_server_that_sends_no_mail_says_so_to_everybody_alike(tmp_path: Path) -> None:
    token, passwords = "the operator's own token", Passwords(memory_kib=64)
    proof = {"TEMPEST_ADMIN_TOKEN_HASH": await passwords.hash(token)}
    passwords.close()
    async with whole_server(tmp_path, **PUBLIC | proof) as server:
        alice = await server.sign_up("alice")
        given = {"recipientDid": alice.did, "senderDid": alice.did, "content": "hello"}
        answers = [
            await alice.post(f"{SERVER}.requestEmailConfirmation"),
            await post(server, "requestPasswordReset", email="alice@example.com"),
            await post(server, "requestPasswordReset", email="nobody@example.com"),
            await server.http.post("/xrpc/com.atproto.admin.sendEmail", json=given, auth=("admin", token)),
        ]
        for answer in answers:
            assert verdict(answer) == (501, "MethodNotImplemented")
            assert answer.json()["message"] == "This server sends no email. Ask its operator for help."
        # What takes no code is as it is elsewhere.
        assert (await alice.post(f"{SERVER}.requestEmailUpdate")).json() == {"tokenRequired": False}
        assert (await alice.post(f"{SERVER}.updateEmail", {"email": "new@example.com"})).status_code == 200
        assert "alice@example.com" not in server.log_text()
        assert "mail.handed_over" not in server.log_text()


def untimed(answer: httpx.Response) -> tuple[int, bytes, list[tuple[str, str]]]:
    """Return an answer without what the moment makes of it."""
    headers = [(name, value) for name, value in answer.headers.multi_items() if name not in COUNTS | {"date"}]
    return answer.status_code, answer.content, headers


@pytest.mark.parametrize("state", ["active", "deactivated", "taken down"])
async def test_nobody_is_told_whether_an_address_has_an_account(limited: WholeServer, state: str) -> None:
    alice = await limited.sign_up("alice")
    if state == "deactivated":
        await alice.post(f"{SERVER}.deactivateAccount", {})
    elif state == "taken down":
        await limited.take_down(alice)
    addresses = ["alice@example.com", "nobody@example.com", "ALICE@example.com", "alice", "", "a b\r\n@c", "x" * 9_999]
    answers = [await post(limited, "requestPasswordReset", email=address) for address in addresses]
    assert {untimed(answer)[:2] for answer in answers} == {(200, b"")}
    assert all(untimed(answer) == untimed(answers[0]) for answer in answers)
    # And what is left to ask does not depend on the address.
    left = [int(answer.headers["ratelimit-remaining"]) for answer in answers]
    assert left == list(range(14, 14 - len(addresses), -1))
    assert (await mailed(limited, 1))["to"] == "alice@example.com"


async def test_a_request_for_a_reset_is_answered_before_the_address_is_looked_up(server: WholeServer) -> None:
    await server.sign_up("alice")
    reset = server.services.password_reset
    with (
        mock.patch.object(reset._afterwards, "_pause", return_value=3600.0),
        mock.patch.object(reset, "_send", wraps=reset._send) as send,
    ):
        for address in ("alice@example.com", "nobody@example.com"):
            assert (await post(server, "requestPasswordReset", email=address)).status_code == 200
        send.assert_not_called()
    assert len(reset._afterwards._pending) == 2
    assert mails(server) == []
    for task in reset._afterwards._pending:
        task.cancel()


async def test_an_app_password_confirms_an_address_but_changes_none(server: WholeServer) -> None:
    alice = await server.sign_up("alice")
    made = (await alice.post(f"{SERVER}.createAppPassword", {"name": "app"})).json()
    session = (await post(server, "createSession", identifier="alice.test", password=made["password"])).json()
    app = User(server.http, alice.did, alice.handle, session["accessJwt"], session["refreshJwt"])
    assert (await app.post(f"{SERVER}.requestEmailConfirmation")).status_code == 200
    given = {"email": "alice@example.com", "token": await code_of(server, 2)}
    assert (await app.post(f"{SERVER}.confirmEmail", given)).status_code == 200
    assert verdict(await app.post(f"{SERVER}.requestEmailUpdate")) == (400, "InvalidToken")
    assert verdict(await app.post(f"{SERVER}.updateEmail", {"email": "b@example.com"})) == (400, "InvalidToken")


async def test_an_account_that_was_taken_down_has_no_say_in_its_address(server: WholeServer) -> None:
    alice = await server.sign_up("alice")
    await server.take_down(alice)
    session = await post(server, "createSession", identifier="alice.test", password=PASSWORD, allowTakendown=True)
    narrow = User(server.http, alice.did, alice.handle, session.json()["accessJwt"], "")
    for user, refused in ((alice, (401, "AccountTakedown")), (narrow, (400, "InvalidToken"))):
        for method, given in (
            ("requestEmailConfirmation", None),
            ("confirmEmail", {"email": "alice@example.com", "token": "AAAAA-AAAAA"}),
            ("requestEmailUpdate", None),
            ("updateEmail", {"email": "new@example.com"}),
        ):
            assert verdict(await user.post(f"{SERVER}.{method}", given)) == refused, method
    assert mails(server) == []


async def test_how_often_each_account_may_ask(limited: WholeServer) -> None:
    alice, bob = await limited.sign_up("alice"), await limited.sign_up("bob")
    change = {"email": "alice@example.com"}
    for method, points, given in (
        ("requestEmailConfirmation", 5, None),
        ("requestEmailUpdate", 5, None),
        ("updateEmail", 15, change),
    ):
        for _ in range(points):
            assert (await alice.post(f"{SERVER}.{method}", given)).status_code == 200
        refused = await alice.post(f"{SERVER}.{method}", given)
        assert verdict(refused) == (429, "RateLimitExceeded")
        assert refused.headers["ratelimit-policy"] == f"{points};w=3600"
    assert (await bob.post(f"{SERVER}.requestEmailUpdate")).status_code == 200


async def test_how_often_anybody_may_ask_for_a_reset_and_guess(limited: WholeServer) -> None:
    for number in range(15):
        address = f"nobody{number}@example.com"
        assert (await post(limited, "requestPasswordReset", email=address)).status_code == 200
    refused = await post(limited, "requestPasswordReset", email="other@example.com")
    assert (verdict(refused), refused.headers["ratelimit-policy"]) == ((429, "RateLimitExceeded"), "15;w=3600")
    for _ in range(50):
        assert verdict(await post(limited, "resetPassword", token="AAAAA-AAAAA", password=NEW)) == (400, "InvalidToken")
    refused = await post(limited, "resetPassword", token="AAAAA-AAAAA", password=NEW)
    assert (verdict(refused), refused.headers["ratelimit-policy"]) == ((429, "RateLimitExceeded"), "50;w=300")


async def test_disposable_addresses_get_no_account_and_the_operator_has_the_last_word(tmp_path: Path) -> None:
    settings = {
        "TEMPEST_EMAIL_BLOCKED_DOMAINS": "@Spam.example",
        "TEMPEST_EMAIL_ALLOWED_DOMAINS": "yopmail.com",
    }
    async with whole_server(tmp_path, **settings) as server:
        for name, domain in (("listed", "mailinator.com"), ("added", "a.spam.example")):
            given = {"handle": f"{name}.test", "email": f"{name}@{domain}", "password": PASSWORD}
            refused = await post(server, "createAccount", **given)
            assert verdict(refused) == (400, "InvalidRequest")
            assert refused.json()["message"] == "This email address is not supported, please use a different email."
        alice = await server.sign_up("alice", email="alice@yopmail.com")
        assert verdict(await alice.post(f"{SERVER}.updateEmail", {"email": "a@mailinator.com"})) == (
            400,
            "InvalidRequest",
        )


async def test_the_hourly_sweep_forgets_old_codes(server: WholeServer) -> None:
    alice = await server.sign_up("alice")
    await alice.post(f"{SERVER}.requestEmailConfirmation")
    code = await code_of(server, 1)
    codes = server.services.email_codes
    later = codes._now() + 2 * 3600 * 1_000_000
    with mock.patch.object(codes, "_now", return_value=later):
        given = {"email": "alice@example.com", "token": code}
        assert verdict(await alice.post(f"{SERVER}.confirmEmail", given)) == (400, "ExpiredToken")
        await server.services.status.upkeep.sweep()
        assert verdict(await alice.post(f"{SERVER}.confirmEmail", given)) == (400, "InvalidToken")
