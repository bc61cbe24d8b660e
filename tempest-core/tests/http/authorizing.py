"""Apps that send people to /oauth/authorize, and what becomes of it."""

from __future__ import annotations

import base64
import hashlib
import re
import secrets
import sqlite3
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlencode

import httpx
from browser import Browser
from whole_server import PASSWORD, User, WholeServer

AUTHORIZE = "/oauth/authorize"
SIGN_IN = f"{AUTHORIZE}/sign-in"
CHOOSE = f"{AUTHORIZE}/choose"
CONSENT = f"{AUTHORIZE}/consent"
SIGN_UP = f"{AUTHORIZE}/sign-up"
SCOPE = "atproto transition:generic transition:email"


def loopback(scope: str = SCOPE, redirect_uri: str = "http://127.0.0.1/back") -> str:
    """Make the id of a client under development."""
    return "http://localhost?" + urlencode({"scope": scope, "redirect_uri": redirect_uri})


def asked(client_id: str, scope: str = SCOPE, **more: str) -> str:
    """Make the address that an app sends a person to when it pushes nothing."""
    fields = {
        "client_id": client_id,
        "response_type": "code",
        "scope": scope,
        "state": "a b&c",
        "code_challenge": base64.urlsafe_b64encode(hashlib.sha256(secrets.token_bytes(32)).digest())
        .decode()
        .rstrip("="),
        "code_challenge_method": "S256",
        **more,
    }
    return f"{AUTHORIZE}?{urlencode(fields)}"


async def opened(
    server: WholeServer, client_id: str | None = None, browser: Browser | None = None, **more: Any
) -> Browser:
    """Have a browser open such an address, and follow it to the first page."""
    browser = browser or Browser(server.http)
    await browser.follow(await browser.get(asked(client_id or loopback(), **more)))
    return browser


async def signed_in(server: WholeServer, *users: User, password: str = PASSWORD) -> Browser:
    """Make a browser in which accounts are signed in, the last of them last."""
    browser = Browser(server.http)
    for user in users:
        await browser.get("/account/sign-in")
        answer = await browser.submit("/account/sign-in", identifier=user.handle, password=password)
        assert answer.status_code == 303, answer.text
    return browser


@dataclass
class Answer:
    """What a browser is sent to a client with."""

    address: str
    values: dict[str, str]


def answer_of(response: httpx.Response, separator: str = "?") -> Answer:
    """Read an answer in a query or a fragment."""
    assert response.status_code == 303, response.text
    address, _, values = response.headers["location"].partition(separator)
    return Answer(address, dict(parse_qsl(values)))


def granted(server: WholeServer, answer: Answer) -> tuple[str, str]:
    """Look up what a code stands for: the account and the scope."""
    code_hash = hashlib.sha256(answer.values["code"].encode()).digest()
    database = sqlite3.connect(f"file:{server.folder / 'account.sqlite'}?mode=ro", uri=True)
    try:
        [row] = database.execute("SELECT did, scope FROM oauth_request WHERE code_hash = ?", (code_hash,))
    finally:
        database.close()
    return str(row[0]), str(row[1])


def let_expire(server: WholeServer) -> None:
    """Set the end of all that is under way into the past."""
    database = sqlite3.connect(server.folder / "account.sqlite", timeout=20)
    try:
        with database:
            database.execute("UPDATE oauth_request SET expires_at = 1")
    finally:
        database.close()


def form_action(browser: Browser) -> str:
    """Read where the forms of a page may lead."""
    found = re.search(r"form-action ([^;]*)", browser.answer.headers["content-security-policy"])
    assert found is not None
    return found[1]


def place(browser: Browser) -> str:
    """Tell the path of the page that a browser shows."""
    return str(browser.answer.request.url.path)
