"""A restart of the server between any two steps of an authorization."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
from authorizing import CONSENT, SCOPE, SIGN_IN, answer_of, asked, granted, loopback
from browser import Browser
from whole_server import PASSWORD, WholeServer, whole_server


async def test_the_server_may_be_restarted_between_any_two_steps(tmp_path: Path) -> None:
    cookies: dict[str, str] = {}

    @asynccontextmanager
    async def restarted() -> AsyncIterator[tuple[WholeServer, Browser]]:
        """Start the server on the same folder; the browser stays what it was."""
        async with whole_server(tmp_path) as server:
            browser = Browser(server.http)
            browser.cookies = cookies
            yield server, browser

    async with restarted() as (server, browser):
        alice = await server.sign_up("alice")
        sign_in_page = (await browser.get(asked(loopback()))).headers["location"]
    async with restarted() as (_, browser):
        await browser.get(sign_in_page)
        shown: httpx.Response = browser.answer
    async with restarted() as (_, browser):
        browser.answer = shown
        consent_page = (await browser.submit(SIGN_IN, identifier="alice.test", password=PASSWORD)).headers["location"]
    async with restarted() as (_, browser):
        await browser.get(consent_page)
        shown = browser.answer
    async with restarted() as (server, browser):
        browser.answer = shown
        answer = answer_of(await browser.submit(CONSENT, decision="allow"))
        assert granted(server, answer) == (alice.did, SCOPE)
