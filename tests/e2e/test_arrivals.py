"""Who may have an account of a DID that there is already: who proves to be it, to this server, for this."""

import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from tests.support.account import Account, CallRefused, sign_up
from tests.support.admin import Admin, admin_token, basic
from tests.support.frames import Frame, Subscription
from tests.support.process import ServerProcess, json_request
from tests.support.reference import PlcDirectory
from tests.support.server import Tempest
from tests.support.wanderer import SERVER, Wanderer

from tempest_pds.protocol.crypto.keys import generate_k256

SYNC, IDENTITY = "com.atproto.sync", "com.atproto.identity"
PREFERENCE = {"$type": "app.bsky.actor.defs#adultContentPref", "enabled": True}
Authorization = Callable[[Wanderer, Account], str | None]


def verdict(answer: tuple[int, Any]) -> str:
    status, body = answer
    return f"{status} {body.get('error', '')}".strip()


def bearer(**claims: Any) -> Authorization:
    return lambda wanderer, _: f"Bearer {wanderer.token(**claims)}"


REFUSED: dict[str, tuple[Authorization, str]] = {
    "no token": (lambda _, __: None, "401 AuthenticationRequired"),
    "for another server": (bearer(aud="did:web:other.example.com"), "401 BadJwtAudience"),
    "for a service of another server": (bearer(aud="did:web:other.example.com#atproto_pds"), "401 BadJwtAudience"),
    "for another service of this one": (bearer(aud="did:web:localhost#bsky_appview"), "401 BadJwtAudience"),
    "for this server by its URL": (bearer(aud="http://localhost"), "401 BadJwtAudience"),
    "for nobody": (bearer(aud=None), "401 BadJwt"),
    "for another method": (bearer(lxm="com.atproto.repo.uploadBlob"), "401 BadJwtLexiconMethod"),
    "for a method of another case": (bearer(lxm="com.atproto.server.createaccount"), "401 BadJwtLexiconMethod"),
    "for any method": (bearer(lxm="*"), "401 BadJwtLexiconMethod"),
    "for no method": (bearer(lxm=None), "401 BadJwtLexiconMethod"),
    "of yesterday": (bearer(exp=int(time.time()) - 86_400), "401 JwtExpired"),
    "without an end": (bearer(exp=None), "401 BadJwt"),
    "by nobody": (bearer(iss=None), "401 BadJwt"),
    "by somebody else": (lambda w, other: f"Bearer {token_of(other)}", "401 AuthenticationRequired"),
    "in somebody else's name": (lambda w, other: f"Bearer {w.token(iss=other.did)}", "401 BadJwtSignature"),
    "by no DID": (bearer(iss="elsewhere.example.com"), "401 BadJwtIss"),
    "signed by another key": (bearer(key=generate_k256()), "401 BadJwtSignature"),
    "signed by the rotation key": (lambda w, _: f"Bearer {w.token(key=w.rotation_key)}", "401 BadJwtSignature"),
    "an access token by its type": (bearer(header={"typ": "at+jwt"}), "401 BadJwtType"),
    "a session of another account": (lambda _, other: f"Bearer {other.access}", "401 BadJwtType"),
    "the administrator": (lambda _, other: basic(admin_token(other.server)), "401 AuthenticationRequired"),
    "an OAuth token": (lambda w, _: f"DPoP {w.token()}", "401 AuthenticationRequired"),
    "no token at all": (lambda _, __: "Bearer x", "401 BadJwt"),
}


def token_of(account: Account) -> str:
    """Get a token of an account's own, good for making an account here."""
    params = {"aud": "did:web:localhost", "lxm": f"{SERVER}.createAccount"}
    token: str = account.query(f"{SERVER}.getServiceAuth", **params)["token"]
    return token


@dataclass
class Door:
    """A server, somebody who asks it to be taken in, and somebody who lives there."""

    server: ServerProcess
    wanderer: Wanderer
    neighbour: Account


@pytest.fixture(scope="module")
def doors() -> dict[str, Door]:
    return {}


@pytest.fixture
def door(pds: ServerProcess, plc: PlcDirectory, doors: dict[str, Door]) -> Door:
    if pds.name not in doors:
        doors[pds.name] = Door(pds, Wanderer(plc), sign_up(pds, "door"))
    return doors[pds.name]


@pytest.mark.parametrize("name", REFUSED)
def test_nobody_gets_an_account_of_a_did_with(door: Door, name: str) -> None:
    authorization, expected = REFUSED[name]
    assert verdict(door.wanderer.ask(door.server, authorization(door.wanderer, door.neighbour))) == expected


