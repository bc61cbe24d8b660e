"""A server that both exporters watch, after something of everything that is measured has happened on it."""

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample
from tests.support.account import Account, sign_up
from tests.support.backups import tempest
from tests.support.collector import Collector
from tests.support.server import Tempest
from websockets.sync.client import connect

from tempest_pds.stores.key_files import KeyFiles

METRICS_TOKEN: Final = "0f3c9a8b7d6e5f4a3b2c1d0e9f8a7b6c5d4e3f2a"
COLLECTOR_SECRET: Final = "s3cr3t-of-the-collector"


class Observed:
    """A server that both exporters watch, its collector, and an account on it."""

    def __init__(self, server: Tempest, collector: Collector, account: Account) -> None:
        self.server = server
        self.collector = collector
        self.account = account

    @property
    def admin_token(self) -> str:
        return KeyFiles(self.server.folder / "keys").load_or_create("admin_token").hex()

    def page(self, authorization: str | None = f"Bearer {METRICS_TOKEN}", method: str = "GET") -> tuple[int, str, str]:
        """Ask for /metrics; return status, media type and body."""
        return read_page(self.server, authorization, method)


def read_page(server: Tempest, authorization: str | None, method: str = "GET") -> tuple[int, str, str]:
    """Ask a server for /metrics; return status, media type and body."""
    headers = {} if authorization is None else {"Authorization": authorization}
    request = urllib.request.Request(f"{server.url}/metrics", headers=headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.status, answer.headers["Content-Type"], answer.read().decode()
    except urllib.error.HTTPError as refused:
        return refused.code, refused.headers["Content-Type"], refused.read().decode()


def live_a_little(server: Tempest) -> Account:
    """Do something of everything that is measured."""
    alice = sign_up(server, "alice")
    blob = upload(alice)
    record = {"$type": "com.example.thing", "blob": blob}
    made = alice.procedure(
        "com.atproto.repo.createRecord", repo=alice.did, collection="com.example.thing", record=record
    )
    path = f"/xrpc/com.atproto.sync.getBlob?did={alice.did}&cid={blob['ref']['$link']}"
    with urllib.request.urlopen(server.url + path, timeout=20) as answer:
        assert answer.read() == b"a blob"
    alice.procedure(
        "com.atproto.repo.deleteRecord", repo=alice.did, collection="com.example.thing", rkey=made["uri"].split("/")[-1]
    )
    tempest(server.env, "backup", "create")
    fail_a_backup(server)
    return alice


def fail_a_backup(server: Tempest) -> None:
    """Have a backup end without success: where it would be written to, there is a file for a moment."""
    folder = server.folder / "backups" / ".unfinished"
    folder.rmdir()
    folder.touch()
    tempest(server.env, "backup", "create", code=2)
    folder.unlink()
    folder.mkdir()


def upload(account: Account) -> dict[str, dict[str, str]]:
    headers = {"Authorization": f"Bearer {account.access}", "Content-Type": "application/x-test"}
    request = urllib.request.Request(f"{account.server.url}/xrpc/com.atproto.repo.uploadBlob", b"a blob", headers)
    with urllib.request.urlopen(request, timeout=20) as answer:
        blob: dict[str, dict[str, str]] = json.load(answer)["blob"]
    return blob


def samples(page: str) -> dict[str, list[Sample]]:
    """Give the samples of a page for Prometheus, by name."""
    found: dict[str, list[Sample]] = {}
    for family in text_string_to_metric_families(page):
        for sample in family.samples:
            found.setdefault(sample.name, []).append(sample)
    return found


@contextmanager
def observed_server(folder: Path) -> Iterator[Observed]:
    """Start one. It has been restarted, so that a subscriber reads what happened before from the log: a backfill."""
    with Collector() as collector:
        settings = {
            "TEMPEST_TELEMETRY": "prometheus,otlp",
            "TEMPEST_METRICS_TOKEN": METRICS_TOKEN,
            "TEMPEST_OTEL_INTERVAL": "0.2",
            "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url,
            "OTEL_EXPORTER_OTLP_HEADERS": f"authorization=Bearer%20{COLLECTOR_SECRET}",
            "OTEL_RESOURCE_ATTRIBUTES": "deployment.environment=test",
            "OTEL_BSP_SCHEDULE_DELAY": "100",
        }
        with Tempest(folder, **settings) as server:
            live_a_little(server)
            server.restart()
            account = live_a_little(server)
            with connect(f"{server.websocket_url}/xrpc/com.atproto.sync.subscribeRepos?cursor=0") as socket:
                socket.recv(timeout=20)
                yield Observed(server, collector, account)
