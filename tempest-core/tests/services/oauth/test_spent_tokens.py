"""What was taken, against a plain model: no token is ever taken twice while it is good, whatever the clock does."""

from __future__ import annotations

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from tempest_pds.services.oauth.spent_tokens import CannotTell, SpentTokens, TokenSpent

CAPACITY, LIFE = 6, 90


class SpentTokensMachine(RuleBasedStateMachine):
    """A token is made at a time, and refused for its age from `LIFE` seconds after it; `spend` is asked only before."""

    def __init__(self) -> None:
        super().__init__()
        self.spent = SpentTokens(CAPACITY)
        self.now = 100_000.0
        self.highest = self.now
        self.taken: dict[str, int] = {}

    @rule(seconds=st.floats(-200, 200))
    def time_passes_or_is_set_back(self, seconds: float) -> None:
        self.now += seconds
        self.highest = max(self.highest, self.now)

    @rule(name=st.sampled_from("abcdefghij"), age=st.integers(-30, LIFE - 1))
    def a_token_comes(self, name: str, age: int) -> None:
        forget_after = self.taken.get(name, int(self.now) - age + LIFE)
        if forget_after <= self.now:
            # It is too old to be asked about; another may bear its name.
            return
        try:
            self.spent.spend(name, forget_after, self.now)
        except TokenSpent:
            assert name in self.taken
        except CannotTell:
            remembered = [other for other, until in self.taken.items() if until + 30 > self.now]
            # Only for want of room, or because the clock was set back behind what is forgotten.
            assert len(remembered) >= CAPACITY or forget_after <= self.highest + 30
        else:
            assert name not in self.taken
            self.taken[name] = forget_after

    @invariant()
    def memory_is_bounded(self) -> None:
        names = [name for names in self.spent._buckets.values() for name in names]
        assert len(names) == self.spent._count <= CAPACITY


SpentTokensMachine.TestCase.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
TestSpentTokens = SpentTokensMachine.TestCase


def test_a_token_is_taken_once() -> None:
    spent = SpentTokens(10)
    spent.spend("one", 100, 50)
    spent.spend("another", 100, 50)
    with pytest.raises(TokenSpent):
        spent.spend("one", 100, 99.9)


def test_room_is_made_by_age_alone() -> None:
    spent = SpentTokens(2)
    spent.spend("one", 90, 50)
    spent.spend("two", 150, 50)
    with pytest.raises(CannotTell):
        spent.spend("three", 150, 89)
    spent.spend("three", 150, 90)


def test_what_may_be_forgotten_is_not_called_new_when_the_clock_is_set_back() -> None:
    spent = SpentTokens(10)
    spent.spend("one", 90, 50)
    spent.spend("two", 500, 400)
    with pytest.raises(CannotTell):
        spent.spend("one", 90, 50)
