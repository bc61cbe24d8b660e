"""What is asked of a restored server from outside. What the right answers are comes from the restored files."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import Any, Final

import aiohttp

from tempest_pds.cli.drill_steps import DrillFailed
from tempest_pds.protocol.data_model import car, dag_cbor
from tempest_pds.protocol.data_model.cid import CID
from tempest_pds.repo.block_source import MemoryBlockSource
from tempest_pds.repo.verify import verify_repo
from tempest_pds.services.backup.manifest import Manifest
from tempest_pds.services.backup.restore import Restored
from tempest_pds.stores.account.account_store import AccountStore
from tempest_pds.stores.account.accounts import Account
from tempest_pds.stores.control_file import ControlFile
from tempest_pds.stores.data_directory import DataDirectory
from tempest_pds.stores.key_files import KeyFiles

SAMPLE: Final = 50
_FRAME_SECONDS: Final = 10.0


class DrillChecks:
    """The checks, and whom they are about: every active account, or a sample."""

    def __init__(self, directory: DataDirectory, *, every_account: bool) -> None:
        self._directory = directory
        self._every_account = every_account
        self._accounts: list[Account] = []
        self._keys = KeyFiles(directory.keys)
        self._restored: Restored | None = None

    @property
    def manifest(self) -> Manifest:
        """Of the backup that was restored."""
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
        return f"{len(listed):,} listed, {sum(account.is_active for account in self._accounts):,} of them active"

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
        return f"{resolved:,} resolved to the right account"

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
        return f"{len(sample):,} read and verified, with {records:,} records"

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
        return f"{read:,} read, each what it was"

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
                if kind == "#info":
                    continue  # that the log does not reach back to the cursor: true after a restore of something old
                if body["seq"] <= last:
                    raise DrillFailed(f"event {body['seq']} comes after {last}")
                last = body["seq"]
                if kind == "#sync":
                    waiting.discard(body["did"])
        return f"{total:,} announced anew by #sync, above event {self.manifest.last_seq:,}"


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
