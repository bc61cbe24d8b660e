"""What comes and goes with second factors: recovery codes, events, mails, and what a session may do."""

from __future__ import annotations

import pytest
from account_world import World, access, refresh_credentials
from factor_owner import BROWSER, Owner

from tempest_pds.services.credentials import Credentials, Kind
from tempest_pds.services.errors import (
    AuthFactorTokenRequired,
    InvalidRequest,
)
from tempest_pds.services.second_factor.step_up import StepUp


@pytest.fixture
async def owner(world: World) -> Owner:
    return Owner(world, (await world.create()).account.did)


# Coming and going


async def test_recovery_codes_go_with_the_last_factor(owner: Owner) -> None:
    await owner.add_app()
    passkey = await owner.add_passkey()
    assert len(owner.codes) == 10, "the second factor brings no further codes"
    await owner.world.enrolment.remove_app(owner.did, BROWSER)
    assert owner.world.enrolment.of(owner.did).codes_left == 10
    await owner.world.enrolment.remove_passkey(owner.did, passkey.id, BROWSER)
    assert owner.world.enrolment.of(owner.did).codes_left == 0
    assert (await owner.log_in()).tokens is not None
    with pytest.raises(InvalidRequest):
        await owner.world.enrolment.renew_codes(owner.did, BROWSER, None)


async def test_nobody_changes_the_passkeys_of_another(owner: Owner) -> None:
    bob = (await owner.world.create("bob")).account.did
    passkey = await owner.add_passkey()
    await owner.world.enrolment.remove_passkey(bob, passkey.id, BROWSER)
    with pytest.raises(InvalidRequest):
        await owner.world.enrolment.rename_passkey(bob, passkey.id, "mine")
    [row] = owner.world.enrolment.of(owner.did).passkeys
    assert row.name == "My key"


async def test_an_operator_takes_all_of_it_away(owner: Owner) -> None:
    await owner.add_app()
    await owner.add_passkey()
    assert await owner.world.enrolment.turn_off(owner.did)
    assert (await owner.log_in()).tokens is not None
    assert not await owner.world.enrolment.turn_off(owner.did)


async def test_what_happens_to_factors_is_noted_for_the_owner(owner: Owner) -> None:
    await owner.add_app()
    await owner.log_in(owner.codes[0])
    await owner.world.enrolment.remove_app(owner.did, BROWSER)
    noted = [(event.kind, dict(event.detail)) for event in reversed(owner.world.events.list_for(owner.did))]
    assert noted[-4:] == [
        ("second_factor_added", {"factor": "totp"}),
        ("recovery_code_used", {"left": "9"}),
        ("signed_in", {"door": "api", "factor": "recovery_code"}),
        ("second_factor_removed", {"factor": "totp"}),
    ]


async def test_what_happens_to_factors_is_mailed_to_the_owner(owner: Owner) -> None:
    await owner.add_app()
    passkey = await owner.add_passkey()
    await owner.world.enrolment.remove_passkey(owner.did, passkey.id, BROWSER)
    await owner.world.enrolment.remove_passkey(owner.did, passkey.id, BROWSER)
    await owner.world.enrolment.turn_off(owner.did)
    assert [mail.subject for mail in owner.world.outbox.mails if "step" in mail.subject] == [
        "A second step was added to signing in to @alice.test",
        "A second step was added to signing in to @alice.test",
        "A second step was removed from signing in to @alice.test",
        "localhost removed the second step of @alice.test",
    ]


# Sessions that were opened with a factor


async def test_a_session_opened_with_a_factor_may_do_more_for_ten_minutes_and_so_may_its_successors(
    owner: Owner,
) -> None:
    world, step_up = owner.world, StepUp(owner.world.factors, owner.world.clock)
    before = await owner.log_in()
    step_up.check(access(world, before))
    await owner.add_app()
    with pytest.raises(AuthFactorTokenRequired, match="sign in again"):
        step_up.check(access(world, before))
    session = await owner.log_in(owner.code())
    step_up.check(access(world, session))
    world.clock.now += 599
    refreshed = await world.sessions.refresh(refresh_credentials(world, session))
    step_up.check(access(world, refreshed))
    world.clock.now += 1
    for late in (session, refreshed, await world.sessions.refresh(refresh_credentials(world, refreshed))):
        with pytest.raises(AuthFactorTokenRequired):
            step_up.check(access(world, late))


async def test_an_app_that_was_let_in_may_change_the_identity_for_ten_minutes_unless_that_was_without_the_factor(
    owner: Owner,
) -> None:
    world, step_up = owner.world, StepUp(owner.world.factors, owner.world.clock)

    def app() -> Credentials:
        return Credentials(did=owner.did, scope=None, kind=Kind.OAUTH, factor_at=world.clock.now)

    before = app()
    step_up.check(before)
    world.clock.now += 1
    await owner.add_app()
    with pytest.raises(AuthFactorTokenRequired, match="connect the app anew"):
        step_up.check(before)
    after = app()
    step_up.check(after)
    for clock_set in (+600, -1200):
        world.clock.now += clock_set
        with pytest.raises(AuthFactorTokenRequired):
            step_up.check(after)
