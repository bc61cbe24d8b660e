"""Those who administer servers: the official TypeScript client, and the requests that pdsadmin and goat send."""

import json
import re
import subprocess
from pathlib import Path

import pytest
from tests.support.account import CallRefused, post, sign_up
from tests.support.admin import ADMIN, Admin, admin_token, repo_ref
from tests.support.node import Node
from tests.support.process import ServerProcess, json_request

HERE = Path(__file__).parent
SERVER, SYNC = "com.atproto.server", "com.atproto.sync"


def test_the_client_does_all_that_an_administrator_does(node: Node, pds: ServerProcess) -> None:
    done = subprocess.run(
        node.command(HERE / "admin_client.mjs", pds.url, admin_token(pds)),
        env=node.environment(),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    checks = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(checks) == 10, done.stderr
    failed = [f"{check['check']}: {check['error']}" for check in checks if check["error"]]
    assert not failed, "\n".join(failed)


# What the scripts of pdsadmin send, one after the other, and what they read of the answers.


def test_pdsadmin_makes_lists_and_deletes_accounts(pds: ServerProcess) -> None:
    admin = Admin.of(pds)
    code = admin.call(f"{SERVER}.createInviteCode", {"useCount": 1})["code"]
    assert re.fullmatch(r"[a-z0-9-]+", code)
    name = sign_up(pds, "taken").handle.replace("taken", "pa")
    body = {"email": f"{name}@mail.test", "handle": name, "password": "aB3" * 8, "inviteCode": code}
    status, made = json_request(f"{pds.url}/xrpc/{SERVER}.createAccount", body)
    assert isinstance(made, dict)
    assert (status, made["did"][:4]) == (200, "did:")
    listed = admin.call(f"{SYNC}.listRepos", query="limit=100")["repos"]
    assert made["did"] in [row["did"] for row in listed]
    info = admin.call(f"{ADMIN}.getAccountInfo", query=f"did={made['did']}")
    assert (info["handle"], info["email"], info["did"]) == (name, f"{name}@mail.test", made["did"])
    admin.call(f"{ADMIN}.deleteAccount", {"did": made["did"]})
    with pytest.raises(CallRefused, match="NotFound"):
        admin.call(f"{ADMIN}.getAccountInfo", query=f"did={made['did']}")


def test_pdsadmin_resets_a_password(pds: ServerProcess) -> None:
    account = sign_up(pds, "reset")
    Admin.of(pds).call(f"{ADMIN}.updateAccountPassword", {"did": account.did, "password": "aB3" * 8})
    account.procedure(f"{SERVER}.createSession", identifier=account.handle, password="aB3" * 8)
    with pytest.raises(CallRefused) as refused:
        account.procedure(f"{SERVER}.createSession", identifier=account.handle, password=account.password)
    assert refused.value.status == 401


def test_pdsadmin_takes_an_account_down_and_puts_it_back(pds: ServerProcess) -> None:
    account, admin = sign_up(pds, "down"), Admin.of(pds)
    admin.set_status(repo_ref(account.did), takedown={"applied": True, "ref": "1767323045"})
    with pytest.raises(CallRefused, match="AccountTakedown"):
        account.post("from below")
    admin.set_status(repo_ref(account.did), takedown={"applied": False})
    account.post("from above")


def test_goat_takes_down_without_naming_a_reason(pds: ServerProcess) -> None:
    account, admin = sign_up(pds, "goat"), Admin.of(pds)
    made = account.procedure(
        "com.atproto.repo.createRecord", repo=account.did, collection="app.bsky.feed.post", record=post("words")
    )
    assert made["uri"]
    admin.set_status(repo_ref(account.did), takedown={"applied": True})
    status = admin.call(f"{ADMIN}.getSubjectStatus", query=f"did={account.did}")
    assert status["takedown"]["applied"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", status["takedown"]["ref"])
    rows = admin.call(f"{SYNC}.listRepos", query="limit=500")["repos"]
    assert [(row["active"], row["status"]) for row in rows if row["did"] == account.did] == [(False, "takendown")]
