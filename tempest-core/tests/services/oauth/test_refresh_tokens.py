"""Refresh tokens as texts."""

from hypothesis import given
from hypothesis import strategies as st

from tempest_pds.services.oauth.refresh_tokens import RefreshTokens, new_session_id

TOKENS = RefreshTokens.of_secret(b"s" * 32)


@given(generation=st.integers(0, 2**48 - 1))
def test_a_token_tells_its_session_and_generation(generation: int) -> None:
    session_id = new_session_id()
    token = TOKENS.make(session_id, generation)
    assert TOKENS.read(token) == (session_id, generation)
    assert TOKENS.make(session_id, generation) == token


@given(place=st.integers(0, 75), character=st.sampled_from("Ab0_-=+ é"))
def test_a_token_that_was_changed_anywhere_is_none(place: int, character: str) -> None:
    token = TOKENS.make(new_session_id(), 3)
    changed = token[:place] + character + token[place + 1 :]
    assert TOKENS.read(changed) is None or changed == token


@given(text=st.text())
def test_no_other_text_is_a_token(text: str) -> None:
    assert TOKENS.read(text) is None
    assert TOKENS.read("ref-" + text) is None


def test_another_secret_makes_other_tokens() -> None:
    session_id = new_session_id()
    other = RefreshTokens.of_secret(b"t" * 32)
    assert other.read(TOKENS.make(session_id, 0)) is None
    assert "key" not in repr(other)
