"""Keys on P-256 as JSON Web Keys, held to what `cryptography` and PyJWT make of them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st
from jwt.algorithms import ECAlgorithm

from tempest_pds.protocol.crypto.jwt import encode_base64url
from tempest_pds.protocol.crypto.keys import ORDERS, private_key
from tempest_pds.protocol.oauth.errors import InvalidJwk
from tempest_pds.protocol.oauth.jwk import PublicJwk, thumbprint_of
from tempest_pds.protocol.oauth.p256_jwk import (
    private_member,
    public_members,
    read_private_member,
    read_public_members,
)

SCALARS = st.integers(1, ORDERS["p256"] - 1)


@given(SCALARS)
def test_a_key_is_the_jwk_that_others_make_of_it(scalar: int) -> None:
    key = private_key(scalar.to_bytes(32, "big"), "p256")
    theirs = json.loads(ECAlgorithm.to_jwk(ec.derive_private_key(scalar, ec.SECP256R1())))
    ours: dict[str, object] = {**public_members(key.public), "d": private_member(key)}
    assert ours == {name: theirs[name] for name in ours}
    assert read_public_members(ours) == key.public
    assert read_private_member(ours, key.public).raw == key.raw
    assert thumbprint_of(public_members(key.public)) == PublicJwk.parse(public_members(key.public)).thumbprint


KEY = private_key(bytes([7] * 32), "p256")
GOOD: dict[str, Any] = {**public_members(KEY.public), "d": private_member(KEY)}
ZERO, OFF = encode_base64url(bytes(32)), encode_base64url(bytes([255] * 32))


@pytest.mark.parametrize(
    "change",
    [
        {"kty": "RSA"}, {"kty": None}, {"crv": "secp256k1"}, {"x": None}, {"x": ""}, {"x": "!"}, {"x": 5}, {"x": OFF},
        {"x": GOOD["x"] + "="}, {"x": GOOD["x"][:-1]}, {"y": GOOD["x"]}, {"y": ZERO}, {"y": OFF}, {"y": None},
    ],
)  # fmt: skip
def test_what_is_no_public_key_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(InvalidJwk):
        read_public_members(GOOD | change)


@pytest.mark.parametrize("d", [None, 5, "", "!", ZERO, OFF, GOOD["x"], private_member(private_key(bytes([8] * 32)))])
def test_what_is_not_the_private_key_of_it_is_refused(d: Any) -> None:
    with pytest.raises(InvalidJwk) as caught:
        read_private_member(GOOD | {"d": d}, KEY.public)
    assert not isinstance(d, str) or not d or d not in str(caught.value)
