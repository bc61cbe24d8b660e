"""What owners are mailed of that was done with their accounts, and how often."""

from __future__ import annotations

from unittest import mock

import pytest
from account_world import PASSWORD, World
from factor_owner import BROWSER, Owner

from tempest_pds.services.errors import NotEnoughResources
from tempest_pds.services.owner_notices import MOST_A_DAY
from tempest_pds.services.password_change import PasswordChange
from tempest_pds.services.security_event_kinds import EventKind

DAY_US = 86_400_000_000


def subjects(world: World) -> list[str]:
    return [mail.subject for mail in world.outbox.mails if mail.to == "alice@example.com"]


async def test_another_handle_is_told_by_mail_and_the_same_one_again_is_not(world: World) -> None:
    did = (await world.create()).account.did
    await world.identities.update_handle(did, "alicia.test")
    await world.identities.update_handle(did, "alicia.test")
    assert subjects(world) == ["The handle of @alice.test was changed"]
    assert "@alice.test on localhost is called @alicia.test now" in world.outbox.mails[0].text.replace("\n", " ")


async def test_a_new_app_password_is_told_by_mail_without_the_name_that_was_chosen_for_it(world: World) -> None:
    did = (await world.create()).account.did
    await world.app_passwords.create(did, "Call 555 at once")
    assert subjects(world) == ["A new app password for @alice.test"]
    assert "555" not in world.outbox.mails[0].text


async def test_a_recovery_code_that_was_used_is_told_by_mail_with_how_many_are_left(world: World) -> None:
    owner = Owner(world, (await world.create()).account.did)
    await owner.add_app()
    world.outbox.mails.clear()
    await owner.log_in(owner.codes[0])
    assert subjects(world) == ["A recovery code of @alice.test was used"]
    assert "codes left: 9." in world.outbox.mails[0].text.replace("\n", " ")


async def test_who_makes_app_passwords_all_day_fills_no_mailbox_and_hides_no_other_mail(world: World) -> None:
    did = (await world.create()).account.did
    for number in range(MOST_A_DAY + 3):
        await world.app_passwords.create(did, str(number))
        await world.app_passwords.revoke(did, str(number))
    assert subjects(world) == ["A new app password for @alice.test"] * MOST_A_DAY
    made = [event for event in world.events.list_for(did) if event.kind == EventKind.APP_PASSWORD_MADE]
    assert len(made) == MOST_A_DAY + 3
    await world.identities.update_handle(did, "alicia.test")
    assert subjects(world)[MOST_A_DAY:] == ["The handle of @alice.test was changed"]


async def test_the_same_handle_again_and_again_hides_no_other(world: World) -> None:
    did = (await world.create()).account.did
    for _ in range(MOST_A_DAY):
        await world.identities.update_handle(did, "alice.test")
    await world.identities.update_handle(did, "alicia.test")
    assert subjects(world) == ["The handle of @alice.test was changed"]
    assert [event.kind for event in world.events.list_for(did)].count(EventKind.HANDLE_CHANGED) == 1


async def test_who_adds_and_removes_passkeys_all_day_fills_no_mailbox(world: World) -> None:
    owner = Owner(world, (await world.create()).account.did)
    for _ in range(MOST_A_DAY + 3):
        passkey = await owner.add_passkey()
        await world.enrolment.remove_passkey(owner.did, passkey.id, BROWSER)
    assert sorted(subjects(world)) == [
        *["A second step was added to signing in to @alice.test"] * MOST_A_DAY,
        *["A second step was removed from signing in to @alice.test"] * MOST_A_DAY,
    ]


async def test_who_sets_passwords_all_day_fills_no_mailbox(world: World) -> None:
    account = (await world.create()).account
    change = PasswordChange(
        store=world.store,
        writer=world.writer,
        passwords=world.passwords,
        notices=world.owner_notices,
        hooks=world.hooks,
    )
    for number in range(MOST_A_DAY + 3):
        account = await change.change(account, f"a password of number {number}")
    assert subjects(world) == ["A new password was set for @alice.test"] * MOST_A_DAY


@pytest.mark.parametrize("step", ["add", "remove", "renew"])
async def test_what_happens_to_a_second_factor_and_its_event_are_one(world: World, step: str) -> None:
    """A process that dies between the two would leave a factor that nobody is told of."""
    owner = Owner(world, (await world.create()).account.did)
    passkey = None if step == "add" else await owner.add_passkey()
    before = world.enrolment.of(owner.did)

    async def do() -> None:
        if passkey is None:
            await owner.add_passkey()
        elif step == "remove":
            await world.enrolment.remove_passkey(owner.did, passkey.id, BROWSER)
        else:
            await world.enrolment.renew_codes(owner.did, BROWSER, before.codes_made_at)

    with (
        mock.patch.object(world.store.security_events, "add", side_effect=OSError("killed")),
        pytest.raises(OSError, match="killed"),
    ):
        await do()
    assert world.enrolment.of(owner.did) == before
    if passkey is not None:
        assert (await owner.log_in(owner.codes[0])).tokens is not None


async def test_a_day_later_mails_are_sent_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    did = (await world.create()).account.did
    for number in range(MOST_A_DAY + 1):
        await world.app_passwords.create(did, str(number))
    now = world.owner_notices._now() + DAY_US
    monkeypatch.setattr(world.owner_notices, "_now", lambda: now)
    await world.app_passwords.create(did, "tomorrow")
    assert len(subjects(world)) == MOST_A_DAY + 1


async def test_a_full_outbox_keeps_nobody_from_what_he_does(world: World) -> None:
    owner = Owner(world, (await world.create()).account.did)
    await owner.add_app()
    with mock.patch.object(world.outbox, "add", side_effect=NotEnoughResources("full")):
        assert (await owner.log_in(owner.codes[0], PASSWORD)).tokens is not None
        await world.identities.update_handle(owner.did, "alicia.test")
        assert (await world.app_passwords.create(owner.did, "app")).password is not None
    kinds = [event.kind for event in world.events.list_for(owner.did)]
    assert {"recovery_code_used", "handle_changed", "app_password_made"} <= set(kinds)


async def test_what_is_rolled_back_is_not_told(world: World) -> None:
    did = (await world.create()).account.did
    with (
        mock.patch.object(world.store.app_passwords, "create", side_effect=OSError("disk")),
        pytest.raises(OSError, match="disk"),
    ):
        await world.app_passwords.create(did, "app")
    assert subjects(world) == []
