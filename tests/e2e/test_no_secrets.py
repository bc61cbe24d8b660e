"""Tokens and secrets appear in no answer but the one that gives them out, in no page, no error and no line of the log.

A server with everything configured is driven right and wrong, each secret is put wherever clients put it by mistake,
and all that came back is searched for all of them, however they may be written.
"""

from __future__ import annotations

import base64
import json
import re
import secrets
import sqlite3
import time
import urllib.parse
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from argon2 import PasswordHasher
from click.testing import CliRunner
from tests.support.process import free_port
from tests.support.server import Tempest

from tempest_pds.cli.main import cli
from tempest_pds.plugins import PluginManager
from tempest_pds.settings import Settings
from tempest_pds.settings_fields import setting_fields

SERVER = "/xrpc/com.atproto.server"
ADMIN = "/xrpc/com.atproto.admin"


def random_secret() -> str:
    return secrets.token_hex(24)


@dataclass
class Searched:
    """Everything that a server said, and what must not be in it."""

    http: httpx.Client
    secrets: dict[str, str] = field(default_factory=dict)
    said: list[tuple[str, str]] = field(default_factory=list)
    told: dict[str, str] = field(default_factory=dict)

    def keep(self, what: str, secret: str, *, told_by: str | None = None) -> str:
        """Add a secret, and say which answers may always hold it: those of requests that have `told_by` in them."""
        assert len(secret) >= 9, what
        self.secrets[what] = secret
        if told_by is not None:
            self.told[what] = told_by
        return secret

    def send(self, verb: str, path: str, **more: Any) -> httpx.Response:
        """Send a request, and keep what came back."""
        answer = self.http.request(verb, path, **more)
        head = "\n".join(f"{name}: {value}" for name, value in answer.headers.multi_items())
        self.said.append((f"{verb} {path[:60]} {answer.status_code}", f"{head}\n\n{answer.text}"))
        return answer

    def receive(self, verb: str, path: str, **more: Any) -> httpx.Response:
        """Send a request that gives out a secret: the one answer that may hold it."""
        return self.http.request(verb, path, **more)

    def leaks(self) -> list[tuple[str, str]]:
        """Name each secret that was found, and where."""
        return [
            (what, where)
            for what, secret in self.secrets.items()
            for spelling in spellings(secret)
            for where, text in self.said
            if spelling in text and self.told.get(what, "nobody") not in where
        ]


def spellings(secret: str) -> set[str]:
    """Give the forms in which a text may be written down."""
    basic = base64.b64encode(f"admin:{secret}".encode()).decode().rstrip("=")
    return {
        secret,
        json.dumps(secret)[1:-1],
        urllib.parse.quote(secret, safe=""),
        urllib.parse.quote_plus(secret),
        basic[8:-2],
    }


def secret_settings() -> dict[str, str]:
    """Make up a value for every setting that is declared secret, by the core or by an installed plugin."""
    names = {declared.name for declared in setting_fields(Settings) if declared.declaration.secret}
    names |= {setting.name for _, setting in PluginManager.load({}).settings() if setting.secret}
    return {name: random_secret() for name in sorted(names)}