def test_a_key_that_was_changed_a_moment_ago_is_known(pds: ServerProcess, plc: PlcDirectory) -> None:
    wanderer = Wanderer(plc)
    # Which makes the server remember the key of now.
    assert verdict(wanderer.ask(pds, f"Bearer {wanderer.token(key=generate_k256())}")) == "401 BadJwtSignature"
    wanderer.change_key()
    assert wanderer.arrive(pds).did == wanderer.did


def test_a_did_that_has_ended_gets_no_account(pds: ServerProcess, plc: PlcDirectory) -> None:
    wanderer = Wanderer(plc)
    wanderer.end_did()
    assert verdict(wanderer.ask(pds, f"Bearer {wanderer.token()}")) == "401 AuthenticationRequired"


def test_a_token_may_name_the_service_of_this_server(tempest: Tempest, plc: PlcDirectory) -> None:
    """As tokens will have to (proposal 0014). The reference does not take it yet."""
    wanderer = Wanderer(plc)
    token = wanderer.token(aud="did:web:localhost#atproto_pds")
    assert verdict(wanderer.ask(tempest, f"Bearer {token}")) == "200"


def test_a_token_without_a_did_makes_another_account(door: Door) -> None:
    """As the reference does, which looks at the token and then has no use for it."""
    wanderer = door.wanderer
    status, made = wanderer.ask(door.server, f"Bearer {wanderer.token()}", did=None)
    assert status == 200, made
    assert made["did"] != wanderer.did


def test_an_account_comes_unheard_of_and_is_told_of_once_its_did_points_here(
    pds: ServerProcess, plc: PlcDirectory
) -> None:
    wanderer = Wanderer(plc)
    with Subscription(pds) as live:
        account = wanderer.arrive(pds)
        did = account.did
        assert account.query(f"{SERVER}.getSession")["active"] is False
        assert account.query(f"{SERVER}.checkAccountStatus")["activated"] is False
        state = account.query(f"{SYNC}.getRepoStatus", did=did)
        assert (state["active"], state["status"]) == (False, "deactivated")
        nobody = json_request(f"{pds.url}/xrpc/{SYNC}.getLatestCommit?did={did}")
        assert verdict(nobody) == "400 RepoDeactivated"
        with pytest.raises(CallRefused) as refused:
            account.query(f"{IDENTITY}.resolveHandle", handle=account.handle)
        assert refused.value.status == 400
        with pytest.raises(CallRefused):
            account.post("too early")
        assert verdict(_activate(account)) == "400 InvalidRequest"
        # Whatever was told of it would have come before this.
        neighbour = sign_up(pds, "next")
        heard = {owner(frame) for frame in until(live, lambda frame: owner(frame) == neighbour.did)}
        assert did not in heard
        wanderer.point_at(account)
        assert verdict(_activate(account)) == "200"
        account.post("here now")
        told = until(live, lambda frame: owner(frame) == did and frame.kind == "#commit")
        assert [frame.kind for frame in told if owner(frame) == did] == ["#account", "#identity", "#sync", "#commit"]


def test_a_did_that_has_an_account_gets_no_second_one(pds: ServerProcess, plc: PlcDirectory) -> None:
    wanderer = Wanderer(plc)
    account = wanderer.arrive(pds)
    again = {"handle": f"x{account.handle}", "email": f"x@{account.handle}"}
    status, answer = wanderer.ask(pds, f"Bearer {wanderer.token()}", **again)
    assert (status, answer["error"], answer["message"]) == (400, "AlreadyExists", "Repo already exists")


def test_a_did_whose_account_was_deleted_here_may_come_again(pds: ServerProcess, plc: PlcDirectory) -> None:
    wanderer = Wanderer(plc)
    account = wanderer.arrive(pds)
    account.procedure("app.bsky.actor.putPreferences", preferences=[PREFERENCE])
    Admin.of(pds).call("com.atproto.admin.deleteAccount", {"did": wanderer.did})
    again = wanderer.arrive(pds)
    assert again.query(f"{SERVER}.checkAccountStatus")["indexedRecords"] == 0
    assert again.query("app.bsky.actor.getPreferences")["preferences"] == []


def owner(frame: Frame) -> str:
    """Return whose event it is."""
    did: str = frame.body.get("did") or frame.body["repo"]
    return did


def until(live: Subscription, wanted: Callable[[Frame], bool]) -> list[Frame]:
    """Return all frames up to one that is wanted: what others did a moment ago may come first."""
    frames = live.take(1)
    while not wanted(frames[-1]):
        frames += live.take(1)
    return frames


def _activate(account: Account) -> tuple[int, Any]:
    request = urllib.request.Request(
        f"{account.server.url}/xrpc/{SERVER}.activateAccount",
        headers={"Authorization": f"Bearer {account.access}"},
        method="POST",
    )
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, {}
    except urllib.error.HTTPError as refused:
        return refused.code, json.loads(refused.read())
