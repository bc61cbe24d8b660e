"""A server of the release before OAuth is started by this one: what its people had goes on, and what is new works."""

from __future__ import annotations

import hashlib
import json
import re
import stat
import tarfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest
from pyotp import TOTP
from tests.support.account import Account, post, sign_up
from tests.support.backups import restored, tempest_json
from tests.support.oauth_person import TempestPerson
from tests.support.oauth_raw import RawClient
from tests.support.older_files import BEFORE_OAUTH, make_older
from tests.support.process import json_request
from tests.support.server import Tempest
from tests.support.smtp_server import Received, SmtpServer

from tempest_pds.stores.account.account_schema import SCHEMA

SERVER = "com.atproto.server"
CODE = re.compile(r"\b[A-Z2-7]{5}-[A-Z2-7]{5}\b")


@dataclass
class Life:
    """The server, upgraded and running, and what was before.

    Attributes:
        forgetful: was mailed a code for a reset.
        waiting: asked for a mail when the mail server was away.
        backup: the folder that a backup of then was extracted into.
    """

    server: Tempest
    relay: SmtpServer
    owner: Account
    app_password: str
    forgetful: Account
    reset_code: str
    waiting: Account
    backup: Path


@pytest.fixture(scope="module")
def life(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Life]:
    folder = tmp_path_factory.mktemp("upgrade")
    relay = SmtpServer().start()
    server = Tempest(folder / "data", **relay.settings()).start()
    try:
        owner, forgetful, waiting = (sign_up(server, name) for name in ("owner", "forgets", "waits"))
        owner.post("before the upgrade")
        app_password = owner.procedure(f"{SERVER}.createAppPassword", name="bot")["password"]
        json_request(f"{server.url}/xrpc/{SERVER}.requestPasswordReset", {"email": address_of(forgetful)})
        [reset_code] = CODE.findall(mail_to(relay, forgetful).text)
        relay.stop()
        ask(server, f"{SERVER}.requestEmailConfirmation", waiting.access)
        archive = Path(tempest_json(server.env, "backup", "create")["location"])
        server.stop()
        make_older(server.folder / "account.sqlite", SCHEMA, BEFORE_OAUTH)
        (server.folder / "oauth_jwks.json").unlink()
        backup = older_backup(archive, folder / "backup")
        relay.start()
        server.start()
        yield Life(server, relay, owner, app_password, forgetful, reset_code, waiting, backup)
    finally:
        server.stop()
        relay.stop()


def older_backup(archive: Path, folder: Path) -> Path:
    """Extract a backup, and make it one of the older release."""
    with tarfile.open(archive) as members:
        members.extractall(folder, filter="data")
    (folder / "oauth_jwks.json").unlink()
    accounts = folder / "account.sqlite"
    make_older(accounts, SCHEMA, BEFORE_OAUTH)
    content = accounts.read_bytes()
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["schemas"]["account"] = BEFORE_OAUTH
    manifest["files"] = [file for file in manifest["files"] if file["path"] != "oauth_jwks.json"]
    [listed] = [file for file in manifest["files"] if file["path"] == "account.sqlite"]
    listed.update(size=len(content), sha256=hashlib.sha256(content).hexdigest())
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return folder


def address_of(account: Account) -> str:
    return f"{account.handle}@mail.test"


def mail_to(relay: SmtpServer, account: Account) -> Received:
    """Wait for the first mail to an account."""

    def found(mails: list[Received]) -> list[Received]:
        return [mail for mail in mails if mail.recipients == (address_of(account),)]

    return found(relay.wait_until(lambda mails: bool(found(mails))))[0]


def ask(server: Tempest, nsid: str, token: str) -> tuple[int, Any]:
    """Call a procedure that takes no body."""
    headers = {"Authorization": f"Bearer {token}"}
    request = urllib.request.Request(f"{server.url}/xrpc/{nsid}", b"", headers)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, json.loads(answer.read() or b"null")
    except urllib.error.HTTPError as refused:
        return refused.code, json.loads(refused.read())


