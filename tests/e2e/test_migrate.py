"""`tempest migrate` between a real reference server and Tempest, with a real PLC directory and mail server."""

import json
import os
import secrets
import signal
import stat
import subprocess
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.support.account import Account, sign_up
from tests.support.command import TEMPEST
from tests.support.command import command as operate
from tests.support.intercepting_proxy import Dropped, Exchange, Hook, InterceptingProxy
from tests.support.movers import (
    NEW_PASSWORD,
    ROTATION_KEY,
    SERVER,
    Ways,
    activate,
    command,
    finish,
    furnish,
    key_file,
    move,
    own_key,
    owner_of,
)
from tests.support.process import json_request
from tests.support.reference import ReferencePds
from tests.support.terminal import Terminal

from tempest_pds.migration.errors import NotNow
from tempest_pds.protocol.crypto import jwt
from tempest_pds.protocol.crypto.keys import PrivateKey, generate_k256
from tempest_pds.protocol.identity.did_document import format_did_document
from tempest_pds.protocol.syntax.did import Did
from tempest_pds.stores.key_files import KeyFiles

LOGGING_IN = {f"{SERVER}.createSession", f"{SERVER}.refreshSession"}


def test_an_account_moves_by_a_mailed_code(ways: Ways, tmp_path: Path) -> None:
    account = sign_up(ways.old_server, "mover")
    cids = furnish(account)
    state = tmp_path / "state"
    before = account.query(f"{SERVER}.checkAccountStatus")
    looked = move(account, ways.plan(account, state, dry_run=True))
    assert "3 records in" in looked.text
    assert f"own key {own_key().public.did_key} leaves the DID; the target's comes in its place" in looked.text
    assert looked.said[-1] == "Nothing was changed."
    assert set(ways.old.procedures + ways.new.procedures) <= LOGGING_IN
    assert account.query(f"{SERVER}.checkAccountStatus") == before
    assert not state.exists()
    assert not ways.is_at_new(account)

    arguments = ways.arguments(account, state)
    _, told = finish(command(account, *arguments, "--yes"), 75)
    assert f"a code to {account.handle}@mail.test" in told
    assert told.endswith(f"give\n  tempest migrate {' '.join(arguments)} --yes --plc-token CODE\n")
    assert not ways.points_at_new(account)
    with Terminal([*TEMPEST, "migrate", *arguments, "--deep"], dict(os.environ)) as terminal:
        terminal.answer("password at the source:", "mistyped")
        terminal.wait_for("The source does not take the password")
        terminal.answer("password at the source:", account.password)
        terminal.answer("password at the target:", NEW_PASSWORD)
        terminal.answer("Move the account? [y/N]:", "y")
        terminal.answer(f"to {account.handle}@mail.test (good for a few minutes). The code:", "AAAAA-BBBBB")
        terminal.wait_for("does not take that code: Token is invalid. Is it typed as it was mailed?")
        terminal.answer("The code:", ways.mailed_code(account, number=2))
        terminal.answer("Deactivate the account at the source?", "y")
        assert terminal.finish() == 0, terminal.seen
    assert "3 records, the same on both sides" in terminal.seen
    assert "2 blobs at the target, each read back" in terminal.seen
    assert f"{account.handle} leads to the account at the target, and nowhere else" in terminal.seen
    assert "not moved" not in terminal.seen, "what was found is told by the first run"
    assert "Log in anew in every app" in terminal.seen
    assert account.password not in terminal.seen

    new = ways.at_new(account)
    status = new.query(f"{SERVER}.checkAccountStatus")
    assert (status["activated"], status["validDid"], status["importedBlobs"]) == (True, True, len(cids))
    preferences = "app.bsky.actor.getPreferences"
    assert new.query(preferences) == account.query(preferences)
    assert account.query(f"{SERVER}.checkAccountStatus")["activated"] is False
    assert ways.points_at_new(account)
    report = json.loads((state / "report.json").read_text())
    assert report["ok"] is True
    written = (state / "state.json").read_text()
    for secret in (NEW_PASSWORD, account.password, "eyJ"):
        assert secret not in written
    assert {stat.S_IMODE((state / name).stat().st_mode) for name in ("state.json", "report.json", "repo.car")} == {
        0o600
    }
    assert stat.S_IMODE(state.stat().st_mode) == 0o700


STEPS = [
    ("old", "com.atproto.sync.getRepo"),
    ("new", f"{SERVER}.createAccount"),
    ("new", "com.atproto.repo.importRepo"),
    ("new", "com.atproto.repo.uploadBlob"),
    ("new", "app.bsky.actor.putPreferences"),
    ("new", "com.atproto.identity.submitPlcOperation"),
    ("new", f"{SERVER}.activateAccount"),
    ("new", "com.atproto.sync.getRepo"),
    ("old", f"{SERVER}.deactivateAccount"),
]
INTERRUPTED_AT = "com.atproto.repo.uploadBlob"
"""By Ctrl-C; everywhere else the command is killed."""


