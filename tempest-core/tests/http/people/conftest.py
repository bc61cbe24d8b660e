"""A server for the tests of a module, people with accounts there, and browsers."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from account_owner import new_name
from authorizing import signed_in
from browser import Browser
from whole_server import User, WholeServer, whole_server


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[WholeServer]:
    async with whole_server(tmp_path_factory.mktemp("people")) as server:
        yield server


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def alice(server: WholeServer) -> User:
    return await server.sign_up("alice")


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def bob(server: WholeServer) -> User:
    return await server.sign_up("bob")


@pytest.fixture
def browser(server: WholeServer) -> Browser:
    return Browser(server.http)


@pytest_asyncio.fixture(loop_scope="module")
async def user(server: WholeServer) -> User:
    """An account of the test's own."""
    return await server.sign_up(new_name())


@pytest_asyncio.fixture(loop_scope="module")
async def inside(server: WholeServer, user: User) -> Browser:
    """A browser in which the account was just signed in."""
    return await signed_in(server, user)
