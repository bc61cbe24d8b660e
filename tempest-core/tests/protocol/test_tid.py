"""TIDs, and the clock that makes them rise."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tempest_pds.protocol.errors import InvalidSyntax
from tempest_pds.protocol.syntax.tid import Tid, TidClock

MICROS = st.integers(0, (1 << 53) - 1)
CLOCK_IDS = st.integers(0, 1023)


@given(MICROS, CLOCK_IDS)
def test_a_tid_keeps_its_moment_and_clock(micros: int, clock_id: int) -> None:
    tid = Tid.from_micros(micros, clock_id)
    assert Tid.parse(tid) == tid
    assert (tid.micros, tid.clock_id) == (micros, clock_id)


@given(st.tuples(MICROS, CLOCK_IDS), st.tuples(MICROS, CLOCK_IDS))
def test_tids_sort_as_their_moments(first: tuple[int, int], second: tuple[int, int]) -> None:
    assert (first < second) == (str(Tid.from_micros(*first)) < str(Tid.from_micros(*second)))


@pytest.mark.parametrize(("micros", "clock_id"), [(-1, 0), (1 << 53, 0), (0, -1), (0, 1024)])
def test_what_does_not_fit_is_refused(micros: int, clock_id: int) -> None:
    with pytest.raises(InvalidSyntax):
        Tid.from_micros(micros, clock_id)


@given(st.lists(st.integers(0, 1000), min_size=1, max_size=50))
def test_a_clock_strictly_rises_whatever_the_time(times: list[int]) -> None:
    moments = iter(times)
    clock = TidClock(7, lambda: next(moments))
    tids = [clock.next() for _ in times]
    assert tids == sorted(set(tids))
    assert {tid.clock_id for tid in tids} == {7}


@given(
    st.lists(st.integers(0, 1000), min_size=1, max_size=30), MICROS.filter(lambda micros: micros < 1 << 52), CLOCK_IDS
)
def test_a_clock_rises_above_what_the_caller_knows_of(times: list[int], after: int, clock_id: int) -> None:
    moments = iter(times)
    clock = TidClock(0, lambda: next(moments))
    last = Tid.from_micros(after, clock_id)
    for _ in times:
        tid = clock.next(after=last)
        assert tid > last
        last = tid


def test_a_tid_from_the_future_does_not_carry_the_others_along() -> None:
    clock = TidClock(0, lambda: 5)
    assert clock.next(after=Tid.from_micros(1 << 40)).micros == (1 << 40) + 1
    assert clock.next().micros < 100


def test_nothing_follows_the_last_tid() -> None:
    clock = TidClock(0, lambda: 5)
    with pytest.raises(InvalidSyntax):
        clock.next(after=Tid.from_micros((1 << 53) - 1))
    assert clock.next().micros < 100


def test_the_wall_clock_is_used_by_default() -> None:
    assert Tid.from_micros(1_700_000_000_000_000) < TidClock().next() < Tid.from_micros(1 << 52)
