"""Logging in, staying so, and logging out."""

import asyncio
import json
from typing import Any

import pytest
from account_world import PASSWORD, World, access, refresh_credentials

from tempest_pds.protocol.crypto import jwt
from tempest_pds.services.credentials import Scope
from tempest_pds.services.errors import (
    AccountMissing,
    AccountTakedown,
    AuthenticationRequired,
    DuplicateCreate,
    ExpiredToken,
    Forbidden,
)
from tempest_pds.services.sign_in import Visitor
from tempest_pds.services.tokens import REFRESH_SECONDS


@pytest.mark.parametrize(
    "identifier", ["alice.test", "ALICE.test", "@alice.test", "alice@example.com", "Alice@Example.COM", " alice.test "]
)
async def test_one_logs_in_by_handle_or_address_in_any_case(world: World, identifier: str) -> None:
    await world.create()
    session = await world.sessions.create(identifier, PASSWORD)
    assert session.account.handle == "alice.test"
    assert session.did_doc is not None


async def test_one_logs_in_by_did(world: World) -> None:
    did = (await world.create()).account.did
    assert (await world.sessions.create(did, PASSWORD)).account.did == did


@pytest.mark.parametrize(
    ("identifier", "password"),
    [
        ("alice.test", "wrong password"),
        ("bob.test", PASSWORD),
        ("x@y.com", PASSWORD),
        ("", ""),
        ("did:plc:x", PASSWORD),
        ("alice.test", "x" * 513),
    ],
)
async def test_what_was_wrong_with_a_login_is_not_told(world: World, identifier: str, password: str) -> None:
    await world.create()
    with pytest.raises(AuthenticationRequired) as caught:
        await world.sessions.create(identifier, password)
    assert type(caught.value) is AuthenticationRequired


@pytest.mark.parametrize("ended", ["password changed", "account deleted", "app password revoked"])
async def test_a_login_that_was_under_way_does_not_outlive_the_end_of_its_password(
    world: World, monkeypatch: pytest.MonkeyPatch, ended: str
) -> None:
    did = (await world.create()).account.did
    app_password = (await world.app_passwords.create(did, "app")).password
    assert app_password is not None
    end = {
        "password changed": lambda: world.store.accounts.set_password(did, "another", 1),
        "account deleted": lambda: world.store.accounts.delete(did),
        "app password revoked": lambda: world.store.app_passwords.revoke(did, "app"),
    }[ended]
    password = app_password if ended == "app password revoked" else PASSWORD
    check = world.sign_in.for_session

    async def slow(*arguments: Any, **named: Any) -> Any:
        entry = await check(*arguments, **named)
        await world.writer.run(end)
        return entry

    monkeypatch.setattr(world.sign_in, "for_session", slow)
    with pytest.raises(AuthenticationRequired):
        await world.sessions.create("alice.test", password)


@pytest.mark.parametrize("method", ["password", "app_password"])
async def test_plugins_are_asked_and_told_who_logs_in_from_where_and_how_but_not_the_password(
    world: World, method: str
) -> None:
    did = (await world.create()).account.did
    app_password = (await world.app_passwords.create(did, "app")).password
    assert app_password is not None
    world.hooks.asked.clear()
    password = PASSWORD if method == "password" else app_password
    session = await world.sessions.create(
        "alice@example.com", password, visitor=Visitor(client_ip="192.0.2.7", surface="api")
    )
    await world.sessions.refresh(refresh_credentials(world, session))
    given: dict[str, object] = {"did": did, "handle": "alice.test", "client_ip": "192.0.2.7"}
    given |= {"method": method, "surface": "api", "second_factor": None, "client_id": None}
    assert world.hooks.asked == [("check_sign_in", given)]
    assert world.hooks.sign_ins == [given]
    assert {type(value) for value in world.hooks.sign_ins[0].values()} == {str, type(None)}


async def test_a_login_that_a_policy_refuses_opens_nothing(world: World) -> None:
    did = (await world.create()).account.did
    before = world.store.refresh_tokens.sessions(did)
    world.hooks.refusal = "Not from there"
    with pytest.raises(Forbidden, match=r"^Not from there$"):
        await world.sessions.create("alice.test", PASSWORD)
    assert world.store.refresh_tokens.sessions(did) == before
    assert world.hooks.sign_ins == []


@pytest.mark.parametrize(("identifier", "password"), [("alice.test", "wrong password"), ("bob.test", PASSWORD)])
async def test_a_policy_is_not_asked_about_a_login_that_fails(world: World, identifier: str, password: str) -> None:
    await world.create()
    world.hooks.asked.clear()
    world.hooks.refusal = "Not from there"
    with pytest.raises(AuthenticationRequired, match=r"^Invalid identifier or password$"):
        await world.sessions.create(identifier, password)
    assert (world.hooks.asked, world.hooks.sign_ins) == ([], [])


async def test_a_deactivated_account_may_log_in(world: World) -> None:
    did = (await world.create()).account.did
    await world.accounts.deactivate(did)
    session = await world.sessions.create("alice.test", PASSWORD)
    assert (session.account.is_active, session.account.status) == (False, "deactivated")


