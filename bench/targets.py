"""The servers that are measured, and what is put into them first: the same for each."""

import asyncio
import itertools
import json
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from tests.support.account import Account, post, sign_up
from tests.support.process import ServerProcess

from bench.app_view import AppView
from bench.http_client import Answer, Connection, encode_get, encode_post

_TID_ALPHABET = "234567abcdefghijklmnopqrstuvwxyz"
_numbers: Iterator[int] = itertools.count(time.time_ns() // 1000 - 86_400_000_000)
POST = "app.bsky.feed.post"


class RefusedInBenchmark(Exception):
    """A request of the workload was not answered with 200."""


def next_tid() -> str:
    """Return a record key that is a valid TID and above all before it."""
    value = next(_numbers) << 10
    return "".join(_TID_ALPHABET[value >> shift & 31] for shift in range(60, -1, -5))


def create_record(account: Account, text: str) -> bytes:
    """Encode a createRecord of a short post."""
    body = {"repo": account.did, "collection": POST, "record": post(text)}
    return encode_post("/xrpc/com.atproto.repo.createRecord", json.dumps(body).encode(), account.access)


def apply_writes(account: Account, rkeys: list[str]) -> bytes:
    """Encode an applyWrites that creates one post for each key."""
    create = {"$type": "com.atproto.repo.applyWrites#create", "collection": POST}
    writes = [
        {**create, "rkey": rkey, "value": post(f"post {rkey} of the benchmark, as long as posts are")} for rkey in rkeys
    ]
    body = json.dumps({"repo": account.did, "writes": writes}).encode()
    return encode_post("/xrpc/com.atproto.repo.applyWrites", body, account.access)


@dataclass
class Target:
    """A running server with its seeded accounts.

    `events` is how many frames the firehose holds before the seeding of the large repositories; `app_view` is the one
    that the server passes calls on to.
    """

    label: str
    process: ServerProcess
    is_tempest: bool
    app_view: AppView
    full: list[Account] = field(default_factory=list)
    rkeys: list[str] = field(default_factory=list)
    blob_paths: list[str] = field(default_factory=list)
    events: int = 0
    seed_seconds: float = 0.0

    @property
    def port(self) -> int:
        return self.process.port

    async def seed(self, repos: int, records: int, events: int) -> None:
        """Write *events* single posts, then fill *repos* repositories with *records* posts each."""
        started = time.monotonic()
        writers = [sign_up(self.process, "event") for _ in range(8)]
        # An account begins with four events: identity, account, commit, sync.
        self.events = 4 * len(writers) + events
        await asyncio.gather(*(self._write_posts(account, events // len(writers)) for account in writers))
        for _ in range(repos):
            account = sign_up(self.process, "full")
            rkeys = [next_tid() for _ in range(records)]
            connection = await Connection.open(self.port)
            for at in range(0, records, 200):
                check(await connection.request(apply_writes(account, rkeys[at : at + 200])))
            connection.close()
            self.full.append(account)
            self.rkeys = self.rkeys or rkeys
        self.seed_seconds = time.monotonic() - started

    async def _write_posts(self, account: Account, count: int) -> None:
        connection = await Connection.open(self.port)
        for number in range(count):
            check(await connection.request(create_record(account, f"event {number}")))
        connection.close()

    async def upload_referenced_blob(self, data: bytes) -> str:
        """Upload a blob, refer to it from a record, and return the path that serves it."""
        account = self.full[0]
        connection = await Connection.open(self.port)
        uploaded = check(
            await connection.request(
                encode_post("/xrpc/com.atproto.repo.uploadBlob", data, account.access, "image/jpeg")
            )
        )
        blob = json.loads(uploaded.body)["blob"]
        record = {"$type": "com.example.file", "file": blob}
        body = json.dumps({"repo": account.did, "collection": "com.example.file", "record": record}).encode()
        check(await connection.request(encode_post("/xrpc/com.atproto.repo.createRecord", body, account.access)))
        connection.close()
        return f"/xrpc/com.atproto.sync.getBlob?did={account.did}&cid={blob['ref']['$link']}"

    def random_record(self, nsid: str) -> bytes:
        """Encode a read of one record of the first large repository."""
        parameter = "repo" if ".repo." in nsid else "did"
        rkey = random.choice(self.rkeys)
        return encode_get(f"/xrpc/{nsid}?{parameter}={self.full[0].did}&collection={POST}&rkey={rkey}")


def check(answer: Answer) -> Answer:
    """Return the answer if it is a 200, so that no row measures how fast a server refuses."""
    if answer.status != 200:
        raise RefusedInBenchmark(f"{answer.status} {answer.body[:300]!r}")
    return answer
