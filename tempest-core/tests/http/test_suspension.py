"""An account is suspended and comes back, which only the server's own routes do."""

import json
from pathlib import Path

from whole_server import PASSWORD, verdict, whole_server

SERVER, SYNC = "com.atproto.server", "com.atproto.sync"


async def test_a_suspended_account_shows_nothing_and_does_nothing_until_it_is_let_go(tmp_path: Path) -> None:
    async with whole_server(tmp_path) as server:
        alice = await server.sign_up("alice")
        login = {"identifier": alice.handle, "password": PASSWORD}
        assert (await server.administer("_admin/account/suspend", {"account": alice.handle})).json() == {
            "did": alice.did
        }
        status = (await server.anybody(f"{SYNC}.getRepoStatus", did=alice.did)).json()
        assert (status["active"], status["status"]) == (False, "suspended")
        assert verdict(await server.anybody(f"{SYNC}.getRepo", did=alice.did)) == (400, "RepoSuspended")
        answer = await server.http.post(f"/xrpc/{SERVER}.createSession", json=login)
        assert verdict(answer) == (401, "AccountTakedown")
        assert answer.json()["message"] == "Account has been suspended"
        refresh = {"Authorization": f"Bearer {alice.refresh}"}
        assert (await server.http.post(f"/xrpc/{SERVER}.refreshSession", headers=refresh)).status_code == 401
        freed = await server.administer("_admin/account/unsuspend", {"account": alice.did})
        assert freed.json() == {"did": alice.did, "status": "active"}
        again = await server.administer("_admin/account/unsuspend", {"account": alice.did})
        assert verdict(again) == (400, "InvalidRequest")
        assert (await server.anybody(f"{SYNC}.getRepo", did=alice.did)).status_code == 200
        assert (await server.http.post(f"/xrpc/{SERVER}.createSession", json=login)).status_code == 200
        notes = [json.loads(line) for line in server.log_text().splitlines() if '"admin.action"' in line]
        assert [(note["method"].rpartition("/")[2], note["subject"]) for note in notes] == [
            ("suspend", alice.did),
            ("unsuspend", alice.did),
        ]


async def test_an_account_that_is_not_here_is_not_suspended(tmp_path: Path) -> None:
    async with whole_server(tmp_path) as server:
        answer = await server.administer("_admin/account/suspend", {"account": "nobody.test"})
        assert verdict(answer) == (400, "AccountNotFound")
