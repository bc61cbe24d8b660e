"""Who may read a repository by com.atproto.sync, and by which other ways it shows, in each state of its account."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from whole_server import PASSWORD, POST, User, WholeServer, verdict, whole_server

SYNC, REPO, SERVER = "com.atproto.sync", "com.atproto.repo", "com.atproto.server"


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[WholeServer]:
    async with whole_server(tmp_path) as server:
        yield server


async def reads_of(server: WholeServer, user: User) -> dict[str, dict[str, Any]]:
    """Give every read of a repository there is, with the parameters that find something."""
    cid = await user.picture()
    records = (await server.anybody(f"{REPO}.listRecords", repo=user.did, collection=POST)).json()["records"]
    head = (await server.anybody(f"{SYNC}.getLatestCommit", did=user.did)).json()["cid"]
    rkey = records[0]["uri"].rpartition("/")[2]
    did = user.did
    return {
        f"{SYNC}.getRepo": {"did": did},
        f"{SYNC}.getCheckout": {"did": did},
        f"{SYNC}.getHead": {"did": did},
        f"{SYNC}.getLatestCommit": {"did": did},
        f"{SYNC}.getRecord": {"did": did, "collection": POST, "rkey": rkey},
        f"{SYNC}.getBlocks": {"did": did, "cids": head},
        f"{SYNC}.getBlob": {"did": did, "cid": cid},
        f"{SYNC}.listBlobs": {"did": did},
    }


async def ask_all(
    server: WholeServer, reads: dict[str, dict[str, Any]], headers: dict[str, str]
) -> dict[str, tuple[int, str]]:
    return {
        method.rpartition(".")[2]: verdict(await server.http.get(f"/xrpc/{method}", params=params, headers=headers))
        for method, params in reads.items()
    }


async def test_a_deactivated_repository_is_its_owners_and_the_administrators(server: WholeServer) -> None:
    alice, bob = await server.sign_up("alice"), await server.sign_up("bob")
    reads = await reads_of(server, alice)
    assert set((await ask_all(server, reads, {})).values()) == {(200, "")}
    assert (await alice.post(f"{SERVER}.deactivateAccount", {})).status_code == 200
    hidden = {(400, "RepoDeactivated")}
    assert set((await ask_all(server, reads, {})).values()) == hidden
    assert set((await ask_all(server, reads, bob.bearer)).values()) == hidden
    assert set((await ask_all(server, reads, alice.bearer)).values()) == {(200, "")}
    admin = httpx.BasicAuth("admin", server.admin_token)
    for method, params in reads.items():
        assert (await server.http.get(f"/xrpc/{method}", params=params, auth=admin)).status_code == 200
    assert (await alice.post(f"{SERVER}.activateAccount")).status_code == 200
    assert set((await ask_all(server, reads, {})).values()) == {(200, "")}


async def test_after_a_takedown_the_owner_keeps_what_moving_out_takes(server: WholeServer) -> None:
    alice, bob = await server.sign_up("alice"), await server.sign_up("bob")
    reads = await reads_of(server, alice)
    await server.take_down(alice)
    hidden = {(400, "RepoTakendown")}
    assert set((await ask_all(server, reads, {})).values()) == hidden
    assert set((await ask_all(server, reads, bob.bearer)).values()) == hidden
    login = {"identifier": alice.did, "password": PASSWORD}
    refused = await server.http.post(f"/xrpc/{SERVER}.createSession", json=login)
    assert verdict(refused) == (401, "AccountTakedown")
    narrow = (await server.http.post(f"/xrpc/{SERVER}.createSession", json=login | {"allowTakendown": True})).json()
    assert (narrow["active"], narrow["status"]) == (False, "takendown")
    alice.token = narrow["accessJwt"]
    kept = await ask_all(server, reads, alice.bearer)
    assert {name for name, (status, _) in kept.items() if status == 200} == {"getRepo", "getBlob", "listBlobs"}
    assert verdict(await alice.post(f"{REPO}.createRecord", {"repo": alice.did})) == (400, "InvalidToken")
    moving = f"{SERVER}.createAccount"
    assert (await alice.get(f"{SERVER}.getServiceAuth", aud="did:web:x.example", lxm=moving)).status_code == 200


@pytest.mark.parametrize("state", ["deactivated", "takendown"])
async def test_what_is_not_active_shows_its_status_and_nothing_else(server: WholeServer, state: str) -> None:
    alice = await server.sign_up("alice")
    await alice.picture()
    if state == "takendown":
        await server.take_down(alice)
    else:
        await alice.post(f"{SERVER}.deactivateAccount", {})
    status = (await server.anybody(f"{SYNC}.getRepoStatus", did=alice.did)).json()
    assert status == {"did": alice.did, "active": False, "status": state}
    listed = (await server.anybody(f"{SYNC}.listRepos")).json()["repos"]
    assert [(row["did"], row["active"], row["status"]) for row in listed] == [(alice.did, False, state)]
    expected = {"deactivated": "RepoDeactivated", "takendown": "RepoTakendown"}[state]
    assert verdict(await server.anybody(f"{REPO}.describeRepo", repo=alice.did)) == (400, expected)
    listing = await server.anybody(f"{REPO}.listRecords", repo=alice.handle, collection=POST)
    assert verdict(listing) == (400, "InvalidRequest")
    handle = await server.anybody("com.atproto.identity.resolveHandle", handle=alice.handle)
    assert verdict(handle) == (400, "HandleNotFound")
    well_known = await server.http.get("/.well-known/atproto-did", headers={"Host": alice.handle})
    assert well_known.status_code == 404


async def test_the_handle_of_an_active_account_leads_to_it_on_its_own_host(server: WholeServer) -> None:
    alice = await server.sign_up("alice")
    answer = await server.http.get("/.well-known/atproto-did", headers={"Host": f"{alice.handle}:4000"})
    assert (answer.status_code, answer.text) == (200, alice.did)
    assert answer.headers["content-type"].startswith("text/plain")


async def test_nobody_and_nonsense_have_names_of_their_own(server: WholeServer) -> None:
    nobody = "did:plc:ewvi7nxzyoun6zhxrhs64oiz"
    for method in ("getRepo", "getCheckout", "getHead", "getLatestCommit", "getRepoStatus", "listBlobs"):
        assert verdict(await server.anybody(f"{SYNC}.{method}", did=nobody)) == (400, "RepoNotFound"), method
        assert verdict(await server.anybody(f"{SYNC}.{method}", did="rubbish")) == (400, "InvalidRequest"), method
        assert verdict(await server.anybody(f"{SYNC}.{method}")) == (400, "InvalidRequest"), method
    alice = await server.sign_up("alice")
    missing = "bafyreidfayvfuwqa7qlnopdjiqrxzs6blmoeu4rujcjtnci5beludirz2a"
    answer = await server.anybody(f"{SYNC}.getBlocks", did=alice.did, cids=missing)
    assert verdict(answer) == (400, "BlockNotFound")
