"""`GET /xrpc/_admin/status`, on a whole server with accounts."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import pytest_asyncio
from whole_server import User, WholeServer, whole_server

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[WholeServer]:
    relays = "http://127.0.0.1:1"
    async with whole_server(tmp_path_factory.mktemp("report") / "data", TEMPEST_CRAWLERS=relays) as server:
        yield server


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def alice(server: WholeServer) -> User:
    alice = await server.sign_up("alice")
    await alice.picture()
    return alice


async def status(server: WholeServer) -> dict[str, Any]:
    answer = await server.http.get("/xrpc/_admin/status", headers={"Authorization": f"Bearer {server.admin_token}"})
    assert answer.status_code == 200
    report: dict[str, Any] = answer.json()
    return report


def shape(value: Any) -> Any:
    """Give the names and types of a report; of a list those of its first item."""
    if isinstance(value, dict):
        return {name: shape(member) for name, member in value.items()}
    if isinstance(value, list):
        return [shape(value[0])] if value else []
    return type(value).__name__


async def test_the_report_keeps_its_form(server: WholeServer, alice: User) -> None:
    """Scripts of operators read it: a member may be added here, none renamed or removed."""
    report = await status(server)
    assert shape(report) == {
        "version": "str",
        "hostname": "str",
        "publicUrl": "str",
        "did": "str",
        "startedAt": "str",
        "uptimeSeconds": "int",
        "accounts": {"total": "int", "active": "int", "deactivated": "int", "suspended": "int", "takendown": "int"},
        "repositories": {"total": "int", "notWritable": []},
        "sequencer": {"lastSeq": "int", "firstSeq": "int", "appliedSeq": "int", "eventsBehind": "int"},
        "firehose": {"subscribers": "int", "retentionHours": "int", "maxLag": "int"},
        "blobStore": {"name": "str", "bytes": "int", "freeBytes": "int"},
        "storage": {
            "measuredAt": "str",
            "parts": {
                "account.sqlite": "int",
                "sequencer.sqlite": "int",
                "repos/": "int",
                "blobs/": "int",
                "backups/": "int",
                "keys/": "int",
                "tmp/": "int",
                "other": "int",
            },
            "totalBytes": "int",
            "diskFreeBytes": "int",
            "diskTotalBytes": "int",
            "largestRepositories": [{"did": "str", "bytes": "int"}],
        },
        "upkeep": {"sweptAt": "NoneType"},
        "relays": [{"url": "str", "state": "str", "askedAt": "str", "reason": "str"}],
        "backups": {
            "store": "str",
            "encrypted": "bool",
            "running": "bool",
            "lastAt": "NoneType",
            "lastName": "NoneType",
            "lastBytes": "NoneType",
            "lastSeconds": "NoneType",
            "failedAt": "NoneType",
            "failure": "NoneType",
            "nextAt": "NoneType",
            "drillAt": "NoneType",
            "drillPassed": "NoneType",
            "problems": [],
        },
        "mail": {
            "mailer": "str",
            "waiting": "int",
            "oldestPostedAt": "NoneType",
            "failingSinceAt": "NoneType",
            "lastError": "NoneType",
            "givenUp": "int",
            "problems": [],
        },
        "plugins": [{"name": "str", "distribution": "str", "version": "str", "adapters": [], "hooks": []}],
        "problems": ["str"],
    }


async def test_the_report_tells_what_is(server: WholeServer, alice: User) -> None:
    report = await status(server)
    assert report["accounts"]["total"] == report["accounts"]["active"] >= 1
    sequencer = report["sequencer"]
    assert sequencer["eventsBehind"] == sequencer["lastSeq"] - sequencer["appliedSeq"] >= 0
    assert sequencer["lastSeq"] >= sequencer["firstSeq"] == 1
    assert report["blobStore"]["bytes"] == report["storage"]["parts"]["blobs/"] > 1_000
    assert alice.did in {repo["did"] for repo in report["storage"]["largestRepositories"]}
    assert "blob store local" in next(plugin["adapters"] for plugin in report["plugins"] if plugin["name"] == "core")
    assert str(server.folder) not in json.dumps(report)


@pytest.mark.parametrize("kind", ["nobody", "access", "refresh", "service", "basic", "wrong"])
async def test_only_the_administrator_gets_the_report(server: WholeServer, alice: User, kind: str) -> None:
    service = await alice.service_token("did:web:localhost", "com.atproto.repo.uploadBlob")
    basic = base64.b64encode(f"{alice.handle}:{server.admin_token}".encode()).decode()
    headers = {
        "nobody": {},
        "access": {"Authorization": f"Bearer {alice.token}"},
        "refresh": {"Authorization": f"Bearer {alice.refresh}"},
        "service": {"Authorization": f"Bearer {service}"},
        "basic": {"Authorization": f"Basic {basic}"},
        "wrong": {"Authorization": f"Bearer {server.admin_token}x"},
    }[kind]
    answer = await server.http.get("/xrpc/_admin/status", headers=headers)
    assert answer.status_code == 401
    assert set(answer.json()) == {"error", "message"}


async def test_basic_is_as_good_as_bearer(server: WholeServer) -> None:
    answer = await server.http.get("/xrpc/_admin/status", auth=httpx.BasicAuth("admin", server.admin_token))
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
