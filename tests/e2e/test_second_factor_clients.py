"""The clients of npm and PyPI at an account with a second factor."""

from __future__ import annotations

import base64
import json
import sqlite3
import subprocess
import time
from pathlib import Path

import pytest
from atproto import Client, models
from atproto_client.exceptions import BadRequestError, UnauthorizedError
from pyotp import TOTP
from tests.support.account import Account, sign_up
from tests.support.node import Node
from tests.support.server import Tempest

HERE = Path(__file__).parent
APP = TOTP(base64.b32encode(b"12345678901234567890").decode())


@pytest.fixture
def guarded(tempest: Tempest) -> Account:
    """An account with an authenticator app, whose codes were not used yet."""
    account = sign_up(tempest, "factor")
    with sqlite3.connect(tempest.folder / "account.sqlite", timeout=30) as database:
        database.execute("INSERT INTO totp VALUES (?, ?, 1, 1, 0)", (account.did, b"12345678901234567890"))
    database.close()
    return account


def wrong_code() -> str:
    near = {APP.at(int(time.time()) + 30 * off) for off in range(-2, 4)}
    return next(
        code for code in ("000000", "111111", "222222", "333333", "444444", "555555", "666666") if code not in near
    )


def test_the_typescript_client_is_asked_for_a_code_and_signs_in_with_it(
    node: Node, tempest: Tempest, guarded: Account
) -> None:
    arguments = [tempest.url, guarded.handle, guarded.password, wrong_code(), APP.now()]
    done = subprocess.run(
        node.command(HERE / "second_factor_client.mjs", *arguments),
        env=node.environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {"asked": True, "wrong": "Token is invalid", "did": guarded.did}


def test_the_python_client_is_asked_for_a_code_and_signs_in_with_it(tempest: Tempest, guarded: Account) -> None:
    client = Client(base_url=f"{tempest.url}/xrpc")

    def log_in(code: str | None) -> models.ComAtprotoServerCreateSession.Response:
        return client.com.atproto.server.create_session(
            models.ComAtprotoServerCreateSession.Data(
                identifier=guarded.handle, password=guarded.password, auth_factor_token=code
            )
        )

    with pytest.raises(UnauthorizedError, match="AuthFactorTokenRequired"):
        log_in(None)
    with pytest.raises(BadRequestError, match="Token is invalid"):
        log_in(wrong_code())
    assert log_in(APP.now()).did == guarded.did
