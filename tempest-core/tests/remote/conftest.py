"""Servers of strangers, on this machine."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack

import pytest
from aiohttp import web
from tests.support.answering import answering

from tempest_pds.remote.safe_fetch import SafeFetch

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Serve = Callable[[Handler], Awaitable[str]]


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    async with AsyncExitStack() as stack:

        async def start(handler: Handler) -> str:
            return f"http://127.0.0.1:{await stack.enter_async_context(answering(handler))}"

        yield start


@pytest.fixture
async def fetch() -> AsyncIterator[SafeFetch]:
    client = SafeFetch(allow_private=True)
    yield client
    await client.close()
