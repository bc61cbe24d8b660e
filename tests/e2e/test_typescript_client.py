"""The official TypeScript client, and the official firehose consumer beside it."""

import json
import subprocess
from pathlib import Path

from tests.support.account import Account, sign_up
from tests.support.consumer import Consumer
from tests.support.node import Node
from tests.support.process import ServerProcess
from tests.support.reference import PlcDirectory
from tests.support.server import Tempest

HERE = Path(__file__).parent


def run_client(node: Node, server: ServerProcess) -> list[str]:
    """Run the whole scenario and return what failed."""
    done = subprocess.run(
        node.command(HERE / "typescript_client.mjs", server.url),
        env=node.environment(),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    checks = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(checks) > 30, done.stderr
    return [f"{check['check']}: {check['error']}" for check in checks if check["error"]]


def test_the_client_does_all_that_a_person_does(node: Node, pds: ServerProcess) -> None:
    failed = run_client(node, pds)
    assert not failed, "\n".join(failed)


def test_the_client_finds_all_of_it_on_a_server_nobody_configured(node: Node, lone_tempest: Tempest) -> None:
    lone_tempest.start()
    failed = run_client(node, lone_tempest)
    assert not failed, "\n".join(failed)


def write_a_day(account: Account) -> dict[str, str | None]:
    """Write, change and delete; return the CID that each path ends with, None where it was deleted."""
    paths: dict[str, str | None] = {}
    for number in range(30):
        made = account.post(f"post {number}")
        paths["/".join(made["uri"].split("/")[3:])] = made["cid"]
    first, second = list(paths)[:2]
    account.procedure(
        "com.atproto.repo.deleteRecord", repo=account.did, collection="app.bsky.feed.post", rkey=first.split("/")[1]
    )
    paths[first] = None
    for name in ("Alice", "Alice the Second"):
        put = account.procedure(
            "com.atproto.repo.putRecord",
            repo=account.did,
            collection="app.bsky.actor.profile",
            rkey="self",
            record={"$type": "app.bsky.actor.profile", "displayName": name},
        )
        paths["app.bsky.actor.profile/self"] = put["cid"]
    create = {"$type": "com.atproto.repo.applyWrites#create", "collection": "app.bsky.feed.like"}
    writes = [
        {
            **create,
            "value": {
                "$type": "app.bsky.feed.like",
                "subject": {"uri": f"at://{account.did}/{path}", "cid": cid},
                "createdAt": "2026-01-01T00:00:00Z",
            },
        }
        for path, cid in paths.items()
        if cid is not None
    ]
    answer = account.procedure("com.atproto.repo.applyWrites", repo=account.did, writes=writes)
    for result in answer["results"]:
        paths["/".join(result["uri"].split("/")[3:])] = result["cid"]
    assert second in paths
    return paths


def check_firehose(node: Node, server: ServerProcess, plc_url: str | None) -> None:
    before = sign_up(server, "early")
    own = {before.did}
    with Consumer(node, server.url, plc_url, cursor=0, is_own=own.__contains__) as consumer:
        expected = write_a_day(before)
        later = sign_up(server, "late")
        own.add(later.did)
        expected_later = write_a_day(later)

        def both_done(events: list[dict[str, object]]) -> bool:
            return sum(event["did"] == later.did and event["event"] == "create" for event in events) == 61

        events = consumer.until(both_done)
    for account, paths in ((before, expected), (later, expected_later)):
        mine = [event for event in events if event["did"] == account.did]
        assert [event["event"] for event in mine[:2]] == ["identity", "account"]
        assert mine[0]["handle"] == account.handle
        commits = [event for event in mine if event["event"] in ("create", "update", "delete")]
        counts = {kind: sum(event["event"] == kind for event in commits) for kind in ("create", "update", "delete")}
        assert counts == {"create": 61, "update": 1, "delete": 1}
        ends = {event["path"]: event["cid"] if event["event"] != "delete" else None for event in commits}
        assert ends == paths
        revs = [event["rev"] for event in commits]
        assert revs == sorted(revs)
    sequence = [event["seq"] for event in events]
    assert sequence == sorted(sequence)


def test_the_consumer_verifies_every_commit_once(node: Node, pds: ServerProcess, plc: PlcDirectory) -> None:
    check_firehose(node, pds, plc.url)


def test_the_consumer_verifies_a_server_with_its_own_ledger(node: Node, lone_tempest: Tempest) -> None:
    lone_tempest.start()
    check_firehose(node, lone_tempest, None)
