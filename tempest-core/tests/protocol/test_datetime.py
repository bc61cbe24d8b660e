"""Datetimes: validity is compared with the reference in `tests/interop`; here is what can be done with them."""

import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tempest_pds.protocol.errors import InvalidSyntax
from tempest_pds.protocol.syntax.datetime import Datetime, normalise_datetime

# Hypothesis wants bounds without a time zone.
EARLIEST = datetime.datetime(1900, 1, 1)  # noqa: DTZ001
LATEST = datetime.datetime(2100, 1, 1)  # noqa: DTZ001


def test_now_is_utc_in_milliseconds() -> None:
    now = Datetime.now()
    assert Datetime.parse(now) == now
    assert now.endswith("Z")
    assert len(now) == len("2026-01-31T12:34:56.789Z")
    assert abs(now.millis / 1000 - datetime.datetime.now(datetime.UTC).timestamp()) < 5


@given(st.datetimes(timezones=st.just(datetime.UTC)))
def test_millis_and_text_are_two_forms_of_one_moment(moment: datetime.datetime) -> None:
    text = Datetime.from_datetime(moment)
    epoch = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
    assert text.millis == (moment - epoch) // datetime.timedelta(milliseconds=1)
    assert Datetime.from_millis(text.millis) == text
    assert normalise_datetime(text) == text


@given(st.integers(-12 * 60, 12 * 60), st.datetimes(EARLIEST, LATEST))
def test_a_time_zone_is_taken_off(offset: int, moment: datetime.datetime) -> None:
    aware = moment.replace(tzinfo=datetime.timezone(datetime.timedelta(minutes=offset)))
    assert normalise_datetime(aware.isoformat()) == Datetime.from_datetime(aware)


def test_surplus_days_run_over_into_the_next_month() -> None:
    assert normalise_datetime("2023-02-30T12:00:00Z") == "2023-03-02T12:00:00.000Z"


def test_a_naive_datetime_names_no_moment() -> None:
    with pytest.raises(InvalidSyntax):
        Datetime.from_datetime(datetime.datetime(2024, 1, 1))  # noqa: DTZ001 - the mistake under test


@pytest.mark.parametrize(
    "text", ["", "2024", "now", "2024-13-01", "2024-01-01T25:00", "0000-01-01T00:00:00Z", "2024-01-01" * 9]
)
def test_what_is_no_datetime_cannot_be_normalised(text: str) -> None:
    with pytest.raises(InvalidSyntax):
        normalise_datetime(text)


def test_moments_beyond_four_digits_have_no_text() -> None:
    with pytest.raises(InvalidSyntax):
        Datetime.from_millis(1 << 60)
