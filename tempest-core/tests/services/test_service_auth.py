from typing import Any

import pytest

from tempest_pds.protocol.crypto import jwt
from tempest_pds.protocol.crypto.keys import PrivateKey, generate_k256, generate_p256
from tempest_pds.protocol.identity.did_document import build_did_document
from tempest_pds.protocol.syntax.did import Did
from tempest_pds.remote.did_resolver import DidResolver
from tempest_pds.remote.errors import DidNotFound, Unreachable
from tempest_pds.remote.safe_fetch import SafeFetch
from tempest_pds.services.credentials import Credentials, Kind, Scope
from tempest_pds.services.errors import (
    AuthenticationRequired,
    BadExpiration,
    BadJwt,
    BadJwtAudience,
    BadJwtIss,
    BadJwtLexiconMethod,
    BadJwtSignature,
    BadJwtType,
    InvalidRequest,
    InvalidToken,
    JwtExpired,
    UntrustedIss,
)
from tempest_pds.services.method_rules import CREATE_ACCOUNT
from tempest_pds.services.service_auth import ServiceAuth

SERVER = Did.parse("did:web:pds.example.com")
ALICE = Did.parse("did:plc:aaaaaaaaaaaaaaaaaaaaaaaa")
LABELER = Did.parse("did:plc:cccccccccccccccccccccccc")
VIDEO = "did:web:video.example.com"
UPLOAD = "com.atproto.repo.uploadBlob"


class World:
    """The accounts' keys, and a directory that knows them."""

    def __init__(self) -> None:
        self.now = 1_700_000_000.0
        self.asked = 0
        self.down = False
        self.keys: dict[str, PrivateKey] = {ALICE: generate_k256(), LABELER: generate_p256()}
        self.documents: dict[str, dict[str, Any]] = {}
        for did in self.keys:
            self.publish(did)

    def publish(self, did: str) -> None:
        key = self.keys[did].public.did_key
        document = build_did_document(Did(did), "a.example.com", key, "https://other.example.com")
        if did == LABELER:
            document["verificationMethod"][0]["id"] = f"{did}#atproto_label"
        self.documents[did] = document

    def signing_key(self, did: Did) -> PrivateKey:
        return self.keys[did]

    async def document(self, did: Did) -> dict[str, Any]:
        self.asked += 1
        if self.down:
            raise Unreachable("down")
        if did not in self.documents:
            raise DidNotFound("no")
        return self.documents[did]

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def service_auth(world: World) -> ServiceAuth:
    return ServiceAuth(world, DidResolver(SafeFetch(), world, clock=world), SERVER, world)


def session(scope: Scope) -> Credentials:
    return Credentials(ALICE, scope, Kind.ACCESS)


def signed(world: World, did: str = ALICE, header: dict[str, Any] | None = None, **changed: Any) -> str:
    claims = {"iss": did, "aud": SERVER, "lxm": UPLOAD, "iat": world.now, "exp": world.now + 60, **changed}
    claims = {name: value for name, value in claims.items() if value is not None}
    return jwt.encode(header or {"typ": "JWT"}, claims, world.keys[did])


def test_a_token_says_who_for_whom_for_what_and_how_long(service_auth: ServiceAuth, world: World) -> None:
    token = jwt.decode_unverified(service_auth.mint(ALICE, VIDEO, UPLOAD))
    assert token.header == {"typ": "JWT", "alg": "ES256K"}
    identifier = token.claims.pop("jti")
    assert len(identifier) == 32
    assert token.claims == {"iss": ALICE, "aud": VIDEO, "lxm": UPLOAD, "iat": world.now, "exp": world.now + 60}
    jwt.verify_with_key(token, world.keys[ALICE].public)


def test_a_token_without_a_method_has_no_such_claim(service_auth: ServiceAuth) -> None:
    assert "lxm" not in jwt.decode_unverified(service_auth.mint(ALICE, VIDEO, None)).claims


@pytest.mark.parametrize(
    ("method", "seconds", "good"),
    [
        (UPLOAD, 3600, True),
        (UPLOAD, 3601, False),
        (UPLOAD, -1, False),
        (None, 60, True),
        (None, 61, False),
        (UPLOAD, None, True),
    ],
)
def test_a_token_ends_within_an_hour_and_without_a_method_within_a_minute(
    service_auth: ServiceAuth, world: World, method: str | None, seconds: int | None, good: bool
) -> None:
    expires_at = None if seconds is None else int(world.now) + seconds
    if good:
        token = service_auth.mint_for(session(Scope.ACCESS), VIDEO, method, expires_at)
        assert jwt.decode_unverified(token).claims["exp"] == (expires_at or world.now + 60)
    else:
        with pytest.raises(BadExpiration):
            service_auth.mint_for(session(Scope.ACCESS), VIDEO, method, expires_at)


@pytest.mark.parametrize(
    ("scope", "method", "error"),
    [
        (Scope.ACCESS, "com.atproto.server.createAccount", None),
        (Scope.APP_PASS_PRIVILEGED, "chat.bsky.convo.sendMessage", None),
        (Scope.APP_PASS, UPLOAD, None),
        (Scope.TAKENDOWN, "com.atproto.server.createAccount", None),
        (Scope.APP_PASS, "chat.bsky.convo.sendMessage", InvalidRequest),
        (Scope.APP_PASS, "CHAT.bsky.convo.SENDMESSAGE", InvalidRequest),
        (Scope.APP_PASS, "com.atproto.server.createAccount", InvalidRequest),
        (Scope.TAKENDOWN, UPLOAD, InvalidToken),
        (Scope.TAKENDOWN, None, InvalidToken),
        (Scope.ACCESS, "com.atproto.identity.signPlcOperation", InvalidRequest),
        (Scope.ACCESS, "com.atproto.Server.updateEmail", InvalidRequest),
    ],
)
def test_what_a_session_may_have_a_token_for(
    service_auth: ServiceAuth, scope: Scope, method: str | None, error: type[Exception] | None
) -> None:
    if error is None:
        service_auth.mint_for(session(scope), VIDEO, method, None)
    else:
        with pytest.raises(error):
            service_auth.mint_for(session(scope), VIDEO, method, None)


