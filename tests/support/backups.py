"""The `tempest` command as an operator runs it, and what a test wants to know of a data directory."""

import json
import os
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

from tests.support.account import Account
from tests.support.process import ServerProcess
from tests.support.server import Tempest

TEMPEST = [sys.executable, "-m", "tempest_pds.cli.main"]


class CommandFailed(Exception):
    """The command ended with another exit code than the test wanted; the message holds what it said."""


def tempest(env: dict[str, str], *words: str | Path, code: int = 0, stdin: str = "") -> tuple[str, str]:
    """Run `tempest …` and return what it wrote to standard output and to standard error."""
    command = [*TEMPEST, *(str(word) for word in words)]
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=120, input=stdin)
    if done.returncode != code:
        raise CommandFailed(f"{' '.join(command[3:])} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}")
    return done.stdout, done.stderr


def tempest_json(env: dict[str, str], *words: str | Path) -> Any:
    """Run `tempest … --json` and return what it printed."""
    return json.loads(tempest(env, *words, "--json")[0])


def spawn(env: dict[str, str], *words: str | Path) -> subprocess.Popen[bytes]:
    """Start `tempest …` and return at once."""
    return subprocess.Popen([*TEMPEST, *(str(word) for word in words)], env=env, stdin=subprocess.DEVNULL)


def kill(child: subprocess.Popen[bytes]) -> bool:
    """End a command with SIGKILL, it alone; tell whether it was still at work."""
    working = child.poll() is None
    if working:
        os.kill(child.pid, signal.SIGKILL)
    child.wait()
    return working


def upload(account: Account, data: bytes, mime_type: str = "image/png") -> Any:
    headers = {"Authorization": f"Bearer {account.access}", "Content-Type": mime_type}
    request = urllib.request.Request(f"{account.server.url}/xrpc/com.atproto.repo.uploadBlob", data, headers)
    return json.load(urllib.request.urlopen(request))["blob"]


def picture(account: Account, data: bytes) -> str:
    """Upload a blob, have a record refer to it, and return its CID."""
    blob = upload(account, data)
    record = {"$type": "com.example.picture", "image": blob}
    account.procedure(
        "com.atproto.repo.createRecord", repo=account.did, collection="com.example.picture", record=record
    )
    return str(blob["ref"]["$link"])


def read_blob(server: ServerProcess, did: str, cid: str) -> bytes:
    url = f"{server.url}/xrpc/com.atproto.sync.getBlob?did={did}&cid={cid}"
    with urllib.request.urlopen(url) as answer:
        data: bytes = answer.read()
        return data


def restored(archive: Path, folder: Path) -> Tempest:
    """Restore into a folder, and return the server over it, not started."""
    server = Tempest(folder)
    tempest(server.env, "backup", "restore", "--input", archive, "--target", folder)
    return server
