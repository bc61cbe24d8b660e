"""JSON Web Tokens."""

import json
from base64 import urlsafe_b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tempest_pds.protocol.crypto import jwt
from tempest_pds.protocol.crypto.keys import ORDERS, PrivateKey, generate_k256, generate_p256, private_key
from tempest_pds.protocol.errors import InvalidSignature, InvalidSyntax

SECRET = b"secret" * 8
K256 = private_key(b"\x01" * 32, "k256")
P256 = private_key(b"\x01" * 32, "p256")


def part(value: object) -> str:
    return jwt.encode_base64url(value if isinstance(value, bytes) else json.dumps(value).encode())


def test_hs256_is_that_of_the_rfc() -> None:
    """RFC 7515, appendix A.1: a token of someone else, with line breaks in its JSON."""
    key = jwt.decode_base64url("AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow")
    token = (
        "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9"
        ".eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ"
        ".dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
    )
    assert jwt.verify_hs256(token, key).claims == {"iss": "joe", "exp": 1300819380, "http://example.com/is_root": True}


@pytest.mark.parametrize("signer", [K256, P256, generate_k256(), generate_p256()])
def test_a_token_is_verified_with_its_key(signer: PrivateKey) -> None:
    token = jwt.encode({"typ": "JWT"}, {"iss": "did:web:a", "name": "é"}, signer)
    parsed = jwt.decode_unverified(token)
    assert parsed.header == {"typ": "JWT", "alg": signer.jwt_alg}
    assert parsed.claims == {"iss": "did:web:a", "name": "é"}
    jwt.verify_with_key(parsed, signer.public)
    with pytest.raises(InvalidSignature):
        jwt.verify_with_key(parsed, private_key(b"\x02" * 32, signer.curve).public)


def test_a_token_reads_back() -> None:
    token = jwt.encode_hs256({"typ": "at+jwt"}, {"sub": "x"}, SECRET)
    assert jwt.verify_hs256(token, SECRET).header == {"typ": "at+jwt", "alg": "HS256"}
    with pytest.raises(InvalidSignature):
        jwt.verify_hs256(token, b"other")


def test_high_s_is_taken_in_a_token() -> None:
    """JOSE does not forbid it, and the reference implementation takes it."""
    head, claims, signature = jwt.encode({}, {}, P256).split(".")
    raw = jwt.decode_base64url(signature)
    high = raw[:32] + (ORDERS["p256"] - int.from_bytes(raw[32:], "big")).to_bytes(32, "big")
    jwt.verify_with_key(jwt.decode_unverified(f"{head}.{claims}.{jwt.encode_base64url(high)}"), P256.public)


def test_the_algorithm_is_the_keys() -> None:
    """A public key is no secret: a token signed with it by HS256 is nobody's, and so is one signed by `none`."""
    forged = jwt.encode_hs256({}, {"iss": "x"}, K256.public.compressed)
    with pytest.raises(InvalidSignature):
        jwt.verify_with_key(jwt.decode_unverified(forged), K256.public)
    for alg in ("none", "None", "", "HS512", "ES256"):
        token = f"{part({'alg': alg})}.{part({})}."
        with pytest.raises(InvalidSignature):
            jwt.verify_hs256(token, SECRET)
        with pytest.raises(InvalidSignature):
            jwt.verify_with_key(jwt.decode_unverified(token), K256.public)
    with pytest.raises(InvalidSignature):
        jwt.verify_hs256(jwt.encode({}, {}, K256), SECRET)


def test_any_change_is_noticed() -> None:
    token = jwt.encode_hs256({"typ": "JWT"}, {"sub": "did:web:a"}, SECRET)
    for index, character in enumerate(token):
        changed = token[:index] + ("A" if character != "A" else "B") + token[index + 1 :]
        with pytest.raises((InvalidSignature, InvalidSyntax)):
            jwt.verify_hs256(changed, SECRET)


HEADER = part({"alg": "HS256"})


@pytest.mark.parametrize(
    "token",
    [
        "",
        ".",
        "..",
        "a.b",
        f"{HEADER}.{part({})}",
        f"{HEADER}.{part({})}.x.y",
        f"{HEADER}.{part([])}.",
        f"{part([])}.{part({})}.",
        f"{part({})}.{part({})}.",
        f"{part({'alg': 1})}.{part({})}.",
        f"{part({'alg': 'HS256', 'crit': ['exp']})}.{part({})}.",
        f"{HEADER}.{part(b'{')}.",
        HEADER + "." + part(b"\xff") + ".",
        HEADER + "." + part(b'{"a":NaN}') + ".",
        f"{HEADER}=.{part({})}.",
        f" {HEADER}.{part({})}.",
        f"{HEADER}.{part({})}.é",
        f"{HEADER}.{part({})}.\n",
        f"{HEADER}.{part(b'[' * 9000)}.",
        f"{HEADER}.{part({})}." + "A" * 20_000,
    ],
    ids=lambda token: token[:40],
)
def test_what_is_no_token_is_refused(token: str) -> None:
    with pytest.raises(InvalidSyntax):
        jwt.decode_unverified(token)


@given(st.binary(max_size=40))
def test_base64url_reads_back(data: bytes) -> None:
    text = jwt.encode_base64url(data)
    assert text == urlsafe_b64encode(data).decode().rstrip("=")
    assert jwt.decode_base64url(text) == data


@given(st.text(alphabet="ABab01-_+/=\n é", max_size=12))
def test_base64url_has_one_form(text: str) -> None:
    try:
        data = jwt.decode_base64url(text)
    except InvalidSyntax:
        return
    assert jwt.encode_base64url(data) == text
