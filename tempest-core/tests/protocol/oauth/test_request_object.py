"""Signed authorization requests."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from strangers import CLIENT, ISSUER, NOW, stranger

from tempest_pds.protocol.crypto.jwt import encode_base64url
from tempest_pds.protocol.oauth.errors import InvalidRequestObject
from tempest_pds.protocol.oauth.jwk import ACCEPTED_ALGORITHMS, JwkSet
from tempest_pds.protocol.oauth.request_object import RequestObject, check_request_object

KEYS = JwkSet.parse({"keys": [{**stranger(alg).jwk, "kid": alg} for alg in ACCEPTED_ALGORITHMS]})
REQUEST = {"client_id": CLIENT, "response_type": "code", "scope": "atproto", "max_age": 5}


def make(alg: str = "ES256", header: dict[str, Any] | None = None, **claims: Any) -> str:
    usual = {"iss": CLIENT, "aud": ISSUER, "jti": "one", "iat": NOW, **REQUEST}
    return stranger(alg).sign({**usual, **claims}, {"kid": alg, **(header or {})})


def check(request: str, algorithm: str | None = None, now: float = NOW) -> RequestObject:
    return check_request_object(request, client_id=CLIENT, issuer=ISSUER, keys=KEYS, now=now, algorithm=algorithm)


@pytest.mark.parametrize("alg", ACCEPTED_ALGORITHMS)
def test_the_parameters_are_the_claims(alg: str) -> None:
    assert check(make(alg, exp=NOW + 10, nbf=NOW), alg) == RequestObject(REQUEST, "one", NOW)


@pytest.mark.parametrize("typ", ["JWT", "oauth-authz-req+jwt", "application/oauth-authz-req+jwt"])
def test_the_type_may_be_told(typ: str) -> None:
    check(make(header={"typ": typ}))


@pytest.mark.parametrize(
    ("header", "says"),
    [
        ({"kid": "another"}, "no such key"),
        ({"kid": ""}, "kid"),
        ({"typ": "dpop+jwt"}, "typ"),
        ({"typ": "client-authentication+jwt"}, "typ"),
    ],
)
def test_a_request_object_has_its_header(header: dict[str, Any], says: str) -> None:
    with pytest.raises(InvalidRequestObject, match=says):
        check(make(header=header))


@pytest.mark.parametrize(
    ("claims", "says"),
    [
        ({"iss": None}, "iss and client_id"),
        ({"iss": "https://other.example/client.json"}, "iss and client_id"),
        ({"client_id": None}, "iss and client_id"),
        ({"client_id": "https://other.example/client.json"}, "iss and client_id"),
        ({"aud": None}, "aud"),
        ({"aud": [ISSUER, "https://other.example"]}, "aud"),
        ({"jti": None}, "jti"),
        ({"iat": None}, "iat"),
        ({"iat": NOW - 90}, "too old"),
        ({"iat": NOW + 31}, "future"),
        ({"exp": NOW - 30}, "expired"),
        ({"nbf": NOW + 31}, "not good yet"),
        ({"sub": CLIENT}, "client assertion"),
        ({"request": "x"}, "another"),
        ({"request_uri": "urn:x"}, "another"),
        ({"state": "\ud800"}, "well-formed"),
    ],
)
def test_a_request_object_has_its_claims(claims: dict[str, Any], says: str) -> None:
    with pytest.raises(InvalidRequestObject, match=says):
        check(make(**claims))


@pytest.mark.parametrize("iat", [NOW - 89, NOW + 30])
def test_a_clock_may_be_half_a_minute_off(iat: int) -> None:
    found = check(make(iat=iat))
    with pytest.raises(InvalidRequestObject, match="too old"):
        check(make(iat=iat), now=found.forget_after)


def test_the_algorithm_is_that_of_the_client() -> None:
    for algorithm in ("ES384", "none"):
        with pytest.raises(InvalidRequestObject, match="alg"):
            check(make(), algorithm)


@pytest.mark.parametrize("alg", ["none", "NONE", "HS256"])
def test_an_unsigned_request_is_refused(alg: str) -> None:
    head = encode_base64url(json.dumps({"alg": alg, "kid": "ES256"}).encode())
    with pytest.raises(InvalidRequestObject, match="not accepted"):
        check(f"{head}.{make().split('.')[1]}.")


def test_another_key_signs_for_nobody() -> None:
    forged = stranger("ES256", 2).sign(
        {"iss": CLIENT, "aud": ISSUER, "jti": "one", "iat": NOW, **REQUEST}, {"kid": "ES256"}
    )
    with pytest.raises(InvalidRequestObject, match="does not verify"):
        check(forged)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
)
NAMES = st.sampled_from(["iss", "aud", "jti", "iat", "exp", "nbf", "sub", "client_id", "request", "scope", "state"])


@given(st.dictionaries(NAMES, JSON))
def test_claims_of_any_kind_are_taken_or_refused(claims: dict[str, Any]) -> None:
    try:
        found = check(make(**claims))
    except InvalidRequestObject:
        return
    assert found.parameters["client_id"] == CLIENT
