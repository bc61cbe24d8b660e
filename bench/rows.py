"""The rows of the table: what is measured, in which unit, and how."""

import asyncio
import functools
import json
import os
import statistics
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from tests.support.account import sign_up

from bench.app_view import NEWEST
from bench.http_client import Connection, encode_get, encode_post
from bench.measure import Measure, throughput
from bench.subscribers import MARK, Subscribers
from bench.targets import RefusedInBenchmark, Target, apply_writes, check, create_record, next_tid

MIB = 1024 * 1024
BLOB_SIZE = 5 * MIB
Measurement = Callable[[Target, float], Awaitable[Measure]]


@dataclass(frozen=True)
class Row:
    """One line of the table. `write` rows are measured for every durability of Tempest too."""

    name: str
    unit: str
    measure: Measurement
    higher_is_better: bool = True
    write: bool = False


async def write_to_empty_repos(target: Target, seconds: float, *, writers: int) -> Measure:
    accounts = [sign_up(target.process, "empty") for _ in range(writers)]
    requests = [functools.partial(create_record, account, "hello from the benchmark") for account in accounts]
    return await throughput(target, requests, seconds, keep=True)


async def write_to_full_repos(target: Target, seconds: float, *, writers: int) -> Measure:
    accounts = [target.full[at % len(target.full)] for at in range(writers)]
    requests = [functools.partial(create_record, account, "hello from the benchmark") for account in accounts]
    return await throughput(target, requests, seconds, keep=True)


async def write_batches(target: Target, seconds: float) -> Measure:
    account = sign_up(target.process, "batch")
    request = lambda: apply_writes(account, [next_tid() for _ in range(200)])  # noqa: E731 - named for the line below
    return await throughput(target, [request], seconds, keep=True)


async def read_records(target: Target, seconds: float, *, nsid: str) -> Measure:
    return await throughput(target, [functools.partial(target.random_record, nsid)] * 8, seconds)


async def read_again(target: Target, seconds: float, *, path: str) -> Measure:
    request = encode_get(path.format(did=target.full[0].did))
    return await throughput(target, [lambda: request] * 8, seconds)


async def export_repo(target: Target, seconds: float) -> Measure:
    request = encode_get(f"/xrpc/com.atproto.sync.getRepo?did={target.full[0].did}")
    return await throughput(target, [lambda: request], seconds, per_answer=MIB)


async def upload_blobs(target: Target, seconds: float) -> Measure:
    tail = os.urandom(BLOB_SIZE - 16)

    def request() -> bytes:
        data = b"\xff\xd8\xff\xe0" + os.urandom(12) + tail
        return encode_post("/xrpc/com.atproto.repo.uploadBlob", data, target.full[0].access, "image/jpeg")

    measured = await throughput(target, [request], seconds, keep=True)
    mebibytes = BLOB_SIZE / MIB
    assert measured.cpu_ms is not None
    return Measure(measured.value * mebibytes, measured.cpu_ms / mebibytes)


async def download_blobs(target: Target, seconds: float) -> Measure:
    if not target.blob_paths:
        data = b"\xff\xd8\xff\xe0" + os.urandom(BLOB_SIZE - 4)
        target.blob_paths.append(await target.upload_referenced_blob(data))
    request = encode_get(target.blob_paths[0])
    return await throughput(target, [lambda: request], seconds, per_answer=MIB)


async def log_in(target: Target, seconds: float) -> Measure:
    account = target.full[0]
    return await _log_in(target, seconds, account.handle, account.password)


async def log_in_with_app_password(target: Target, seconds: float) -> Measure:
    """Log in as bots do."""
    account = target.full[0]
    connection = await Connection.open(target.port)
    body = json.dumps({"name": f"bench {time.monotonic_ns()}"}).encode()
    made = await connection.request(encode_post("/xrpc/com.atproto.server.createAppPassword", body, account.access))
    connection.close()
    return await _log_in(target, seconds, account.handle, json.loads(check(made).body)["password"])


async def _log_in(target: Target, seconds: float, identifier: str, password: str) -> Measure:
    body = json.dumps({"identifier": identifier, "password": password}).encode()
    request = encode_post("/xrpc/com.atproto.server.createSession", body)
    return await throughput(target, [lambda: request] * 4, seconds)


async def passed_on(target: Target, seconds: float) -> Measure:
    """Ask for a timeline of 50 posts when the AppView knows all."""
    target.app_view.knows(NEWEST)
    request = encode_get("/xrpc/app.bsky.feed.getTimeline?limit=50", target.full[0].access)
    return await throughput(target, [lambda: request] * 8, seconds)


