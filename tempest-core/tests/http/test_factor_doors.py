"""Every door of the API that takes a password or does what one is worth, for an account with a second factor."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import pytest_asyncio
from pyotp import TOTP
from whole_server import PASSWORD, User, WholeServer, verdict, whole_server

from tempest_pds.protocol.syntax.did import Did
from tempest_pds.services.sign_in import Visitor
from tempest_pds.stores.account.email_tokens import EmailTokenPurpose

SERVER = "com.atproto.server"
IDENTITY = "com.atproto.identity"
REQUIRED = (401, "AuthFactorTokenRequired")
CODE = re.compile(r"\b[A-Z2-7]{5}-[A-Z2-7]{5}\b")
VISITOR = Visitor(client_ip="127.0.0.1")
IN_TWO_DAYS = (datetime.now(UTC) + timedelta(days=2)).isoformat(timespec="milliseconds").replace("+00:00", "Z")

pytestmark = pytest.mark.asyncio(loop_scope="module")


@dataclass
class Guarded:
    """An account with an authenticator app, and with the session that it had before."""

    user: User
    server: WholeServer
    app: TOTP
    codes: list[str]

    async def log_in(self, code: str | None = None, password: str = PASSWORD) -> Any:
        given = {"identifier": self.user.handle, "password": password}
        if code is not None:
            given["authFactorToken"] = code
        return await self.server.http.post(f"/xrpc/{SERVER}.createSession", json=given)

    async def with_factor(self) -> User:
        """Log in anew."""
        answer = await self.log_in(self.codes.pop())
        assert answer.status_code == 200, answer.text
        made = answer.json()
        return User(self.server.http, made["did"], made["handle"], made["accessJwt"], made["refreshJwt"])


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[WholeServer]:
    async with whole_server(tmp_path_factory.mktemp("doors")) as started:
        yield started


async def guard(server: WholeServer, name: str) -> Guarded:
    user = await server.sign_up(name)
    new = await server.services.enrolment.begin_app(Did(user.did), VISITOR)
    app = TOTP(new.secret)
    codes = await server.services.enrolment.confirm_app(Did(user.did), app.now(), VISITOR)
    return Guarded(user, server, app, codes)


async def mailed_code(server: WholeServer, before: int) -> str:
    """Read a code where a server without a mail server writes its mails: in its log."""
    for _ in range(1_000):
        found = CODE.findall(server.log_text())
        if len(found) > before:
            return str(found[-1])
        await asyncio.sleep(0.01)
    raise AssertionError("no mail")


async def test_the_answers_of_create_session_are_those_that_clients_match(server: WholeServer) -> None:
    alice = await guard(server, "alice")
    asked = await alice.log_in()
    assert verdict(asked) == REQUIRED
    assert "authenticator app" in asked.json()["message"]
    assert verdict(await alice.log_in("")) == REQUIRED
    assert verdict(await alice.log_in(" ")) == REQUIRED
    wrong = await alice.log_in("not-a-code")
    # The words that the Bluesky app knows a wrong code by.
    assert (verdict(wrong), wrong.json()["message"]) == ((400, "InvalidToken"), "Token is invalid")
    assert verdict(await alice.log_in(alice.codes[0], "wrong")) == (401, "AuthenticationRequired")
    assert (await alice.log_in(alice.codes[0].upper())).status_code == 200
    assert verdict(await alice.log_in(alice.codes[0])) == (400, "InvalidToken")
    # Of the next step, which is accepted too: that of now was used to add the app.
    later = alice.app.at(int(time.time()) + 30)
    assert (await alice.log_in(f"{later[:3]} {later[3:]}")).status_code == 200


async def test_too_many_wrong_codes_are_answered_as_a_rate_limit(server: WholeServer) -> None:
    bob = await guard(server, "bob")
    outcomes = [verdict(await bob.log_in("000000")) for _ in range(7)]
    assert outcomes == [(400, "InvalidToken")] * 6 + [(429, "RateLimitExceeded")]


@pytest.mark.parametrize(
    ("method", "given"),
    [
        (f"{SERVER}.createAppPassword", {"name": "app"}),
        (f"{SERVER}.requestAccountDelete", None),
        (f"{SERVER}.deactivateAccount", {"deleteAfter": IN_TWO_DAYS}),
        (f"{SERVER}.requestEmailUpdate", None),
        (f"{SERVER}.updateEmail", {"email": "no address"}),
        (f"{IDENTITY}.requestPlcOperationSignature", None),
        (f"{IDENTITY}.signPlcOperation", {"token": "AAAAA-AAAAA"}),
        (f"{IDENTITY}.submitPlcOperation", {"operation": {}}),
    ],
    ids=lambda value: value.rpartition(".")[2] if isinstance(value, str) else "",
)
async def test_what_a_password_is_worth_takes_a_session_with_the_factor(
    server: WholeServer, method: str, given: dict[str, Any] | None
) -> None:
    name = method.rpartition(".")[2].lower()[:16]
    plain = await server.sign_up(f"p-{name}")
    without_factor = verdict(await plain.post(method, given))
    assert without_factor != REQUIRED
    guarded = await guard(server, f"g-{name}")
    assert verdict(await guarded.user.post(method, given)) == REQUIRED
    # As for an account without one, once it was given.
    fresh = await guarded.with_factor()
    assert verdict(await fresh.post(method, given)) == without_factor


async def test_what_harms_nobody_goes_on_with_any_session(server: WholeServer) -> None:
    carol = (await guard(server, "carol")).user
    await carol.write({"$type": "app.bsky.feed.post", "text": "hi", "createdAt": "2026-01-02T03:04:05.678Z"})
    assert (await carol.get(f"{SERVER}.listAppPasswords")).status_code == 200
    assert (await carol.post(f"{SERVER}.deactivateAccount", {})).status_code == 200
    assert (await carol.post(f"{SERVER}.activateAccount")).status_code == 200


async def test_an_app_password_does_not_step_up(server: WholeServer) -> None:
    dave = await guard(server, "dave")
    fresh = await dave.with_factor()
    made = (await fresh.post(f"{SERVER}.createAppPassword", {"name": "bot"})).json()
    opened = (await dave.log_in(password=made["password"])).json()
    bot = User(server.http, dave.user.did, dave.user.handle, opened["accessJwt"], opened["refreshJwt"])
    answer = await bot.post(f"{IDENTITY}.submitPlcOperation", {"operation": {}})
    assert verdict(answer) == REQUIRED


async def test_a_deletion_takes_the_factor_beside_password_and_mailed_code(server: WholeServer) -> None:
    erin = await guard(server, "erin")
    fresh = await erin.with_factor()
    mails = len(CODE.findall(server.log_text()))
    assert (await fresh.post(f"{SERVER}.requestAccountDelete")).status_code == 200
    given = {"did": erin.user.did, "password": PASSWORD, "token": await mailed_code(server, mails)}

    async def delete(**more: Any) -> tuple[int, str]:
        return verdict(await server.http.post(f"/xrpc/{SERVER}.deleteAccount", json=given | more))

    assert await delete(password="wrong", authFactorToken=erin.codes[0]) == (401, "AuthenticationRequired")
    assert await delete(token="AAAAA-AAAAA", authFactorToken=erin.codes[0]) == (400, "InvalidToken")
    assert await delete() == REQUIRED
    assert await delete(authFactorToken=1) == (400, "InvalidRequest")
    assert await delete(authFactorToken="not a code") == (400, "InvalidToken")
    assert await delete(authFactorToken=erin.codes[0]) == (200, "")


async def test_a_password_that_was_reset_by_mail_leaves_the_factor(server: WholeServer) -> None:
    frank = await guard(server, "frank")
    services = server.services
    account = services.hosting.find(frank.user.did)
    assert account is not None
    mails = len(CODE.findall(server.log_text()))
    await services.email_codes.send(account, EmailTokenPurpose.RESET_PASSWORD)
    code = await mailed_code(server, mails)
    answer = await server.http.post(f"/xrpc/{SERVER}.resetPassword", json={"token": code, "password": "new password 1"})
    assert answer.status_code == 200
    assert verdict(await frank.log_in(password="new password 1")) == REQUIRED
    assert (await frank.log_in(frank.codes[0], "new password 1")).status_code == 200


async def test_a_taken_down_account_gets_its_narrow_session_with_the_factor_only(server: WholeServer) -> None:
    grace = await guard(server, "grace")
    await server.take_down(grace.user)
    given = {"identifier": grace.user.handle, "password": PASSWORD, "allowTakendown": True}
    answer = await server.http.post(f"/xrpc/{SERVER}.createSession", json=given)
    assert verdict(answer) == REQUIRED
    given["authFactorToken"] = grace.codes[0]
    answer = await server.http.post(f"/xrpc/{SERVER}.createSession", json=given)
    assert answer.status_code == 200


async def test_logging_in_at_once_from_two_places_uses_one_code_once(server: WholeServer) -> None:
    heidi = await guard(server, "heidi")
    answers = await asyncio.gather(*[heidi.log_in(heidi.codes[0]) for _ in range(3)])
    assert sorted(answer.status_code for answer in answers) == [200, 400, 400]
