import pytest

from tempest_pds.protocol.crypto import jwt
from tempest_pds.protocol.syntax.did import Did
from tempest_pds.services.credentials import Kind, Scope
from tempest_pds.services.errors import ExpiredToken, InvalidToken
from tempest_pds.services.tokens import Tokens

SECRET = b"s" * 32
SERVER = Did.parse("did:web:pds.example.com")
ALICE = Did.parse("did:plc:aaaaaaaaaaaaaaaaaaaaaaaa")


class Clock:
    now = 1_700_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def tokens(clock: Clock) -> Tokens:
    return Tokens(SECRET, SERVER, clock)


def test_tokens_have_the_shape_of_the_reference_server(tokens: Tokens, clock: Clock) -> None:
    pair = tokens.issue(ALICE, Scope.ACCESS)
    access = jwt.decode_unverified(pair.access_jwt)
    assert access.header == {"typ": "at+jwt", "alg": "HS256"}
    assert access.claims == {
        "scope": "com.atproto.access",
        "aud": SERVER,
        "sub": ALICE,
        "iat": clock.now,
        "exp": clock.now + 7200,
        "made_at": clock.now * 1_000_000,
    }
    refresh = jwt.decode_unverified(pair.refresh_jwt)
    assert refresh.header == {"typ": "refresh+jwt", "alg": "HS256"}
    assert refresh.claims == {
        "scope": "com.atproto.refresh",
        "aud": SERVER,
        "sub": ALICE,
        "jti": pair.refresh.identifier,
        "iat": clock.now,
        "exp": clock.now + 90 * 86400,
    }
    assert pair.refresh.expires_at == clock.now + 90 * 86400


def test_an_access_token_from_before_there_was_its_exact_time_goes_by_the_second(tokens: Tokens, clock: Clock) -> None:
    claims = dict(jwt.decode_unverified(tokens.issue(ALICE, Scope.ACCESS).access_jwt).claims)
    del claims["made_at"]
    older = jwt.encode_hs256({"typ": "at+jwt", "alg": "HS256"}, claims, SECRET)
    assert tokens.verify_access(older).issued_at == clock.now


def test_a_refresh_token_that_is_issued_again_is_the_same_token(tokens: Tokens, clock: Clock) -> None:
    first = tokens.issue(ALICE, Scope.ACCESS)
    clock.now += 100
    again = tokens.issue(ALICE, Scope.ACCESS, first.refresh)
    assert again.refresh_jwt == first.refresh_jwt
    assert again.access_jwt != first.access_jwt


def test_a_token_says_who_it_is_for(tokens: Tokens) -> None:
    pair = tokens.issue(ALICE, Scope.APP_PASS_PRIVILEGED)
    access = tokens.verify_access(pair.access_jwt)
    assert (access.did, access.scope, access.kind) == (ALICE, Scope.APP_PASS_PRIVILEGED, Kind.ACCESS)
    refresh = tokens.verify_refresh(pair.refresh_jwt)
    assert (refresh.did, refresh.kind, refresh.token_id) == (ALICE, Kind.REFRESH, pair.refresh.identifier)


def test_a_token_that_was_checked_once_still_expires(tokens: Tokens, clock: Clock) -> None:
    token = tokens.issue(ALICE, Scope.ACCESS).access_jwt
    tokens.verify_access(token)
    clock.now += 7199
    tokens.verify_access(token)
    clock.now += 1
    for _ in range(2):
        with pytest.raises(ExpiredToken):
            tokens.verify_access(token)


def test_an_expired_refresh_token_is_read_only_when_that_is_asked_for(tokens: Tokens, clock: Clock) -> None:
    token = tokens.issue(ALICE, Scope.ACCESS).refresh_jwt
    clock.now += 91 * 86400
    with pytest.raises(ExpiredToken):
        tokens.verify_refresh(token)
    assert tokens.verify_refresh(token, allow_expired=True).did == ALICE


def test_one_kind_of_token_is_not_taken_for_the_other(tokens: Tokens) -> None:
    pair = tokens.issue(ALICE, Scope.ACCESS)
    with pytest.raises(InvalidToken):
        tokens.verify_access(pair.refresh_jwt)
    with pytest.raises(InvalidToken):
        tokens.verify_refresh(pair.access_jwt)


GOOD = {"scope": "com.atproto.access", "aud": SERVER, "sub": ALICE, "iat": 0, "exp": 2_000_000_000}


@pytest.mark.parametrize(
    "claims",
    [
        {**GOOD, "aud": "did:web:other.example.com"},
        {**GOOD, "sub": "alice"},
        {**GOOD, "sub": None},
        {**GOOD, "exp": "never"},
        {**GOOD, "exp": True},
        {**GOOD, "scope": "com.atproto.refresh"},
        {**GOOD, "scope": "root"},
        {**GOOD, "scope": ["com.atproto.access"]},
        {**GOOD, "lxm": "com.atproto.repo.createRecord"},
        {**GOOD, "cnf": {}},
        {"sub": ALICE},
    ],
)
def test_claims_that_are_not_a_session_of_this_server_are_refused(tokens: Tokens, claims: dict[str, object]) -> None:
    tokens.verify_access(jwt.encode_hs256({"typ": "at+jwt"}, GOOD, SECRET))
    with pytest.raises(InvalidToken):
        tokens.verify_access(jwt.encode_hs256({"typ": "at+jwt"}, claims, SECRET))


@pytest.mark.parametrize("token", ["", "a.b.c", "é.é.é", "x" * 20_000])
def test_what_is_not_a_token_is_refused(tokens: Tokens, token: str) -> None:
    with pytest.raises(InvalidToken):
        tokens.verify_access(token)


def test_a_token_signed_with_another_secret_is_refused(tokens: Tokens) -> None:
    with pytest.raises(InvalidToken):
        tokens.verify_access(jwt.encode_hs256({"typ": "at+jwt"}, GOOD, b"t" * 32))
