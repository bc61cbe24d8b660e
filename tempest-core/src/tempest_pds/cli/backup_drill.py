"""The drill: restore a backup into a scratch folder, start a server on it, and check that from outside.

The server is a process of its own, as it would be on another machine: on localhost, with the settings of localhost, so
that it tells no relay and asks no directory. Everything it is asked comes over HTTP and WebSocket.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Final

import aiohttp

from tempest_pds.cli.backup_sinks import BackupStores
from tempest_pds.protocol.data_model import car, dag_cbor
from tempest_pds.protocol.data_model.cid import CID
from tempest_pds.protocol.errors import TempestError
from tempest_pds.repo.block_source import MemoryBlockSource
from tempest_pds.repo.verify import verify_repo
from tempest_pds.services.backup.history import Outcome
from tempest_pds.services.backup.manifest import Manifest
from tempest_pds.services.backup.restore import Restored, make_room, restore
from tempest_pds.services.backup.tar import Member
from tempest_pds.stores.account.account_store import AccountStore
from tempest_pds.stores.account.accounts import Account
from tempest_pds.stores.control_file import ControlFile
from tempest_pds.stores.data_directory import DataDirectory
from tempest_pds.stores.key_files import KeyFiles

SAMPLE: Final = 50
_START_SECONDS: Final = 60.0
_FRAME_SECONDS: Final = 10.0
Open = Callable[[], AbstractAsyncContextManager[tuple[str, AsyncIterator[Member]]]]


class DrillFailed(TempestError):
    """A check that did not pass; one line."""


@dataclass(frozen=True, slots=True)
class Step:
    """One step of the drill: what was done, how it went, how many seconds it took; `error` is empty when it passed."""

    what: str
    detail: str
    seconds: float
    error: str = ""

    def line(self) -> str:
        """Tell it to a person."""
        return f"{'FAILED' if self.error else 'ok':<7}{self.what}: {self.error or self.detail} ({self.seconds:.1f} s)"


@dataclass(slots=True)
class Drill:
    """How a drill went."""

    name: str = ""
    steps: list[Step] = field(default_factory=list)

    @property
    def failed(self) -> bool:
        """Whether a step did not pass."""
        return any(step.error for step in self.steps)

    def outcome(self) -> Outcome:
        """Say it for the history."""
        error = next((f"{step.what}: {step.error}" for step in self.steps if step.error), "")
        return Outcome(name=self.name, at=time.time(), seconds=sum(step.seconds for step in self.steps), error=error)

    def as_dict(self) -> dict[str, Any]:
        """Say it in JSON."""
        steps = [
            {"what": step.what, "detail": step.detail, "seconds": round(step.seconds, 3), "error": step.error}
            for step in self.steps
        ]
        return {"backup": self.name, "ok": not self.failed, "steps": steps}


async def run_drill(folder: Path, opened: Open, *, every_account: bool, show: Callable[[str], None] | None) -> Drill:
    """Restore, start, and check; what fails is in the drill that is returned, and ends it."""
    drill = Drill()
    directory = DataDirectory(folder / "data")
    checks = _Checks(directory, every_account=every_account)

    async def step(what: str, work: Callable[[], Awaitable[str]]) -> bool:
        started = time.monotonic()
        try:
            done = Step(what, await work(), time.monotonic() - started)
        except (TempestError, OSError, aiohttp.ClientError, TimeoutError) as error:
            line = " ".join(str(error).split()) or type(error).__name__
            done = Step(what, "", time.monotonic() - started, line)
        drill.steps.append(done)
        if show is not None:
            show(done.line())
        return not done.error

    async def restored() -> str:
        drill.name, found = await _restore(opened, directory)
        checks.take(found)
        verified = found.verified
        return (
            f"{drill.name}, {verified.accounts:,} accounts, {verified.records:,} records, {verified.blobs:,} blobs, "
            "all verified"
        )

    if not await step("restore", restored):
        return drill
    with _server(directory, folder / "server.log", checks.manifest) as server:
        if not await step("start", server.ready):
            return drill
        async with aiohttp.ClientSession(server.url, timeout=aiohttp.ClientTimeout(60)) as session:
            for what, check in checks.all(session):
                await step(what, check)
    return drill


async def _restore(opened: Open, directory: DataDirectory) -> tuple[str, Restored]:
    async with opened() as (name, members):
        with directory.lock(restoring=True):
            make_room(directory, force=False)
            blob_store = BackupStores(os.environ).blob_store(directory.root, name="local")
            await blob_store.open()
            try:
                return name, await restore(members, directory, blob_store)
            finally:
                await blob_store.close()


class _Server:
    """A server as a child process."""

    def __init__(self, directory: DataDirectory, log: Path, manifest: Manifest) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self._port: int = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{self._port}"
        self._control = ControlFile(directory.root)
        self._log = log
        domains = os.environ.get("TEMPEST_HANDLE_DOMAINS", "") or f".{manifest.hostname}"
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("TEMPEST_", "OTEL_"))}
        for name in ("PORT", "SECRET_KEY_BASE"):
            kept.pop(name, None)
        self._environ = kept | {
            "PORT": str(self._port),
            "TEMPEST_DATA_DIR": str(directory.root),
            "TEMPEST_HANDLE_DOMAINS": ".test" if domains == ".localhost" else domains,
            "TEMPEST_LOG_REQUESTS": "false",
        }
        self._child: subprocess.Popen[bytes] | None = None

    def start(self, log: IO[bytes]) -> None:
        command = [sys.executable, "-m", "tempest_pds.cli.main", "serve"]
        self._child = subprocess.Popen(  # noqa: S603 - this program itself
            command, env=self._environ, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT
        )

    async def ready(self) -> str:
        """Wait until it takes commands."""
        assert self._child is not None
        deadline = time.monotonic() + _START_SECONDS
        while self._control.read() is None:
            if self._child.poll() is not None or time.monotonic() > deadline:
                tail = self._log.read_text(errors="replace").splitlines()[-1:]
                raise DrillFailed(f"the server did not start: {' '.join(tail) or 'it said nothing'}")
            await asyncio.sleep(0.05)
        return f"on port {self._port}, under the name localhost"

    def stop(self) -> None:
        child = self._child
        if child is None or child.poll() is not None:
            return
        child.send_signal(signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            child.wait(20)
            return
        child.kill()
        child.wait()


@contextmanager
def _server(directory: DataDirectory, log: Path, manifest: Manifest) -> Iterator[_Server]:
    server = _Server(directory, log, manifest)
    with log.open("wb") as file:
        server.start(file)
        try:
            yield server
        finally:
            server.stop()


class _Checks:
    """What is asked of the restored server. What the right answers are comes from the restored files."""

    def __init__(self, directory: DataDirectory, *, every_account: bool) -> None:
        self._directory = directory
        self._every_account = every_account
        self._accounts: list[Account] = []
        self._keys = KeyFiles(directory.keys)
        self._restored: Restored | None = None

    @property
    def manifest(self) -> Manifest:
        assert self._restored is not None
        return self._restored.manifest

    def take(self, restored: Restored) -> None:
        """Note who is there, before the server owns the directory."""
        self._restored = restored
        store = AccountStore(self._directory.accounts)
        try:
            after = None
            while page := store.accounts.page(500, after):
                self._accounts += page
                after = (page[-1].created_at, page[-1].did)
        finally:
            store.close()

    def all(self, session: aiohttp.ClientSession) -> Iterator[tuple[str, Callable[[], Awaitable[str]]]]:
        """Give the checks in their order."""
        for what, check in (
            ("health", self._health),
            ("describeServer", self._describe),
            ("admin status", self._admin),
            ("accounts", self._list),
            ("handles", self._handles),
            ("repositories", self._repositories),
            ("blobs", self._blobs),
            ("firehose", self._firehose),
        ):
            yield what, _bound(check, session)

    def _sample(self) -> list[Account]:
        active = [account for account in self._accounts if account.is_active]
        if self._every_account or len(active) <= SAMPLE:
            return active
        return random.sample(active, SAMPLE)

    async def _health(self, session: aiohttp.ClientSession) -> str:
        return f"version {(await _json(session, '/xrpc/_health'))['version']}"

    async def _describe(self, session: aiohttp.ClientSession) -> str:
        return str((await _json(session, "/xrpc/com.atproto.server.describeServer"))["did"])

    async def _admin(self, session: aiohttp.ClientSession) -> str:
        control = ControlFile(self._directory.root).read()
        if control is None:
            raise DrillFailed("the server has stopped")
        async with session.get("/xrpc/_admin/status", headers={"Authorization": "Bearer not-the-token"}) as refused:
            if refused.status != 401:
                raise DrillFailed(f"a wrong token got the answer {refused.status}")
        headers = {"Authorization": f"Bearer {control.token}"}
        status = await _json(session, "/xrpc/_admin/status", headers=headers)
        return f"version {status['version']}; a wrong token is refused"

    async def _list(self, session: aiohttp.ClientSession) -> str:
        listed: set[str] = set()
        cursor = None
        while True:
            params = {"limit": "1000"} | ({} if cursor is None else {"cursor": cursor})
            page = await _json(session, "/xrpc/com.atproto.sync.listRepos", params=params)
            listed |= {repo["did"] for repo in page["repos"]}
            cursor = page.get("cursor")
            if cursor is None:
                break
        wanted = {str(account.did) for account in self._accounts}
        if listed != wanted:
            raise DrillFailed(
                f"{len(wanted - listed)} accounts are not listed, {len(listed - wanted)} are that are not there"
            )
        return f"{len(listed):,} are listed"

    async def _handles(self, session: aiohttp.ClientSession) -> str:
        resolved = 0
        for account in self._sample():
            if account.handle is None:
                continue
            params = {"handle": str(account.handle)}
            found = await _json(session, "/xrpc/com.atproto.identity.resolveHandle", params=params)
            if found["did"] != account.did:
                raise DrillFailed(f"{account.handle} leads to {found['did']}")
            resolved += 1
        return f"{resolved:,} lead to their accounts"

    async def _repositories(self, session: aiohttp.ClientSession) -> str:
        records, sample = 0, self._sample()
        for account in sample:
            params = {"did": str(account.did)}
            latest = await _json(session, "/xrpc/com.atproto.sync.getLatestCommit", params=params)
            async with session.get("/xrpc/com.atproto.sync.getRepo", params=params) as answer:
                data = await _body(answer)
            roots, blocks = car.decode(data)
            if [str(root) for root in roots] != [latest["cid"]]:
                raise DrillFailed(f"the repository of {account.did} does not begin with its latest commit")
            key = self._keys.signing_key(account.did).public
            _, found = verify_repo(MemoryBlockSource(blocks), roots[0], did=account.did, key=key)
            records += sum(1 for _ in found)
        return f"{len(sample):,} were read and verified, {records:,} records"

    async def _blobs(self, session: aiohttp.ClientSession) -> str:
        read = 0
        for account in self._sample():
            params = {"did": str(account.did), "limit": "5"}
            for cid in (await _json(session, "/xrpc/com.atproto.sync.listBlobs", params=params))["cids"]:
                if f"{account.did}/{cid}" in self.manifest.missing_blobs or not self.manifest.blobs_included:
                    continue
                wanted = {"did": str(account.did), "cid": cid}
                async with session.get("/xrpc/com.atproto.sync.getBlob", params=wanted) as answer:
                    data = await _body(answer)
                if CID.for_raw_digest(hashlib.sha256(data).digest()) != CID.parse(cid):
                    raise DrillFailed(f"the blob {cid} of {account.did} is not what it was")
                read += 1
        return f"{read:,} were read and are what they were"

    async def _firehose(self, session: aiohttp.ClientSession) -> str:
        """Read on from where a relay stopped at the latest: every active account is announced anew, above that."""
        last = self.manifest.last_seq
        waiting = {str(account.did) for account in self._accounts if account.is_active}
        total = len(waiting)
        path = "/xrpc/com.atproto.sync.subscribeRepos"
        async with session.ws_connect(path, params={"cursor": str(last)}) as stream:
            while waiting:
                message = await stream.receive(_FRAME_SECONDS)
                if message.type is not aiohttp.WSMsgType.BINARY:
                    raise DrillFailed("the firehose was closed")
                kind, body = _frame(message.data)
                if body["seq"] <= last:
                    raise DrillFailed(f"event {body['seq']} comes after {last}")
                last = body["seq"]
                if kind == "#sync":
                    waiting.discard(body["did"])
        return f"{total:,} accounts are announced anew by #sync, from event {self.manifest.last_seq:,} on"


def _bound(
    check: Callable[[aiohttp.ClientSession], Awaitable[str]], session: aiohttp.ClientSession
) -> Callable[[], Awaitable[str]]:
    return lambda: check(session)


def _frame(data: bytes) -> tuple[str, dict[str, Any]]:
    for kind in ("commit", "sync", "identity", "account", "info"):
        header = dag_cbor.encode({"op": 1, "t": f"#{kind}"})
        if data.startswith(header):
            body = dag_cbor.decode(data[len(header) :])
            assert isinstance(body, dict)
            return f"#{kind}", body
    raise DrillFailed("the firehose sent what is no event")


async def _json(
    session: aiohttp.ClientSession,
    path: str,
    *,
    params: Mapping[str, str] | None = None,
    headers: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    async with session.get(path, params=params, headers=headers) as answer:
        if answer.status != 200:
            raise DrillFailed(f"{path} answers {answer.status}: {(await answer.text())[:200]}")
        found: dict[str, Any] = await answer.json()
        return found


async def _body(answer: aiohttp.ClientResponse) -> bytes:
    if answer.status != 200:
        raise DrillFailed(f"{answer.url.path} answers {answer.status}: {(await answer.text())[:200]}")
    return await answer.read()
