"""An account from its first event to its last, as a subscriber hears of it; its owner deletes it with a mailed code."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.e2e.test_admin_events import DOWN, OFF, UP, facts
from tests.support.account import Account, CallRefused, sign_up
from tests.support.admin import Admin, repo_ref
from tests.support.frames import Frame, Subscription
from tests.support.process import json_request
from tests.support.server import Tempest
from tests.support.smtp_server import SmtpServer

SERVER = "com.atproto.server"


@pytest.fixture
def relay() -> Iterator[SmtpServer]:
    with SmtpServer() as relay:
        yield relay


@pytest.fixture
def server(relay: SmtpServer, tmp_path: Path) -> Iterator[Tempest]:
    with Tempest(tmp_path / "data", **relay.settings()) as server:
        yield server


def delete(account: Account, password: str, code: str) -> None:
    given = {"did": account.did, "password": password, "token": code}
    status, answer = json_request(f"{account.server.url}/xrpc/{SERVER}.deleteAccount", given)
    if status != 200:
        raise CallRefused(status, answer)


def test_a_life_is_told_in_the_order_in_which_it_happened(server: Tempest, relay: SmtpServer) -> None:
    admin = Admin.of(server)
    with Subscription(server) as live:

        def told(count: int) -> list[tuple[str, dict[str, object]]]:
            return facts(live.take(count))

        account = sign_up(server, "life")
        identity = ("#identity", {"handle": account.handle})
        assert told(4) == [identity, UP, ("#commit", {}), ("#sync", {})]
        account.post("hello")
        assert told(1) == [("#commit", {})]
        account.procedure("com.atproto.identity.updateHandle", handle=f"n-{account.handle}")
        identity = ("#identity", {"handle": f"n-{account.handle}"})
        assert told(1) == [identity]
        account.procedure(f"{SERVER}.deactivateAccount", deleteAfter="2099-01-01T00:00:00Z")
        assert told(1) == [OFF]
        renamed, mail = relay.wait_for(2)
        assert f"@n-{account.handle}" in renamed.text
        assert "1 January 2099, 00:00 UTC" in " ".join(mail.text.split())
        account.procedure(f"{SERVER}.activateAccount")
        came_back: list[Frame] = live.take(3)
        assert facts(came_back) == [UP, identity, ("#sync", {})]
        account.post("back")
        [commit] = live.take(1)
        assert commit.body["since"] == came_back[2].body["rev"]
        admin.take_down(repo_ref(account.did))
        admin.restore(repo_ref(account.did))
        assert told(2) == [DOWN, UP]
        account.procedure(f"{SERVER}.requestAccountDelete")
        mails = relay.wait_for(3)
        [code] = re.findall(r"\b[A-Z2-7]{5}-[A-Z2-7]{5}\b", mails[-1].text)
        with pytest.raises(CallRefused):
            delete(account, "not it", code)
        delete(account, account.password, code)
        assert told(1) == [("#account", {"active": False, "status": "deleted"})]
        assert live.quiet()
    with Subscription(server, cursor=0) as later:
        # Numbers are missing before it, and nobody is left to say whose they were.
        info, deleted = later.take(2)
        assert info.kind == "#info"
        assert facts([deleted]) == [("#account", {"active": False, "status": "deleted"})]
        assert later.quiet()


def test_the_records_of_an_account_that_was_taken_down_are_not_sent_from_an_old_cursor(server: Tempest) -> None:
    admin, account = Admin.of(server), sign_up(server, "gone")
    account.post("nobody is to read this")

    def past() -> list[str]:
        """Return the kinds of all events of the account that somebody is sent who begins at the beginning."""
        newest = sign_up(server, "now").did
        frames: list[Frame] = []
        with Subscription(server, cursor=0) as subscription:
            while not frames or frames[-1].body.get("did") != newest:
                frames += subscription.take(1)
        return [frame.kind for frame in frames if account.did in (frame.body.get("did"), frame.body.get("repo"))]

    whole = ["#identity", "#account", "#commit", "#sync", "#commit"]
    assert past() == whole
    admin.take_down(repo_ref(account.did))
    down = ["#identity", "#account", "#sync", "#account"]
    assert past() == down
    server.restart()
    assert past() == down
    admin.restore(repo_ref(account.did))
    assert past() == [*whole, "#account", "#account"]