async def merged(target: Target, seconds: float) -> Measure:
    """Ask for one when the account has written three posts that the AppView has not seen."""
    account = sign_up(target.process, "lag")
    target.app_view.knows(account.post("seen")["commit"]["rev"])
    for number in range(3):
        account.post(f"new {number}")
    request = encode_get("/xrpc/app.bsky.feed.getTimeline?limit=50", account.access)
    connection = await Connection.open(target.port)
    shown = json.loads(check(await connection.request(request)).body)["feed"]
    connection.close()
    if len(shown) != 53:
        raise RefusedInBenchmark(f"{len(shown)} posts in the timeline instead of 53")
    return await throughput(target, [lambda: request] * 8, seconds)


async def backfill(target: Target, seconds: float) -> Measure:
    """Read the single posts that were written before all else, from cursor 0 on."""
    del seconds
    cpu = target.process.cpu_seconds()
    with Subscribers(target.port, 1, cursor=0, until=target.events) as subscribers:
        elapsed = await asyncio.to_thread(subscribers.wait)
        cpu = target.process.cpu_seconds() - cpu
    return Measure(target.events / elapsed, cpu * 1000 / target.events)


async def live(target: Target, seconds: float, *, subscribers: int) -> Measure:
    """Let sixteen writers write flat out, and count what reaches the subscribers."""
    accounts = [sign_up(target.process, "live") for _ in range(16)]
    await asyncio.sleep(1.5)
    with Subscribers(target.port, subscribers, pause=0.01) as audience:
        requests = [functools.partial(create_record, account, "live") for account in accounts]
        cpu = target.process.cpu_seconds()
        started = time.monotonic()
        await throughput(target, requests, seconds, keep=True)
        frames = sum(audience.counts())
        while True:
            await asyncio.sleep(0.25)
            now = sum(audience.counts())
            if now == frames:
                break
            frames = now
        elapsed = time.monotonic() - started - 0.25
        cpu = target.process.cpu_seconds() - cpu
        if audience.closed():
            raise ConnectionError(f"{target.label} cut off {audience.closed()} of {subscribers} subscribers")
    return Measure(frames / elapsed, cpu * 1000 / frames)


async def latency(target: Target, seconds: float, *, subscribers: int, quantile: int) -> Measure:
    """Write twenty marked posts a second, and time each from its request to its frame."""
    account = sign_up(target.process, "pace")
    await asyncio.sleep(1.5)
    connection = await Connection.open(target.port)
    with Subscribers(target.port, subscribers) as audience:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            text = f"{MARK.decode()}{time.monotonic_ns():018}"
            check(await connection.request(create_record(account, text)))
            await asyncio.sleep(0.05)
        await asyncio.sleep(1.5)
        latencies = audience.latencies()
    connection.close()
    return Measure(statistics.quantiles(latencies, n=100)[quantile - 1])


def rows() -> list[Row]:
    """Return all rows that are measured while both servers run."""
    part = functools.partial
    listing = "/xrpc/com.atproto.repo.listRecords?repo={did}&collection=app.bsky.feed.post&limit=100"
    describe = "/xrpc/com.atproto.repo.describeRepo?repo={did}"
    return [
        Row("createRecord, empty repo, 1 writer", "/s", part(write_to_empty_repos, writers=1), write=True),
        Row("createRecord, empty repos, 16 writers", "/s", part(write_to_empty_repos, writers=16), write=True),
        Row("createRecord, full repo, 1 writer", "/s", part(write_to_full_repos, writers=1), write=True),
        Row("createRecord, full repos, 16 writers", "/s", part(write_to_full_repos, writers=16), write=True),
        Row("applyWrites of 200", "/s", write_batches, write=True),
        Row("getRecord", "/s", part(read_records, nsid="com.atproto.repo.getRecord")),
        Row("listRecords of 100", "/s", part(read_again, path=listing)),
        Row("describeRepo", "/s", part(read_again, path=describe)),
        Row("sync.getRecord", "/s", part(read_records, nsid="com.atproto.sync.getRecord")),
        Row("getRepo, full repo", "MiB/s", export_repo),
        Row("uploadBlob of 5 MiB", "MiB/s", upload_blobs),
        Row("getBlob of 5 MiB", "MiB/s", download_blobs),
        Row("getTimeline, passed on", "/s", passed_on),
        Row("getTimeline, merged", "/s", merged),
        Row("login", "/s", log_in),
        Row("login with an app password", "/s", log_in_with_app_password),
        Row("firehose, backfill", "frames/s", backfill),
        Row("firehose, live, 1 subscriber", "frames/s", part(live, subscribers=1)),
        Row("firehose, live, 10 subscribers", "frames/s", part(live, subscribers=10)),
        Row("firehose, live, 100 subscribers", "frames/s", part(live, subscribers=100)),
        Row("firehose latency, 1 subscriber, median", "ms", part(latency, subscribers=1, quantile=50), False),
        Row("firehose latency, 100 subscribers, p99", "ms", part(latency, subscribers=100, quantile=99), False),
    ]
