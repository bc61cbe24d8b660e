"""The keys of the server: what one signed is verified as long as it lives, across rotations and restarts."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from strangers import NOW, stranger

from tempest_pds.protocol.crypto.jwt import decode_unverified, encode, encode_base64url, encode_hs256
from tempest_pds.protocol.crypto.keys import generate_p256
from tempest_pds.services.errors import InvalidToken
from tempest_pds.services.oauth.signing_keys import MAX_TOKEN_SECONDS, SigningKeys
from tempest_pds.stores.oauth_key_file import OAuthKey, OAuthKeyFile

CLAIMS = {"sub": "did:plc:alice", "iat": NOW, "text": "grüße"}


class Clock:
    def __init__(self) -> None:
        self.now = float(NOW)

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def file(tmp_path: Path) -> OAuthKeyFile:
    return OAuthKeyFile(tmp_path / "oauth_jwks.json")


@pytest.fixture
def keys(file: OAuthKeyFile, clock: Clock) -> SigningKeys:
    return SigningKeys(file, clock=clock)


def good(keys: SigningKeys, token: str, typ: str = "at+jwt") -> bool:
    try:
        keys.verify(token, typ=typ)
    except InvalidToken:
        return False
    return True


def kids(keys: SigningKeys) -> list[Any]:
    jwks: Any = keys.public_jwks()
    return [key["kid"] for key in jwks["keys"]]


def test_what_is_signed_is_verified(keys: SigningKeys) -> None:
    token = keys.sign(CLAIMS, typ="at+jwt")
    assert keys.verify(token, typ="at+jwt") == CLAIMS
    assert decode_unverified(token).header == {"typ": "at+jwt", "alg": "ES256", "kid": kids(keys)[0]}


def test_only_what_it_signed_itself_and_as_that_type(keys: SigningKeys, tmp_path: Path) -> None:
    token = keys.sign(CLAIMS, typ="at+jwt")
    kid = kids(keys)[0]
    header = {"typ": "at+jwt", "kid": kid}
    head, claims, signature = token.split(".")
    none = encode_base64url(json.dumps({**header, "alg": "none"}).encode())
    public: Any = keys.public_jwks()
    others = [
        "", "x", "a.b.c", f"{head}.{claims}.", f"{none}.{claims}.", f"{none}.{claims}.{signature}", token + "A",
        f"{head}.{encode_base64url(json.dumps({**CLAIMS, 'sub': 'did:plc:bob'}).encode())}.{signature}",
        SigningKeys(OAuthKeyFile(tmp_path / "other.json")).sign(CLAIMS, typ="at+jwt"),
        encode(header, CLAIMS, generate_p256()),
        encode({"typ": "at+jwt"}, CLAIMS, generate_p256()),
        encode_hs256(header, CLAIMS, public["keys"][0]["x"].encode()),
        encode_hs256(header, CLAIMS, json.dumps(public["keys"][0]).encode()),
        stranger("RS256").sign(CLAIMS, header), stranger("ES256K").sign(CLAIMS, header),
        stranger("ES256").sign(CLAIMS, {**header, "jwk": stranger("ES256").jwk}),
        keys.sign(CLAIMS, typ="dpop+jwt"), keys.sign(CLAIMS, typ="JWT"),
    ]  # fmt: skip
    assert good(keys, token)
    assert [other for other in others if good(keys, other)] == []
    assert not good(keys, token, "refresh+jwt")


async def test_a_restart_changes_nothing(file: OAuthKeyFile, keys: SigningKeys, clock: Clock) -> None:
    before = keys.sign(CLAIMS, typ="at+jwt")
    await keys.rotate()
    after = keys.sign(CLAIMS, typ="at+jwt")
    restarted = SigningKeys(file, clock=clock)
    assert [good(restarted, before), good(restarted, after)] == [True, True]
    assert restarted.public_jwks() == keys.public_jwks()
    assert good(keys, restarted.sign(CLAIMS, typ="at+jwt"))


async def test_a_former_key_verifies_until_its_last_token_is_over(
    file: OAuthKeyFile, keys: SigningKeys, clock: Clock
) -> None:
    token, old = keys.sign(CLAIMS, typ="at+jwt"), kids(keys)[0]
    new = await keys.rotate()
    assert kids(keys) == [old, new]
    assert [(report.kid, report.ends) for report in keys.report()] == [(old, NOW + MAX_TOKEN_SECONDS), (new, None)]
    clock.now += MAX_TOKEN_SECONDS - 1
    assert good(keys, token)
    clock.now += 1
    assert not good(keys, token)
    assert kids(keys) == [new]
    assert [report.kid for report in keys.report()] == [new]
    newest = await keys.rotate()
    assert [key.kid for key in file.read()] == [new, newest]


async def test_keys_that_others_may_know_are_dropped_at_once(
    file: OAuthKeyFile, keys: SigningKeys, clock: Clock
) -> None:
    token = keys.sign(CLAIMS, typ="at+jwt")
    kid = await keys.rotate(at_once=True)
    for found in (keys, SigningKeys(file, clock=clock)):
        assert kids(found) == [kid]
        assert not good(found, token)


async def test_rotations_at_once_all_count(file: OAuthKeyFile, keys: SigningKeys) -> None:
    made = await asyncio.gather(*(keys.rotate() for _ in range(5)))
    assert set(made) < set(kids(keys))
    assert [key.kid for key in file.read()] == kids(keys)


async def test_a_rotation_that_cannot_be_written_does_not_happen(
    keys: SigningKeys, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or tokens would be signed that nobody verifies after the next start."""

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    before = kids(keys)
    monkeypatch.setattr(OAuthKeyFile, "write", full)
    with pytest.raises(OSError, match="No space"):
        await keys.rotate()
    assert kids(keys) == before
    assert decode_unverified(keys.sign(CLAIMS, typ="at+jwt")).header["kid"] == before[0]