def log_in(server: Tempest, account: Account, password: str, **more: str) -> tuple[int, Any]:
    body = {"identifier": account.handle, "password": password, **more}
    return json_request(f"{server.url}/xrpc/{SERVER}.createSession", body)


def access_token_of_then(account: Account) -> str:
    """Sign an access token as the older release did, which told no more than the second it was made in."""
    secret = bytes.fromhex((account.server.folder / "keys" / "secret_secret_key_base").read_text().strip())
    now = int(time.time())
    claims = {"scope": "com.atproto.access", "aud": "did:web:localhost", "sub": account.did, "iat": now}
    return jwt.encode({**claims, "exp": now + 7200}, secret, "HS256", {"typ": "at+jwt"})


def test_sessions_go_on(life: Life) -> None:
    for token in (life.waiting.access, access_token_of_then(life.waiting)):
        session = Account(life.server, life.waiting.did, "", "", token, "")
        assert session.query(f"{SERVER}.getSession")["handle"] == life.waiting.handle
    status, body = ask(life.server, f"{SERVER}.refreshSession", life.waiting.refresh)
    assert status == 200, body
    Account(life.server, life.waiting.did, "", "", body["accessJwt"], "").post("after the upgrade")


def test_passwords_and_app_passwords_open_what_they_did(life: Life) -> None:
    assert log_in(life.server, life.waiting, life.waiting.password)[0] == 200
    assert log_in(life.server, life.owner, life.app_password)[0] == 200


def test_a_code_that_was_mailed_before_is_good(life: Life) -> None:
    body = {"token": life.reset_code, "password": "another password"}
    status, answer = json_request(f"{life.server.url}/xrpc/{SERVER}.resetPassword", body)
    assert status == 200, answer
    assert log_in(life.server, life.forgetful, "another password")[0] == 200


def test_a_mail_that_waited_goes_out(life: Life) -> None:
    assert CODE.search(mail_to(life.relay, life.waiting).text)


def test_an_account_of_then_signs_in_to_an_app(life: Life) -> None:
    with httpx.Client(timeout=30) as http:
        client = RawClient(life.server.url, http)
        tokens = client.sign_in(TempestPerson(life.waiting, http))
        assert tokens.sub == life.waiting.did
        body = {"repo": tokens.sub, "collection": "app.bsky.feed.post", "record": post("by an app")}
        assert client.call("com.atproto.repo.createRecord", tokens.access, body=body).status_code == 200
        assert client.refresh(tokens.refresh).status_code == 200
    assert stat.S_IMODE((life.server.folder / "oauth_jwks.json").stat().st_mode) == 0o600


def test_an_account_of_then_takes_a_second_step(life: Life) -> None:
    with httpx.Client(timeout=30) as http:
        owner = TempestPerson(life.owner, http)
        owner.open(f"{life.server.url}/account/sign-in")
        owner.sign_in()
        owner.open(f"{life.server.url}/account/{life.owner.did}/second-factor/app")
        secret = re.search(r"secret=([A-Z2-7]{32})", owner.answer.text)
        assert secret is not None, owner.words
        owner.fill(code=TOTP(secret[1]).now())
        recovery_codes = re.findall(r"<code>([0-9a-z-]{17})</code>", owner.answer.text)
    assert log_in(life.server, life.owner, life.owner.password)[1]["error"] == "AuthFactorTokenRequired"
    assert log_in(life.server, life.owner, life.owner.password, authFactorToken=recovery_codes[0])[0] == 200
    assert log_in(life.server, life.owner, life.app_password)[0] == 200


def test_a_backup_of_then_is_restored(life: Life, tmp_path: Path) -> None:
    with restored(life.backup, tmp_path / "data") as server:
        assert log_in(server, life.owner, life.owner.password)[0] == 200
        status, body = ask(server, f"{SERVER}.refreshSession", life.owner.refresh)
        assert status == 200, body
        posts = Account(server, life.owner.did, "", "", body["accessJwt"], "").query(
            "com.atproto.repo.listRecords", repo=life.owner.did, collection="app.bsky.feed.post"
        )
        assert [record["value"]["text"] for record in posts["records"]] == ["before the upgrade"]
