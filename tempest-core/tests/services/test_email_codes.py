"""Codes by mail, with the real stores and a clock that is moved by hand."""

from __future__ import annotations

import sqlite3
from contextlib import suppress
from unittest import mock

import pytest
from account_world import World
from hypothesis import given
from hypothesis import strategies as st
from mail_room import CODE, MailRoom

from tempest_pds.protocol.syntax.did import Did
from tempest_pds.services.email_codes import MOST_GUESSES, MOST_TO_AN_ADDRESS, new_code
from tempest_pds.services.errors import ExpiredToken, InvalidRequest, InvalidToken, MethodNotImplemented
from tempest_pds.stores.account.email_tokens import EmailTokenPurpose, normalise_code

PURPOSES = list(EmailTokenPurpose)
CONFIRM, DELETE = EmailTokenPurpose.CONFIRM_EMAIL, EmailTokenPurpose.DELETE_ACCOUNT


@pytest.fixture
def room(world: World) -> MailRoom:
    return MailRoom(world)


async def sent(room: MailRoom, did: Did, purpose: EmailTokenPurpose = CONFIRM) -> str:
    await room.codes.send(room.account(did), purpose)
    return room.take_code()


@pytest.mark.parametrize("purpose", PURPOSES)
async def test_a_code_is_good_once_for_its_account_and_purpose(
    room: MailRoom, world: World, purpose: EmailTokenPurpose
) -> None:
    alice, bob = (await world.create()).account.did, (await world.create("bob")).account.did
    code = await sent(room, alice, purpose)
    for other in PURPOSES:
        if other is not purpose:
            with pytest.raises(InvalidToken):
                room.codes.check(alice, other, code)
            with pytest.raises(InvalidToken):
                room.codes.owner(other, code)
    with pytest.raises(InvalidToken):
        room.codes.check(bob, purpose, code)
    room.codes.check(alice, purpose, code)
    assert room.codes.owner(purpose, code) == alice
    room.codes.use(alice, purpose, code)
    with pytest.raises(InvalidToken):
        room.codes.use(alice, purpose, code)
    with pytest.raises(InvalidToken):
        room.codes.owner(purpose, code)


async def test_a_code_is_good_for_a_quarter_of_an_hour(room: MailRoom, world: World) -> None:
    did = (await world.create()).account.did
    code = await sent(room, did)
    room.clock.pass_by(14.99)
    room.codes.check(did, CONFIRM, code)
    room.clock.pass_by(0.01)
    for check in (lambda: room.codes.check(did, CONFIRM, code), lambda: room.codes.owner(CONFIRM, code)):
        with pytest.raises(ExpiredToken):
            check()


async def test_nobody_is_told_that_a_code_of_somebody_else_has_expired(room: MailRoom, world: World) -> None:
    alice, bob = (await world.create()).account.did, (await world.create("bob")).account.did
    code = await sent(room, alice)
    room.clock.pass_by(16)
    with pytest.raises(InvalidToken):
        room.codes.check(bob, CONFIRM, code)


async def test_a_new_code_ends_the_one_before(room: MailRoom, world: World) -> None:
    did = (await world.create()).account.did
    first = await sent(room, did)
    second = await sent(room, did)
    with pytest.raises(InvalidToken):
        room.codes.check(did, CONFIRM, first)
    room.codes.check(did, CONFIRM, second)


async def test_a_mail_that_is_late_is_not_sent_after_its_code_has_expired(room: MailRoom, world: World) -> None:
    did = (await world.create()).account.did
    await room.codes.send(room.account(did), CONFIRM)
    (waiting,) = world.store.waiting_mails.soonest(10)
    assert waiting.expires_at - waiting.posted_at == 15 * 60 * 1_000_000


@pytest.mark.parametrize("fails", ["waiting_mails", "email_tokens"])
async def test_there_is_no_code_without_its_mail_and_no_mail_without_its_code(
    room: MailRoom, world: World, fails: str
) -> None:
    """As after a crash between the two: what was not committed is not there."""
    did = (await world.create()).account.did
    before = await sent(room, did)
    name = "add" if fails == "waiting_mails" else "put"
    broken = mock.Mock(side_effect=sqlite3.OperationalError("disk I/O error"))
    with mock.patch.object(getattr(world.store, fails), name, broken), suppress(sqlite3.OperationalError):
        await room.codes.send(room.account(did), CONFIRM)
    assert broken.called
    assert room.mails() == []
    room.codes.check(did, CONFIRM, before)


async def test_ten_wrong_guesses_end_a_code(room: MailRoom, world: World) -> None:
    alice, bob = (await world.create()).account.did, (await world.create("bob")).account.did
    code, bobs, other = await sent(room, alice), await sent(room, bob), await sent(room, alice, DELETE)
    for _ in range(MOST_GUESSES):
        with pytest.raises(InvalidToken):
            room.codes.check(alice, CONFIRM, new_code())
    with pytest.raises(InvalidToken):
        room.codes.check(alice, CONFIRM, code)
    room.codes.check(bob, CONFIRM, bobs)
    room.codes.check(alice, DELETE, other)
    room.codes.check(alice, CONFIRM, await sent(room, alice))


