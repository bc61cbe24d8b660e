"""Accounts that move, and the command that moves them."""

import asyncio
import json
import os
import re
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.support.account import Account, post
from tests.support.command import TEMPEST
from tests.support.intercepting_proxy import InterceptingProxy
from tests.support.node import Node
from tests.support.process import json_request
from tests.support.reference import PlcDirectory, ReferencePds
from tests.support.server import Tempest
from tests.support.smtp_server import Received, SmtpServer

from tempest_pds.migration.migration import migrate
from tempest_pds.migration.owner import Side
from tempest_pds.migration.plan import Plan
from tempest_pds.protocol.crypto.keys import PrivateKey, private_key

NEW_PASSWORD = "the-password-at-the-new-server"
PREFERENCES = [
    {"$type": "app.bsky.actor.defs#adultContentPref", "enabled": True},
    {"$type": "app.bsky.actor.defs#personalDetailsPref", "birthDate": "1990-05-05T00:00:00.000Z"},
]
PNG = b"\x89PNG\r\n\x1a\n"
SERVER = "com.atproto.server"
ROTATION_KEY = "21" * 32
"""The old server's rotation key, which the tests have as well: an owner with a key of the DID."""


def upload(account: Account, data: bytes, mime_type: str = "image/png") -> dict[str, Any]:
    """Upload a blob, and give its reference."""
    request = urllib.request.Request(
        f"{account.server.url}/xrpc/com.atproto.repo.uploadBlob",
        data=data,
        headers={"Authorization": f"Bearer {account.access}", "Content-Type": mime_type},
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        blob: dict[str, Any] = json.loads(answer.read())["blob"]
        return blob


def show(account: Account, data: bytes) -> str:
    """Make a post with a picture, and return the CID of that."""
    blob = upload(account, PNG + data)
    embed = {"$type": "app.bsky.embed.images", "images": [{"alt": "", "image": blob}]}
    record = {**post("look"), "embed": embed}
    account.procedure("com.atproto.repo.createRecord", repo=account.did, collection="app.bsky.feed.post", record=record)
    return str(blob["ref"]["$link"])


def furnish(account: Account, blobs: int = 2) -> list[str]:
    """Give an account posts, some with pictures, and preferences; return the CIDs of its blobs."""
    cids = [show(account, f"{account.did} {number}".encode() * 50) for number in range(blobs)]
    account.post("words")
    status, _ = json_request(
        f"{account.server.url}/xrpc/app.bsky.actor.putPreferences",
        {"preferences": PREFERENCES},
        {"Authorization": f"Bearer {account.access}"},
    )
    assert status == 200
    return cids


def activate(account: Account) -> None:
    """Activate an account; the reference server takes no body."""
    url = f"{account.server.url}/xrpc/com.atproto.server.activateAccount"
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {account.access}"}, method="POST")
    with urllib.request.urlopen(request, timeout=30):
        pass


@dataclass
class Stranger:
    """An owner in the test's own process, who knows what he was told, and says yes unless told otherwise."""

    passwords: dict[Side, str]
    codes: list[str] = field(default_factory=list)
    yes: bool = True
    said: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    def tell(self, line: str) -> None:
        self.said.append(line)

    def progress(self, what: str, done: int, total: int | None) -> None:
        pass

    def password(self, side: Side, *, new: bool) -> str:
        return self.passwords[side]

    def forget_password(self, side: Side) -> bool:
        return False

    def code(self, question: str) -> str | None:
        self.asked.append(question)
        return self.codes.pop(0) if self.codes else None

    def confirm(self, question: str) -> bool:
        self.asked.append(question)
        return self.yes

    def wait_for(self, what: str) -> bool:
        return False

    @property
    def text(self) -> str:
        return "\n".join(self.said)


def move(account: Account, plan: Plan, owner: Stranger | None = None) -> Stranger:
    """Move an account in this process; raises what stops the move."""
    mover = owner or owner_of(account)
    asyncio.run(migrate(plan, mover))
    return mover


def owner_of(account: Account, password: str = NEW_PASSWORD) -> Stranger:
    return Stranger({"source": account.password, "target": password})


def command(account: Account, *arguments: str, password: str = NEW_PASSWORD) -> "subprocess.Popen[str]":
    """Start `tempest migrate`, with no terminal to ask at."""
    env = {
        **os.environ,
        "TEMPEST_MIGRATE_SOURCE_PASSWORD": account.password,
        "TEMPEST_MIGRATE_TARGET_PASSWORD": password,
    }
    return subprocess.Popen(
        [*TEMPEST, "migrate", *arguments],
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(child: "subprocess.Popen[str]", code: int = 0) -> tuple[str, str]:
    """Wait for the command, hold it to its exit code, and give what it wrote on both streams."""
    out, err = child.communicate(timeout=120)
    assert child.returncode == code, f"{child.returncode}:\n{out}\n{err}"
    assert "Traceback" not in err
    return out, err


def key_file(folder: Path, secret: str) -> Path:
    """Write a rotation key as its owner keeps it."""
    path = folder / "rotation.key"
    path.write_text(f"{secret}\n")
    return path


@dataclass
class Ways:
    """The servers to move between; what goes to either passes a proxy."""

    old: InterceptingProxy
    old_server: ReferencePds
    new: InterceptingProxy
    new_server: Tempest
    plc: PlcDirectory
    mails: SmtpServer

    def reset(self) -> None:
        self.old.reset()
        self.new.reset()

    def plan(self, account: Account, state: Path, **more: Any) -> Plan:
        given = {"source": self.old.url, "plc_url": self.plc.url, "state": state, "retry_seconds": 0.0, **more}
        return Plan(account=account.did, target=self.new.url, **given)

    def arguments(self, account: Account, state: Path) -> list[str]:
        return [
            *(account.did, self.new.url, "--source", self.old.url, "--plc-url", self.plc.url),
            *("--state", str(state), "--retry", "0"),
        ]

    def mailed_code(self, account: Account, number: int) -> str:
        """Give the code in the so-manieth mail to an account."""
        address = f"{account.handle}@mail.test"

        def of_account(mails: list[Received]) -> list[str]:
            return [mail.text for mail in mails if address in mail.recipients]

        mails = self.mails.wait_until(lambda mails: len(of_account(mails)) >= number)
        match = re.search(r"[A-Z0-9]{5}-[A-Z0-9]{5}", of_account(mails)[number - 1])
        assert match is not None
        return match[0]

    def document(self, account: Account) -> dict[str, Any]:
        status, document = json_request(f"{self.plc.url}/{account.did}")
        assert status == 200
        assert isinstance(document, dict)
        return document

    def points_at_new(self, account: Account) -> bool:
        return bool(self.document(account)["service"][0]["serviceEndpoint"] == self.new.url)

    def at_new(self, account: Account) -> Account:
        given = {"identifier": account.did, "password": NEW_PASSWORD}
        status, session = json_request(f"{self.new_server.url}/xrpc/{SERVER}.createSession", given)
        assert status == 200
        assert isinstance(session, dict)
        return Account(
            self.new_server, account.did, session["handle"], NEW_PASSWORD, session["accessJwt"], session["refreshJwt"]
        )

    def is_at_new(self, account: Account) -> bool:
        status, _ = json_request(f"{self.new_server.url}/xrpc/com.atproto.sync.getRepoStatus?did={account.did}")
        return status == 200


@contextmanager
def ways_between(node: Node, plc: PlcDirectory, folder: Path) -> Iterator[Ways]:
    """Run both servers, each behind its proxy, and a mail server for the old one."""
    with SmtpServer() as mails, InterceptingProxy() as old, InterceptingProxy() as new:
        reference = ReferencePds(
            node,
            folder / "old",
            plc.url,
            PDS_EMAIL_SMTP_URL=f"smtp://localhost:{mails.port}",
            PDS_EMAIL_FROM_ADDRESS="pds@example.com",
            PDS_PLC_ROTATION_KEY_K256_PRIVATE_KEY_HEX=ROTATION_KEY,
        )
        tempest = Tempest(
            folder / "new",
            plc.url,
            TEMPEST_PUBLIC_URL=new.url,
            TEMPEST_BLOB_MAX_BYTES="100000",
            TEMPEST_SSRF_PROTECTION="false",
        )
        with reference, tempest:
            old.upstream, new.upstream = reference.url, tempest.url
            yield Ways(old, reference, new, tempest, plc, mails)


def own_key() -> PrivateKey:
    """Give the rotation key that the old server shares with the owners of its accounts."""
    return private_key(bytes.fromhex(ROTATION_KEY))
