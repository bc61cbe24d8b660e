"""Public keys of strangers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jwt.algorithms import ECAlgorithm, RSAAlgorithm
from strangers import rsa_key, stranger

from tempest_pds.protocol.crypto.jwt import decode_base64url, encode_base64url
from tempest_pds.protocol.errors import InvalidSignature
from tempest_pds.protocol.oauth.errors import InvalidJwk, UnknownJwk
from tempest_pds.protocol.oauth.jwk import ACCEPTED_ALGORITHMS, MAX_KEYS, RSA_ALGORITHMS, JwkSet, PublicJwk

EC = stranger("ES256").jwk
RSA = stranger("RS256").jwk
OKP = stranger("EdDSA").jwk


def test_the_thumbprint_is_that_of_the_rfc() -> None:
    """RFC 7638, section 3.1."""
    modulus = (
        "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3okn"
        "jhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6q"
        "MQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awap"
        "JzKnqDKgw"
    )
    key = PublicJwk.parse({"kty": "RSA", "n": modulus, "e": "AQAB", "alg": "RS256", "kid": "2011-04-29"})
    assert key.thumbprint == "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"
    assert (key.kid, key.algorithms) == ("2011-04-29", ("RS256",))


def test_the_thumbprint_of_an_edwards_key_is_that_of_the_rfc() -> None:
    """RFC 8037, appendix A.3."""
    key = PublicJwk.parse({"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"})
    assert key.thumbprint == "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"


def test_the_thumbprint_is_of_the_key_alone() -> None:
    named = {"kid": "a", "use": "sig", "key_ops": ["verify"], "alg": "ES256", "ext": True, "x5c": [], **EC}
    assert PublicJwk.parse(named).thumbprint == PublicJwk.parse(EC).thumbprint
    assert dict(PublicJwk.parse(named).members) == EC


@pytest.mark.parametrize("alg", ACCEPTED_ALGORITHMS)
def test_each_algorithm_verifies(alg: str) -> None:
    signer = stranger(alg)
    signing_input, _, signature = signer.sign({"a": 1}).rpartition(".")
    key, raw = PublicJwk.parse(signer.jwk), decode_base64url(signature)
    key.verify(alg, signing_input.encode(), raw)
    for bad in (raw[:-1], raw + b"\x00", b"", bytes(len(raw)), raw[:-1] + bytes([raw[-1] ^ 1])):
        with pytest.raises(InvalidSignature):
            key.verify(alg, signing_input.encode(), bad)
    with pytest.raises(InvalidSignature):
        key.verify(alg, signing_input.encode() + b"x", raw)


@pytest.mark.parametrize(("jwk", "algorithms"), [(EC, ("ES256",)), (OKP, ("EdDSA",)), (RSA, RSA_ALGORITHMS)])
def test_a_key_verifies_its_own_algorithms_only(jwk: dict[str, str], algorithms: tuple[str, ...]) -> None:
    key = PublicJwk.parse(jwk)
    assert key.algorithms == algorithms
    for alg in {*ACCEPTED_ALGORITHMS, "none", "HS256", "RS1", ""} - set(algorithms):
        with pytest.raises(InvalidSignature, match="not for"):
            key.verify(alg, b"", b"")


def test_the_operations_that_the_official_client_lists_are_taken() -> None:
    PublicJwk.parse({**EC, "key_ops": ["verify", "encrypt", "wrapKey"]})


def test_the_alg_of_a_key_narrows_it() -> None:
    key = PublicJwk.parse({**RSA, "alg": "PS256"})
    with pytest.raises(InvalidSignature, match="not for"):
        key.verify("RS256", b"", b"")


def large_e() -> str:
    return encode_base64url((2**32 + 1).to_bytes(5, "big"))


WEAK = RSAAlgorithm.to_jwk(rsa_key(1024).public_key(), as_dict=True)["n"]
P384 = stranger("ES384").jwk
ZERO = encode_base64url(bytes(32))


@pytest.mark.parametrize(
    ("jwk", "says"),
    [
        (None, "JSON object"),
        ([EC], "JSON object"),
        ({}, "type"),
        ({**EC, "kty": ["EC"]}, "type"),
        ({"kty": "oct", "k": "AAAA"}, "private"),
        ({"kty": "oct"}, "type"),
        ({**EC, "d": ZERO}, "private"),
        ({**EC, "d": None}, "private"),
        *(({**RSA, name: "AQAB"}, "private") for name in ("d", "p", "q", "dp", "dq", "qi", "oth")),
        ({**OKP, "d": ZERO}, "private"),
        ({**EC, "use": "enc"}, "not for signatures"),
        ({**EC, "use": None}, "not for signatures"),
        ({**EC, "key_ops": ["sign"]}, "to verify with"),
        ({**EC, "key_ops": ["encrypt"]}, "to verify with"),
        ({**EC, "key_ops": ["sign", "verify"]}, "no public key does"),
        ({**EC, "key_ops": ["verify", ["verify"]]}, "no public key does"),
        ({**EC, "key_ops": ["verify", "verify"]}, "no public key does"),
        ({**EC, "key_ops": []}, "to verify with"),
        ({**EC, "key_ops": "verify"}, "to verify with"),
        ({**EC, "alg": "ES384"}, "algorithm"),
        ({**EC, "alg": "ES256K"}, "algorithm"),
        ({**EC, "alg": "none"}, "algorithm"),
        ({**EC, "alg": ["ES256"]}, "algorithm"),
        ({**RSA, "alg": "HS256"}, "algorithm"),
        ({**RSA, "alg": "RSA-OAEP"}, "algorithm"),
        ({**OKP, "alg": "ES256"}, "algorithm"),
        ({**EC, "kid": ""}, "kid"),
        ({**EC, "kid": 1}, "kid"),
        ({**EC, "kid": "\ud800"}, "kid"),
        ({**EC, "kid": "k" * 513}, "kid"),
        ({**EC, "crv": "P-384"}, "length"),
        ({**P384, "crv": "P-256"}, "length"),
        ({**EC, "crv": "secp256k1"}, "not a key"),
        ({**EC, "crv": "P-192"}, "curve"),
        ({**EC, "crv": "Ed25519"}, "curve"),
        ({name: value for name, value in EC.items() if name != "crv"}, "no crv"),
        ({name: value for name, value in EC.items() if name != "y"}, "no y"),
        ({**EC, "x": 1}, "no x"),
        ({**EC, "x": EC["x"] + "="}, "base64url"),
        ({**EC, "x": encode_base64url(b"\x00" + decode_base64url(EC["x"]))}, "length"),
        ({**EC, "x": ZERO, "y": ZERO}, "not a key"),
        ({**EC, "y": EC["x"]}, "not a key"),
        ({**EC, "x": "A" * 100_000}, "too long"),
        ({**OKP, "crv": "Ed448"}, "curve"),
        ({**OKP, "crv": "X25519"}, "curve"),
        ({**OKP, "x": "AAAA"}, "length"),
        ({**RSA, "n": WEAK}, "2048"),
        ({**RSA, "n": encode_base64url(b"\xff" * 1025)}, "8192"),
        ({**RSA, "n": encode_base64url(b"\x00" + decode_base64url(RSA["n"]))}, "shortest"),
        ({**RSA, "n": ""}, "shortest"),
        ({**RSA, "n": encode_base64url(b"\xff" * 255 + b"\xfe")}, "not those of a key"),
        ({**RSA, "e": "AAEAAQ"}, "shortest"),
        ({**RSA, "e": "AQ"}, "not those of a key"),
        ({**RSA, "e": "AQAA"}, "not those of a key"),
        ({**RSA, "e": large_e()}, "not those of a key"),
        ({**RSA, "e": 65537}, "no e"),
    ],
)
def test_other_keys_are_refused(jwk: object, says: str) -> None:
    with pytest.raises(InvalidJwk, match=says):
        PublicJwk.parse(jwk)


def test_a_long_rsa_key_is_taken() -> None:
    PublicJwk.parse({**RSA, "n": encode_base64url(b"\xff" * 1024)})


JSON = st.recursive(st.none() | st.booleans() | st.integers() | st.text(), lambda inner: st.lists(inner, max_size=3))


@given(
    st.sampled_from([EC, RSA, OKP]),
    st.dictionaries(st.sampled_from(["kty", "crv", "x", "y", "n", "e", "use", "key_ops", "alg", "kid"]), JSON),
)
def test_no_json_is_anything_but_a_key_or_refused(jwk: dict[str, str], spoilt: dict[str, object]) -> None:
    try:
        key = PublicJwk.parse({**jwk, **spoilt})
    except InvalidJwk:
        return
    assert len(key.thumbprint) == 43
    assert dict(key.members) == jwk


@given(st.sampled_from(["x", "y"]), st.integers(0, 42), st.sampled_from("ABCxyz019-_+/= "))
def test_a_key_has_one_spelling(name: str, position: int, letter: str) -> None:
    """Whatever letter is changed, it is another key or none: never the same under another thumbprint."""
    text = EC[name]
    other = text[:position] + letter + text[position + 1 :]
    if other != text:
        with pytest.raises(InvalidJwk):
            PublicJwk.parse({**EC, name: other})


def key_set(*keys: object) -> JwkSet:
    return JwkSet.parse({"keys": list(keys)})


def test_a_key_is_chosen_by_kid_and_algorithm() -> None:
    other = ECAlgorithm.to_jwk(stranger("ES256", 1).private.public_key(), as_dict=True)
    keys = key_set({**EC, "kid": "a"}, {**other, "kid": "b"}, {**RSA, "kid": "a"}, EC)
    assert keys.choose("a", "ES256").thumbprint == PublicJwk.parse(EC).thumbprint
    assert keys.choose("b", "ES256").thumbprint == PublicJwk.parse(other).thumbprint
    assert keys.choose("a", "PS384").algorithms == RSA_ALGORITHMS
    for kid, alg in (("c", "ES256"), ("b", "RS256"), ("a", "none"), ("", "ES256")):
        with pytest.raises(UnknownJwk, match="no such key"):
            keys.choose(kid, alg)


def test_two_keys_of_one_name_are_none() -> None:
    keys = key_set({**EC, "kid": "a"}, {**stranger("ES256", 1).jwk, "kid": "a"})
    with pytest.raises(UnknownJwk, match="several"):
        keys.choose("a", "ES256")
    key_set({**EC, "kid": "a"}, {**EC, "kid": "a"}).choose("a", "ES256")


def test_a_set_holds_what_a_session_is_bound_to() -> None:
    keys, thumbprint = key_set({**EC, "kid": "a"}), PublicJwk.parse(EC).thumbprint
    assert keys.holds("a", "ES256", thumbprint)
    assert not keys.holds("b", "ES256", thumbprint)
    assert not keys.holds("a", "ES384", thumbprint)
    assert not keys.holds("a", "ES256", PublicJwk.parse(OKP).thumbprint)


def test_keys_for_other_things_are_passed_over() -> None:
    strange = [{**EC, "use": "enc"}, {**RSA, "p": "AQAB"}, {"kty": "AKP"}, {**OKP, "crv": "X25519"}, {}, None, "key"]
    assert len(key_set(*strange, EC).keys) == 1
    assert key_set().keys == ()


@pytest.mark.parametrize(
    ("value", "says"),
    [
        (None, "JSON object"),
        ([], "JSON object"),
        ({}, "no list"),
        ({"keys": {}}, "no list"),
        ({"keys": [EC, {**EC, "d": ZERO}]}, "private"),
        ({"keys": [{"kty": "oct", "k": "AAAA"}]}, "private"),
        ({"keys": [EC] * (MAX_KEYS + 1)}, "too many"),
    ],
)
def test_other_sets_are_refused(value: object, says: str) -> None:
    with pytest.raises(InvalidJwk, match=says):
        JwkSet.parse(value)
