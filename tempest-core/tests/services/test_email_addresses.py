"""An account's address is confirmed and changed, and its old address is told."""

from __future__ import annotations

import sqlite3
from unittest import mock

import pytest
from account_world import World
from mail_room import MailRoom

from tempest_pds.protocol.syntax.did import Did
from tempest_pds.services.errors import (
    AccountNotFound,
    ExpiredToken,
    InvalidEmail,
    InvalidRequest,
    InvalidToken,
    TokenRequired,
)
from tempest_pds.services.security_event_kinds import EventKind
from tempest_pds.stores.account.email_tokens import EmailTokenPurpose

NOBODY = Did("did:plc:nobodyaaaaaaaaaaaaaaaaaa")
OLD, NEW = "alice@example.com", "new@example.org"


@pytest.fixture
def room(world: World) -> MailRoom:
    return MailRoom(world)


@pytest.fixture
async def alice(world: World) -> Did:
    return (await world.create()).account.did


async def confirm(room: MailRoom, did: Did) -> None:
    await room.addresses.request_confirmation(did)
    await room.addresses.confirm(did, room.account(did).email or "", room.take_code())


async def code_for_a_change(room: MailRoom, did: Did) -> str:
    assert await room.addresses.request_change(did)
    return room.take_code()


async def test_an_address_is_confirmed_with_the_code_that_was_mailed_to_it(room: MailRoom, alice: Did) -> None:
    await room.addresses.request_confirmation(alice)
    (mail,) = room.mails()
    assert mail.to == OLD
    code = room.take_code()
    await room.addresses.confirm(alice, OLD.upper(), f" {code.lower()} ")
    assert room.account(alice).email_confirmed_at == room.clock.now
    with pytest.raises(InvalidToken):
        await room.addresses.confirm(alice, OLD, code)


async def test_a_confirmation_is_refused(room: MailRoom, alice: Did, world: World) -> None:
    bob = (await world.create("bob")).account.did
    await room.addresses.request_confirmation(alice)
    code = room.take_code()
    with pytest.raises(InvalidEmail):
        await room.addresses.confirm(alice, "bob@example.com", code)
    with pytest.raises(InvalidToken):
        await room.addresses.confirm(alice, OLD, "AAAAA-AAAAA")
    with pytest.raises(InvalidToken):
        await room.addresses.confirm(bob, "bob@example.com", code)
    with pytest.raises(AccountNotFound):
        await room.addresses.confirm(NOBODY, OLD, code)
    with pytest.raises(InvalidRequest, match="account not found"):
        await room.addresses.request_confirmation(NOBODY)
    room.clock.pass_by(15)
    with pytest.raises(ExpiredToken):
        await room.addresses.confirm(alice, OLD, code)
    assert not room.account(alice).email_confirmed


async def test_an_address_that_is_not_confirmed_is_changed_without_a_code(room: MailRoom, alice: Did) -> None:
    assert await room.addresses.request_change(alice) is False
    assert room.mails() == []
    await room.addresses.change(alice, NEW.upper())
    account = room.account(alice)
    assert (account.email, account.email_confirmed) == (NEW, False)


async def test_one_that_is_confirmed_takes_a_code_and_the_new_one_is_not_confirmed(room: MailRoom, alice: Did) -> None:
    await confirm(room, alice)
    with pytest.raises(TokenRequired, match="confirmation token required"):
        await room.addresses.change(alice, NEW)
    with pytest.raises(TokenRequired):
        await room.addresses.change(alice, NEW, "")
    with pytest.raises(InvalidToken):
        await room.addresses.change(alice, NEW, "AAAAA-AAAAA")
    assert await room.addresses.request_change(alice) is True
    (mail,) = room.mails()
    assert mail.to == OLD
    await room.addresses.change(alice, NEW, room.take_code())
    account = room.account(alice)
    assert (account.email, account.email_confirmed) == (NEW, False)
    assert await room.addresses.request_change(alice) is False


async def test_a_code_that_is_given_without_need_must_be_right(room: MailRoom, alice: Did) -> None:
    with pytest.raises(InvalidToken):
        await room.addresses.change(alice, NEW, "AAAAA-AAAAA")
    assert room.account(alice).email == OLD


async def test_the_old_address_is_told_of_the_change(room: MailRoom, alice: Did, world: World) -> None:
    world.hooks.told.clear()
    await room.addresses.change(alice, NEW)
    (mail,) = room.mails()
    assert mail.to == OLD
    assert NEW not in mail.text + mail.html
    assert world.hooks.told == ["alice.test email"]


async def test_nobody_is_told_where_there_was_no_address_or_the_same(room: MailRoom, alice: Did, world: World) -> None:
    await room.addresses.change(alice, OLD)
    world.store.accounts.set_email(alice, None, given_at=1)
    await room.addresses.change(alice, NEW)
    assert room.mails() == []


