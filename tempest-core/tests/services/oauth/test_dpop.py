"""DPoP proofs at the server: each is taken once, and none that an earlier process may have taken."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from strangers import NOW, Stranger, stranger

from tempest_pds.protocol.oauth.dpop_nonce import TURN_SECONDS
from tempest_pds.protocol.oauth.dpop_proof import hash_access_token
from tempest_pds.protocol.oauth.errors import InvalidDpopProof, UseDpopNonce
from tempest_pds.protocol.oauth.jwk import PublicJwk
from tempest_pds.services.oauth.dpop import DpopProofs, Proof

URI = "https://pds.example/oauth/token"
COUNT = itertools.count()


class Clock:
    def __init__(self, now: float = NOW) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def make(nonce: str | None, signer: Stranger | None = None, **claims: Any) -> bytes:
    signer = signer or stranger("ES256")
    usual = {"jti": f"proof {next(COUNT)}", "htm": "POST", "htu": URI, "iat": NOW, "nonce": nonce}
    return signer.sign({**usual, **claims}, {"typ": "dpop+jwt", "jwk": signer.jwk}).encode()


def check(proofs: DpopProofs, *headers: bytes, access_token: str | None = None) -> Proof | None:
    return proofs.check(headers, method="POST", uri=URI, access_token=access_token)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def proofs(clock: Clock) -> DpopProofs:
    return DpopProofs(clock=clock)


def test_a_proof_tells_its_key(proofs: DpopProofs) -> None:
    assert check(proofs, make(proofs.nonce())) == Proof(PublicJwk.parse(stranger("ES256").jwk).thumbprint)


@pytest.mark.parametrize("headers", [None, [], ()])
def test_a_request_without_a_proof_is_no_error_here(proofs: DpopProofs, headers: Any) -> None:
    assert proofs.check(headers, method="POST", uri=URI) is None


def test_more_than_one_header_is_refused(proofs: DpopProofs) -> None:
    one, two = make(proofs.nonce()), make(proofs.nonce())
    for headers in ((one, two), (one, one), (one, b""), (one + b"," + two,), (one + b", " + two,)):
        with pytest.raises(InvalidDpopProof):
            check(proofs, *headers)
    # Nothing was spent by that.
    assert check(proofs, one)


@pytest.mark.parametrize("header", [b"", b"x", b"\xff.\xfe.\xfd", b"a.b.c", "ä.ö.ü".encode(), b"." * 20_000])
def test_what_is_no_proof_is_refused(proofs: DpopProofs, header: bytes) -> None:
    with pytest.raises(InvalidDpopProof):
        check(proofs, header)


def test_a_proof_is_taken_once(proofs: DpopProofs, clock: Clock) -> None:
    proof = make(proofs.nonce())
    check(proofs, proof)
    for _ in range(2):
        with pytest.raises(InvalidDpopProof, match="jti"):
            check(proofs, proof)
    clock.now += TURN_SECONDS
    with pytest.raises(InvalidDpopProof, match="jti"):
        check(proofs, proof)


def test_one_jti_of_two_keys_is_two_proofs(proofs: DpopProofs) -> None:
    for number in range(2):
        assert check(proofs, make(proofs.nonce(), stranger("ES256", number), jti="one"))


def test_a_nonce_is_always_asked_for_and_serves_more_than_once(proofs: DpopProofs, clock: Clock) -> None:
    for nonce in (None, "", "x", "ä"):
        with pytest.raises(UseDpopNonce):
            check(proofs, make(nonce))
    nonce = proofs.nonce()
    for _ in range(3):
        assert check(proofs, make(nonce))
    clock.now += 3 * TURN_SECONDS
    with pytest.raises(UseDpopNonce):
        check(proofs, make(nonce))


def test_a_proof_that_only_lacks_its_nonce_is_not_spent(proofs: DpopProofs) -> None:
    with pytest.raises(UseDpopNonce):
        check(proofs, make(None, jti="again"))
    assert check(proofs, make(proofs.nonce(), jti="again"))


def test_a_clock_that_is_minutes_off_does_no_harm(proofs: DpopProofs) -> None:
    for seconds in (-600, -31, 31, 600):
        assert check(proofs, make(proofs.nonce(), iat=NOW + seconds))


def test_a_proof_for_a_token_is_for_that_token(proofs: DpopProofs) -> None:
    nonce, ath = proofs.nonce(), hash_access_token("token")
    assert check(proofs, make(nonce, ath=ath), access_token="token")
    for proof, token in ((make(nonce, ath=ath), "other"), (make(nonce), "token"), (make(nonce, ath=ath), None)):
        with pytest.raises(InvalidDpopProof, match="ath"):
            check(proofs, proof, access_token=token)


def test_a_restart_lets_no_proof_be_taken_again(proofs: DpopProofs, clock: Clock) -> None:
    taken, kept = make(proofs.nonce()), make(proofs.nonce())
    check(proofs, taken)
    restarted = DpopProofs(clock=clock)
    for proof in (taken, kept):
        with pytest.raises(UseDpopNonce):
            check(restarted, proof)
    # And every client comes back with the new nonce.
    assert check(restarted, make(restarted.nonce()))


def test_when_there_is_no_room_all_proofs_begin_anew(clock: Clock) -> None:
    """Nothing is forgotten, and nobody is shut out: it costs one more round trip."""
    proofs = DpopProofs(capacity=3, clock=clock)
    nonce = proofs.nonce()
    taken = [make(nonce) for _ in range(3)]
    for proof in taken:
        check(proofs, proof)
    with pytest.raises(UseDpopNonce):
        check(proofs, make(nonce))
    assert proofs.nonce() != nonce
    for proof in taken:
        with pytest.raises(UseDpopNonce):
            check(proofs, proof)
    assert check(proofs, make(proofs.nonce()))


def test_a_clock_that_is_set_back_costs_a_round_trip(proofs: DpopProofs, clock: Clock) -> None:
    first = make(proofs.nonce())
    check(proofs, first)
    clock.now += 10 * TURN_SECONDS
    check(proofs, make(proofs.nonce()))
    clock.now = NOW
    with pytest.raises(UseDpopNonce):
        check(proofs, first)
    assert check(proofs, make(proofs.nonce()))


class DpopMachine(RuleBasedStateMachine):
    """Clients, clocks, restarts: no proof is taken twice, and who does as told is let in at once."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = Clock()
        self.proofs = DpopProofs(capacity=5, clock=self.clock)
        self.known = self.proofs.nonce()
        self.made: list[bytes] = []
        self.taken: set[bytes] = set()

    @rule(seconds=st.integers(-200, 200))
    def time_passes(self, seconds: int) -> None:
        self.clock.now += seconds

    @rule()
    def the_server_restarts(self) -> None:
        self.proofs = DpopProofs(capacity=5, clock=self.clock)

    @rule()
    def a_client_asks(self) -> None:
        for _ in range(3):
            proof = make(self.known)
            self.made.append(proof)
            try:
                check(self.proofs, proof)
            except UseDpopNonce:
                self.known = self.proofs.nonce()
            else:
                self.taken.add(proof)
                return
        raise AssertionError("shut out")

    @rule(number=st.integers(0, 20))
    def somebody_sends_again_what_was_sent(self, number: int) -> None:
        if number < len(self.made):
            proof = self.made[-1 - number]
            try:
                check(self.proofs, proof)
            except (InvalidDpopProof, UseDpopNonce):
                return
            assert proof not in self.taken
            self.taken.add(proof)

    @invariant()
    def memory_is_bounded(self) -> None:
        assert self.proofs._spent._count <= 5


DpopMachine.TestCase.settings = settings(max_examples=25, stateful_step_count=30, deadline=None)
TestDpop = DpopMachine.TestCase