async def test_an_account_that_was_taken_down_gets_a_narrow_session_only(world: World) -> None:
    did = (await world.create()).account.did
    app_password = (await world.app_passwords.create(did, "app")).password
    assert app_password is not None
    world.store.accounts.set_takedown(did, "ref")
    with pytest.raises(AccountTakedown):
        await world.sessions.create("alice.test", PASSWORD)
    with pytest.raises(AuthenticationRequired):
        await world.sessions.create("alice.test", app_password, allow_takendown=True)
    session = await world.sessions.create("alice.test", PASSWORD, allow_takendown=True)
    assert access(world, session).scope is Scope.TAKENDOWN
    with pytest.raises(AccountTakedown):
        await world.sessions.refresh(refresh_credentials(world, session))
    world.store.accounts.set_takedown(did, None)
    with pytest.raises(ExpiredToken):
        await world.sessions.refresh(refresh_credentials(world, session))


async def test_an_account_that_is_deleted_meanwhile_gets_no_app_password(world: World) -> None:
    did = (await world.create()).account.did
    making = asyncio.ensure_future(world.app_passwords.create(did, "app"))
    await world.writer.run(world.store.accounts.delete, did)
    with pytest.raises(AccountMissing):
        await making


async def test_app_passwords_open_sessions_of_their_own_scope_until_revoked(world: World) -> None:
    did = (await world.create()).account.did
    plain = await world.app_passwords.create(did, "plain")
    privileged = await world.app_passwords.create(did, "privileged", privileged=True)
    with pytest.raises(DuplicateCreate):
        await world.app_passwords.create(did, "plain")
    assert [row.name for row in world.app_passwords.list_for(did)] == ["privileged", "plain"]
    assert all(row.password is None for row in world.app_passwords.list_for(did))
    assert plain.password is not None
    assert privileged.password is not None
    first = await world.sessions.create("alice.test", plain.password)
    second = await world.sessions.create("alice.test", privileged.password)
    assert access(world, first).scope is Scope.APP_PASS
    assert access(world, second).scope is Scope.APP_PASS_PRIVILEGED
    again = await world.sessions.refresh(refresh_credentials(world, second))
    assert access(world, again).scope is Scope.APP_PASS_PRIVILEGED
    await world.app_passwords.revoke(did, "plain")
    with pytest.raises(ExpiredToken):
        await world.sessions.refresh(refresh_credentials(world, first))
    with pytest.raises(AuthenticationRequired):
        await world.sessions.create("alice.test", plain.password)
    await world.sessions.create("alice.test", privileged.password)


async def test_a_refresh_token_used_twice_within_two_hours_leads_to_the_same_successor(world: World) -> None:
    credentials = refresh_credentials(world, await world.create())
    first = await world.sessions.refresh(credentials)
    world.clock.now += 7199
    second = await world.sessions.refresh(credentials)
    assert first.tokens is not None
    assert second.tokens is not None
    assert first.tokens.refresh_jwt == second.tokens.refresh_jwt
    assert first.tokens.access_jwt != second.tokens.access_jwt
    world.clock.now += 1
    with pytest.raises(ExpiredToken):
        await world.sessions.refresh(credentials)
    third = await world.sessions.refresh(refresh_credentials(world, first))
    assert third.tokens is not None
    assert third.tokens.refresh_jwt != first.tokens.refresh_jwt


async def test_tokens_past_their_time_are_swept_out_and_a_used_one_after_its_grace(world: World) -> None:
    made = await world.create()
    other = await world.sessions.create("alice.test", PASSWORD)
    renewed = await world.sessions.refresh(refresh_credentials(world, made))

    async def kept() -> list[bool]:
        await world.sessions.forget_expired()
        ids = [session.tokens.refresh.identifier for session in (made, renewed, other) if session.tokens]
        return [world.store.refresh_tokens.get(token_id) is not None for token_id in ids]

    assert await kept() == [True, True, True]
    world.clock.now += 7200
    assert await kept() == [False, True, True]
    await world.sessions.refresh(refresh_credentials(world, renewed))
    world.clock.now += REFRESH_SECONDS
    assert await kept() == [False, False, False]


async def test_logging_out_ends_the_session_and_no_other(world: World) -> None:
    await world.create()
    one = await world.sessions.create("alice.test", PASSWORD)
    other = await world.sessions.create("alice.test", PASSWORD)
    for _ in range(2):
        await world.sessions.delete(refresh_credentials(world, one))
    with pytest.raises(ExpiredToken):
        await world.sessions.refresh(refresh_credentials(world, one))
    await world.sessions.refresh(refresh_credentials(world, other))


async def test_a_session_can_be_looked_at(world: World) -> None:
    made = await world.create()
    session = await world.sessions.get(access(world, made))
    assert (session.handle, session.tokens, session.did_doc) == ("alice.test", None, made.did_doc)


async def test_tokens_tell_nothing_but_what_they_must(world: World) -> None:
    session = await world.create()
    assert session.tokens is not None
    for token in (session.tokens.access_jwt, session.tokens.refresh_jwt):
        assert "alice" not in json.dumps(jwt.decode_unverified(token).claims)
