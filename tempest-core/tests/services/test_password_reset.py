"""A forgotten password, and that nobody learns by it who has an account here."""

from __future__ import annotations

import asyncio
import sqlite3
from unittest import mock

import pytest
from account_world import PASSWORD, World, refresh_credentials
from mail_room import CODE, MailRoom
from structlog.testing import capture_logs

from tempest_pds.protocol.syntax.did import Did
from tempest_pds.services.errors import (
    AuthenticationRequired,
    ExpiredToken,
    InvalidPassword,
    InvalidToken,
    NotEnoughResources,
)
from tempest_pds.services.password_reset import MOST_ACCOUNTS
from tempest_pds.stores.account.email_tokens import EmailTokenPurpose

NEW = "another long password"
RESET = EmailTokenPurpose.RESET_PASSWORD


@pytest.fixture
def room(world: World) -> MailRoom:
    return MailRoom(world)


async def asked(room: MailRoom, email: str = "alice@example.com") -> str:
    await room.ask_for_reset(email)
    return room.take_code()


async def test_a_code_by_mail_sets_another_password_and_ends_every_session(room: MailRoom, world: World) -> None:
    session = await world.create()
    code = await asked(room, "ALICE@example.com")
    world.hooks.told.clear()
    await room.reset.reset(code, NEW)
    await world.sessions.create("alice.test", NEW)
    with pytest.raises(AuthenticationRequired):
        await world.sessions.create("alice.test", PASSWORD)
    with pytest.raises(ExpiredToken):
        await world.sessions.refresh(refresh_credentials(world, session))
    assert world.hooks.told == ["alice.test password"]


async def test_the_owner_is_told_of_a_reset(room: MailRoom, world: World) -> None:
    await world.create()
    await room.reset.reset(await asked(room), NEW)
    (mail,) = room.mails()
    assert (mail.to, mail.subject) == ("alice@example.com", "The password of @alice.test was changed")
    assert NEW not in mail.text + mail.html


async def test_an_account_that_was_taken_down_is_reset_as_the_reference_does(room: MailRoom, world: World) -> None:
    did = (await world.create()).account.did
    world.store.accounts.set_takedown(did, "reason")
    await room.reset.reset(await asked(room), NEW)
    assert (await world.sessions.create("alice.test", NEW, allow_takendown=True)).tokens is not None


async def test_a_reset_is_refused(room: MailRoom, world: World) -> None:
    did = (await world.create()).account.did
    await room.codes.send(room.account(did), EmailTokenPurpose.DELETE_ACCOUNT)
    of_another_purpose = room.take_code()
    code = await asked(room)
    for wrong in (of_another_purpose, "AAAAA-AAAAA", "", "x" * 100_000):
        with pytest.raises(InvalidToken):
            await room.reset.reset(wrong, NEW)
    for password in ("", "short", "x" * 257):
        with pytest.raises(InvalidPassword):
            await room.reset.reset(code, password)
    room.clock.pass_by(15)
    with pytest.raises(ExpiredToken):
        await room.reset.reset(code, NEW)
    await world.sessions.create("alice.test", PASSWORD)


async def test_a_code_is_used_by_one_of_two_who_have_it(room: MailRoom, world: World) -> None:
    await world.create()
    code = await asked(room)
    results = await asyncio.gather(
        *(room.reset.reset(code, f"{NEW} {number}") for number in range(2)), return_exceptions=True
    )
    assert {type(result) for result in results} == {type(None), InvalidToken}
    with pytest.raises(InvalidToken):
        await room.reset.reset(code, NEW)


async def test_a_code_that_is_wrong_costs_no_password_hash(room: MailRoom, world: World) -> None:
    await world.create()
    with mock.patch.object(world.passwords, "hash") as hashed, pytest.raises(InvalidToken):
        await room.reset.reset("AAAAA-AAAAA", NEW)
    hashed.assert_not_called()


async def test_a_reset_and_the_notice_of_it_are_one_transaction(room: MailRoom, world: World) -> None:
    session = await world.create()
    code = await asked(room)
    failing = mock.patch.object(
        world.store.waiting_mails, "add", side_effect=sqlite3.OperationalError("disk I/O error")
    )
    with failing, pytest.raises(sqlite3.OperationalError):
        await room.reset.reset(code, NEW)
    await world.sessions.create("alice.test", PASSWORD)
    assert (await world.sessions.refresh(refresh_credentials(world, session))).tokens is not None
    await room.reset.reset(code, NEW)


# What strangers cannot learn


class Watched:
    """Counts what an address costs: transactions that are committed, and mails that are written."""

    def __init__(self, room: MailRoom) -> None:
        self._room = room

    async def cost(self, email: str) -> tuple[int, int, int]:
        store, layout = self._room.world.store, self._room.texts._layout
        committed = mock.Mock()
        await self._room.world.notices.close()
        with (
            mock.patch.object(store.database, "_observe", lambda kind, operation, _: committed(operation)),
            mock.patch.object(layout, "mail", wraps=layout.mail) as written,
            mock.patch.object(store.waiting_mails, "add", wraps=store.waiting_mails.add) as added,
        ):
            await self._room.ask_for_reset(email)
        writes = [call for call in committed.call_args_list if call.args == ("write",)]
        return len(writes), written.call_count, added.call_count


async def test_an_address_that_is_here_costs_what_one_costs_that_is_not(room: MailRoom, world: World) -> None:
    await world.create()
    watched = Watched(room)
    known, again, unknown = [
        await watched.cost(email) for email in ("alice@example.com", "alice@example.com", "nobody@example.com")
    ]
    assert known == again == unknown == (1, MOST_ACCOUNTS, MOST_ACCOUNTS)
    assert [mail.to for mail in room.mails()] == ["alice@example.com"]


