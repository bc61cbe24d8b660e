"""Second factors: enrolled, asked for at every door, each answer good once, and guesses at them counted."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from account_world import PASSWORD, World, access, refresh_credentials
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test
from pyotp import TOTP
from tests.support.soft_passkey import SoftPasskey

from tempest_pds.protocol.syntax.did import Did
from tempest_pds.services.credentials import Credentials, Kind
from tempest_pds.services.errors import (
    AuthenticationRequired,
    AuthFactorTokenRequired,
    Forbidden,
    InvalidRequest,
    InvalidToken,
    TooManyTries,
)
from tempest_pds.services.second_factor.passkeys import PasskeyCeremonies
from tempest_pds.services.second_factor.step_up import StepUp
from tempest_pds.services.sign_in import FactorAnswer, FactorKind, FactorNeeded, Visitor

BROWSER = Visitor(client_ip="192.0.2.1", user_agent="a browser", browser=b"b" * 32)
OTHER = Visitor(client_ip="192.0.2.1", user_agent="a browser", browser=b"o" * 32)
RFC_SECRET = b"12345678901234567890"


class Owner:
    """Somebody with an account, and with whatever of factors a test gives him."""

    def __init__(self, world: World, did: Did) -> None:
        self.world = world
        self.did = did
        self.app: TOTP | None = None
        self.codes: list[str] = []

    async def add_app(self) -> None:
        new = await self.world.enrolment.begin_app(self.did, BROWSER)
        self.app = TOTP(new.secret)
        self.codes += await self.world.enrolment.confirm_app(self.did, self.code(), BROWSER)
        self.world.clock.now += 30

    async def add_passkey(self, **options: Any) -> SoftPasskey:
        passkey = SoftPasskey("http://localhost:4000", "localhost", **options)
        begun = self.world.enrolment.begin_passkey(self.did, BROWSER)
        answer = passkey.register(begun.options)
        self.codes += await self.world.enrolment.add_passkey(self.did, begun.ticket, "My key", answer, BROWSER)
        return passkey

    def code(self, steps_off: int = 0) -> str:
        assert self.app is not None
        return self.app.at(int(self.world.clock.now) + 30 * steps_off)

    def wrong_code(self) -> str:
        near = {self.code(off) for off in (-2, -1, 0, 1, 2)}
        return next(code for code in ("000000", "111111", "222222", "333333", "444444", "555555") if code not in near)

    async def log_in(self, code: str | None = None, password: str = PASSWORD) -> Any:
        return await self.world.sessions.create("alice.test", password, code=code)

    async def ask(self, visitor: Visitor = BROWSER) -> FactorNeeded:
        with pytest.raises(FactorNeeded) as caught:
            await self.world.sign_in.with_password("alice.test", PASSWORD, visitor)
        return caught.value

    async def answer(self, needed: FactorNeeded, visitor: Visitor = BROWSER, **answer: str) -> Any:
        return await self.world.sign_in.with_factor(needed.ticket, FactorAnswer(**answer), visitor)


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
    assert [type(outcome) for outcome in outcomes if isinstance(outcome, BaseException)] == [InvalidToken] * 3


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
        self.runs = type(self).folder / str(id(self))
        self.runs.mkdir()
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
        step = int(self.world.clock.now) // 30 + off
        assert self.opens(self.owner.code(off)) == (abs(off) <= 1 and step > self.used_step)
        if abs(off) <= 1:
            self.used_step = max(self.used_step, step)

    @rule(which=st.integers(0, 9), typed=st.sampled_from([str, str.upper, lambda code: code.replace("-", " ")]))
    def give_a_recovery_code(self, which: int, typed: Any) -> None:
        code = self.owner.codes[which]
        assert self.opens(typed(code)) == (code not in self.used)
        self.used.add(code)

    @precondition(lambda self: len(self.used) > 5)
    @rule()
    def make_new_recovery_codes(self) -> None:
        self.owner.codes = self.run(self.world.enrolment.renew_codes(self.owner.did, BROWSER))
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
        await owner.answer(needed, code=owner.code())
    assert (await owner.answer(await owner.ask(), code=owner.code())).did == owner.did


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


# Passkeys


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
        await owner.world.enrolment.renew_codes(owner.did, BROWSER)


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
    world.clock.now += 600
    with pytest.raises(AuthFactorTokenRequired):
        step_up.check(after)
