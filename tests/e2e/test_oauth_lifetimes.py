"""What the provider gives out ends: time passes by making the rows of a stopped server older."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass

import httpx
import pytest
from tests.support.account import Account, sign_up
from tests.support.oauth_person import Person, person
from tests.support.oauth_raw import RawClient, Tokens, leads_nowhere, refused
from tests.support.reference import PlcDirectory
from tests.support.server import Tempest

GET_SESSION = "com.atproto.server.getSession"
MINUTE = 60
DAY = 24 * 60 * MINUTE


@dataclass
class Later:
    """A server after some time, and what was given out before."""

    server: Tempest
    account: Account
    person: Person
    young: tuple[RawClient, Tokens]
    idle: tuple[RawClient, Tokens]
    replaced: tuple[RawClient, Tokens, Tokens]
    pushed: tuple[RawClient, str]
    code: tuple[RawClient, str]


@pytest.fixture(scope="module")
def later(plc: PlcDirectory, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Later]:
    with (
        Tempest(tmp_path_factory.mktemp("lifetimes") / "data", plc.url) as server,
        httpx.Client(timeout=30) as http,
    ):
        account = sign_up(server, "later")
        someone = person(server, account, http)
        clients = [RawClient(server.url, http) for _ in range(5)]
        young, idle, replaced, pushing, coded = clients
        tokens = [client.sign_in(someone) for client in (young, idle, replaced)]
        successor = replaced.tokens(replaced.refresh(tokens[2].refresh))
        request_uri, code = pushing.request_uri(), coded.code(someone)
        server.stop()
        with sqlite3.connect(server.folder / "account.sqlite") as database:
            older(database, "oauth_session", "dpop_jkt", young.key.thumbprint, 13 * DAY)
            older(database, "oauth_session", "dpop_jkt", idle.key.thumbprint, 14 * DAY, but="created_at ends_at")
            older(database, "oauth_session", "dpop_jkt", replaced.key.thumbprint, 3 * MINUTE)
            older(database, "oauth_request", "client_id", pushing.client_id, 5 * MINUTE)
        server.start()
        yield Later(
            server,
            account,
            someone,
            (young, tokens[0]),
            (idle, tokens[1]),
            (replaced, tokens[2], successor),
            (pushing, request_uri),
            (coded, code),
        )


def older(
    database: sqlite3.Connection, table: str, column: str, value: str, seconds: int, but: str = "nothing"
) -> None:
    """Let all times of some rows be earlier, but for some."""
    columns = [row[1] for row in database.execute(f"PRAGMA table_info({table})")]
    times = [name for name in columns if name.endswith(("_at", "_after")) and name not in but.split()]
    assert len(times) >= 2
    changes = ", ".join(f"{name} = {name} - {seconds * 1_000_000}" for name in times)
    done = database.execute(f"UPDATE {table} SET {changes} WHERE {column} = ?", (value,))
    assert done.rowcount >= 1


def test_a_session_that_is_used_goes_on(later: Later) -> None:
    client, tokens = later.young
    fresh = client.tokens(client.refresh(tokens.refresh))
    assert client.call(GET_SESSION, fresh.access).status_code == 200


def test_a_session_that_is_not_used_ends(later: Later) -> None:
    client, tokens = later.idle
    assert client.call(GET_SESSION, tokens.access).status_code == 401
    refused(client.refresh(tokens.refresh), "invalid_grant")


def test_a_refresh_token_that_was_replaced_long_ago_ends_the_session(later: Later) -> None:
    client, before, after = later.replaced
    assert client.call(GET_SESSION, after.access).status_code == 200
    refused(client.refresh(before.refresh), "invalid_grant")
    refused(client.refresh(after.refresh), "invalid_grant")
    assert client.call(GET_SESSION, after.access).status_code == 401


def test_a_pushed_request_ends(later: Later) -> None:
    client, request_uri = later.pushed
    leads_nowhere(later.person, client, client.authorize_url(request_uri))


def test_a_code_ends(later: Later) -> None:
    client, code = later.code
    refused(client.exchange(code), "invalid_grant")
