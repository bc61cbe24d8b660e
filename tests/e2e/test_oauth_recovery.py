"""What goes wrong in the middle of it: the official client, unchanged, gets over all of it."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from tests.support.account import Account, post, sign_up
from tests.support.node import Node
from tests.support.oauth_app import AppFailed, OAuthApp
from tests.support.oauth_person import person
from tests.support.process import ServerProcess
from tests.support.reference import PlcDirectory, ReferencePds
from tests.support.server import Tempest


@pytest.fixture(params=[pytest.param("reference", marks=pytest.mark.long), "tempest"])
def pds(request: pytest.FixtureRequest) -> ServerProcess:
    """The reference server, in the long form, and Tempest."""
    server: ServerProcess = request.getfixturevalue(request.param)
    return server


@pytest.fixture
def account(pds: ServerProcess) -> Account:
    return sign_up(pds, "recover")


def application(node: Node, plc: PlcDirectory, pds: ServerProcess, folder: Path, **given: Any) -> OAuthApp:
    return OAuthApp(node, folder, pds.url, plc.url, **given)


def write(app: OAuthApp, account: Account) -> None:
    body = {"repo": account.did, "collection": "app.bsky.feed.post", "record": post("still here")}
    app.call(account.did, "com.atproto.repo.createRecord", body=body)


def kill_and_start(server: ServerProcess) -> None:
    server.kill()
    server.start()


def test_a_server_may_end_between_any_two_steps(
    node: Node, plc: PlcDirectory, pds: ServerProcess, tmp_path: Path
) -> None:
    account = sign_up(pds, "restart")
    sent = person(pds, account)
    with application(node, plc, pds, tmp_path / "app") as app:
        url = app.authorize(account.handle)
        kill_and_start(pds)
        sent.open(url)
        sent.sign_in()
        kill_and_start(pds)
        parameters = sent.accept()
        kill_and_start(pds)
        app.requests()
        app.callback(parameters)
        # No server knows the nonces that it gave out before it ended.
        exchange = [asked["status"] for asked in app.requests() if asked["path"] == "/oauth/token"]
        assert exchange == [400, 200]
        write(app, account)
        kill_and_start(pds)
        app.ask("restore", did=account.did, refresh=True)
        kill_and_start(pds)
        app.ask("restore", did=account.did, refresh=True)
        write(app, account)


def test_a_nonce_that_expired_does_not_cost_the_code(
    node: Node, plc: PlcDirectory, pds: ServerProcess, account: Account, tmp_path: Path
) -> None:
    with application(node, plc, pds, tmp_path / "app") as app:
        parameters = person(pds, account).approve(app.authorize(account.handle))
        app.requests()
        app.ask("know", origin=pds.url, nonce="of-long-ago")
        app.callback(parameters)
        exchange = [
            (asked["status"], asked.get("error")) for asked in app.requests() if asked["path"] == "/oauth/token"
        ]
        assert exchange == [(400, "use_dpop_nonce"), (200, None)]
        app.ask("know", origin=pds.url, nonce="of-long-ago")
        app.ask("restore", did=account.did, refresh=True)
        app.ask("know", origin=pds.url, nonce="of-long-ago")
        write(app, account)
        assert [asked["status"] for asked in app.requests() if "createRecord" in asked["path"]] == [401, 200]


def test_two_processes_with_one_store_refresh_at_once(
    node: Node, plc: PlcDirectory, tempest: Tempest, tmp_path: Path
) -> None:
    """The reference server ends the session, unless they have a lock in common."""
    account = sign_up(tempest, "twice")
    folder = tmp_path / "app"
    with application(node, plc, tempest, folder) as one, application(node, plc, tempest, folder) as other:
        one.callback(person(tempest, account).approve(one.authorize(account.handle)))
        for app in (one, other):
            app.begin("restore", did=account.did, refresh=True)
        for app in (one, other):
            assert app.answer() == account.did
        for app in (one, other):
            write(app, account)
            app.ask("restore", did=account.did, refresh=True)


def test_a_refresh_whose_answer_was_lost_is_made_again(
    node: Node, plc: PlcDirectory, pds: ServerProcess, account: Account, tmp_path: Path
) -> None:
    """The reference server takes the second for a theft, and ends the session."""
    lost = tmp_path / "lost"
    with application(node, plc, pds, lost) as app:
        app.callback(person(pds, account).approve(app.authorize(account.handle)))
    shutil.copytree(lost, tmp_path / "kept")
    with application(node, plc, pds, lost) as one, application(node, plc, pds, tmp_path / "kept") as other:
        one.ask("restore", did=account.did, refresh=True)
        if isinstance(pds, ReferencePds):
            with pytest.raises(AppFailed):
                other.ask("restore", did=account.did, refresh=True)
            return
        for _ in range(2):
            other.ask("restore", did=account.did, refresh=True)
            write(other, account)


@pytest.mark.parametrize("offset", [-30, 30])
def test_the_clock_of_the_application_is_half_a_minute_off(
    node: Node, plc: PlcDirectory, pds: ServerProcess, account: Account, tmp_path: Path, offset: int
) -> None:
    with application(node, plc, pds, tmp_path / "app", clock_offset=offset) as app:
        app.callback(person(pds, account).approve(app.authorize(account.handle)))
        write(app, account)
        app.ask("restore", did=account.did, refresh=True)
        write(app, account)
        app.ask("signOut", did=account.did)