async def test_an_address_that_several_accounts_have_costs_no_more_and_each_gets_a_code_of_its_own(
    room: MailRoom, world: World
) -> None:
    names = [f"alice{number}" for number in range(MOST_ACCOUNTS + 2)]
    for name in names:
        await world.create(name, email="alice@example.com")
    cost = await Watched(room).cost("alice@example.com")
    assert cost == await Watched(room).cost("nobody@example.com")
    mails = sorted(room.take(), key=lambda mail: mail.subject)
    assert [mail.subject for mail in mails] == [f"Reset the password of @{name}.test" for name in names[:MOST_ACCOUNTS]]
    codes = [CODE.findall(mail.text)[0] for mail in mails]
    await room.reset.reset(codes[1], NEW)
    await world.sessions.create("alice1.test", NEW)
    await world.sessions.create("alice0.test", PASSWORD)
    with pytest.raises(InvalidToken):
        await room.reset.reset(codes[1], NEW)
    await room.reset.reset(codes[0], NEW)


async def test_who_has_older_accounts_keeps_nobody_from_his_own_by_giving_them_his_address(
    room: MailRoom, world: World
) -> None:
    older = [(await world.create(f"mallory{number}")).account.did for number in range(MOST_ACCOUNTS)]
    alice = (await world.create("alice", password="her own password")).account
    room.clock.now = alice.created_at
    for did in older:
        room.clock.pass_by(1)
        await room.addresses.change(did, "alice@example.com")
    room.take()
    assert (await world.sessions.create("alice@example.com", "her own password")).account.did == alice.did
    await room.ask_for_reset("alice@example.com")
    [code] = [CODE.findall(mail.text)[0] for mail in room.take() if "@alice.test" in mail.text]
    assert room.codes.owner(RESET, code) == alice.did


async def test_only_the_account_that_has_confirmed_an_address_is_reset_by_it(room: MailRoom, world: World) -> None:
    await world.create()
    bob = (await world.create("bob", email="alice@example.com")).account.did
    world.store.accounts.confirm_email(bob, 1)
    await room.ask_for_reset("alice@example.com")
    assert [mail.subject for mail in room.mails()] == ["Reset the password of @bob.test"]


async def test_the_answer_does_not_wait_until_the_address_is_looked_up(world: World) -> None:
    await world.create()
    room = MailRoom(world)
    room.reset._afterwards._pause = lambda: 3600.0
    with mock.patch.object(world.store.accounts, "with_email") as looked_up:
        for email in ("alice@example.com", "nobody@example.com", "", "\0", "x" * 100_000):
            room.reset.request(email)
        await asyncio.sleep(0)
        looked_up.assert_not_called()
    for task in room.reset._afterwards._pending:
        task.cancel()
    await room.reset.close()


@pytest.mark.parametrize("email", ["", "\0", "no address", "a@b\r\nBcc: c@d", "x" * 100_000, "a@b.c" * 100])
async def test_whatever_is_asked_for_is_answered_alike(room: MailRoom, email: str) -> None:
    with capture_logs() as logged:
        await room.ask_for_reset(email)
    assert logged == []
    assert room.mails() == []


async def test_many_requests_at_once_are_refused_whoever_they_are_for(room: MailRoom, world: World) -> None:
    await world.create()
    room.reset._afterwards._pause = lambda: 0.05
    for number in range(100):
        room.reset.request(f"nobody{number}@example.com")
    for email in ("alice@example.com", "nobody@example.com"):
        with pytest.raises(NotEnoughResources):
            room.reset.request(email)
    await room.reset.close()
    await room.ask_for_reset("alice@example.com")
    assert len(room.mails()) == 1


async def test_whoever_asks_again_and_again_fills_no_mailbox_and_ends_no_code(room: MailRoom, world: World) -> None:
    await world.create()
    code = await asked(room)
    for _ in range(5):
        room.reset.request("alice@example.com")
        room.clock.pass_by(0.15)
    await room.reset.close()
    assert room.mails() == []
    room.clock.pass_by(0.5)
    assert await asked(room) != code
    with pytest.raises(InvalidToken):
        await room.reset.reset(code, NEW)


async def test_many_addresses_that_ask_get_an_account_six_mails_an_hour_and_it_always_has_a_good_code(
    room: MailRoom, world: World
) -> None:
    await world.create()
    sent = []
    for minute in range(61):
        await room.ask_for_reset("alice@example.com")
        sent += [minute for _ in room.take()]
        room.clock.pass_by(1)
    assert sent == [0, 1, 2, 17, 32, 47]


async def test_what_is_too_often_costs_what_is_not(room: MailRoom, world: World) -> None:
    await world.create()
    watched = Watched(room)
    costs = []
    for _ in range(5):
        costs.append(await watched.cost("alice@example.com"))
        room.clock.pass_by(2)
    assert len(set(costs)) == 1


async def test_what_goes_wrong_after_the_answer_is_logged_without_the_address(room: MailRoom, world: World) -> None:
    await world.create()
    failing = mock.patch.object(world.store.waiting_mails, "standing", return_value=(10_000, None))
    with failing, capture_logs() as logged:
        await room.ask_for_reset("alice@example.com")
    (line,) = logged
    assert (line["event"], line["log_level"]) == ("password_reset.not_sent", "warning")
    assert "alice" not in repr(line)


async def test_a_reset_of_an_account_that_was_deleted_meanwhile(room: MailRoom, world: World) -> None:
    did: Did = (await world.create()).account.did
    code = await asked(room)
    world.store.accounts.delete(did)
    with pytest.raises(InvalidToken):
        await room.reset.reset(code, NEW)
