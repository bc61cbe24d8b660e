"""Access tokens are for the server that made them, by its address and its DID, whoever else has its keys."""

from __future__ import annotations

import time
import tracemalloc
from dataclasses import replace
from pathlib import Path

import pytest

from tempest_pds.protocol.crypto.jwt import decode_unverified
from tempest_pds.protocol.syntax.did import Did
from tempest_pds.services.errors import InvalidToken
from tempest_pds.services.oauth.access_tokens import TYPE, AccessTokens
from tempest_pds.services.oauth.signing_keys import SigningKeys
from tempest_pds.services.timestamps import now_us
from tempest_pds.stores.account.oauth_sessions import OAuthSession
from tempest_pds.stores.oauth_key_file import OAuthKeyFile

ALICE, HERE = Did("did:plc:aaaaaaaaaaaaaaaaaaaaaaaa"), Did("did:web:pds.example")
ISSUER = "https://pds.example"


@pytest.fixture
def keys(tmp_path: Path) -> SigningKeys:
    return SigningKeys(OAuthKeyFile(tmp_path / "oauth_jwks.json"))


def tokens(keys: SigningKeys, issuer: str = ISSUER, audience: Did = HERE) -> AccessTokens:
    return AccessTokens(keys, issuer=issuer, audience=audience, clock=now_us)


def session() -> OAuthSession:
    now = now_us()
    return OAuthSession(
        id="one",
        did=ALICE,
        client_id="https://app.example/client.json",
        client_name=None,
        client_auth="{}",
        dpop_jkt="key",
        scope="atproto",
        permissions="atproto",
        code_hash=b"code",
        generation=0,
        created_at=now,
        refreshed_at=now,
        used_at=now,
        client_ip=None,
        idle_after=now + 10**12,
        ends_at=now + 10**12,
    )


def test_a_token_says_whose_session_it_is_of_and_for_which_key(keys: SigningKeys) -> None:
    token, seconds = tokens(keys).make(session())
    claims = tokens(keys).verify(token)
    assert (claims.did, claims.session_id, claims.thumbprint) == (ALICE, "one", "key")
    assert 0 <= claims.expires_at - time.time() <= seconds == 3600


@pytest.mark.parametrize(
    ("issuer", "audience"), [("https://other.example", HERE), (ISSUER, Did("did:web:other.example"))]
)
def test_a_token_that_another_server_made_with_the_same_keys_is_none(
    keys: SigningKeys, issuer: str, audience: Did
) -> None:
    token, _ = tokens(keys, issuer, audience).make(session())
    with pytest.raises(InvalidToken):
        tokens(keys).verify(token)


@pytest.mark.parametrize("name", ["iss", "aud", "sub", "client_id", "sid", "exp", "cnf"])
def test_a_token_that_says_less_is_none(keys: SigningKeys, name: str) -> None:
    token, _ = tokens(keys).make(session())
    claims = {claim: value for claim, value in decode_unverified(token).claims.items() if claim != name}
    with pytest.raises(InvalidToken):
        tokens(keys).verify(keys.sign(claims, typ=TYPE))


def test_what_is_remembered_of_a_token_does_not_grow_with_its_scope(keys: SigningKeys) -> None:
    reader, wordy = tokens(keys), replace(session(), scope="atproto " + "x" * 10_000)
    many = [tokens(keys).make(wordy)[0] for _ in range(64)]
    tracemalloc.start()
    try:
        for token in many:
            reader.verify(str(bytes(token, "ascii"), "ascii"))
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert kept < 64 * 4_000