@pytest.mark.parametrize(
    "audience", ["", "video", "https://video.example.com", "did:web:a.com#", "did:web:a.com#a#b", "did:key:zQ3"]
)
def test_an_audience_is_a_did_of_the_network(service_auth: ServiceAuth, audience: str) -> None:
    service_auth.mint_for(session(Scope.ACCESS), "did:web:a.com#svc", None, None)
    with pytest.raises(InvalidRequest):
        service_auth.mint_for(session(Scope.ACCESS), audience, None, None)


async def test_a_token_of_an_account_anywhere_is_taken(service_auth: ServiceAuth, world: World) -> None:
    assert await service_auth.verify(signed(world), UPLOAD) == ALICE
    assert await service_auth.verify(signed(world, aud=f"{SERVER}#atproto_pds"), UPLOAD) == ALICE
    assert world.asked == 1


async def test_a_labeler_signs_with_its_own_key(service_auth: ServiceAuth, world: World) -> None:
    issuers = {str(LABELER), f"{LABELER}#atproto_labeler"}
    token = signed(world, LABELER, iss=f"{LABELER}#atproto_labeler")
    assert await service_auth.verify(token, UPLOAD, issuers=issuers) == LABELER
    with pytest.raises(UntrustedIss):
        await service_auth.verify(signed(world), UPLOAD, issuers=issuers)


async def test_a_labelers_key_does_not_speak_for_its_account(service_auth: ServiceAuth, world: World) -> None:
    for method in (UPLOAD, CREATE_ACCOUNT):
        with pytest.raises(BadJwtIss):
            await service_auth.verify(signed(world, LABELER, iss=f"{LABELER}#atproto_labeler", lxm=method), method)


@pytest.mark.parametrize(
    ("changed", "error"),
    [
        ({"aud": "did:web:other.example.com"}, BadJwtAudience),
        ({"aud": None}, BadJwt),
        ({"exp": 1_600_000_000}, JwtExpired),
        ({"exp": None}, BadJwt),
        ({"exp": "soon"}, BadJwt),
        ({"lxm": None}, BadJwtLexiconMethod),
        ({"lxm": "com.atproto.repo.createRecord"}, BadJwtLexiconMethod),
        ({"iss": "alice"}, BadJwtIss),
        ({"iss": f"{ALICE}#atproto_pds"}, BadJwtIss),
        ({"iss": str(LABELER)}, AuthenticationRequired),
        ({"iss": "did:plc:bbbbbbbbbbbbbbbbbbbbbbbb"}, AuthenticationRequired),
    ],
)
async def test_claims_that_are_not_for_this_call_are_refused(
    service_auth: ServiceAuth, world: World, changed: dict[str, Any], error: type[Exception]
) -> None:
    with pytest.raises(error):
        await service_auth.verify(signed(world, **changed), UPLOAD)


@pytest.mark.parametrize("kind", ["at+jwt", "refresh+jwt", "dpop+jwt", "AT+JWT"])
async def test_another_kind_of_token_is_no_service_token(service_auth: ServiceAuth, world: World, kind: str) -> None:
    with pytest.raises(BadJwtType):
        await service_auth.verify(signed(world, header={"typ": kind}), UPLOAD)


@pytest.mark.parametrize("token", ["", "x", "a.b.c", "e30.e30.AA"])
async def test_what_is_not_a_token_is_refused(service_auth: ServiceAuth, token: str) -> None:
    with pytest.raises(BadJwt):
        await service_auth.verify(token, UPLOAD)


async def test_a_key_that_was_changed_is_looked_up_again(service_auth: ServiceAuth, world: World) -> None:
    await service_auth.verify(signed(world), UPLOAD)
    world.keys[ALICE] = generate_k256()
    world.publish(ALICE)
    world.now += 20
    assert await service_auth.verify(signed(world), UPLOAD) == ALICE
    assert world.asked == 2


async def test_no_account_is_made_with_a_key_of_before(service_auth: ServiceAuth, world: World) -> None:
    assert await service_auth.verify(signed(world, lxm=CREATE_ACCOUNT), CREATE_ACCOUNT) == ALICE
    old = signed(world, lxm=CREATE_ACCOUNT)
    world.keys[ALICE] = generate_k256()
    world.publish(ALICE)
    with pytest.raises(BadJwtSignature):
        await service_auth.verify(old, CREATE_ACCOUNT)
    assert await service_auth.verify(signed(world, lxm=CREATE_ACCOUNT), CREATE_ACCOUNT) == ALICE


async def test_bad_signatures_do_not_make_the_directory_work_without_end(
    service_auth: ServiceAuth, world: World
) -> None:
    await service_auth.verify(signed(world), UPLOAD)
    world.keys[ALICE] = generate_k256()
    world.now += 20
    for _ in range(10):
        with pytest.raises(BadJwtSignature):
            await service_auth.verify(signed(world), UPLOAD)
    assert world.asked == 2


async def test_a_directory_that_is_down_refuses_only_unknown_issuers(service_auth: ServiceAuth, world: World) -> None:
    await service_auth.verify(signed(world), UPLOAD)
    world.down = True
    await service_auth.verify(signed(world), UPLOAD)
    with pytest.raises(AuthenticationRequired):
        await service_auth.verify(signed(world, LABELER), UPLOAD)
