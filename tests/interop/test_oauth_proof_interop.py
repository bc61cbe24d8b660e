"""DPoP proofs, client assertions and request objects: made there and checked here, made here and checked there."""

import functools
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jwt as pyjwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm
from tests.conftest import RunNode

from tempest_pds.protocol.oauth.client_assertion import check_client_assertion
from tempest_pds.protocol.oauth.dpop_nonce import TURN_SECONDS, DpopNonces
from tempest_pds.protocol.oauth.dpop_proof import check_dpop_proof, hash_access_token
from tempest_pds.protocol.oauth.errors import InvalidDpopProof, UseDpopNonce
from tempest_pds.protocol.oauth.jwk import ACCEPTED_ALGORITHMS, RSA_ALGORITHMS, JwkSet, PublicJwk
from tempest_pds.protocol.oauth.request_object import check_request_object

SCRIPT = Path(__file__).parent / "oauth_proof_verdicts.mjs"
CLIENT, ISSUER = "https://app.example/client.json", "https://pds.example"
URI, TOKEN = "https://pds.example/xrpc/com.example.method", "access.token"
SECRET = bytes(range(32))
NONCES = DpopNonces(SECRET)
EC_CURVES: dict[str, type[ec.EllipticCurve]] = {
    "ES256": ec.SECP256R1,
    "ES256K": ec.SECP256K1,
    "ES384": ec.SECP384R1,
    "ES512": ec.SECP521R1,
}


def proof_claims(now: int) -> dict[str, Any]:
    nonce, ath = NONCES.issue(now), hash_access_token(TOKEN)
    return {"jti": "a-proof", "htm": "GET", "htu": URI, "iat": now, "nonce": nonce, "ath": ath}


def assertion_claims(now: int) -> dict[str, Any]:
    return {"iss": CLIENT, "sub": CLIENT, "aud": ISSUER, "jti": "an-assertion", "iat": now, "exp": now + 60}


def request_claims(now: int) -> dict[str, Any]:
    return {"iss": CLIENT, "aud": ISSUER, "jti": "a-request", "iat": now, "client_id": CLIENT, "scope": "atproto"}


@functools.cache
def rsa_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


class Maker:
    """Signs with PyJWT, as clients in Python do."""

    def __init__(self, alg: str) -> None:
        self.alg = alg
        self.private: Any
        jwk: Any
        if alg in EC_CURVES:
            self.private = ec.generate_private_key(EC_CURVES[alg]())
            jwk = ECAlgorithm.to_jwk(self.private.public_key(), as_dict=True)
        elif alg == "EdDSA":
            self.private = ed25519.Ed25519PrivateKey.generate()
            jwk = OKPAlgorithm.to_jwk(self.private.public_key(), as_dict=True)
        else:
            self.private = rsa_key()
            jwk = RSAAlgorithm.to_jwk(self.private.public_key(), as_dict=True)
        self.jwk = {name: jwk[name] for name in ("kty", "crv", "x", "y", "n", "e") if name in jwk}
        self.keys = {"keys": [{**self.jwk, "kid": "one"}]}

    def sign(self, claims: dict[str, Any], header: dict[str, Any]) -> str:
        whole: dict[str, Any] = {"typ": None, **header}
        return pyjwt.PyJWS().encode(json.dumps(claims).encode(), self.private, self.alg, whole)

    def proof(self, claims: dict[str, Any], **header: Any) -> str:
        return self.sign(claims, {"typ": "dpop+jwt", "jwk": self.jwk, **header})


def test_what_the_reference_signs_is_good_here(run_node: RunNode) -> None:
    now = int(time.time())
    made = {"proof": proof_claims(now), "assertion": assertion_claims(now), "request": request_claims(now)}
    verdicts = run_node(SCRIPT, [{"do": "make", "alg": alg, **made} for alg in ACCEPTED_ALGORITHMS])
    for alg, verdict in zip(ACCEPTED_ALGORITHMS, verdicts, strict=True):
        assert "ok" in verdict, (alg, verdict)
        theirs = verdict["ok"]
        thumbprint, keys = theirs["thumbprint"], JwkSet.parse(theirs["keys"])
        assert len(keys.keys) == 1
        # When this fails, the reference has mended it, and the script and `JwkSet.parse` need no word about it.
        assert theirs["leaks"] == (alg in RSA_ALGORITHMS)
        assert PublicJwk.parse(theirs["bare"]).thumbprint == thumbprint
        proof = check_dpop_proof(theirs["proof"], method="GET", uri=URI, now=now, nonces=NONCES, access_token=TOKEN)
        assert (proof.thumbprint, proof.jti) == (thumbprint, "a-proof")
        assertion = check_client_assertion(
            theirs["assertion"], client_id=CLIENT, issuer=ISSUER, keys=keys, now=now, dpop_thumbprint=None
        )
        assert (assertion.kid, assertion.alg, assertion.thumbprint) == ("one", alg, thumbprint)
        request = check_request_object(theirs["request"], client_id=CLIENT, issuer=ISSUER, keys=keys, now=now)
        assert request.parameters == {"client_id": CLIENT, "scope": "atproto"}


