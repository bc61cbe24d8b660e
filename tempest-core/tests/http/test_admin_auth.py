"""Nobody but the administrator and moderators gets through to an admin method, and nothing changes when others try."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from whole_server import PASSWORD, POST, User, WholeServer, verdict, whole_server

from tempest_pds.http.access import Access
from tempest_pds.http.method_access import METHOD_ACCESS
from tempest_pds.http.methods import load_methods
from tempest_pds.protocol.lexicon.lexicons import Lexicons
from tempest_pds.protocol.syntax.did import Did
from tempest_pds.stores.account.account_store import AccountStore

SERVER, ADMIN = "com.atproto.server", "com.atproto.admin"


def _is_for_admins(access: Access) -> bool:
    return access.admin and not access.anonymous


METHODS = {
    nsid: method
    for nsid, method in load_methods().items()
    if nsid.startswith(f"{ADMIN}.") or _is_for_admins(METHOD_ACCESS[nsid])
}
CALLERS = ("nobody", "access", "app", "privileged app", "refresh", "service", "wrong token", "wrong name", "no colon")


class Victim:
    """A server with two accounts, and whatever a stranger may hold of the second."""

    def __init__(self, server: WholeServer, alice: User, mallory: User, headers: dict[str, dict[str, str]]) -> None:
        self.server = server
        self.alice = alice
        self.mallory = mallory
        self.headers = headers

    async def headers_of(self, caller: str, nsid: str) -> dict[str, str]:
        """Give the header of a caller; a service token is made for the method."""
        if caller != "service":
            return self.headers[caller]
        # Some methods are protected: a client is given no token for them, so that it is made here.
        token = self.server.services.service_auth.mint(Did(self.mallory.did), "did:web:localhost", nsid)
        return {"Authorization": f"Bearer {token}"}


def worst_for(did: str) -> dict[str, Any]:
    """Give input or parameters with which the administrator's call of any method would do something to an account."""
    return {
        "did": did,
        "dids": did,
        "account": did,
        "email": "mallory@example.com",
        "handle": "stolen.test",
        "password": "mallorys-password",
        "recipientDid": did,
        "senderDid": did,
        "content": "hello",
        "codes": [],
        "accounts": [did],
        "useCount": 1,
        "codeCount": 1,
        "subject": {"$type": f"{ADMIN}.defs#repoRef", "did": did},
        "takedown": {"applied": True},
        "signingKey": "did:key:zQ3shqwJEJyMBsBXCWyCBpUBMqxcon9oHB7mCvx4sSpMdLJwc",
    }


def _basic(text: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(text.encode()).decode()}


@pytest.fixture
async def victim(tmp_path: Path) -> AsyncIterator[Victim]:
    async with whole_server(tmp_path, TEMPEST_MOD_SERVICE_DID="did:web:mod.example.com") as server:
        alice, mallory = await server.sign_up("alice"), await server.sign_up("mallory")
        await alice.write({"$type": POST, "text": "hi", "createdAt": "2026-01-02T03:04:05.678Z"})
        tokens = {"access": mallory.token, "refresh": mallory.refresh}
        for name, privileged in (("app", False), ("privileged app", True)):
            made = await mallory.post(f"{SERVER}.createAppPassword", {"name": name, "privileged": privileged})
            given = {"identifier": mallory.did, "password": made.json()["password"]}
            session = await server.http.post(f"/xrpc/{SERVER}.createSession", json=given)
            tokens[name] = session.json()["accessJwt"]
        headers = {name: {"Authorization": f"Bearer {token}"} for name, token in tokens.items()}
        headers["nobody"] = {}
        headers["wrong token"] = _basic(f"admin:{PASSWORD}")
        headers["wrong name"] = _basic(f"root:{server.admin_token}")
        headers["no colon"] = _basic(server.admin_token)
        yield Victim(server, alice, mallory, headers)


def state_of(server: WholeServer) -> dict[str, list[Any]]:
    """Read every row of the account database but sessions, which a test's own callers have."""
    store = AccountStore(server.folder / "account.sqlite")
    try:
        names = ("account", "invite_code", "account_deletion", "app_password", "pending_event")
        return {name: store.database.reader.execute(f"SELECT * FROM {name} ORDER BY 1, 2").fetchall() for name in names}
    finally:
        store.close()


def test_every_admin_method_is_for_admins() -> None:
    assert {nsid for nsid, method in METHODS.items() if not _is_for_admins(METHOD_ACCESS[nsid])} == set()
    assert all(not METHOD_ACCESS[nsid].scopes and not METHOD_ACCESS[nsid].refresh for nsid in METHODS)
    assert f"{ADMIN}.deleteAccount" in METHODS
    assert f"{SERVER}.createInviteCode" in METHODS


def test_only_lexicons_that_make_no_sense_here_are_left_out() -> None:
    known = {nsid for nsid in Lexicons() if nsid.startswith(f"{ADMIN}.") and not nsid.endswith(".defs")}
    assert known - set(METHODS) == {f"{ADMIN}.updateAccountSigningKey"}


async def test_nobody_else_gets_through(victim: Victim) -> None:
    server, alice = victim.server, victim.alice
    before = state_of(server)
    events = server.services.firehose.last_seq
    answers: dict[tuple[str, str], tuple[int, str]] = {}
    given = worst_for(alice.did)
    for nsid, method in METHODS.items():
        for caller in CALLERS:
            headers = await victim.headers_of(caller, nsid)
            if method.kind == "query":
                answer = await server.http.get(f"/xrpc/{nsid}", params=_flat(given), headers=headers)
            else:
                answer = await server.http.post(f"/xrpc/{nsid}", json=given, headers=headers)
            answers[nsid, caller] = verdict(answer)
            assert alice.handle not in answer.text
    assert {status for status, _ in answers.values()} == {401}
    expected = {
        "nobody": {"AuthenticationRequired"},
        "wrong token": {"AuthenticationRequired"},
        "wrong name": {"AuthenticationRequired"},
        "no colon": {"AuthenticationRequired"},
        "access": {"BadJwtType", "AuthenticationRequired"},
        "app": {"BadJwtType", "AuthenticationRequired"},
        "privileged app": {"BadJwtType", "AuthenticationRequired"},
        "refresh": {"BadJwtType", "AuthenticationRequired"},
        "service": {"UntrustedIss", "AuthenticationRequired"},
    }
    for caller, names in expected.items():
        assert {name for (_, who), (_, name) in answers.items() if who == caller} <= names, caller
    assert state_of(server) == before
    assert server.services.firehose.last_seq == events
    assert (await alice.get(f"{SERVER}.getSession")).status_code == 200


async def test_the_administrator_gets_through_by_either_scheme(victim: Victim) -> None:
    server = victim.server
    for headers in (_basic(f"admin:{server.admin_token}"), {"Authorization": f"Bearer {server.admin_token}"}):
        answer = await server.http.get(
            f"/xrpc/{ADMIN}.getAccountInfo", params={"did": victim.alice.did}, headers=headers
        )
        assert (answer.status_code, answer.json()["handle"]) == (200, "alice.test")


async def test_an_admin_method_is_never_passed_on(victim: Victim) -> None:
    headers = victim.headers["access"] | {"atproto-proxy": "did:web:mod.example.com#atproto_labeler"}
    params = {"did": victim.alice.did}
    answer = await victim.server.http.get(f"/xrpc/{ADMIN}.getAccountInfo", params=params, headers=headers)
    assert verdict(answer) == (401, "BadJwtType")


def _flat(given: dict[str, Any]) -> httpx.QueryParams:
    return httpx.QueryParams({name: value for name, value in given.items() if isinstance(value, str)})