@pytest.mark.parametrize(
    "steps", [STEPS[1:6:2], pytest.param(STEPS, marks=pytest.mark.long)], ids=["some", "every one"]
)
def test_a_move_that_is_killed_at_a_step_goes_on(ways: Ways, tmp_path: Path, steps: list[tuple[str, str]]) -> None:
    """The server does what it was asked for, and the command dies before it hears so."""
    account = sign_up(ways.old_server, "killed")
    furnish(account)
    arguments = [*ways.arguments(account, tmp_path / "state"), "--yes", "--plc-rotation-key"]
    arguments.append(str(key_file(tmp_path, ROTATION_KEY)))
    for side, nsid in steps:
        ways.reset()
        proxy = ways.old if side == "old" else ways.new
        child = command(account, *arguments)
        proxy.hooks[nsid] = stopper(child)
        _, told = child.communicate(timeout=60)
        if nsid == INTERRUPTED_AT:
            assert (child.returncode, told) == (130, "tempest: stopped; the same command goes on from here\n")
        else:
            assert child.returncode == -signal.SIGKILL, (nsid, told)
    ways.reset()
    told, _ = finish(command(account, *arguments, "--deep"))
    assert "failure" not in told
    assert "3 records, the same on both sides" in told
    assert "com.atproto.repo.importRepo" not in ways.new.procedures, "done again"
    assert ways.at_new(account).query(f"{SERVER}.checkAccountStatus")["importedBlobs"] == 2
    assert account.query(f"{SERVER}.checkAccountStatus")["activated"] is False


def stopper(child: "subprocess.Popen[str]") -> Hook:
    stopped = threading.Event()

    def stop(exchange: Exchange) -> None:
        # Several blobs go out at once, and a person presses once.
        if not stopped.is_set():
            stopped.set()
            child.send_signal(signal.SIGINT if exchange.nsid == INTERRUPTED_AT else signal.SIGKILL)
        child.wait(30)
        raise Dropped

    return stop


def test_a_source_that_dies_after_the_did_was_changed_is_needed_no_more(ways: Ways, tmp_path: Path) -> None:
    account = sign_up(ways.old_server, "widow")
    furnish(account)
    plan = ways.plan(account, tmp_path / "state", rotation_key=own_key())

    def die(exchange: Exchange) -> None:
        ways.old.upstream = "http://localhost:1"

    ways.new.hooks["com.atproto.identity.submitPlcOperation"] = die
    try:
        first = move(account, plan)
        assert "could not be deactivated" in first.text
        second = move(account, replace(plan, account=account.handle))
    finally:
        ways.old.upstream = ways.old_server.url
    assert "needed no more" in second.text
    assert ways.at_new(account).query(f"{SERVER}.checkAccountStatus")["activated"] is True
    move(account, plan)
    assert account.query(f"{SERVER}.checkAccountStatus")["activated"] is False


def test_an_account_that_was_taken_down_can_leave(ways: Ways, tmp_path: Path) -> None:
    """From Tempest: the reference server means to let it, and gives it no token."""
    account = sign_up(ways.new_server, "banned")
    furnish(account)
    operate(ways.new_server, "account", "takedown", account.did)
    key = KeyFiles(ways.new_server.folder / "keys").rotation_key()
    plan = ways.plan(account, tmp_path / "state", rotation_key=key, source=ways.new.url)
    owner = move(account, replace(plan, target=ways.old_server.url))
    assert "takendown at the source" in owner.text
    assert "3 records, the same on both sides" in owner.text
    assert "2 blobs at the target" in owner.text
    assert ways.document(account)["service"][0]["serviceEndpoint"] == ways.old_server.url


def test_a_did_web_moves_once_its_owner_has_published_what_he_is_shown(ways: Ways, tmp_path: Path) -> None:
    with InterceptingProxy() as web:
        key = generate_k256()
        # In lower case throughout: the reference server folds what one logs in with.
        did = Did(f"did:web:localhost%3a{web.url.rpartition(':')[2]}")
        handle = f"web-{secrets.token_hex(3)}.test"
        labeler = ("AtprotoLabeler", "https://labeler.example.com")
        document: dict[str, Any] = format_did_document(
            did, [f"at://{handle}"], {"atproto": key.public.did_key}, {"atproto_labeler": labeler}
        )

        def show_document(exchange: Exchange) -> None:
            exchange.status, exchange.answer = 200, json.dumps(document).encode()

        web.instead["/.well-known/did.json"] = show_document
        account = bring_did(ways.old_server, did, handle, key)
        told = account.query("com.atproto.identity.getRecommendedDidCredentials")
        pds = tuple(told["services"]["atproto_pds"].values())
        document |= format_did_document(
            did, [f"at://{handle}"], told["verificationMethods"], {"atproto_labeler": labeler, "atproto_pds": pds}
        )
        activate(account)
        furnish(account)

        owner = owner_of(account)
        with pytest.raises(NotNow, match="does not have the new document yet"):
            move(account, ways.plan(account, tmp_path / "state"), owner)
        document = json.loads(next(line for line in owner.said if line.startswith("{")))
        move(account, ways.plan(account, tmp_path / "state"), owner)
        assert "3 records, the same on both sides" in owner.text
        assert ways.at_new(account).query(f"{SERVER}.checkAccountStatus")["activated"] is True
        assert [service["serviceEndpoint"] for service in document["service"]] == [ways.new.url, labeler[1]]


def bring_did(server: ReferencePds, did: Did, handle: str, key: PrivateKey) -> Account:
    """Make an account of a DID whose key the test has."""
    now = int(time.time())
    claims = {"iss": did, "aud": "did:web:localhost", "lxm": f"{SERVER}.createAccount", "iat": now, "exp": now + 60}
    token = jwt.encode({"typ": "JWT"}, claims, key)
    given = {"did": did, "handle": handle, "email": f"{handle}@mail.test", "password": "an-old-password"}
    url = f"{server.url}/xrpc/{SERVER}.createAccount"
    status, made = json_request(url, given, {"Authorization": f"Bearer {token}"})
    assert status == 200, made
    assert isinstance(made, dict)
    return Account(server, did, handle, given["password"], made["accessJwt"], made["refreshJwt"])
