"""An acknowledged write survives `kill -9` at any instant, and is on the firehose once, in order."""

import base64
import random
import time
import urllib.request
from collections.abc import Mapping
from pathlib import Path

import pytest
from tests.support.account import sign_up
from tests.support.frames import Subscription
from tests.support.node import Node
from tests.support.process import ServerProcess, StartFailed
from tests.support.repo_mirror import RepoMirror
from tests.support.server import Tempest
from tests.support.steady_writer import COLLECTION, Contents, SteadyWriter

HERE = Path(__file__).parent
WRITERS = 6


class Ledger:
    """The writers of a server, and the mirrors of their repositories that the firehose alone keeps."""

    def __init__(self, server: ServerProcess) -> None:
        self.server = server
        self.writers = [SteadyWriter(sign_up(server, "kill"), seed) for seed in range(WRITERS)]
        self.mirrors = {writer.account.did: RepoMirror() for writer in self.writers}
        self.cursor = 0

    def read_firehose(self) -> None:
        """Follow the firehose from where it was left to its end, which a last write marks."""
        marked = self.writers[0]
        record = {"$type": COLLECTION, "number": 0, "text": "a mark"}
        body = {"repo": marked.account.did, "collection": COLLECTION, "rkey": "mark", "record": record}
        record["number"] = len(self.mirrors[marked.account.did].revs)
        made = marked.account.procedure("com.atproto.repo.putRecord", **body)
        marked.contents["mark"] = made["cid"]
        marked.revs.append(made["commit"]["rev"])
        with Subscription(self.server, self.cursor) as feed:
            while True:
                frame = feed.next()
                assert frame is not None
                assert frame.seq > self.cursor
                self.cursor = frame.seq
                if frame.kind == "#commit":
                    self.mirrors[frame.body["repo"]].follow(frame)
                    if frame.body["rev"] == made["commit"]["rev"]:
                        return

    def check(self) -> None:
        """Compare, for every writer, what was acknowledged, what the server holds, and what the firehose told."""
        for writer in self.writers:
            assert writer.failure is None, writer.failure
            held = self.held(writer)
            if not agrees(writer.contents, held):
                assert writer.in_flight is not None, differences(writer.contents, held)
                assert agrees(writer.in_flight, held), differences(writer.contents, held)
            writer.contents = dict(held)
            writer.in_flight = None
        self.read_firehose()
        for writer in self.writers:
            mirror = self.mirrors[writer.account.did]
            told = {path.partition("/")[2]: cid for path, cid in mirror.contents.items()}
            assert told == writer.contents, differences(told, writer.contents)
            assert set(writer.revs) <= set(mirror.revs)
            assert len(set(mirror.revs)) == len(mirror.revs)

    def held(self, writer: SteadyWriter) -> dict[str, str]:
        """Return the CID by rkey of everything that listRecords shows."""
        held: dict[str, str] = {}
        cursor: dict[str, str] = {}
        while True:
            page = writer.account.query(
                "com.atproto.repo.listRecords", repo=writer.account.did, collection=COLLECTION, limit=100, **cursor
            )
            held |= {record["uri"].rpartition("/")[2]: record["cid"] for record in page["records"]}
            if not page.get("cursor"):
                return held
            cursor = {"cursor": page["cursor"]}

    def verify(self, node: Node) -> None:
        """Have the reference implementation verify every repository, and find in it what the writers wrote."""
        cases = []
        for writer in self.writers:
            did = writer.account.did
            document = writer.account.query("com.atproto.repo.describeRepo", repo=did)["didDoc"]
            method = next(entry for entry in document["verificationMethod"] if entry["id"].endswith("#atproto"))
            with urllib.request.urlopen(f"{self.server.url}/xrpc/com.atproto.sync.getRepo?did={did}") as car:
                encoded = base64.b64encode(car.read()).decode()
            cases.append({"did": did, "key": f"did:key:{method['publicKeyMultibase']}", "car": encoded})
        for writer, verdict in zip(self.writers, node.run(HERE / "verify_repo.mjs", cases), strict=True):
            assert "ok" in verdict, verdict
            assert verdict["ok"] == {f"{COLLECTION}/{rkey}": cid for rkey, cid in writer.contents.items()}


def agrees(expected: Contents, held: dict[str, str]) -> bool:
    """Tell whether the server holds just what is expected, CIDs included where the writer was told them."""
    return set(expected) == set(held) and all(cid in (None, held[rkey]) for rkey, cid in expected.items())


def differences(expected: Mapping[str, str | None], held: Mapping[str, str | None]) -> str:
    lost = sorted(set(expected) - set(held))
    strange = sorted(set(held) - set(expected))
    changed = [rkey for rkey, cid in expected.items() if cid and held.get(rkey, cid) != cid]
    return f"lost {lost}, never acknowledged {strange}, changed {changed}"


def crash_and_check(server: ServerProcess, node: Node, rounds: int, *, seed: int) -> None:
    instants = random.Random(seed)
    server.start()
    ledger = Ledger(server)
    acknowledged = 0
    for number in range(rounds):
        for writer in ledger.writers:
            writer.start()
        time.sleep(instants.uniform(0.01, 0.6))
        server.kill()
        for writer in ledger.writers:
            writer.stop()
        if number % 4 == 3:
            # A crash while the server makes up for the crash before.
            server.spawn()
            time.sleep(instants.uniform(0.1, 1.2))
            server.kill()
        server.start()
        ledger.check()
        if number % 10 == 9 or number == rounds - 1:
            ledger.verify(node)
        acknowledged = sum(len(writer.revs) for writer in ledger.writers)
    assert acknowledged > rounds * WRITERS, "the writers hardly wrote"


def test_acknowledged_writes_survive_kill_9(lone_tempest: Tempest, node: Node) -> None:
    crash_and_check(lone_tempest, node, rounds=20, seed=1)


@pytest.mark.long
def test_acknowledged_writes_survive_kill_9_many_times(lone_tempest: Tempest, node: Node) -> None:
    crash_and_check(lone_tempest, node, rounds=220, seed=int(time.time()))


def test_a_stop_that_is_asked_for_loses_nothing(lone_tempest: Tempest, node: Node) -> None:
    lone_tempest.start()
    ledger = Ledger(lone_tempest)
    for writer in ledger.writers:
        writer.start()
    time.sleep(1)
    lone_tempest.stop()
    for writer in ledger.writers:
        writer.stop()
    lone_tempest.start()
    ledger.check()
    ledger.verify(node)


def test_a_second_process_on_the_same_data_is_refused(lone_tempest: Tempest) -> None:
    lone_tempest.start()
    second = Tempest(lone_tempest.folder)
    second.log = second.log.with_name("second.log")
    with pytest.raises(StartFailed) as refused:
        second.start()
    assert "ended with" in str(refused.value)
    assert str(lone_tempest.pid) in str(refused.value)
    assert lone_tempest.healthy()
