"""How wrong codes are counted: in windows, without those that were right, in tables that do not grow."""

from __future__ import annotations

import pytest

from tempest_pds.services.errors import TooManyTries
from tempest_pds.services.second_factor import guesses as module
from tempest_pds.services.second_factor.guesses import Guesses, Window

FEW, MANY = Window("few", 3, 60), Window("many", 5, 600)


class Clock:
    now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def guesses(clock: Clock) -> Guesses:
    return Guesses(clock)


def left(guesses: Guesses, window: Window, key: str) -> int:
    """Use up what is left, and tell how much that was."""
    for number in range(100):
        try:
            guesses.take([(window, key)])
        except TooManyTries:
            return number
    raise AssertionError("there is no end to it")


def test_a_window_closes_so_long_after_its_first_try(guesses: Guesses, clock: Clock) -> None:
    assert left(guesses, FEW, "a") == 3
    clock.now += 59
    assert left(guesses, FEW, "a") == 0
    clock.now += 1
    assert left(guesses, FEW, "a") == 3


def test_keys_and_windows_are_counted_apart(guesses: Guesses) -> None:
    assert left(guesses, FEW, "a") == 3
    assert (left(guesses, FEW, "b"), left(guesses, MANY, "a")) == (3, 5)


def test_a_try_that_is_refused_by_one_window_is_counted_in_none(guesses: Guesses) -> None:
    assert left(guesses, FEW, "a") == 3
    with pytest.raises(TooManyTries):
        guesses.take([(MANY, "a"), (FEW, "a")])
    assert left(guesses, MANY, "a") == 5


def test_a_try_that_was_right_is_not_counted(guesses: Guesses) -> None:
    counted = [(FEW, "a"), (MANY, "a")]
    for _ in range(20):
        guesses.take(counted)
        guesses.give_back(counted)
    guesses.take(counted)
    guesses.take(counted)
    guesses.give_back(counted)
    assert (left(guesses, FEW, "a"), left(guesses, MANY, "a")) == (2, 4)


def test_nobody_gains_tries_by_giving_back(guesses: Guesses) -> None:
    guesses.take([(FEW, "a")])
    for _ in range(3):
        guesses.give_back([(FEW, "a"), (FEW, "never counted")])
    assert left(guesses, FEW, "a") == 3


def test_of_too_many_keys_the_one_that_tried_longest_ago_is_forgotten(
    guesses: Guesses, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_MOST", 3)
    for key in ("a", "b", "c", "a", "d"):
        guesses.take([(FEW, key)])
    assert left(guesses, FEW, "a") == 1
    assert left(guesses, FEW, "b") == 3
