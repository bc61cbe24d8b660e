"""DPoP proofs."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from strangers import NOW, rsa_key, stranger

from tempest_pds.protocol.crypto.jwt import encode_base64url, encode_hs256
from tempest_pds.protocol.oauth.dpop_nonce import TURN_SECONDS, DpopNonces
from tempest_pds.protocol.oauth.dpop_proof import DpopProof, check_dpop_proof, hash_access_token
from tempest_pds.protocol.oauth.errors import InvalidDpopProof, UseDpopNonce
from tempest_pds.protocol.oauth.jwk import ACCEPTED_ALGORITHMS, PublicJwk

URI = "https://pds.example/oauth/token"
NONCES = DpopNonces(b"s" * 32)
TOKEN = "access.token"
# RFC 9449, sections 4.1 and 7.1.
RFC_HEADER = (
    "eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6IkVDIiwieCI6Imw4dEZyaHgtMzR0VjNoUklDUkRZOXpDa0RscEJoRjQy"
    "VVFVZldWQVdCRnMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5VERWclUwQ2R2R1JEQSIsImNydiI6IlAtMjU2In19"
)
RFC_TOKEN_REQUEST = (
    f"{RFC_HEADER}.eyJqdGkiOiItQndDM0VTYzZhY2MybFRjIiwiaHRtIjoiUE9TVCIsImh0dSI6Imh0dHBzOi8vc2VydmVyLmV4YW1wbGUuY29tL3Rva2"
    "VuIiwiaWF0IjoxNTYyMjYyNjE2fQ.2-GxA6T8lP4vfrg8v-FdWP0A0zdrj8igiMLvqRMUvwnQg4PtFLbdLXiOSsX0x7NVY-FNyJK70nfbV37xRZT3Lg"
)
RFC_RESOURCE_REQUEST = (
    f"{RFC_HEADER}.eyJqdGkiOiJlMWozVl9iS2ljOC1MQUVCIiwiaHRtIjoiR0VUIiwiaHR1IjoiaHR0cHM6Ly9yZXNvdXJjZS5leGFtcGxlLm9yZy9wcm"
    "90ZWN0ZWRyZXNvdXJjZSIsImlhdCI6MTU2MjI2MjYxOCwiYXRoIjoiZlVIeU8ycjJaM0RaNTNFc05yV0JiMHhXWG9hTnk1OUlpS0NBcWtzbVFFbyJ9.2o"
    "W9RP35yRqzhrtNP86L-Ey71EOptxRimPPToA1plemAgR6pxHF8y6-yqyVnmcw6Fy1dqd-jfxSYoMxhAJpLjA"
)
RFC_TOKEN = "Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU"


def make(alg: str = "ES256", header: dict[str, Any] | None = None, **claims: Any) -> str:
    signer = stranger(alg)
    usual = {"jti": "one", "htm": "POST", "htu": URI, "iat": NOW, "nonce": NONCES.issue(NOW)}
    return signer.sign({**usual, **claims}, {"typ": "dpop+jwt", "jwk": signer.jwk, **(header or {})})


def check(
    proof: str, access_token: str | None = None, nonces: DpopNonces | None = NONCES, now: float = NOW
) -> DpopProof:
    return check_dpop_proof(proof, method="POST", uri=URI, now=now, nonces=nonces, access_token=access_token)


def test_the_proofs_of_the_rfc_are_good() -> None:
    jkt, uri = "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I", "https://server.example.com/token"
    asked = check_dpop_proof(RFC_TOKEN_REQUEST, method="POST", uri=uri, now=1562262616, nonces=None)
    assert asked == DpopProof(jkt, "-BwC3ESc6acc2lTc", 1562262616 + 31)
    assert hash_access_token(RFC_TOKEN) == "fUHyO2r2Z3DZ53EsNrWBb0xWXoaNy59IiKCAqksmQEo"
    used = check_dpop_proof(
        RFC_RESOURCE_REQUEST,
        method="GET",
        uri="https://resource.example.org/protectedresource",
        now=1562262618,
        nonces=None,
        access_token=RFC_TOKEN,
    )
    assert used == DpopProof(jkt, "e1j3V_bKic8-LAEB", 1562262618 + 31)


@pytest.mark.parametrize("alg", ACCEPTED_ALGORITHMS)
def test_a_proof_tells_key_and_name(alg: str) -> None:
    nonce = NONCES.issue(NOW)
    expected = DpopProof(PublicJwk.parse(stranger(alg).jwk).thumbprint, "one", NOW + 3 * TURN_SECONDS, nonce)
    assert check(make(alg)) == expected
    assert check(make(alg, ath=hash_access_token(TOKEN)), TOKEN) == expected


EC = stranger("ES256").jwk


@pytest.mark.parametrize(
    ("header", "says"),
    [
        ({"typ": None}, "typ"),
        ({"typ": "JWT"}, "typ"),
        ({"typ": "at+jwt"}, "typ"),
        ({"typ": ["dpop+jwt"]}, "typ"),
        ({"jwk": None}, "JSON object"),
        ({"jwk": {**EC, "d": "AAAA"}}, "private"),
        ({"jwk": {"kty": "oct", "k": "AAAA"}}, "private"),
        ({"jwk": stranger("ES256", 1).jwk}, "does not verify"),
        ({"jwk": stranger("ES384").jwk}, "not for"),
        ({"jwk": {**EC, "use": "enc"}}, "signatures"),
        ({"crit": ["exp"], "exp": 1}, "well-formed"),
    ],
)
def test_a_proof_has_its_header(header: dict[str, Any], says: str) -> None:
    with pytest.raises(InvalidDpopProof, match=says):
        check(make(header=header))


def test_a_short_rsa_key_proves_nothing() -> None:
    from jwt.algorithms import RSAAlgorithm

    jwk = RSAAlgorithm.to_jwk(rsa_key(1024).public_key(), as_dict=True)
    with pytest.raises(InvalidDpopProof, match="2048"):
        check(make("RS256", {"jwk": {name: jwk[name] for name in ("kty", "n", "e")}}))


@pytest.mark.parametrize(
    ("claims", "says"),
    [
        ({"jti": None}, "jti"),
        ({"jti": ""}, "jti"),
        ({"jti": 1}, "jti"),
        ({"jti": "j" * 257}, "jti"),
        ({"jti": "\ud800"}, "well-formed"),
        ({"htm": None}, "htm"),
        ({"htm": "GET"}, "htm"),
        ({"htm": "post"}, "htm"),
        ({"htu": None}, "htu"),
        ({"htu": 1}, "htu"),
        ({"htu": "/oauth/token"}, "htu"),
        ({"htu": "https://other.example/oauth/token"}, "htu"),
        ({"htu": "http://pds.example/oauth/token"}, "htu"),
        ({"htu": "https://pds.example:8443/oauth/token"}, "htu"),
        ({"htu": URI + "/"}, "htu"),
        ({"htu": "https://a@pds.example/oauth/token"}, "htu"),
        ({"iat": None}, "iat"),
        ({"iat": "now"}, "iat"),
        ({"iat": True}, "iat"),
        ({"iat": float("inf")}, "well-formed"),
        ({"exp": NOW - 30}, "expired"),
        ({"exp": "x"}, "exp"),
        ({"nbf": NOW + 31}, "not good yet"),
        ({"ath": "x"}, "ath"),
        ({"nonce": 1}, "nonce"),
    ],
)
def test_a_proof_has_its_claims(claims: dict[str, Any], says: str) -> None:
    with pytest.raises(InvalidDpopProof, match=says):
        check(make(**claims))


@pytest.mark.parametrize("off", [-30, -10, 0, 30, 0.5, -0.5])
def test_without_nonces_a_clock_may_be_half_a_minute_off(off: float) -> None:
    proof = check(make(iat=NOW + off), nonces=None)
    # As soon as its name is forgotten, its age speaks against it.
    with pytest.raises(InvalidDpopProof, match="too old"):
        check(make(iat=NOW + off), nonces=None, now=proof.forget_after)


@pytest.mark.parametrize(
    ("iat", "says"), [(10**400, "future"), (-(10**400), "too old"), (NOW + 31, "future"), (NOW - 31, "too old")]
)
def test_without_nonces_a_clock_may_not_be_further_off(iat: int, says: str) -> None:
    with pytest.raises(InvalidDpopProof, match=says):
        check(make(iat=iat), nonces=None)


CLOCKS_OFF = [-(10**9), -3600, -120, -31, 31, 120, 3600, 10**400]


@pytest.mark.parametrize("off", CLOCKS_OFF)
def test_a_nonce_stands_for_the_time_of_a_clock_that_is_off(off: int) -> None:
    theirs: dict[str, Any] = {"iat": NOW + off, "nbf": NOW + off, "exp": NOW + off + 60}
    with pytest.raises(UseDpopNonce, match="needed"):
        check(make(nonce=None, **theirs))
    proof = check(make(**theirs))
    assert proof.forget_after == NOW + 3 * TURN_SECONDS
    check(make(**theirs), now=proof.forget_after - 1)
    # As soon as its name is forgotten, its nonce speaks against it.
    with pytest.raises(UseDpopNonce, match="too old"):
        check(make(**theirs), now=proof.forget_after)


@pytest.mark.parametrize("off", [-120, 120])
def test_a_proof_that_was_over_when_it_was_made_has_no_time(off: int) -> None:
    spoilt: list[dict[str, Any]] = [{"exp": NOW + off - 30}, {"nbf": NOW + off + 31}]
    for claims in spoilt:
        with pytest.raises(InvalidDpopProof, match="clock"):
            check(make(iat=NOW + off, **claims))


@pytest.mark.parametrize("htu", [URI + "?a=b", URI + "#a", "HTTPS://PDS.EXAMPLE:443/oauth/./token", URI[:-1] + "%6e"])
def test_the_uri_may_be_spelt_otherwise(htu: str) -> None:
    check(make(htu=htu))


def test_the_query_of_the_request_does_not_count() -> None:
    check_dpop_proof(make(), method="POST", uri=URI + "?x=%zz", now=NOW, nonces=None)


@pytest.mark.parametrize("ath", [None, "", 1, hash_access_token("another"), hash_access_token(TOKEN) + "=", "é"])
def test_a_proof_is_for_its_access_token(ath: object) -> None:
    with pytest.raises(InvalidDpopProof, match="ath"):
        check(make(ath=ath), TOKEN)


def test_bytes_in_an_access_token_are_no_error_of_their_own() -> None:
    with pytest.raises(InvalidDpopProof, match="ath"):
        check(make(ath="x"), "\udcff")


@pytest.mark.parametrize(
    "nonce", [None, "", "x", "é", "n" * 300, NONCES.issue(NOW - 300), DpopNonces(b"t" * 32).issue(NOW)]
)
def test_only_the_nonce_is_wrong(nonce: str | None) -> None:
    with pytest.raises(UseDpopNonce):
        check(make(nonce=nonce))
    assert check(make(nonce=nonce), nonces=None).nonce is None


@pytest.mark.parametrize(
    "claims", [{"htm": "GET"}, {"htu": "https://x.example"}, {"iat": None}, {"exp": 1}, {"jti": None}, {"ath": "x"}]
)
def test_a_nonce_is_not_asked_of_a_proof_that_is_wrong_anyway(claims: dict[str, Any]) -> None:
    with pytest.raises(InvalidDpopProof):
        check(make(nonce=None, **claims))


def unsigned(alg: str) -> str:
    head = {"typ": "dpop+jwt", "alg": alg, "jwk": EC}
    claims = {"jti": "one", "htm": "POST", "htu": URI, "iat": NOW, "nonce": NONCES.issue(NOW)}
    return ".".join(encode_base64url(json.dumps(part).encode()) for part in (head, claims)) + "."


@pytest.mark.parametrize("alg", ["none", "None", "HS256", "RS1", "ES256", ""])
def test_without_a_signature_nothing_is_proven(alg: str) -> None:
    with pytest.raises(InvalidDpopProof):
        check(unsigned(alg))


def test_a_public_key_is_no_secret() -> None:
    """The public key as the secret of an HMAC, which whoever knows it can make."""
    secret = json.dumps(EC).encode()
    with pytest.raises(InvalidDpopProof, match="not accepted"):
        check(
            encode_hs256({"typ": "dpop+jwt", "jwk": EC}, {"jti": "one", "htm": "POST", "htu": URI, "iat": NOW}, secret)
        )


@given(st.text(max_size=40) | st.lists(st.text("eyJ0.=A-_", max_size=9), min_size=3, max_size=3).map(".".join))
def test_any_text_is_refused(text: str) -> None:
    with pytest.raises(InvalidDpopProof):
        check(text)


GOOD = make()


@given(st.integers(0, len(GOOD) - 1), st.sampled_from("ABYZaz09-_.=+"))
def test_no_letter_of_a_proof_can_be_another(position: int, letter: str) -> None:
    other = GOOD[:position] + letter + GOOD[position + 1 :]
    if other != GOOD:
        with pytest.raises(InvalidDpopProof):
            check(other)
