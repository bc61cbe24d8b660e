"""Clients prove to be themselves, with assertions that their documents' keys have signed."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from strangers import NOW, Stranger, stranger
from tests.support.app_hosts import AppHosts, client_document, confidential

from tempest_pds.protocol.oauth.client_assertion import ASSERTION_TYPE
from tempest_pds.protocol.oauth.client_id import DiscoverableClientId
from tempest_pds.protocol.oauth.client_metadata import read_client_metadata
from tempest_pds.protocol.oauth.errors import InvalidClientAssertion, InvalidGrant, InvalidRequest, OAuthError
from tempest_pds.protocol.oauth.jwk import PublicJwk
from tempest_pds.remote.client_documents import ClientDocuments
from tempest_pds.services.errors import NotEnoughResources
from tempest_pds.services.oauth.client_authentication import ClientAuth, ClientAuthentication
from tempest_pds.services.oauth.clients import Client, Clients

APP, ISSUER = "https://app.example.net/client.json", "https://pds.example"
KEYS = "https://keys.example.net/jwks.json"
PUBLIC = "https://public.example.net/client.json"
DPOP = PublicJwk.parse(stranger("ES256", 9).jwk).thumbprint
COUNT = itertools.count()


class Clock:
    def __init__(self) -> None:
        self.now = float(NOW)

    def __call__(self) -> float:
        return self.now


def jwk(signer: Stranger, kid: str = "one") -> dict[str, Any]:
    return {**signer.jwk, "kid": kid}


def thumbprint(signer: Stranger) -> str:
    return PublicJwk.parse(signer.jwk).thumbprint


def fields(client_id: str = APP, signer: Stranger | None = None, kid: str = "one", **claims: Any) -> dict[str, object]:
    signer = signer or stranger("ES256")
    usual = {"iss": client_id, "sub": client_id, "aud": ISSUER, "jti": f"{next(COUNT)}", "iat": NOW, "exp": NOW + 60}
    assertion = signer.sign({**usual, **claims}, {"kid": kid})
    return {"client_id": client_id, "client_assertion_type": ASSERTION_TYPE, "client_assertion": assertion}


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def authentication(hosts: AppHosts, clock: Clock) -> ClientAuthentication:
    hosts.publish(APP, confidential(APP, [jwk(stranger("ES256")), jwk(stranger("ES256", 1), "two")]))
    hosts.publish(PUBLIC, client_document(PUBLIC))
    clients = Clients(ClientDocuments(hosts.fetch, clock=clock))
    return ClientAuthentication(clients, issuer=ISSUER, clock=clock)


async def authenticate(authentication: ClientAuthentication, given: dict[str, object], jkt: str | None = DPOP) -> Any:
    return await authentication.authenticate(given, dpop_thumbprint=jkt)


async def refused(authentication: ClientAuthentication, given: dict[str, object], jkt: str | None = DPOP) -> OAuthError:
    with pytest.raises(OAuthError) as caught:
        await authenticate(authentication, given, jkt)
    return caught.value


def make_client(document: dict[str, Any]) -> Client:
    metadata = read_client_metadata(DiscoverableClientId(document["client_id"]), document)
    return Client(metadata, metadata.jwks)


# Who is who


async def test_a_public_client_proves_nothing(authentication: ClientAuthentication) -> None:
    client, auth = await authenticate(authentication, {"client_id": PUBLIC})
    assert (client.client_id, auth) == (PUBLIC, ClientAuth("none"))


async def test_a_client_under_development_is_public(authentication: ClientAuthentication) -> None:
    client, auth = await authenticate(authentication, {"client_id": "http://localhost"})
    assert (client.metadata.is_loopback, auth) == (True, ClientAuth("none"))


@pytest.mark.parametrize("dpop", [DPOP, None], ids=["with a proof", "without"])
async def test_a_confidential_client_is_known_by_its_key(
    authentication: ClientAuthentication, dpop: str | None
) -> None:
    signer = stranger("ES256", 1)
    client, auth = await authenticate(authentication, fields(signer=signer, kid="two"), dpop)
    assert client.client_id == APP
    assert auth == ClientAuth("private_key_jwt", "two", "ES256", thumbprint(signer))


@pytest.mark.parametrize("given", [{}, {"client_id": ""}, {"client_id": 5}, {"client_id": ["https://x"]}])
async def test_a_client_must_say_who_it_is(authentication: ClientAuthentication, given: dict[str, object]) -> None:
    assert type(await refused(authentication, given)) is InvalidRequest


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        ({"client_assertion": None}, InvalidRequest),
        ({"client_assertion": ""}, InvalidRequest),
        ({"client_assertion": 5}, InvalidRequest),
        ({"client_assertion": "x"}, InvalidClientAssertion),
        ({"client_assertion_type": None}, InvalidClientAssertion),
        ({"client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:saml2-bearer"}, InvalidClientAssertion),
    ],
)
async def test_a_confidential_client_must_prove_it(
    authentication: ClientAuthentication, change: dict[str, object], kind: type[OAuthError]
) -> None:
    assert type(await refused(authentication, fields() | change)) is kind


@pytest.mark.parametrize(
    "claims",
    [
        {"iss": "https://other.example.net/client.json"},
        {"sub": PUBLIC},
        {"aud": f"{ISSUER}/oauth/token"},
        {"aud": [ISSUER, "https://other.example"]},
        {"aud": "https://other.example"},
        {"jti": None},
        {"iat": None},
        {"iat": NOW - 91, "exp": None},
        {"iat": NOW + 31, "exp": None},
        {"exp": NOW - 30},
    ],
)
async def test_an_assertion_that_proves_something_else_is_refused(
    authentication: ClientAuthentication, claims: dict[str, Any]
) -> None:
    assert (await refused(authentication, fields(**claims))).code == "invalid_client"


@pytest.mark.parametrize("seconds", [-89, -30, 30])
async def test_a_clock_may_be_half_a_minute_off(authentication: ClientAuthentication, seconds: int) -> None:
    await authenticate(authentication, fields(iat=NOW + seconds, exp=None))


async def test_a_key_of_somebody_else_proves_nothing(authentication: ClientAuthentication) -> None:
    assert (await refused(authentication, fields(signer=stranger("ES256", 5)))).code == "invalid_client"


# Once


async def test_an_assertion_is_taken_once(authentication: ClientAuthentication, clock: Clock) -> None:
    given = fields(exp=None)
    await authenticate(authentication, given)
    for seconds in (0, 60, 30):
        clock.now += seconds
        assert "jti" in (await refused(authentication, given)).description
    clock.now += 1
    assert "too old" in (await refused(authentication, given)).description


async def test_a_refused_assertion_is_not_spent(authentication: ClientAuthentication) -> None:
    given = fields()
    await refused(authentication, given, thumbprint(stranger("ES256")))
    await authenticate(authentication, given)


async def test_one_jti_of_two_clients_is_two_assertions(hosts: AppHosts, authentication: ClientAuthentication) -> None:
    other = "https://other.example.net/client.json"
    hosts.publish(other, confidential(other, [jwk(stranger("ES256"))]))
    for client_id in (APP, other):
        await authenticate(authentication, fields(client_id, jti="one"))


async def test_no_assertion_is_forgotten_for_want_of_room(hosts: AppHosts, clock: Clock) -> None:
    hosts.publish(APP, confidential(APP, [jwk(stranger("ES256"))]))
    clients = Clients(ClientDocuments(hosts.fetch, clock=clock))
    authentication = ClientAuthentication(clients, issuer=ISSUER, capacity=2, clock=clock)
    given = fields()
    await authenticate(authentication, given)
    await authenticate(authentication, fields())
    with pytest.raises(NotEnoughResources):
        await authenticate(authentication, fields())
    assert "jti" in (await refused(authentication, given)).description


# Two keys for two things


async def test_the_key_of_dpop_is_another(authentication: ClientAuthentication) -> None:
    own = thumbprint(stranger("ES256"))
    for given, jkt in ((fields(), own), (fields(cnf={"jkt": own}), None)):
        assert "key of DPoP" in (await refused(authentication, given, jkt)).description


async def test_a_client_can_say_which_dpop_key_it_means(authentication: ClientAuthentication) -> None:
    _, auth = await authenticate(authentication, fields(cnf={"jkt": DPOP}))
    assert auth.confirmed_thumbprint == DPOP
    _, auth = await authenticate(authentication, fields(cnf={"jkt": DPOP}), None)
    assert auth.confirmed_thumbprint == DPOP
    assert "cnf.jkt" in (await refused(authentication, fields(cnf={"jkt": "x" * 43}))).description


# Keys that come and go


@pytest.mark.parametrize("where", ["document", "jwks_uri"])
async def test_a_key_that_was_just_added_is_looked_for(
    hosts: AppHosts, authentication: ClientAuthentication, clock: Clock, where: str
) -> None:
    def publish(*signers: tuple[Stranger, str]) -> None:
        keys = [jwk(*signer) for signer in signers]
        if where == "document":
            hosts.publish(APP, confidential(APP, keys))
        else:
            hosts.publish(APP, confidential(APP, jwks_uri=KEYS))
            hosts.publish(KEYS, {"keys": keys})

    old, new = (stranger("ES256"), "one"), (stranger("ES256", 3), "new")
    publish(old)
    await authenticate(authentication, fields())
    publish(old, new)
    asked = len(hosts.asked)
    # Not by each who names some key.
    assert (await refused(authentication, fields(signer=new[0], kid="new"))).code == "invalid_client"
    assert len(hosts.asked) == asked
    clock.now += 30
    client, auth = await authenticate(authentication, fields(signer=new[0], kid="new"))
    assert auth.thumbprint == thumbprint(new[0])
    assert client.keys is not None
    assert {key.kid for key in client.keys.keys} == {"one", "new"}


async def test_a_key_is_looked_for_in_vain_while_the_host_is_out(
    hosts: AppHosts, authentication: ClientAuthentication, clock: Clock
) -> None:
    await authenticate(authentication, fields())
    hosts.publish(APP, b"out", status=500)
    clock.now += 30
    assert (await refused(authentication, fields(kid="new"))).code == "temporarily_unavailable"
    await authenticate(authentication, fields(iat=NOW + 30, exp=None))


async def test_a_key_that_was_taken_away_is_good_for_ten_minutes_more_at_most(
    hosts: AppHosts, authentication: ClientAuthentication, clock: Clock
) -> None:
    await authenticate(authentication, fields())
    hosts.publish(APP, confidential(APP, [jwk(stranger("ES256", 1), "two")]))
    clock.now += 600
    given = fields(iat=NOW + 600, exp=None)
    assert (await refused(authentication, given)).code == "invalid_client"


# Sessions

BOUND = ClientAuth("private_key_jwt", "one", "ES256", thumbprint(stranger("ES256")))


async def bound(
    authentication: ClientAuthentication, client: Client, auth: ClientAuth, session_auth: ClientAuth = BOUND
) -> bool:
    try:
        await authentication.check_bound(client, auth, session_auth)
    except InvalidGrant:
        return False
    return True


async def test_a_session_goes_on_with_the_key_it_began_with(authentication: ClientAuthentication) -> None:
    client, auth = await authenticate(authentication, fields())
    assert await bound(authentication, client, auth)
    assert await bound(authentication, client, auth, ClientAuth.from_json(auth.to_json()))


async def test_another_key_of_the_client_ends_it(authentication: ClientAuthentication) -> None:
    client, auth = await authenticate(authentication, fields(signer=stranger("ES256", 1), kid="two"))
    assert not await bound(authentication, client, auth)


async def test_each_of_the_three_binds() -> None:
    authentication = ClientAuthentication(None, issuer=ISSUER)  # type: ignore[arg-type]
    documented = confidential(APP, [jwk(stranger("ES256")), jwk(stranger("ES256"), "two")])
    client = make_client(documented)
    assert await bound(authentication, client, BOUND)
    for other in (
        ClientAuth("private_key_jwt", "two", "ES256", BOUND.thumbprint),
        ClientAuth("private_key_jwt", "one", "ES384", BOUND.thumbprint),
        ClientAuth("private_key_jwt", "one", "ES256", "x" * 43),
    ):
        assert not await bound(authentication, client, BOUND, other)
        assert not await bound(authentication, client, other, BOUND)


async def test_a_key_that_is_gone_from_the_document_ends_it() -> None:
    authentication = ClientAuthentication(None, issuer=ISSUER)  # type: ignore[arg-type]
    for keys in ([jwk(stranger("ES256", 1), "two")], [jwk(stranger("ES256", 1))], [jwk(stranger("ES256"), "renamed")]):
        assert not await bound(authentication, make_client(confidential(APP, keys)), BOUND)


async def test_a_client_that_has_become_public_ends_it(authentication: ClientAuthentication) -> None:
    client = make_client(client_document(APP))
    assert not await bound(authentication, client, ClientAuth("none"))
    # Nor does an answer that was given before the document changed.
    assert not await bound(authentication, client, BOUND)


async def test_a_client_that_has_become_confidential_goes_on(authentication: ClientAuthentication) -> None:
    client, auth = await authenticate(authentication, fields())
    assert await bound(authentication, client, auth, ClientAuth("none"))
    assert not await bound(authentication, client, ClientAuth("none"), ClientAuth("none"))


@pytest.mark.parametrize("auth", [ClientAuth("none"), BOUND])
def test_what_a_session_keeps_comes_back(auth: ClientAuth) -> None:
    assert ClientAuth.from_json(auth.to_json()) == auth
    assert "confirmed" not in ClientAuth("none", confirmed_thumbprint=DPOP).to_json()