async def test_a_rotation_whose_caller_goes_away_is_done(file: OAuthKeyFile, keys: SigningKeys) -> None:
    before = kids(keys)
    task = asyncio.create_task(keys.rotate())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert len(kids(keys)) == 2
    assert kids(keys)[0] == before[0]
    assert [key.kid for key in file.read()] == kids(keys)


def test_what_is_published_is_public(keys: SigningKeys, file: OAuthKeyFile) -> None:
    [key] = file.read()
    assert key.private is not None
    jwks: Any = keys.public_jwks()
    assert set(jwks["keys"][0]) == {"kty", "crv", "x", "y", "kid", "alg", "use"}
    secret = encode_base64url(key.private.raw)
    for shown in (jwks, keys.report(), key, keys):
        assert secret not in repr(shown)


class MemoryFile(OAuthKeyFile):
    def __init__(self) -> None:
        self.keys: list[OAuthKey] = []

    def read(self) -> list[OAuthKey]:
        return list(self.keys)

    def write(self, keys: Any) -> None:
        self.keys = list(keys)


class SigningKeysMachine(RuleBasedStateMachine):
    """Tokens of an hour, rotations, restarts: a token is good from its first second to its last."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = Clock()
        self.file = MemoryFile()
        self.keys = SigningKeys(self.file, clock=self.clock)
        self.tokens: dict[str, float] = {}

    @rule()
    def a_token_is_signed(self) -> None:
        token = self.keys.sign({"number": len(self.tokens)}, typ="at+jwt")
        self.tokens[token] = self.clock.now + MAX_TOKEN_SECONDS

    @rule(seconds=st.sampled_from([1, 600, 1800, 3599, 3600]))
    def time_passes(self, seconds: int) -> None:
        self.clock.now += seconds

    @rule(at_once=st.sampled_from([False, False, False, True]))
    def the_key_is_replaced(self, at_once: bool) -> None:
        asyncio.run(self.keys.rotate(at_once=at_once))
        if at_once:
            assert not any(good(self.keys, token) for token in self.tokens)
            self.tokens.clear()

    @rule()
    def the_server_restarts(self) -> None:
        self.keys = SigningKeys(self.file, clock=self.clock)

    @invariant()
    def tokens_in_use_are_good(self) -> None:
        assert all(good(self.keys, token) for token, ends in self.tokens.items() if self.clock.now < ends)


SigningKeysMachine.TestCase.settings = settings(max_examples=20, stateful_step_count=20, deadline=None)
TestSigningKeys = SigningKeysMachine.TestCase
