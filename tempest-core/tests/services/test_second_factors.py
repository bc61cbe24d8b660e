"""Second factors: asked for at every door, each answer good once, and guesses at them counted."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path
from typing import Any

import pytest
from account_world import PASSWORD, World
from factor_owner import BROWSER, OTHER, Owner
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test
from pyotp import TOTP

from tempest_pds.services.errors import (
    AuthenticationRequired,
    AuthFactorTokenRequired,
    CodeUsedBefore,
    FactorUsedBefore,
    Forbidden,
    InvalidToken,
    TooManyTries,
)
from tempest_pds.services.second_factor.guesses import BY_ACCOUNT_PER_DAY, BY_ADDRESS, BY_TICKET, Guesses, Window
from tempest_pds.services.sign_in import FactorAnswer, FactorKind, FactorNeeded, Visitor

RFC_SECRET = b"12345678901234567890"


@pytest.fixture
async def owner(world: World) -> Owner:
    return Owner(world, (await world.create()).account.did)


# Codes of apps: https://www.rfc-editor.org/rfc/rfc6238#appendix-B, of whose eight digits six are shown


@pytest.mark.parametrize(
    ("seconds", "code"),
    [
        (59, "94287082"),
        (1111111109, "07081804"),
        (1111111111, "14050471"),
        (1234567890, "89005924"),
        (2000000000, "69279037"),
        (20000000000, "65353130"),
    ],
)
async def test_the_codes_of_the_rfc_open_a_session_at_their_times(owner: Owner, seconds: int, code: str) -> None:
    world = owner.world
    world.store.totp_secrets.put(owner.did, RFC_SECRET, 1)
    world.store.totp_secrets.use(owner.did, confirmed_at=1, step=0)
    world.clock.now = seconds
    assert (await owner.log_in(code[2:])).tokens is not None


async def test_a_password_alone_is_enough_until_an_app_has_shown_its_first_code(owner: Owner) -> None:
    await owner.world.enrolment.begin_app(owner.did, BROWSER)
    assert (await owner.log_in()).tokens is not None
    await owner.add_app()
    with pytest.raises(AuthFactorTokenRequired):
        await owner.log_in()
    assert (await owner.log_in(owner.code())).tokens is not None


async def test_an_app_that_shows_a_wrong_first_code_is_not_added(owner: Owner) -> None:
    new = await owner.world.enrolment.begin_app(owner.did, BROWSER)
    owner.app = TOTP(new.secret)
    with pytest.raises(InvalidToken):
        await owner.world.enrolment.confirm_app(owner.did, owner.wrong_code(), BROWSER)
    assert not owner.world.factors.is_on(owner.did)
    # The page may be reloaded: what is shown is what the app was given.
    assert await owner.world.enrolment.begin_app(owner.did, BROWSER) == new


async def test_the_code_that_added_an_app_opens_nothing(owner: Owner) -> None:
    await owner.add_app()
    with pytest.raises(InvalidToken):
        await owner.log_in(owner.code(-1))


async def test_a_factor_is_asked_for_only_after_the_right_password(owner: Owner) -> None:
    await owner.add_app()
    for code in (None, owner.code(), owner.wrong_code()):
        with pytest.raises(AuthenticationRequired) as caught:
            await owner.log_in(code, password="wrong")
        assert type(caught.value) is AuthenticationRequired
    # And a wrong password uses no code up.
    assert (await owner.log_in(owner.code())).tokens is not None


async def test_an_app_password_needs_no_code(owner: Owner) -> None:
    made = await owner.world.app_passwords.create(owner.did, "bot")
    await owner.add_app()
    assert made.password is not None
    assert (await owner.log_in(password=made.password)).tokens is not None


async def test_policies_are_asked_after_the_factor_and_told_of_it(owner: Owner) -> None:
    await owner.add_app()
    owner.world.hooks.asked.clear()
    owner.world.hooks.refusal = "Not today"
    with pytest.raises(AuthFactorTokenRequired):
        await owner.log_in()
    assert owner.world.hooks.asked == []
    with pytest.raises(Forbidden):
        await owner.log_in(owner.code())
    assert owner.world.hooks.asked[0][1]["second_factor"] == "totp"


async def test_two_logins_at_once_do_not_share_a_code(owner: Owner) -> None:
    await owner.add_app()
    outcomes = await asyncio.gather(*[owner.log_in(owner.code()) for _ in range(4)], return_exceptions=True)
    assert [type(outcome) for outcome in outcomes if isinstance(outcome, BaseException)] == [CodeUsedBefore] * 3


async def test_a_factor_that_comes_while_a_password_is_checked_is_not_passed_by(
    owner: Owner, monkeypatch: pytest.MonkeyPatch
) -> None:
    check = owner.world.sign_in.for_session

    async def slow(*arguments: Any, **named: Any) -> Any:
        entry = await check(*arguments, **named)
        await owner.add_app()
        return entry

    monkeypatch.setattr(owner.world.sign_in, "for_session", slow)
    with pytest.raises(AuthenticationRequired):
        await owner.log_in()


class Codes(RuleBasedStateMachine):
    """Codes of an app and recovery codes, given in any order at any time: each opens once, and only in its time."""

    folder: Path

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.runs = Path(tempfile.mkdtemp(dir=type(self).folder))
        self.world = World(self.runs)
        self.owner = Owner(self.world, self.run(self.world.create()).account.did)
        self.run(self.owner.add_app())
        self.used_step = int(self.world.clock.now) // 30 - 1
        self.used: set[str] = set()

    def run(self, coroutine: Any) -> Any:
        return self.loop.run_until_complete(coroutine)

    def opens(self, code: str) -> bool:
        # What is guessed at too often is another test's.
        self.world.factors._guesses._counts.clear()
        try:
            self.run(self.owner.log_in(code))
        except InvalidToken:
            return False
        return True

    @rule(seconds=st.integers(0, 100))
    def wait(self, seconds: int) -> None:
        self.world.clock.now += seconds

    @rule(off=st.integers(-4, 4))
    def give_a_code(self, off: int) -> None:
        code, now = self.owner.code(off), int(self.world.clock.now) // 30
        # Of a million codes that of another step may be the same.
        good = [now + near for near in (-1, 0, 1) if self.owner.code(near) == code and now + near > self.used_step]
        assert self.opens(code) == bool(good)
        self.used_step = max([self.used_step, *good])

    @rule(which=st.integers(0, 9), typed=st.sampled_from([str, str.upper, lambda code: code.replace("-", " ")]))
    def give_a_recovery_code(self, which: int, typed: Any) -> None:
        code = self.owner.codes[which]
        assert self.opens(typed(code)) == (code not in self.used)
        self.used.add(code)

    @precondition(lambda self: len(self.used) > 5)
    @rule()
    def make_new_recovery_codes(self) -> None:
        made_at = self.world.enrolment.of(self.owner.did).codes_made_at
        self.owner.codes = self.run(self.world.enrolment.renew_codes(self.owner.did, BROWSER, made_at))
        self.used = set()

    @invariant()
    def what_is_left_is_told(self) -> None:
        enrolled = self.world.enrolment.of(self.owner.did)
        assert enrolled.codes_left == 10 - len(self.used)
        assert enrolled.codes_run_low == (enrolled.codes_left <= 3)

    def teardown(self) -> None:
        self.run(self.world.close())
        self.loop.close()


def test_each_code_opens_once_and_in_its_time_only(tmp_path: Path) -> None:
    Codes.folder = tmp_path
    run_state_machine_as_test(Codes, settings=settings(max_examples=12, stateful_step_count=20, deadline=None))


# Guesses


async def test_after_six_wrong_codes_none_is_looked_at_for_a_quarter_of_an_hour(owner: Owner) -> None:
    await owner.add_app()
    for _ in range(6):
        with pytest.raises(InvalidToken):
            await owner.log_in(owner.wrong_code())
    with pytest.raises(TooManyTries):
        await owner.log_in(owner.code())
    owner.world.clock.now += 15 * 60
    assert (await owner.log_in(owner.code())).tokens is not None


async def test_right_codes_are_not_counted(owner: Owner) -> None:
    await owner.add_app()
    for _ in range(25):
        assert (await owner.log_in(owner.code())).tokens is not None
        owner.world.clock.now += 30


async def test_twenty_wrong_codes_a_day_are_all(owner: Owner) -> None:
    await owner.add_app()
    refused = 0
    for _ in range(24):
        with pytest.raises((InvalidToken, TooManyTries)) as caught:
            await owner.log_in(owner.wrong_code())
        refused += isinstance(caught.value, InvalidToken)
        owner.world.clock.now += 5 * 60
    assert refused == 20


async def test_many_guesses_at_once_are_counted_each(owner: Owner) -> None:
    await owner.add_app()
    wrong = owner.wrong_code()
    outcomes = await asyncio.gather(*[owner.log_in(wrong) for _ in range(20)], return_exceptions=True)
    assert sum(isinstance(outcome, InvalidToken) for outcome in outcomes) == 6


async def test_recovery_codes_go_on_while_the_codes_of_the_app_are_locked(owner: Owner) -> None:
    await owner.add_app()
    for _ in range(6):
        with pytest.raises(InvalidToken):
            await owner.log_in(owner.wrong_code())
    assert (await owner.log_in(owner.codes[0])).tokens is not None


async def test_one_address_guesses_at_thirty_codes_an_hour_whatever_the_accounts(owner: Owner) -> None:
    others = [
        Owner(owner.world, (await owner.world.create(name)).account.did) for name in ("bea", "cat", "dan", "eve", "fay")
    ]
    for each in (owner, *others):
        await each.add_app()

    async def guess(guesser: Owner, code: str, visitor: Visitor = BROWSER) -> None:
        await owner.world.factors.check(guesser.did, FactorAnswer(code=code), visitor)

    for other in others:
        for _ in range(6):
            with pytest.raises(InvalidToken):
                await guess(other, other.wrong_code())
    with pytest.raises(TooManyTries):
        await guess(owner, owner.code())
    # What nobody guesses is looked at all the same, and so is what comes from elsewhere.
    await guess(owner, owner.codes[0])
    await guess(owner, owner.code(), Visitor(client_ip="192.0.2.2"))


@pytest.mark.parametrize("flooded", [BY_TICKET, BY_ADDRESS])
def test_who_answers_many_tickets_of_his_own_has_no_guesses_at_others_forgotten(flooded: Window) -> None:
    guesses = Guesses()
    for _ in range(BY_ACCOUNT_PER_DAY.tries):
        guesses.take([(BY_ACCOUNT_PER_DAY, "did:web:alice.test")])
    for number in range(10_001):
        guesses.take([(flooded, str(number))])
    with pytest.raises(TooManyTries):
        guesses.take([(BY_ACCOUNT_PER_DAY, "did:web:alice.test")])


# Tickets


async def test_a_ticket_is_good_in_its_browser_for_five_minutes_and_one_use(owner: Owner) -> None:
    await owner.add_app()
    needed = await owner.ask()
    assert needed.kinds == {FactorKind.TOTP, FactorKind.RECOVERY_CODE}
    with pytest.raises(AuthenticationRequired):
        await owner.answer(needed, OTHER, code=owner.code())
    with pytest.raises(AuthenticationRequired):
        await owner.answer(FactorNeeded(needed.ticket[:-3] + "AAA", needed.kinds, None), code=owner.code())
    with pytest.raises(AuthenticationRequired):
        await owner.world.sign_in.confirm_with_factor(
            owner.did, needed.ticket, FactorAnswer(code=owner.code()), BROWSER
        )
    owner.world.clock.now += 299
    assert (await owner.answer(needed, code=owner.code())).did == owner.did
    owner.world.clock.now += 30
    with pytest.raises(AuthenticationRequired):
        await owner.answer(needed, code=owner.code())


async def test_a_ticket_ends_with_the_password_it_was_given_for(owner: Owner) -> None:
    await owner.add_app()
    needed = await owner.ask()
    await owner.world.writer.run(owner.world.store.accounts.set_password, owner.did, "another", 1)
    with pytest.raises(AuthenticationRequired):
        await owner.answer(needed, code=owner.code())


async def test_a_ticket_has_five_tries(owner: Owner) -> None:
    await owner.add_app()
    needed = await owner.ask()
    for number in range(5):
        with pytest.raises(AuthenticationRequired):
            await owner.answer(needed, code=f"not a code {number}")
    with pytest.raises(TooManyTries):
        await owner.answer(needed, code=owner.codes[0])
    assert (await owner.answer(await owner.ask(), code=owner.codes[0])).did == owner.did


async def test_after_too_many_wrong_codes_of_the_app_a_recovery_code_or_a_passkey_goes_on_in_the_same_ticket(
    owner: Owner,
) -> None:
    await owner.add_app()
    passkey = await owner.add_passkey()
    for right in (0, 1):
        needed = await owner.ask()
        for _ in range(5):
            with pytest.raises(AuthenticationRequired):
                await owner.answer(needed, code=owner.wrong_code())
        with pytest.raises(TooManyTries):
            await owner.answer(needed, code=owner.code())
        assert needed.passkey_request is not None
        answer = {"code": owner.codes[0]} if right == 0 else {"passkey": passkey.sign(needed.passkey_request)}
        assert (await owner.answer(needed, **answer)).did == owner.did


async def test_a_code_that_was_used_is_told_from_a_wrong_one_on_pages_and_not_to_apps(owner: Owner) -> None:
    await owner.add_app()
    code = owner.code()
    await owner.log_in(code)
    with pytest.raises(FactorUsedBefore):
        await owner.answer(await owner.ask(), code=code)
    with pytest.raises(AuthenticationRequired) as wrong:
        await owner.answer(await owner.ask(), code=owner.wrong_code())
    assert not isinstance(wrong.value, FactorUsedBefore)
    with pytest.raises(InvalidToken, match="Token is invalid") as refused:
        await owner.log_in(code)
    assert refused.value.name == "InvalidToken"


async def test_a_ticket_for_confirming_signs_nobody_in(owner: Owner) -> None:
    await owner.add_app()
    with pytest.raises(FactorNeeded) as caught:
        await owner.world.sign_in.confirm(owner.did, PASSWORD, BROWSER)
    with pytest.raises(AuthenticationRequired):
        await owner.answer(caught.value, code=owner.code())
    await owner.world.sign_in.confirm_with_factor(
        owner.did, caught.value.ticket, FactorAnswer(code=owner.code()), BROWSER
    )


async def test_pages_take_no_app_passwords(owner: Owner) -> None:
    made = await owner.world.app_passwords.create(owner.did, "bot")
    assert made.password is not None
    with pytest.raises(AuthenticationRequired):
        await owner.world.sign_in.with_password("alice.test", made.password, BROWSER)
    with pytest.raises(AuthenticationRequired):
        await owner.world.sign_in.confirm(owner.did, made.password, BROWSER)
