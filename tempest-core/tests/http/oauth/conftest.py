"""A provider for the tests of a module, somebody with an account there, and the two kinds of clients."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from oauth_flow import CONFIDENTIAL, PUBLIC, Provider, provider
from whole_server import User


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def there(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Provider]:
    async with provider(tmp_path_factory.mktemp("oauth")) as started:
        yield started


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def alice(there: Provider) -> User:
    return await there.server.sign_up("alice")


@pytest.fixture(params=[PUBLIC, CONFIDENTIAL])
def client_id(request: pytest.FixtureRequest) -> str:
    found: str = request.param
    return found
