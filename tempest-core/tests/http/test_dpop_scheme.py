"""`Authorization: DPoP` at the resource server: what apps need to know, and what thieves get."""

import itertools
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import pytest_asyncio
from granted_app import GrantedApp, Grants
from tests.support.oauth_raw import SigningKey
from whole_server import User, WholeServer, whole_server

from tempest_pds.services.oauth.spent_tokens import SpentTokens

SESSION = "com.atproto.server.getSession"
PATH = f"/xrpc/{SESSION}"
pytestmark = pytest.mark.asyncio(loop_scope="module")
NUMBERS = itertools.count(1)
STATUS = "/xrpc/com.atproto.server.checkAccountStatus"


class Place:
    """A server with an account, and an app that it has let in."""

    def __init__(self, server: WholeServer, grants: Grants, alice: User) -> None:
        self.server = server
        self.grants = grants
        self.alice = alice
        self.app = GrantedApp(server.http, server.services.server.public_url, grants)

    @property
    def token(self) -> str:
        return self.app.token(self.alice.did, "atproto")

    async def send(self, path: str = PATH, **headers: Any) -> httpx.Response:
        """Send a request of the app's; headers replace those that it would have sent."""
        return await self.app.once("GET", path, self.token, headers=headers)


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def running(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[tuple[WholeServer, Grants]]:
    grants = Grants()
    async with whole_server(tmp_path_factory.mktemp("dpop"), grants) as server:
        yield server, grants


@pytest_asyncio.fixture(loop_scope="module")
async def place(running: tuple[WholeServer, Grants]) -> Place:
    """An account of the test's own, and an app that has a nonce."""
    server, grants = running
    made = Place(server, grants, await server.sign_up(f"alice{next(NUMBERS)}"))
    await made.send()
    return made


def refusal(answer: httpx.Response) -> tuple[int, str]:
    """Return status and error, which body and challenge must agree on; an app looks at the challenge alone."""
    error = answer.json()["error"]
    challenge = answer.headers["www-authenticate"]
    assert challenge.startswith('DPoP algs="ES256 ')
    assert f'error="{error}"' in challenge
    assert f'error_description="{answer.json()["message"]}"' in challenge
    assert answer.headers["dpop-nonce"]
    assert answer.headers["cache-control"] == "private"
    return answer.status_code, error


async def test_an_app_is_known_by_its_token_and_its_key(place: Place) -> None:
    answer = await place.send()
    assert answer.status_code == 200
    assert answer.json()["did"] == place.alice.did
    assert answer.headers["dpop-nonce"]
    assert (await place.send(authorization=f"dpop {place.token}")).status_code == 200


async def test_an_app_without_a_nonce_is_told_one_and_comes_back(place: Place) -> None:
    place.app.nonce = None
    asked = await place.send()
    assert refusal(asked) == (401, "use_dpop_nonce")
    assert (await place.send()).status_code == 200
    proofs: Any = place.server.services.oauth.proofs
    proofs._spent = SpentTokens(0)
    assert refusal(await place.send()) == (401, "use_dpop_nonce")
    assert (await place.send()).status_code == 200
    place.app.nonce = "stale"
    assert refusal(await place.send()) == (401, "use_dpop_nonce")


async def test_pages_of_other_origins_may_read_what_they_need(place: Place) -> None:
    place.app.nonce = None
    answer = await place.send(origin="https://app.example")
    exposed = {name.strip().lower() for name in answer.headers["access-control-expose-headers"].split(",")}
    assert {"dpop-nonce", "www-authenticate"} <= exposed
    assert answer.headers["access-control-allow-origin"] == "*"
    wanted = {"access-control-request-method": "GET", "access-control-request-headers": "authorization,dpop"}
    preflight = await place.server.http.options(PATH, headers={"origin": "https://app.example", **wanted})
    assert preflight.headers["access-control-allow-headers"] == "authorization,dpop"


async def test_each_refusal_of_a_proof_says_that_it_is_the_proof(place: Place) -> None:
    app, token = place.app, place.token
    good = app.proof("GET", PATH, token)
    bad = {
        "another method": app.proof("POST", PATH, token),
        "another path": app.proof("GET", STATUS, token),
        "another host": app.proof("GET", PATH, token, htu=f"https://elsewhere.example{PATH}"),
        "another token": app.proof("GET", PATH, "another"),
        "no token": app.proof("GET", PATH, None),
        "no proof": "rubbish",
        "empty": "",
    }
    for what, proof in bad.items():
        assert refusal(await place.send(dpop=proof)) == (401, "invalid_dpop_proof"), what
    without = {"authorization": f"DPoP {token}"}
    assert refusal(await place.server.http.get(PATH, headers=without)) == (401, "invalid_dpop_proof")
    assert (await place.send(dpop=good)).status_code == 200
    assert refusal(await place.send(dpop=good)) == (401, "invalid_dpop_proof")


async def test_two_proofs_are_none(place: Place) -> None:
    app = place.app
    twice = [("authorization", f"DPoP {place.token}")]
    twice += [("dpop", app.proof("GET", PATH, place.token)) for _ in range(2)]
    assert refusal(await place.server.http.get(PATH, headers=twice)) == (401, "invalid_dpop_proof")


@pytest.mark.parametrize("htu", ["{}?a=b", "{}#f", "HTTP://LOCALHOST:4000" + PATH, "{}?"])
async def test_the_uri_in_a_proof_may_be_spelt_as_old_clients_do(place: Place, htu: str) -> None:
    given = htu.format(place.app.origin + PATH)
    proof = place.app.proof("GET", PATH, place.token, htu=given)
    assert (await place.send(PATH + "?unknown=1", dpop=proof)).status_code == 200


async def test_a_token_is_of_no_use_to_whoever_has_not_its_key(place: Place) -> None:
    thief = SigningKey()
    proof = place.app.proof("GET", PATH, place.token, key=thief)
    assert refusal(await place.send(dpop=proof)) == (401, "invalid_token")


async def test_an_app_is_told_to_refresh_a_token_that_is_over(place: Place) -> None:
    assert refusal(await place.app.once("GET", PATH, "never-was")) == (401, "invalid_token")
    place.grants.expired.add(place.token)
    assert refusal(await place.send()) == (401, "invalid_token")


async def test_that_a_token_is_over_is_told_first_to_an_app_whose_proof_is_for_the_next_one(place: Place) -> None:
    proofs = [place.app.proof("GET", PATH, "the next one") for _ in range(2)]
    assert refusal(await place.send(dpop=proofs[0])) == (401, "invalid_dpop_proof")
    place.grants.expired.add(place.token)
    assert refusal(await place.send(dpop=proofs[1])) == (401, "invalid_token")


async def test_neither_kind_of_token_passes_for_the_other(place: Place) -> None:
    assert refusal(await place.app.once("GET", PATH, place.alice.token)) == (401, "invalid_token")
    bearer = await place.server.http.get(PATH, headers={"authorization": f"Bearer {place.token}"})
    assert (bearer.status_code, bearer.json()["error"]) == (400, "InvalidToken")
    assert "dpop-nonce" not in bearer.headers
    proof = place.app.proof("GET", PATH, place.alice.token)
    plain = await place.alice.get(SESSION, headers={"DPoP": proof})
    assert plain.status_code == 200
    assert "dpop-nonce" not in plain.headers


async def test_a_nonce_comes_with_every_answer_to_an_app(place: Place) -> None:
    app, did = place.app, place.alice.did
    answers = {
        "refused by scope": await app.call("POST", "/xrpc/com.atproto.server.confirmEmail", did, "atproto", json={}),
        "refused at all": await app.call("GET", "/xrpc/com.atproto.server.listAppPasswords", did, "atproto"),
        "passed on": await app.call("GET", "/xrpc/app.bsky.feed.getFeedGenerators?feeds=x", did, "atproto"),
        "bad input": await app.call("POST", "/xrpc/com.atproto.repo.createRecord", did, "atproto", json={}),
        "a stream": await app.call("GET", f"/xrpc/com.atproto.sync.getRepo?did={did}", did, "atproto"),
        "HEAD": await app.call("HEAD", PATH, did, "atproto"),
    }
    for what, answer in answers.items():
        assert answer.headers.get("dpop-nonce"), (what, answer.text)
    assert [answers[what].status_code for what in ("a stream", "HEAD")] == [200, 200]


async def test_apps_follow_what_becomes_of_the_account(place: Place) -> None:
    app, did = place.app, place.alice.did
    repo = f"/xrpc/com.atproto.sync.getRepo?did={did}"
    await place.alice.post("com.atproto.server.deactivateAccount", {})
    assert (await place.send()).json()["active"] is False
    # It is the owner who lets the app read what is shown to nobody else.
    assert (await app.call("GET", repo, did, "atproto")).status_code == 200
    record = {"repo": did, "collection": "app.bsky.feed.post", "record": {"$type": "app.bsky.feed.post"}}
    written = await app.call("POST", "/xrpc/com.atproto.repo.createRecord", did, "atproto repo:*", json=record)
    assert (written.status_code, written.json()["error"]) == (401, "AccountDeactivated")
    await place.server.take_down(place.alice)
    for path in (PATH, STATUS, "/xrpc/app.bsky.actor.getPreferences"):
        answer = await app.call("GET", path, did, "atproto transition:generic")
        assert (answer.status_code, answer.json()["error"]) == (401, "AccountTakedown")
        # Nothing that a new token or another proof would help against.
        assert "www-authenticate" not in answer.headers


async def test_an_app_is_shown_the_address_only_if_it_may_read_it(place: Place) -> None:
    async def shown(scope: str) -> set[str]:
        answer = await place.app.call("GET", PATH, place.alice.did, scope)
        return {name for name in answer.json() if name.startswith("email")}

    assert await shown("atproto") == set()
    assert await shown("atproto transition:generic") == set()
    for scope in ("transition:email", "account:email", "account:email?action=manage"):
        assert await shown(f"atproto {scope}") == {"email", "emailConfirmed"}
