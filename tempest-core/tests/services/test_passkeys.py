"""Passkeys: added by the browser that asked, and their answers good once, for one account and one challenge."""

from __future__ import annotations

import pytest
from account_world import World
from factor_owner import BROWSER, OTHER, Owner
from tests.support.soft_passkey import SoftPasskey

from tempest_pds.services.errors import (
    AuthenticationRequired,
    AuthFactorTokenRequired,
    InvalidRequest,
)
from tempest_pds.services.second_factor.passkeys import PasskeyCeremonies
from tempest_pds.services.sign_in import FactorKind


@pytest.fixture
async def owner(world: World) -> Owner:
    return Owner(world, (await world.create()).account.did)


async def test_a_passkey_signs_in_and_brings_recovery_codes_for_the_api(owner: Owner) -> None:
    passkey = await owner.add_passkey()
    assert len(owner.codes) == 10
    needed = await owner.ask()
    assert needed.kinds == {FactorKind.PASSKEY, FactorKind.RECOVERY_CODE}
    assert needed.passkey_request is not None
    account = await owner.answer(needed, passkey=passkey.sign(needed.passkey_request))
    assert account.did == owner.did
    with pytest.raises(AuthFactorTokenRequired, match="recovery codes"):
        await owner.log_in()
    assert (await owner.log_in(owner.codes[0])).tokens is not None


@pytest.mark.parametrize("counts_from", [None, 1])
async def test_what_a_passkey_has_signed_is_good_once(owner: Owner, counts_from: int | None) -> None:
    passkey = await owner.add_passkey(counts_from=counts_from)
    needed = await owner.ask()
    assert needed.passkey_request is not None
    signed = passkey.sign(needed.passkey_request)
    owner.world.clock.now += 1
    await owner.answer(needed, passkey=signed)
    with pytest.raises(AuthenticationRequired):
        await owner.answer(needed, passkey=signed)
    # Nor does what was signed for one ticket do for another.
    with pytest.raises(AuthenticationRequired):
        await owner.answer(await owner.ask(), passkey=signed)


@pytest.mark.parametrize(
    "wrong", ["origin", "kind", "challenge", "nobody there", "another passkey", "another site", "a copy", "no JSON"]
)
async def test_a_passkey_that_answers_wrong_signs_nobody_in(owner: Owner, wrong: str) -> None:
    passkey = await owner.add_passkey()
    needed = await owner.ask()
    request = needed.passkey_request
    assert request is not None
    if wrong == "origin":
        answer = passkey.sign(request, origin="https://localhost:4000")
    elif wrong == "kind":
        answer = passkey.sign(request, type="webauthn.create")
    elif wrong == "challenge":
        answer = passkey.sign(request, challenge="A" * 43)
    elif wrong == "nobody there":
        answer = passkey.sign(request, present=False)
    elif wrong == "another passkey":
        answer = SoftPasskey("http://localhost:4000", "localhost").sign(request)
    elif wrong == "another site":
        passkey.rp_id = "example.com"
        answer = passkey.sign(request)
    elif wrong == "a copy":
        assert passkey.count is not None
        passkey.count -= 1
        answer = passkey.sign(request)
    else:
        answer = "[]"
    with pytest.raises(AuthenticationRequired):
        await owner.answer(needed, passkey=answer)


async def test_a_passkey_of_another_account_opens_nothing(owner: Owner) -> None:
    bob = Owner(owner.world, (await owner.world.create("bob")).account.did)
    of_bob = await bob.add_passkey()
    await owner.add_passkey()
    needed = await owner.ask()
    assert needed.passkey_request is not None
    with pytest.raises(AuthenticationRequired):
        await owner.answer(needed, passkey=of_bob.sign(needed.passkey_request))


async def test_a_passkey_is_not_added_for_another_browser_account_or_challenge(owner: Owner) -> None:
    world, passkey = owner.world, SoftPasskey("http://localhost:4000", "localhost")
    bob = (await world.create("bob")).account.did
    begun = world.enrolment.begin_passkey(owner.did, BROWSER)
    answer = passkey.register(begun.options)
    with pytest.raises(AuthenticationRequired):
        await world.enrolment.add_passkey(owner.did, begun.ticket, "", answer, OTHER)
    with pytest.raises(AuthenticationRequired):
        await world.enrolment.add_passkey(bob, begun.ticket, "", answer, BROWSER)
    another = world.enrolment.begin_passkey(owner.did, BROWSER)
    with pytest.raises(InvalidRequest):
        await world.enrolment.add_passkey(owner.did, another.ticket, "", answer, BROWSER)
    await world.enrolment.add_passkey(owner.did, begun.ticket, "", answer, BROWSER)
    with pytest.raises(InvalidRequest, match="already"):
        await world.enrolment.add_passkey(owner.did, begun.ticket, "", answer, BROWSER)


async def test_a_server_at_an_address_without_a_name_has_no_passkeys() -> None:
    assert not PasskeyCeremonies("http://192.0.2.1:4000").is_possible
    assert not PasskeyCeremonies("http://[2001:db8::1]:4000").is_possible
    assert PasskeyCeremonies("https://pds.example.com").is_possible
