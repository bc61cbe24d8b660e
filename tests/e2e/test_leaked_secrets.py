"""What `docs/security.md` says of secrets that others know, and of what ends when they are changed."""

from __future__ import annotations

import secrets
from pathlib import Path

import httpx
import pytest
from tests.support.account import CallRefused, sign_up
from tests.support.command import command
from tests.support.node import Node
from tests.support.oauth_app import AppFailed, OAuthApp
from tests.support.oauth_person import person
from tests.support.reference import PlcDirectory
from tests.support.server import Tempest


def test_a_new_secret_key_base_ends_sessions_of_the_api_and_with_new_oauth_keys_every_app(
    node: Node, plc: PlcDirectory, tmp_path: Path
) -> None:
    server = Tempest(tmp_path / "data", plc.url, SECRET_KEY_BASE=secrets.token_hex(32))
    with server:
        alice = sign_up(server, "alice")
        visitor = person(server, alice)
        with OAuthApp(node, tmp_path / "app", server.url, plc.url) as app:
            assert app.callback(visitor.approve(app.authorize(alice.handle))) == alice.did
            server.stop()
            server.env["SECRET_KEY_BASE"] = secrets.token_hex(32)
            server.start()
            with pytest.raises(CallRefused):
                alice.query("com.atproto.server.getSession")
            refresh = {"Authorization": f"Bearer {alice.refresh}"}
            refreshed = httpx.post(f"{server.url}/xrpc/com.atproto.server.refreshSession", headers=refresh)
            assert refreshed.status_code == 400
            visitor.open(f"{server.url}/account/{alice.did}/apps")
            assert visitor.answer.status_code == 200
            assert visitor.url.endswith("/apps")
            assert app.call(alice.did, "com.atproto.server.getSession")["did"] == alice.did
            command(server, "oauth", "rotate-keys", "--now", "--yes")
            with pytest.raises(AppFailed):
                app.call(alice.did, "com.atproto.server.getSession")
            visitor.open(f"{server.url}/account/{alice.did}/apps")
            assert visitor.url.endswith("/apps")
