"""Whoever has no account cannot find out who has: the same words, and the same work behind them.

What is compared is what a request makes the server do: the statements that SQLite runs, without their values, and how
often a password is hashed. Over HTTP, with a clock, `python -m bench.strangers` compares the same.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from unittest import mock

import pytest
from account_world import PASSWORD, World
from mail_room import MailRoom

from tempest_pds.protocol.errors import TempestError
from tempest_pds.services.passwords import generate_app_password
from tempest_pds.services.sign_in import Visitor

KINDS = ("plain", "confirmed", "passwordless", "deactivated", "suspended", "takendown", "shared", "sharing", "guarded")
_VALUES = re.compile(r"'(?:[^']|'')*'|\b[0-9.e+]+\b|NULL")


@dataclass
class Work:
    """What a request made the server do, and how it ended."""

    statements: list[str] = field(default_factory=list)
    hashes: int = 0
    ended: str = ""


async def work_of(world: World, request: Callable[[], Awaitable[object]]) -> Work:
    """Watch a request."""
    work = Work()
    database = world.store.database

    def note(sql: str) -> None:
        work.statements.append(_VALUES.sub("?", sql))

    def counted(call: Callable[..., object]) -> Callable[..., object]:
        def count(*arguments: object) -> object:
            work.hashes += 1
            return call(*arguments)

        return count

    connections = (database.reader, database.writer)
    with (
        mock.patch.object(world.passwords, "_verify", counted(world.passwords._verify)),
        mock.patch.object(world.passwords, "_hash", counted(world.passwords._hash)),
    ):
        for connection in connections:
            connection.set_trace_callback(note)
        try:
            await request()
            work.ended = "well"
        except TempestError as error:
            work.ended = f"{type(error).__name__}: {error}"
        finally:
            for connection in connections:
                connection.set_trace_callback(None)
    return work


@pytest.fixture
async def town(world: World) -> AsyncIterator[World]:
    """Accounts of every kind, under names of the kind; what tells owners of addresses does so later than any test."""
    world.notices._afterwards._pause = lambda: 3600.0
    store = world.store.accounts
    for name in KINDS:
        did = (await world.create(name, email=f"{name.replace('sharing', 'shared')}@example.com")).account.did
        match name:
            case "confirmed":
                store.confirm_email(did, 1)
            case "passwordless":
                store.set_password(did, None, 1)
            case "deactivated":
                await world.accounts.deactivate(did)
            case "suspended":
                store.set_suspended(did, 1)
            case "takendown":
                store.set_takedown(did, "reason")
            case "guarded":
                world.store.totp_secrets.put(did, b"s" * 20, 1)
                world.store.totp_secrets.use(did, confirmed_at=1, step=1)
            case "plain":
                await world.app_passwords.create(did, "app")
    yield world
    for task in world.notices._afterwards._pending:
        task.cancel()


@pytest.mark.parametrize("shape", ["{}.test", "@{}.test", "{}@example.com"])
@pytest.mark.parametrize("password", ["not the password", generate_app_password()], ids=["password", "app password"])
async def test_a_sign_in_that_fails_is_answered_and_worked_on_alike_whoever_it_is_for(
    town: World, shape: str, password: str
) -> None:
    unknown = await work_of(town, lambda: town.sessions.create(shape.format("nobody"), password))
    assert unknown.ended == "AuthenticationRequired: Invalid identifier or password"
    assert unknown.hashes == 1
    assert unknown.statements
    for kind in KINDS:
        assert await work_of(town, lambda kind=kind: town.sessions.create(shape.format(kind), password)) == unknown, (
            kind
        )


@pytest.mark.parametrize("shape", ["{}.test", "{}@example.com"])
async def test_a_sign_in_on_the_pages_that_fails_is_answered_and_worked_on_alike_too(town: World, shape: str) -> None:
    visitor = Visitor(browser=b"b" * 32)
    unknown = await work_of(town, lambda: town.sign_in.with_password(shape.format("nobody"), "wrong", visitor))
    assert unknown.ended == "AuthenticationRequired: Invalid identifier or password"
    assert unknown.hashes == 1
    for kind in KINDS:
        known = await work_of(town, lambda kind=kind: town.sign_in.with_password(shape.format(kind), "wrong", visitor))
        assert known == unknown, kind


async def test_a_did_is_signed_in_with_alike_whether_it_is_here(town: World) -> None:
    unknown = await work_of(town, lambda: town.sessions.create("did:plc:" + "a" * 24, "wrong"))
    for kind in KINDS:
        account = town.store.accounts.by_handle(f"{kind}.test")
        assert account is not None
        assert await work_of(town, lambda did=account.did: town.sessions.create(did, "wrong")) == unknown


async def test_only_who_knows_the_password_is_told_what_became_of_an_account_or_that_it_takes_more(town: World) -> None:
    for name, error in (
        ("takendown", "AccountTakedown"),
        ("suspended", "AccountTakedown"),
        ("guarded", "AuthFactorTokenRequired"),
    ):
        right = await work_of(town, lambda name=name: town.sessions.create(f"{name}.test", PASSWORD))
        assert right.ended.startswith(error)
        wrong = await work_of(
            town, lambda name=name: town.sessions.create(f"{name}.test", "wrong", allow_takendown=True)
        )
        assert wrong.ended == "AuthenticationRequired: Invalid identifier or password"


async def test_a_sign_up_is_answered_and_worked_on_alike_whoever_has_the_address(town: World) -> None:
    free = await work_of(town, lambda: town.create("new0", email="free@example.com"))
    assert free.ended == "well"
    assert free.hashes == 1
    assert any(statement.startswith("INSERT INTO account ") for statement in free.statements)
    for number, kind in enumerate(KINDS, 1):
        email = f"{kind}@example.com"
        made = await work_of(town, lambda number=number, email=email: town.create(f"new{number}", email=email))
        assert made == free, kind


async def test_a_change_of_address_is_answered_and_worked_on_alike_whoever_has_it(town: World) -> None:
    room = MailRoom(town)
    room.notices._afterwards._pause = lambda: 3600.0
    did = (await town.create("mover")).account.did
    free = await work_of(town, lambda: room.addresses.change(did, "free@example.com"))
    assert free.ended == "well"
    for kind in KINDS:
        assert await work_of(town, lambda kind=kind: room.addresses.change(did, f"{kind}@example.com")) == free, kind
    for task in room.notices._afterwards._pending:
        task.cancel()


async def test_a_reset_reads_and_writes_alike_whoever_has_the_address(town: World) -> None:
    """Where there is an account its code is put in, and where there is none the mail is taken out again."""
    room = MailRoom(town)

    async def shape(email: str) -> tuple[int, int, int]:
        work = await work_of(town, lambda: room.ask_for_reset(email))
        reads = [statement for statement in work.statements if statement.startswith("SELECT")]
        writes = [statement for statement in work.statements if statement.startswith(("INSERT", "DELETE"))]
        return len(reads), len(writes), work.statements.count("COMMIT")

    shapes = {kind: await shape(f"{kind}@example.com") for kind in ("nobody", *KINDS)}
    assert set(shapes.values()) == {shapes["nobody"]}


async def test_what_tells_the_owner_of_an_address_costs_about_the_same_where_there_is_none(town: World) -> None:
    room = MailRoom(town)
    account = (await town.create("giver")).account

    async def cost(email: str) -> tuple[int, int]:
        with mock.patch.object(room.texts._layout, "mail", wraps=room.texts._layout.mail) as written:
            did = account.did
            town.store.accounts.set_email(did, email, given_at=1)
            given = town.store.accounts.get(did)
            assert given is not None
            room.notices.consider(given)
            work = await work_of(town, room.notices.close)
        return written.call_count, work.statements.count("COMMIT")

    costs = [await cost(email) for email in ("nobody@example.com", "plain@example.com", "confirmed@example.com")]
    assert costs == [(1, 1)] * 3
    assert [mail.to for mail in room.mails()] == ["confirmed@example.com"]
