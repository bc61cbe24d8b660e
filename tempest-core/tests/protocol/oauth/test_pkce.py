"""PKCE."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tempest_pds.protocol.oauth.errors import InvalidCodeChallenge, InvalidCodeVerifier
from tempest_pds.protocol.oauth.pkce import CodeChallenge, make_challenge

# RFC 7636, appendix B.
VERIFIER, CHALLENGE = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
UNRESERVED = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~"


def test_the_challenge_is_that_of_the_rfc() -> None:
    assert make_challenge(VERIFIER) == CHALLENGE
    CodeChallenge.parse(CHALLENGE, "S256").check(VERIFIER)


@pytest.mark.parametrize("method", [None, "plain", "s256", "", ["S256"]])
def test_only_s256_is_taken(method: object) -> None:
    with pytest.raises(InvalidCodeChallenge, match="S256"):
        CodeChallenge.parse(CHALLENGE, method)


@pytest.mark.parametrize(
    "challenge",
    [None, "", 1, CHALLENGE[:-1], CHALLENGE + "A", CHALLENGE + "=", "+" + CHALLENGE[1:], CHALLENGE[:-1] + "N"],
)
def test_what_no_hash_is_is_no_challenge(challenge: object) -> None:
    with pytest.raises(InvalidCodeChallenge, match="code_challenge must"):
        CodeChallenge.parse(challenge, "S256")


@pytest.mark.parametrize(
    "verifier", [None, "", 1, "a" * 42, "a" * 129, "a" * 42 + "+", "a" * 42 + "é", "a" * 43 + "\n"]
)
def test_a_verifier_has_its_grammar(verifier: object) -> None:
    with pytest.raises(InvalidCodeVerifier, match="43 to 128"):
        CodeChallenge.parse(CHALLENGE, "S256").check(verifier)


@given(st.text(UNRESERVED, min_size=43, max_size=128), st.text(UNRESERVED, min_size=43, max_size=128))
def test_a_challenge_is_met_by_its_verifier_alone(verifier: str, other: str) -> None:
    challenge = CodeChallenge.parse(make_challenge(verifier), "S256")
    challenge.check(verifier)
    if other != verifier:
        with pytest.raises(InvalidCodeVerifier, match="not the one"):
            challenge.check(other)