@pytest.fixture(scope="module", params=["json", "console"])
def searched(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Searched:
    """A day in the life of a server, once for each form of its log."""
    folder = tmp_path_factory.mktemp("secrets") / "data"
    admin = random_secret()
    settings = secret_settings()
    settings["TEMPEST_ADMIN_TOKEN_HASH"] = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(admin)
    settings["TEMPEST_PLC_ROTATION_KEY"] = secrets.token_hex(32)
    server = Tempest(
        folder,
        TEMPEST_LOG_LEVEL="debug",
        TEMPEST_LOG_FORMAT=request.param,
        TEMPEST_INVITE_REQUIRED="true",
        # Mail is tried and fails, with the password at hand.
        TEMPEST_SMTP_ENABLED="true",
        TEMPEST_SMTP_HOST="127.0.0.1",
        TEMPEST_SMTP_PORT=str(free_port()),
        TEMPEST_SMTP_USERNAME="pds",
        TEMPEST_SMTP_FROM_ADDRESS="pds@example.com",
        **settings,
    )
    with server, httpx.Client(base_url=server.url, timeout=30) as http:
        found = Searched(http)
        for name, value in settings.items():
            found.keep(name, value)
        found.keep("administrator's token", admin)
        live(found, admin, folder)
        for what in list(found.secrets):
            misplace(found, found.secrets[what])
        for path in sorted((folder / "keys").rglob("*")):
            if path.is_file():
                content = path.read_bytes().strip()
                found.keep(f"keys/{path.name} in hex", content.hex())
                if content.isascii():
                    found.keep(f"keys/{path.name}", content.decode())
    for command in (["config"], ["plugins"]):
        shown = CliRunner().invoke(cli, command, env={**server.env, "TEMPEST_DATA_DIR": str(folder)})
        found.said.append((f"tempest {command[0]}", shown.output))
    found.said.append(("the log", server.log.read_text()))
    return found


def live(found: Searched, admin: str, folder: Path) -> None:
    """Make an account, use every kind of credential where it belongs, and get it wrong in the usual ways."""
    as_admin = {"Authorization": f"Bearer {admin}"}
    codes = [
        found.receive("POST", f"{SERVER}.createInviteCode", json={"useCount": 1}, headers=as_admin).json()["code"]
        for _ in range(2)
    ]
    for index, code in enumerate(codes):
        # The administrator is told which codes an account was made with and has.
        found.keep(f"invite code {index}", code, told_by="com.atproto.admin.")
    password = found.keep("password", f'{random_secret()} with ünusual "letters" & <signs>')
    account = {"handle": "alice.test", "email": "alice@example.com", "password": password, "inviteCode": codes[0]}
    for wrong in ({"inviteCode": "x"}, {"handle": "x"}, {"email": "x"}, {"password": "x"}, {"did": "did:web:x"}):
        found.send("POST", f"{SERVER}.createAccount", json=account | wrong)
    made = found.receive("POST", f"{SERVER}.createAccount", json=account).json()
    did = made["did"]
    access = found.keep("access token", made["accessJwt"])
    refresh = found.keep("refresh token", made["refreshJwt"])
    bearer = {"Authorization": f"Bearer {access}"}
    for identifier in ("alice.test", did, "alice@example.com", "bob.test", password):
        found.send("POST", f"{SERVER}.createSession", json={"identifier": identifier, "password": password + "x"})
    session = found.receive("POST", f"{SERVER}.createSession", json={"identifier": did, "password": password}).json()
    found.keep("second access token", session["accessJwt"])
    app = found.receive("POST", f"{SERVER}.createAppPassword", json={"name": "app"}, headers=bearer).json()
    found.keep("app password", app["password"])
    service = found.receive(
        "GET",
        f"{SERVER}.getServiceAuth",
        params={"aud": "did:web:localhost", "lxm": "com.atproto.repo.uploadBlob"},
        headers=bearer,
    )
    found.keep("service token", service.json()["token"])
    refreshed = found.receive("POST", f"{SERVER}.refreshSession", headers={"Authorization": f"Bearer {refresh}"}).json()
    found.keep("third access token", refreshed["accessJwt"])
    for path in ("getSession", "listAppPasswords", "describeServer", "checkAccountStatus"):
        found.send("GET", f"{SERVER}.{path}", headers=bearer)
    post = {"$type": "app.bsky.feed.post", "text": "hello", "createdAt": "2026-01-02T03:04:05.678Z"}
    found.send(
        "POST",
        "/xrpc/com.atproto.repo.createRecord",
        headers=bearer,
        json={"repo": did, "collection": "app.bsky.feed.post", "record": post},
    )
    mail = {"recipientDid": did, "senderDid": did, "subject": "hello", "content": "a mail"}
    assert found.send("POST", f"{ADMIN}.sendEmail", headers=as_admin, json=mail).status_code == 200
    for headers in (as_admin, bearer, {}):
        for path in ("/xrpc/_admin/status", f"{ADMIN}.getAccountInfo?did={did}", f"{ADMIN}.searchAccounts"):
            found.send("GET", path, headers=headers)
        found.send("POST", f"{ADMIN}.updateAccountPassword", headers=headers, json={"did": did, "password": "short"})
    use_mailed_codes(found, bearer, folder)
    look_around(found, admin, did)


def use_mailed_codes(found: Searched, bearer: dict[str, str], folder: Path) -> None:
    """Have codes mailed, try them where they are wrong, and use them."""
    address = {"email": "alice@example.com"}
    assert found.send("POST", f"{SERVER}.requestEmailConfirmation", headers=bearer).status_code == 200
    assert found.send("POST", f"{SERVER}.requestPasswordReset", json=address).status_code == 200
    confirming, resetting = waiting_codes(folder, ["Confirm your", "Reset the"])
    found.keep("code that confirms", confirming)
    found.keep("code that resets", resetting)
    for token, method in ((resetting, "confirmEmail"), (resetting, "updateEmail"), (confirming, "resetPassword")):
        for headers in (bearer, {}):
            wrong = {**address, "token": token, "password": random_secret()}
            assert found.send("POST", f"{SERVER}.{method}", json=wrong, headers=headers).status_code >= 400
    confirm = {**address, "token": confirming}
    assert found.send("POST", f"{SERVER}.confirmEmail", json=confirm, headers=bearer).status_code == 200
    assert found.send("POST", f"{SERVER}.requestEmailUpdate", headers=bearer).json() == {"tokenRequired": True}
    found.keep("code that changes", waiting_codes(folder, ["Change the e-mail"])[0])
    reset = {"token": resetting, "password": found.keep("password after the reset", random_secret())}
    assert found.send("POST", f"{SERVER}.resetPassword", json=reset).status_code == 200


def waiting_codes(folder: Path, subjects: list[str]) -> list[str]:
    """Take codes from the mails that wait for a mail server, one for the beginning of each subject."""
    deadline = time.monotonic() + 20
    while True:
        with closing(sqlite3.connect(f"file:{folder / 'account.sqlite'}?mode=ro", uri=True)) as database:
            mails = dict(database.execute("SELECT subject, text FROM mail_outbox"))
        found = [re.findall(r"\b[A-Z2-7]{5}-[A-Z2-7]{5}\b", text) for text in mails.values()]
        named = [
            codes[0]
            for start in subjects
            for subject, codes in zip(mails, found, strict=True)
            if subject.startswith(start)
        ]
        if len(named) == len(subjects):
            return named
        assert time.monotonic() < deadline, list(mails)
        time.sleep(0.02)


def look_around(found: Searched, admin: str, did: str) -> None:
    """Sign in to the operator's pages, look at all of them, and be given a password there."""
    form = form_token(found.send("GET", "/admin/login").text)
    found.send("POST", "/admin/login", data={"form_token": form, "token": f"{admin}x"})
    found.send("POST", "/admin/login", data={"form_token": "x", "token": admin})
    begun = found.receive("POST", "/admin/login", data={"form_token": form, "token": admin})
    assert begun.status_code == 303
    found.keep("session at /admin", found.http.cookies["tempest-admin"])
    for path in ("", "/storage", "/accounts", "/accounts?q=alice", f"/accounts/{did}", "/nothing", "/crawl"):
        found.send("GET", f"/admin{path}")
    form = form_token(found.send("GET", "/admin").text)
    shown = found.receive("POST", f"/admin/accounts/{did}/password", data={"form_token": form, "sure": "yes"})
    [password] = re.findall(r'class="figure code">([^<]+)<', shown.text)
    found.keep("password made at /admin", password)
    found.send("GET", f"/admin/accounts/{did}")
    found.send("POST", "/admin/nothing", data={"form_token": form, "password": password, "token": admin})
    found.send("POST", "/admin/logout", data={"form_token": form})


def form_token(page: str) -> str:
    token: str = re.findall(r'name="form_token" value="([^"]+)"', page)[0]
    return token


def misplace(found: Searched, secret: str) -> None:
    """Put a secret where people and programs put it by mistake."""
    raw = secret.encode()
    quoted = urllib.parse.quote(secret, safe="")
    values: list[bytes] = [b"Bearer " + raw, raw, b"Bearer " + raw + b" more", b"DPoP " + raw, b"Basic " + raw]
    values += [b"Basic " + base64.b64encode(b"admin:" + raw), b"Basic " + base64.b64encode(raw), b"bearer\t" + raw]
    headers: list[dict[str, bytes]] = [{"Authorization": value} for value in values]
    headers += [{"Cookie": b"tempest-admin=" + quoted.encode(), "DPoP": raw, "atproto-proxy": raw}, {}]
    query = f"?token={quoted}&password={quoted}&accessJwt={quoted}&access_token={quoted}"
    targets: list[tuple[str, str]] = [
        ("GET", f"{SERVER}.getSession"),
        ("POST", f"{SERVER}.refreshSession"),
        ("GET", f"{ADMIN}.getAccountInfo"),
        ("GET", "/xrpc/_admin/status"),
        ("GET", "/xrpc/_health"),
        ("GET", "/xrpc/com.example.nothing"),
        ("GET", "/admin"),
        ("GET", "/admin/login"),
        ("POST", "/admin/login"),
        ("POST", "/admin/crawl"),
        ("GET", "/nothing"),
        ("GET", "/"),
    ]
    for verb, path in targets:
        for sent in headers:
            found.send(verb, path + query, headers=sent)
    for path in (f"/{quoted}", f"/xrpc/{quoted}", f"/xrpc/_admin/{quoted}", f"/login/{quoted}"):
        found.send("GET", path)
        found.send("POST", path, json={"token": secret})
    bodies: list[dict[str, Any]] = [
        {"json": {"identifier": "alice.test", "password": {"is": secret}}},
        {"json": {"identifier": "alice.test", "password": secret, "authFactorToken": secret, "token": secret}},
        {"content": json.dumps({"password": secret}).encode()[:-1], "headers": {"Content-Type": "application/json"}},
        {"content": raw, "headers": {"Content-Type": "application/json"}},
        {"data": {"password": secret}},
    ]
    for name in ("createSession", "createAccount", "resetPassword", "deleteAccount"):
        for body in bodies:
            found.send("POST", f"{SERVER}.{name}", **body)


@pytest.mark.parametrize(
    "kind",
    ["password", "access token", "administrator's token", "SECRET_KEY_BASE", "session at /admin", "keys/", "code that"],
)
def test_the_search_looks_for_what_there_is(searched: Searched, kind: str) -> None:
    assert any(what.startswith(kind) for what in searched.secrets)


def test_the_search_would_find_a_secret_however_it_is_written(searched: Searched) -> None:
    secret = searched.secrets["password"]
    writings: list[Callable[[str], str]] = [str, json.dumps, urllib.parse.quote, urllib.parse.quote_plus]
    for write in writings:
        planted = Searched(searched.http, {"x": secret}, [("here", f"before {write(secret)} after")])
        assert planted.leaks(), write
    header = base64.b64encode(f"admin:{secret}".encode()).decode()
    assert Searched(searched.http, {"x": secret}, [("here", header)]).leaks()


def test_all_of_the_server_was_asked(searched: Searched) -> None:
    statuses = {where.split()[-1] for where, _ in searched.said}
    assert {"200", "303", "400", "401", "403", "404", "405"} <= statuses
    log = dict(searched.said)["the log"]
    assert log.count("createSession") > 50
    assert "mail.postponed" in log
    assert len(searched.said) > 2_000


def test_no_secret_is_said_but_to_whom_it_is_given(searched: Searched) -> None:
    assert searched.leaks() == []
