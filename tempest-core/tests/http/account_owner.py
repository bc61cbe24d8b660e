"""What the owners of accounts do, over and over, in the tests of their pages."""

from __future__ import annotations

import asyncio
import itertools
import json
import re
from typing import Any

import httpx
from browser import Browser
from whole_server import PASSWORD, User, WholeServer

NEW_PASSWORD = "another long password"
_CODE = re.compile(r"[A-Z2-7]{5}-[A-Z2-7]{5}")
_NUMBERS = itertools.count(1)


def new_name() -> str:
    """Make a name that no account has yet."""
    return f"owner{next(_NUMBERS)}"


async def log_in(server: WholeServer, user: User, password: str = PASSWORD) -> httpx.Response:
    given = {"identifier": user.did, "password": password}
    return await server.http.post("/xrpc/com.atproto.server.createSession", json=given)


def path(user: User, *segments: str) -> str:
    return "/".join(["/account", user.did, *segments])


def codes(server: WholeServer, address: str) -> list[str]:
    """Return the codes of the mails that a developer's server has logged instead of sending them."""
    lines: list[dict[str, Any]] = [json.loads(line) for line in server.log_text().splitlines()]
    mails = [line for line in lines if line["event"] == "a mail, not sent" and line["to"] == address]
    return [code for mail in mails for code in _CODE.findall(mail["text"])[:1]]


async def code_for(server: WholeServer, address: str, *, number: int = 1) -> str:
    """Wait for a code, the first mailed to an address or a later one."""
    for _ in range(2_000):
        if len(found := codes(server, address)) >= number:
            return found[-1]
        await asyncio.sleep(0.01)
    raise AssertionError("no mail came")


async def press(browser: Browser, page: str, action: str, **fields: str) -> httpx.Response:
    """Open a page and submit one of its forms."""
    assert (await browser.get(page)).status_code == 200
    return await browser.submit(action, None, **fields)
