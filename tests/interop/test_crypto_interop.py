"""Keys, signatures, service tokens and DID documents: the verdicts and bytes of the reference implementation."""

import random
import time
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from tests.conftest import RunNode

from tempest_pds.protocol.crypto import _keys_portable, base58, jwt
from tempest_pds.protocol.crypto.did_key import parse_did_key
from tempest_pds.protocol.crypto.keys import ORDERS, Curve, PrivateKey, private_key
from tempest_pds.protocol.errors import InvalidSignature, InvalidSyntax
from tempest_pds.protocol.identity.did_document import DidDocument, build_did_document
from tempest_pds.protocol.syntax.did import Did

SCRIPT = Path(__file__).parent / "crypto_verdicts.mjs"
CURVES: tuple[Curve, ...] = ("k256", "p256")
ENDPOINTS = ["https://pds.test", "http://localhost:1", "ftp://a.test", "a.test", "https://", "https://a:b", {"a": "b"}]
AUDIENCE, METHOD = "did:web:pds.test", "com.example.method"


def implementations(curve: Curve) -> list[ModuleType]:
    found = [_keys_portable]
    if curve == "k256":
        found.append(pytest.importorskip("tempest_pds.protocol.crypto._keys_speed"))
    return found


def make_key(chance: random.Random, curve: Curve) -> PrivateKey:
    return private_key(chance.randbytes(32), curve)


def test_the_reference_verifies_what_is_signed_here(run_node: RunNode) -> None:
    chance = random.Random(1)
    cases = []
    for curve in CURVES:
        for backend in implementations(curve):
            key = backend.private_key(chance.randbytes(32), curve)
            for _ in range(100):
                message = chance.randbytes(chance.randrange(200))
                case = {"do": "verify", "did": key.public.did_key, "message": message.hex(), "malleable": False}
                cases.append({**case, "signature": key.sign(message).hex()})
    assert [verdict.get("ok") for verdict in run_node(SCRIPT, cases)] == [True] * len(cases)


def test_what_the_reference_signs_is_verified_here(run_node: RunNode) -> None:
    chance = random.Random(2)
    cases: list[dict[str, Any]] = [
        {"do": "sign", "curve": curve, "secret": chance.randbytes(32).hex(), "message": chance.randbytes(50).hex()}
        for curve in CURVES
        for _ in range(150)
    ]
    for case, verdict in zip(cases, run_node(SCRIPT, cases), strict=True):
        curve, message = case["curve"], bytes.fromhex(case["message"])
        signature = bytes.fromhex(verdict["ok"]["signature"])
        for backend in implementations(curve):
            key = backend.private_key(bytes.fromhex(case["secret"]), curve)
            assert key.public.did_key == verdict["ok"]["did"]
            assert key.public.verify(message, signature)
            assert not key.public.verify(message + b"\x00", signature)