async def test_codes_that_went_to_the_old_address_are_worth_nothing(room: MailRoom, alice: Did) -> None:
    codes = {}
    for purpose in EmailTokenPurpose:
        await room.codes.send(room.account(alice), purpose)
        codes[purpose] = room.take_code()
    await room.addresses.change(alice, NEW)
    for purpose, code in codes.items():
        with pytest.raises(InvalidToken):
            room.codes.check(alice, purpose, code)


@pytest.mark.parametrize(
    ("email", "reason"),
    [
        ("nope", "not supported"),
        ("a@mailinator.com", "not supported"),
    ],
)
async def test_addresses_that_an_account_cannot_have(room: MailRoom, alice: Did, email: str, reason: str) -> None:
    await confirm(room, alice)
    code = await code_for_a_change(room, alice)
    with pytest.raises(InvalidRequest, match=reason):
        await room.addresses.change(alice, email, code)
    assert room.account(alice).email == OLD
    assert room.account(alice).email_confirmed
    assert room.mails() == []
    await room.addresses.change(alice, NEW, code)


async def test_a_change_and_the_notice_of_it_are_one_transaction(room: MailRoom, alice: Did, world: World) -> None:
    await confirm(room, alice)
    code = await code_for_a_change(room, alice)
    failing = mock.patch.object(
        world.store.waiting_mails, "add", side_effect=sqlite3.OperationalError("disk I/O error")
    )
    with failing, pytest.raises(sqlite3.OperationalError):
        await room.addresses.change(alice, NEW, code)
    assert room.account(alice).email == OLD
    room.codes.check(alice, EmailTokenPurpose.UPDATE_EMAIL, code)


async def test_a_code_is_not_left_out_because_the_address_was_not_confirmed_a_moment_ago(
    room: MailRoom, alice: Did
) -> None:
    """The confirmation comes between the look at the account and the change."""
    account = room.account(alice)
    await confirm(room, alice)
    with (
        mock.patch.object(room.addresses, "_find", return_value=account),
        pytest.raises(InvalidRequest, match="just been changed"),
    ):
        await room.addresses.change(alice, NEW)
    assert room.account(alice).email == OLD


# An address that another account has


async def test_an_address_of_another_account_is_taken_like_a_free_one(room: MailRoom, alice: Did, world: World) -> None:
    bob = (await world.create("bob")).account.did
    await confirm(room, bob)
    for email in ("BOB@example.com", "free@example.com"):
        await room.addresses.change(alice, email)
        account = room.account(alice)
        assert (account.email, account.email_confirmed) == (email.lower(), False)
    assert room.account(bob).email_confirmed


async def test_an_address_is_confirmed_by_one_account_and_only_who_has_the_code_is_told(
    room: MailRoom, alice: Did, world: World
) -> None:
    bob = (await world.create("bob", email=OLD)).account.did
    await room.addresses.request_confirmation(bob)
    code = room.take_code()
    await confirm(room, alice)
    with pytest.raises(InvalidToken):
        await room.addresses.confirm(bob, OLD, "AAAAA-AAAAA")
    with pytest.raises(InvalidRequest, match="confirmed for another account here already"):
        await room.addresses.confirm(bob, OLD, code)
    assert (room.account(alice).email_confirmed, room.account(bob).email_confirmed) == (True, False)
    # The code is still good: the other may give the address up.
    await room.addresses.change(alice, NEW, await code_for_a_change(room, alice))
    await room.addresses.confirm(bob, OLD, code)
    assert room.account(bob).email_confirmed


async def test_who_has_confirmed_an_address_is_told_that_it_was_given_again_once_a_day(
    room: MailRoom, alice: Did, world: World
) -> None:
    await confirm(room, alice)
    for name in ("bob", "carol"):
        did = (await world.create(name)).account.did
        await room.addresses.change(did, OLD)
        await room.notices.close()
    mails = [mail for mail in room.take() if mail.to == OLD]
    assert [mail.subject for mail in mails] == ["The e-mail address of @alice.test was given for another account"]
    assert "@bob.test" in mails[0].text
    assert world.events.list_for(alice)[0].kind == EventKind.EMAIL_GIVEN_AGAIN


async def test_nobody_is_told_of_an_address_that_nobody_has_confirmed_or_of_his_own(
    room: MailRoom, alice: Did, world: World
) -> None:
    bob = (await world.create("bob")).account.did
    await room.addresses.change(bob, OLD)
    await room.notices.close()
    room.take()
    await confirm(room, alice)
    await room.addresses.change(alice, OLD, await code_for_a_change(room, alice))
    await room.notices.close()
    assert room.mails() == []


async def test_a_sign_up_with_a_confirmed_address_is_told_its_owner(room: MailRoom, alice: Did, world: World) -> None:
    await confirm(room, alice)
    await world.create("bob", email=OLD)
    await world.notices.close()
    assert [mail.to for mail in world.outbox.mails] == [OLD]
