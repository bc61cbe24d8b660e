"""A new password ends every session at once: its access tokens too, which nobody else could take back."""

import time
from collections.abc import AsyncIterator
from pathlib import Path
from unittest import mock

import pytest
from whole_server import PASSWORD, User, WholeServer, verdict, whole_server

from tempest_pds.protocol.crypto.jwt import decode_unverified

ADMIN, SERVER, SYNC = "com.atproto.admin", "com.atproto.server", "com.atproto.sync"
NEW_PASSWORD = "another battery staple"


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[WholeServer]:
    async with whole_server(tmp_path) as started:
        yield started


async def set_password(server: WholeServer, user: User, seconds_from_now: float = 0, *, at: int | None = None) -> None:
    at = int((time.time() + seconds_from_now) * 1_000_000) if at is None else at
    with mock.patch("tempest_pds.services.administration.now_us", return_value=at):
        given = {"did": user.did, "password": NEW_PASSWORD}
        assert (await server.administer(f"{ADMIN}.updateAccountPassword", given)).status_code == 200


@pytest.mark.parametrize(
    ("method", "given"),
    [
        (f"{SERVER}.getSession", None),
        (f"{SERVER}.updateEmail", {"email": "mallory@example.com"}),
        (f"{SERVER}.createAppPassword", {"name": "back door"}),
        ("com.atproto.identity.updateHandle", {"handle": "mallory.test"}),
    ],
)
async def test_an_access_token_from_before_does_nothing(server: WholeServer, method: str, given: object) -> None:
    alice = await server.sign_up("alice")
    await set_password(server, alice, 2)
    answer = await (alice.get(method) if given is None else alice.post(method, given))
    assert verdict(answer) == (400, "ExpiredToken")


async def test_an_access_token_from_before_does_not_show_who_is_the_owner(server: WholeServer) -> None:
    alice = await server.sign_up("alice")
    await alice.post(f"{SERVER}.deactivateAccount", {})
    assert (await alice.get(f"{SYNC}.getRepo", did=alice.did)).status_code == 200
    await set_password(server, alice, 2)
    assert verdict(await alice.get(f"{SYNC}.getRepo", did=alice.did)) == (400, "ExpiredToken")


async def test_an_access_token_from_just_before_does_nothing(server: WholeServer) -> None:
    """Whoever refreshes again and again has one that was made in the very second of the new password."""
    alice = await server.sign_up("alice")
    made_in = decode_unverified(alice.token).claims["iat"]
    await set_password(server, alice, at=made_in * 1_000_000 + 999_999)
    assert verdict(await alice.post(f"{SERVER}.createAppPassword", {"name": "back door"})) == (400, "ExpiredToken")


async def test_who_logs_in_at_once_with_the_new_password_is_in(server: WholeServer) -> None:
    alice = await server.sign_up("alice")
    await set_password(server, alice)
    login = {"identifier": alice.handle, "password": NEW_PASSWORD}
    session = (await server.http.post(f"/xrpc/{SERVER}.createSession", json=login)).json()
    alice.token = session["accessJwt"]
    assert (await alice.get(f"{SERVER}.getSession")).status_code == 200


async def test_nobody_elses_session_ends(server: WholeServer) -> None:
    alice, bob = await server.sign_up("alice"), await server.sign_up("bob")
    await set_password(server, alice, 2)
    assert (await bob.get(f"{SERVER}.getSession")).status_code == 200
    login = {"identifier": bob.handle, "password": PASSWORD}
    assert (await server.http.post(f"/xrpc/{SERVER}.createSession", json=login)).status_code == 200
