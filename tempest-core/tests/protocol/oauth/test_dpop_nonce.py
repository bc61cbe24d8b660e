"""Stateless nonces."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tempest_pds.protocol.oauth.dpop_nonce import TURN_SECONDS, DpopNonces

NONCES = DpopNonces(b"s" * 32)
TIMES = st.floats(60, 1e11)


@given(TIMES, st.floats(0, 30 * TURN_SECONDS))
def test_a_nonce_is_good_for_two_to_three_minutes(issued: float, later: float) -> None:
    accepted = NONCES.end_of(NONCES.issue(issued), issued + later) is not None
    if later <= 2 * TURN_SECONDS - 1:
        assert accepted
    elif later > 3 * TURN_SECONDS:
        assert not accepted


def test_a_nonce_ends_on_the_turn() -> None:
    nonce = NONCES.issue(600)
    assert NONCES.end_of(nonce, 600) == NONCES.end_of(nonce, 600 + 3 * 60 - 0.001) == 600 + 3 * 60
    assert NONCES.end_of(nonce, 600 + 3 * 60) is None


@given(TIMES)
def test_whoever_has_the_secret_accepts_it_and_nobody_else(now: float) -> None:
    nonce = NONCES.issue(now)
    assert DpopNonces(b"s" * 32).end_of(nonce, now)
    assert DpopNonces(b"t" * 32).end_of(nonce, now) is None


@given(st.text())
def test_nothing_else_is_a_nonce(text: str) -> None:
    assert NONCES.end_of(text, 600) is None


def test_the_secret_is_not_shown_and_has_its_length() -> None:
    assert "sss" not in repr(NONCES)
    for secret in (b"", b"s" * 31, b"s" * 33):
        with pytest.raises(ValueError, match="32 bytes"):
            DpopNonces(secret)