def spoil(chance: random.Random, signature: bytes, curve: Curve) -> bytes:
    order = ORDERS[curve]
    r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
    match chance.randrange(9):
        case 0 | 1:
            return signature
        case 2:
            return signature[:32] + (order - s).to_bytes(32, "big")
        case 3:
            position = chance.randrange(64)
            return signature[:position] + chance.randbytes(1) + signature[position + 1 :]
        case 4:
            return encode_dss_signature(r, s)
        case 5:
            return signature[: chance.randrange(64)]
        case 6:
            return signature + chance.randbytes(chance.randrange(1, 10))
        case 7:
            return chance.choice([bytes(32), order.to_bytes(32, "big"), b"\xff" * 32]) + signature[32:]
        case _:
            return signature[:32] + chance.choice([0, order, order // 2 + 1]).to_bytes(32, "big")


@pytest.mark.parametrize("malleable", [False, True])
def test_spoiled_signatures_are_judged_alike(run_node: RunNode, malleable: bool) -> None:
    """Where high-S is let through, the reference takes DER as well; a token's signature is never in DER."""
    chance = random.Random(3)
    cases: list[dict[str, Any]] = []
    for curve in CURVES:
        keys = [make_key(chance, curve) for _ in range(4)]
        for _ in range(500):
            key = chance.choice(keys)
            message = chance.randbytes(20)
            signature = spoil(chance, key.sign(message), curve)
            if malleable and len(signature) != 64:
                continue
            one = {"do": "verify", "did": key.public.did_key, "message": message.hex(), "malleable": malleable}
            cases.append({**one, "signature": signature.hex()})
    taken = 0
    for case, verdict in zip(cases, run_node(SCRIPT, cases), strict=True):
        key_of_case = parse_did_key(case["did"])
        expected = verdict.get("ok") is True
        for backend in implementations(key_of_case.curve):
            public = backend.public_key(key_of_case.compressed, key_of_case.curve)
            found = public.verify(
                bytes.fromhex(case["message"]), bytes.fromhex(case["signature"]), allow_high_s=malleable
            )
            assert found == expected, (case, verdict)
        taken += expected
    assert 100 < taken < len(cases) - 100


def spoil_did_key(chance: random.Random, key: PrivateKey) -> str:
    text = key.public.did_key
    position = chance.randrange(len(text))
    match chance.randrange(6):
        case 0:
            return text
        case 1:
            return text[:position] + chance.choice("123abcXYZ0OIl:z") + text[position + 1 :]
        case 2:
            return text[:position] + text[position + 1 :]
        case 3:
            prefix = chance.choice([b"\xe7\x01", b"\x80\x24", b"\xed\x01", b"\xe7", b""])
            head = chance.choice([b"\x02", b"\x03", b"\x04", b"\x00"])
            return "did:key:z" + base58.encode(prefix + head + chance.randbytes(32))
        case 4:
            return "did:key:z" + base58.encode(b"\xe7\x01" + chance.randbytes(chance.choice([0, 1, 32, 33, 64, 65])))
        case _:
            return text.replace("did:key:z", chance.choice(["did:key:", "z", "did:key:u", "did:web:z", "did:key:zz"]))


def test_did_keys_are_judged_alike(run_node: RunNode) -> None:
    chance = random.Random(4)
    texts = [spoil_did_key(chance, make_key(chance, chance.choice(CURVES))) for _ in range(2000)]
    taken = 0
    for text, verdict in zip(texts, run_node(SCRIPT, [{"do": "did", "text": text} for text in texts]), strict=True):
        try:
            key = parse_did_key(text)
            found: Any = {"jwtAlg": key.jwt_alg, "again": key.did_key}
        except InvalidSyntax:
            found = None
        assert found == verdict.get("ok"), (text, verdict)
        taken += found is not None
    assert 300 < taken < 1700


def test_service_tokens_go_both_ways(run_node: RunNode) -> None:
    chance = random.Random(5)
    now = int(time.time())
    keys = [make_key(chance, curve) for curve in CURVES for _ in range(10)]
    claims = {"iss": "did:web:alice.test", "aud": AUDIENCE, "lxm": METHOD, "iat": now, "exp": now + 60}
    cases: list[dict[str, Any]] = [
        {"do": "mint", "curve": key.curve, "secret": key.raw.hex(), "claims": claims} for key in keys
    ]
    for key in keys:
        made = jwt.encode({"typ": "JWT"}, {**claims, "jti": "x"}, key)
        cases.append({"do": "check", "token": made, "aud": AUDIENCE, "lxm": METHOD, "did": key.public.did_key})
    verdicts = run_node(SCRIPT, cases)
    for key, minted, checked in zip(keys, verdicts[: len(keys)], verdicts[len(keys) :], strict=True):
        token = jwt.decode_unverified(minted["ok"])
        jwt.verify_with_key(token, key.public)
        assert {name: token.claims[name] for name in claims} == claims
        with pytest.raises(InvalidSignature):
            jwt.verify_with_key(token, make_key(chance, key.curve).public)
        assert checked["ok"]["iss"] == "did:web:alice.test"


def make_document(chance: random.Random) -> dict[str, Any]:
    did = Did("did:web:alice.test")
    key = make_key(chance, chance.choice(CURVES)).public
    document = build_did_document(did, "alice.test", key.did_key, "https://pds.test")
    method, service = document["verificationMethod"][0], document["service"][0]
    method["id"] = chance.choice(["#atproto", f"{did}#atproto", "#other", "did:web:x#atproto", "atproto"])
    match chance.randrange(5):
        case 0:
            method["type"] = "EcdsaSecp256k1VerificationKey2019"
        case 1:
            kinds = {"k256": "EcdsaSecp256k1VerificationKey2019", "p256": "EcdsaSecp256r1VerificationKey2019"}
            method["type"] = kinds[key.curve]
            method["publicKeyMultibase"] = "z" + base58.encode(key.compressed)
        case 2:
            method["type"] = "JsonWebKey2020"
        case 3 if chance.random() < 0.5:
            del method["publicKeyMultibase"]
        case _:
            pass
    if chance.random() < 0.3:
        document["verificationMethod"].insert(0, {**method, "id": chance.choice(["#atproto", "#x"])})
    service["id"] = chance.choice(["#atproto_pds", f"{did}#atproto_pds", "#pds"])
    service["type"] = chance.choice(["AtprotoPersonalDataServer"] * 3 + ["Other"])
    service["serviceEndpoint"] = chance.choice(ENDPOINTS)
    return document


def test_documents_are_read_alike(run_node: RunNode) -> None:
    chance = random.Random(6)
    documents = [make_document(chance) for _ in range(800)]
    verdicts = run_node(SCRIPT, [{"do": "document", "document": document} for document in documents])
    for json, verdict in zip(documents, verdicts, strict=True):
        document = DidDocument.parse(json)
        assert {"key": document.signing_key, "pds": document.pds_endpoint} == verdict["ok"], json