def test_what_is_good_here_is_good_to_the_reference(run_node: RunNode) -> None:
    now = int(time.time())
    makers = [Maker(alg) for alg in ACCEPTED_ALGORITHMS]
    client = {"id": CLIENT, "issuer": ISSUER}
    cases: list[dict[str, Any]] = [{"do": "nonces", "secret": SECRET.hex()}]
    for maker in makers:
        signed = {"secret": SECRET.hex(), "method": "GET", "url": URI, "token": TOKEN}
        cases.append({"do": "proof", "proof": maker.proof(proof_claims(now)), **signed})
        assertion = maker.sign(assertion_claims(now), {"kid": "one"})
        cases.append({"do": "assertion", "assertion": assertion, "jwks": maker.keys, **client})
        request = maker.sign(request_claims(now), {"kid": "one"})
        cases.append({"do": "request", "request": request, "jwks": maker.keys, **client})
    nonces, *verdicts = run_node(SCRIPT, cases)
    counter = nonces["ok"]["counter"]
    if nonces["ok"]["again"] == counter:
        assert nonces["ok"]["next"] == NONCES.issue(counter * TURN_SECONDS)
    for maker, index in zip(makers, range(0, len(verdicts), 3), strict=True):
        judged = verdicts[index : index + 3]
        assert all("ok" in verdict for verdict in judged), (maker.alg, judged)
        for_proof, for_assertion, for_request = (verdict["ok"] for verdict in judged)
        assert for_proof["jkt"] == PublicJwk.parse(maker.jwk).thumbprint
        assert (for_assertion["kid"], for_assertion["alg"]) == ("one", maker.alg)
        assert for_request == request_claims(now)


Change = Callable[[dict[str, Any]], dict[str, Any]]
# Each with what the reference and we say: good, or the name of the error.
SPOILT: list[tuple[Change, str]] = [
    (lambda claims: claims, "good"),
    (lambda claims: {**claims, "htu": URI + "?a=b#c"}, "good"),
    (lambda claims: {**claims, "htu": "HTTPS://PDS.example:443/./xrpc/com.example.method"}, "good"),
    (lambda claims: {**claims, "iat": claims["iat"] - 30}, "good"),
    (lambda claims: {**claims, "iat": claims["iat"] + 25}, "good"),
    (lambda claims: {**claims, "iat": "now"}, "invalid_dpop_proof"),
    (lambda claims: {**claims, "exp": claims["iat"] - 1000}, "invalid_dpop_proof"),
    (lambda claims: {**claims, "htu": URI + "/"}, "invalid_dpop_proof"),
    (lambda claims: {**claims, "htu": URI.replace("https", "http")}, "invalid_dpop_proof"),
    (lambda claims: {**claims, "htu": URI.replace("pds", "user@pds")}, "invalid_dpop_proof"),
    (lambda claims: {**claims, "htm": "get"}, "invalid_dpop_proof"),
    (lambda claims: {**claims, "jti": ""}, "invalid_dpop_proof"),
    (lambda claims: {**claims, "jti": 1}, "invalid_dpop_proof"),
    (lambda claims: {**claims, "nonce": 1}, "invalid_dpop_proof"),
    (lambda claims: {**claims, "ath": hash_access_token("other")}, "invalid_dpop_proof"),
    (lambda claims: {name: claims[name] for name in claims if name != "ath"}, "invalid_dpop_proof"),
    (lambda claims: {name: claims[name] for name in claims if name != "nonce"}, "use_dpop_nonce"),
    (lambda claims: {**claims, "nonce": "other"}, "use_dpop_nonce"),
    (lambda claims: {**claims, "nonce": NONCES.issue(claims["iat"] - 1000)}, "use_dpop_nonce"),
]
# Only here the nonce stands for the time, as RFC 9449, section 4.3, allows: the clocks of phones are off.
CLOCK_OFF: list[Change] = [
    lambda claims: {**claims, "iat": claims["iat"] - 1000},
    lambda claims: {**claims, "iat": claims["iat"] + 1000},
]
NAMES = {"InvalidDpopProofError": "invalid_dpop_proof", "UseDpopNonceError": "use_dpop_nonce"}


def judge(proof: str, now: float) -> str:
    try:
        check_dpop_proof(proof, method="GET", uri=URI, now=now, nonces=NONCES, access_token=TOKEN)
    except InvalidDpopProof:
        return "invalid_dpop_proof"
    except UseDpopNonce:
        return "use_dpop_nonce"
    return "good"


def test_spoilt_proofs_are_judged_alike(run_node: RunNode) -> None:
    now, maker = int(time.time()), Maker("ES256")
    expected = [name for _, name in SPOILT]
    proofs = [maker.proof(change(proof_claims(now))) for change, _ in SPOILT]
    off = [maker.proof(change(proof_claims(now))) for change in CLOCK_OFF]
    headers: list[dict[str, Any]] = [{"typ": "JWT"}, {"jwk": Maker("ES256").jwk}, {"jwk": {}}, {"jwk": "x"}]
    for header in headers:
        proofs.append(maker.proof(proof_claims(now), **header))
        expected.append("invalid_dpop_proof")
    case = {"do": "proof", "secret": SECRET.hex(), "method": "GET", "url": URI, "token": TOKEN}
    verdicts = run_node(SCRIPT, [{**case, "proof": proof} for proof in [*proofs, *off]])
    assert [judge(proof, now) for proof in proofs] == expected
    found = ["good" if "ok" in verdict else NAMES.get(verdict["name"], str(verdict)) for verdict in verdicts]
    assert found == [*expected, "invalid_dpop_proof", "invalid_dpop_proof"]
    assert [judge(proof, now) for proof in off] == ["good", "good"]
