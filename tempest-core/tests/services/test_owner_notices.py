"""What owners are mailed of that was done with their accounts, and how often."""

from __future__ import annotations

from unittest import mock

import pytest
from account_world import PASSWORD, World
from factor_owner import Owner

from tempest_pds.services.errors import NotEnoughResources
from tempest_pds.services.owner_notices import MOST_A_DAY
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