async def test_guesses_at_no_code_are_not_remembered(room: MailRoom, world: World) -> None:
    did = (await world.create()).account.did
    for number in range(100):
        with pytest.raises(InvalidToken):
            room.codes.check(Did(f"did:plc:{number:024}"), CONFIRM, new_code())
        with pytest.raises(InvalidToken):
            room.codes.check(did, CONFIRM, new_code())
    assert room.codes._wrong == {}


async def test_the_sweep_forgets_codes_an_hour_after_their_time(room: MailRoom, world: World) -> None:
    did = (await world.create()).account.did
    code = await sent(room, did)
    with pytest.raises(InvalidToken):
        room.codes.check(did, CONFIRM, "wrong")
    room.clock.pass_by(74)
    await room.codes.forget_expired()
    with pytest.raises(ExpiredToken):
        room.codes.check(did, CONFIRM, code)
    room.clock.pass_by(2)
    await room.codes.forget_expired()
    with pytest.raises(InvalidToken):
        room.codes.check(did, CONFIRM, code)
    assert room.codes._wrong == {}


async def test_no_mailbox_is_filled_by_who_gives_its_address_to_many_accounts(room: MailRoom, world: World) -> None:
    dids = [(await world.create(f"mallory{n}", email="alice@example.com")).account.did for n in range(4)]
    alice = (await world.create("alice", email="alice@example.com")).account.did
    first = await sent(room, alice)
    for _ in range(5):
        for did in dids:
            await room.codes.send(room.account(did), CONFIRM)
    assert len(room.take()) == MOST_TO_AN_ADDRESS - 1
    # What was sent before stays good, and the next hour has its own.
    await room.codes.send(room.account(alice), CONFIRM)
    assert room.take() == []
    room.codes.check(alice, CONFIRM, first)
    room.clock.pass_by(60)
    await room.codes.forget_expired()
    await sent(room, alice)
    # Who has confirmed it has all that he asks for.
    await world.writer.run(world.store.accounts.confirm_email, alice, 1)
    for did in dids * 4:
        await room.codes.send(room.account(did), CONFIRM)
    room.take()
    await sent(room, alice, DELETE)


async def test_an_account_without_an_address_is_sent_nothing(room: MailRoom, world: World) -> None:
    did = (await world.create()).account.did
    world.store.accounts.set_email(did, None, given_at=1)
    with pytest.raises(InvalidRequest, match="account does not have an email address"):
        await room.codes.send(room.account(did), CONFIRM)


@pytest.mark.parametrize("change", ["deleted", "moved"])
async def test_no_code_goes_to_an_address_that_was_the_accounts_a_moment_ago(
    room: MailRoom, world: World, change: str
) -> None:
    account = (await world.create()).account
    if change == "deleted":
        world.store.accounts.delete(account.did)
    else:
        world.store.accounts.set_email(account.did, "other@example.com", given_at=1)
    with pytest.raises(InvalidRequest):
        await room.codes.send(account, CONFIRM)
    assert room.mails() == []


async def test_a_server_that_sends_no_mail_says_so(world: World) -> None:
    room = MailRoom(world, mail_goes_out=False)
    did = (await world.create()).account.did
    with pytest.raises(MethodNotImplemented, match="sends no email"):
        await room.codes.send(room.account(did), CONFIRM)
    with pytest.raises(MethodNotImplemented, match="sends no email"):
        room.reset.request("alice@example.com")


# How codes are written


@st.composite
def disguised(draw: st.DrawFn) -> tuple[str, str]:
    """Draw a code, and what somebody makes of it who types it or whose telephone helps."""
    code = draw(st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", min_size=10, max_size=10))
    written = f"{code[:5]}-{code[5:]}"
    misread = {"O": "0", "I": "1", "B": "8"}
    typed = "".join(
        draw(
            st.sampled_from(sorted({character, character.lower(), misread.get(character, character), wide(character)}))
        )
        for character in code
    )
    dash = draw(st.sampled_from(["-", "", " ", "–", "—", "‑", " - ", "\N{NO-BREAK SPACE}"]))
    around = draw(st.sampled_from(["", " ", "\n", "\t ", ".", "\N{ZERO WIDTH SPACE}"]))
    return written, f"{around}{typed[:5]}{dash}{typed[5:]}{around}"


def wide(character: str) -> str:
    return chr(ord(character) + 0xFEE0)


@given(disguised())
def test_a_code_is_known_again_however_it_is_typed(pair: tuple[str, str]) -> None:
    written, typed = pair
    assert normalise_code(typed) == normalise_code(written) == written.replace("-", "")


@given(st.text() | st.text(max_size=3).map(lambda text: text * 100_000))
def test_whatever_is_given_for_a_code_is_reduced_to_a_short_text(text: str) -> None:
    reduced = normalise_code(text)
    assert len(reduced) <= 2_000
    assert all(character.isalnum() for character in reduced)


def test_new_codes_have_fifty_bits_and_the_form_that_clients_know() -> None:
    codes = {new_code() for _ in range(2_000)}
    assert len(codes) == 2_000
    assert all(CODE.fullmatch(code) for code in codes)
    assert {character for code in codes for character in code} == set("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567-")
    assert len({normalise_code(code) for code in codes}) == 2_000
