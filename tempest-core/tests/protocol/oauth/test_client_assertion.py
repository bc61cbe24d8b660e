"""Client assertions."""

import json
from typing import Any

import pytest
from strangers import CLIENT, ISSUER, NOW, stranger

from tempest_pds.protocol.crypto.jwt import encode_base64url
from tempest_pds.protocol.oauth.client_assertion import ClientAssertion, check_client_assertion
from tempest_pds.protocol.oauth.errors import InvalidClientAssertion
from tempest_pds.protocol.oauth.jwk import ACCEPTED_ALGORITHMS, JwkSet, PublicJwk

KEYS = JwkSet.parse({"keys": [{**stranger(alg).jwk, "kid": alg} for alg in ACCEPTED_ALGORITHMS]})
OWN = PublicJwk.parse(stranger("ES256").jwk).thumbprint
DPOP = PublicJwk.parse(stranger("ES256", 1).jwk).thumbprint


def make(alg: str = "ES256", header: dict[str, Any] | None = None, **claims: Any) -> str:
    usual = {"iss": CLIENT, "sub": CLIENT, "aud": ISSUER, "jti": "one", "iat": NOW, "exp": NOW + 60}
    return stranger(alg).sign({**usual, **claims}, {"kid": alg, **(header or {})})


def check(
    assertion: str, keys: JwkSet = KEYS, dpop: str | None = DPOP, algorithm: str | None = None, now: float = NOW
) -> ClientAssertion:
    return check_client_assertion(
        assertion, client_id=CLIENT, issuer=ISSUER, keys=keys, now=now, dpop_thumbprint=dpop, algorithm=algorithm
    )


@pytest.mark.parametrize("alg", ACCEPTED_ALGORITHMS)
def test_an_assertion_tells_the_key_that_binds(alg: str) -> None:
    found = check(make(alg), algorithm=alg)
    thumbprint = PublicJwk.parse(stranger(alg).jwk).thumbprint
    assert found == ClientAssertion(alg, alg, thumbprint, "one", NOW, None)
    assert KEYS.holds(found.kid, found.alg, found.thumbprint)


@pytest.mark.parametrize("typ", ["JWT", "jwt", "client-authentication+jwt", "application/client-authentication+jwt"])
def test_the_type_may_be_told(typ: str) -> None:
    check(make(header={"typ": typ}))


@pytest.mark.parametrize(
    ("header", "says"),
    [
        ({"kid": ""}, "kid"),
        ({"kid": "k" * 600}, "kid"),
        ({"kid": "another"}, "no such key"),
        ({"kid": "ES384"}, "no such key"),
        ({"typ": "dpop+jwt"}, "typ"),
        ({"typ": "oauth-authz-req+jwt"}, "typ"),
        ({"typ": "at+jwt"}, "typ"),
    ],
)
def test_an_assertion_has_its_header(header: dict[str, Any], says: str) -> None:
    with pytest.raises(InvalidClientAssertion, match=says):
        check(make(header=header))


def test_a_kid_is_needed() -> None:
    claims = {"iss": CLIENT, "sub": CLIENT, "aud": ISSUER, "jti": "one", "iat": NOW}
    with pytest.raises(InvalidClientAssertion, match="kid"):
        check(stranger("ES256").sign(claims))


@pytest.mark.parametrize(
    ("claims", "says"),
    [
        ({"iss": None}, "iss and sub"),
        ({"iss": "https://other.example/client.json"}, "iss and sub"),
        ({"sub": None}, "iss and sub"),
        ({"sub": "did:web:alice.example"}, "iss and sub"),
        ({"aud": None}, "aud"),
        ({"aud": "https://other.example"}, "aud"),
        ({"aud": ISSUER + "/oauth/token"}, "aud"),
        ({"aud": [ISSUER, "https://other.example"]}, "aud"),
        ({"aud": []}, "aud"),
        ({"jti": None}, "jti"),
        ({"jti": ""}, "jti"),
        ({"jti": "j" * 257}, "jti"),
        ({"iat": None}, "iat"),
        ({"iat": NOW - 91}, "too old"),
        ({"iat": NOW + 31}, "future"),
        ({"exp": NOW - 30}, "expired"),
        ({"exp": "soon"}, "exp"),
        ({"nbf": NOW + 31}, "not good yet"),
        ({"cnf": "x"}, "cnf"),
        ({"cnf": {"jkt": 1}}, "cnf"),
        ({"cnf": {"jwk": {}}}, "cnf"),
        ({"cnf": {"jkt": "x"}}, "another key"),
    ],
)
def test_an_assertion_has_its_claims(claims: dict[str, Any], says: str) -> None:
    with pytest.raises(InvalidClientAssertion, match=says):
        check(make(**claims))


def test_one_audience_may_stand_in_a_list() -> None:
    check(make(aud=[ISSUER]))


@pytest.mark.parametrize("times", [{"iat": NOW - 90}, {"iat": NOW + 30}, {"exp": NOW - 29}, {"exp": None}])
def test_a_clock_may_be_half_a_minute_off(times: dict[str, Any]) -> None:
    found = check(make(**times))
    with pytest.raises(InvalidClientAssertion, match="too old"):
        check(make(**{**times, "exp": None}), now=found.forget_after)


def test_the_key_is_not_that_of_dpop() -> None:
    with pytest.raises(InvalidClientAssertion, match="DPoP"):
        check(make(), dpop=OWN)
    with pytest.raises(InvalidClientAssertion, match="DPoP"):
        check(make(cnf={"jkt": OWN}), dpop=None)


def test_a_backend_vouches_for_a_key_of_dpop() -> None:
    assert check(make(cnf={"jkt": DPOP})).dpop_thumbprint == DPOP
    assert check(make(cnf={"jkt": DPOP}), dpop=None).dpop_thumbprint == DPOP


def test_the_algorithm_is_that_of_the_client() -> None:
    with pytest.raises(InvalidClientAssertion, match="alg"):
        check(make("RS256"), algorithm="PS256")


def test_another_key_signs_for_nobody() -> None:
    stolen = stranger("ES256", 2).sign(
        {"iss": CLIENT, "sub": CLIENT, "aud": ISSUER, "jti": "one", "iat": NOW},
        {"kid": "ES256", "jwk": stranger("ES256", 2).jwk},
    )
    with pytest.raises(InvalidClientAssertion, match="does not verify"):
        check(stolen)
    with pytest.raises(InvalidClientAssertion, match="no such key"):
        check(make(), JwkSet(()))


@pytest.mark.parametrize("alg", ["none", "HS256"])
def test_without_a_signature_nothing_is_proven(alg: str) -> None:
    head = encode_base64url(json.dumps({"alg": alg, "kid": "ES256"}).encode())
    with pytest.raises(InvalidClientAssertion, match="not accepted"):
        check(f"{head}.{make().split('.')[1]}.")


@pytest.mark.parametrize("assertion", ["", "a.b.c", "....", "é.é.é"])
def test_other_texts_are_refused(assertion: str) -> None:
    with pytest.raises(InvalidClientAssertion, match="well-formed"):
        check(assertion)
