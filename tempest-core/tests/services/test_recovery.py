"""Crashes at moments of every kind: the files are copied as they lie there, and a server is started over the copy.

A copy that the writer thread makes between two steps of its own is what `kill -9` leaves behind. Files of an earlier
moment beside the log of a later one are what a loss of power leaves behind, for only the log is synced with each write.
"""

from __future__ import annotations

import asyncio
import random
import shutil
import time
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tempest_pds.protocol.data_model import car
from tempest_pds.protocol.syntax.did import Did
from tempest_pds.protocol.syntax.nsid import Nsid
from tempest_pds.protocol.syntax.record_key import RecordKey
from tempest_pds.repo.commit import decode
from tempest_pds.services.record_writes import RequestedWrite
from tempest_pds.services.recovery import replay
from tempest_pds.services.repo_errors import RepoBusy
from tempest_pds.stores.actor.store import ActorStore

ALICE = Did("did:plc:aliceaaaaaaaaaaaaaaaaaaa")
DIDS = [ALICE, *(Did(f"did:plc:{letter * 24}") for letter in "bc")]
THING = Nsid("com.example.thing")


@dataclass
class Ledger:
    """What every writer was told, and what he is waiting for: each path has one writer."""

    acknowledged: dict[tuple[Did, str], int | None] = field(default_factory=dict)
    asked: dict[tuple[Did, str], int | None] = field(default_factory=dict)

    def copy(self) -> Ledger:
        """Take both as they are: first what was asked, or a write could be acknowledged in between."""
        asked = dict(self.asked)
        return Ledger(dict(self.acknowledged), asked)

    def check(self, did: Did, contents: dict) -> None:
        found = {path: value["n"] for path, value in contents.items()}
        for (owner, path), value in self.acknowledged.items():
            if owner == did:
                assert found.get(path) in (value, self.asked.get((did, path), value)), path
        for path, value in found.items():
            assert value in (self.acknowledged.get((did, path)), self.asked.get((did, path))), path


class Writers:
    """Many writers at once, over a few accounts, who create, update and delete, alone and in batches."""

    def __init__(self, path, seed: int) -> None:
        self._path = path
        self._random = random.Random(seed)
        self.ledger = Ledger()

    async def run(self, turns: int) -> None:
        await asyncio.gather(*[self._work(did, name, turns) for did in DIDS for name in range(4)])

    async def _work(self, did: Did, name: int, turns: int) -> None:
        present: dict[str, int] = {}
        for turn in range(turns):
            writes = []
            for rkey in self._random.sample([f"w{name}-{n}" for n in range(6)], self._random.choice((1, 1, 2))):
                if rkey in present and self._random.random() < 0.4:
                    del present[rkey]
                    writes.append((rkey, None, RequestedWrite("delete", THING, RecordKey(rkey))))
                else:
                    action = "update" if rkey in present else "create"
                    present[rkey] = turn
                    writes.append((rkey, turn, RequestedWrite(action, THING, RecordKey(rkey), {"n": turn})))
            for rkey, value, _ in writes:
                self.ledger.asked[(did, f"{THING}/{rkey}")] = value
            await self._path.write(*[write for _, _, write in writes], did=did)
            for rkey, value, _ in writes:
                self.ledger.acknowledged[(did, f"{THING}/{rkey}")] = value


async def check_recovered(path, ledger: Ledger) -> None:
    """Hold a server that was started over a copy against what its writers had been told."""
    assert path.replayed.broken == []
    for did in DIDS:
        contents = await path.contents(did)
        assert path.listed(did) == contents
        ledger.check(did, contents)
    check_chain(path)
    # A second replay has nothing to do, even of everything there is.
    path.sequencer.set_applied_seq(0)
    assert replay(path.sequencer, path.stores).applied == 0
    for did in DIDS:
        await path.post("life goes on", did=did)
        await path.contents(did)
    check_chain(path)


def check_chain(path) -> None:
    """Each commit of the log continues the one before, and the last one is the head."""
    heads: dict[str, tuple[str, object]] = {}
    seqs = []
    for seq, kind, body in path.events():
        assert kind == "commit"
        seqs.append(seq)
        commit = decode(car.decode(body["blocks"])[1][body["commit"]])
        if body["repo"] in heads:
            assert (body["since"], body["prevData"]) == heads[body["repo"]]
            assert body["rev"] > body["since"]
        heads[body["repo"]] = (commit.rev, commit.data)
    assert seqs == list(range(1, len(seqs) + 1))
    for did, (rev, data) in heads.items():
        head = path.sync.head(did)
        assert (head.rev, head.data) == (rev, data)


@pytest.fixture
async def busy(open_write_path):
    path = await open_write_path()
    for did in DIDS:
        path.create(did)
    return path


@pytest.mark.parametrize("seed", range(4))
async def test_an_acknowledged_write_survives_death_at_any_step_of_the_writer(
    busy, open_write_path, tmp_path, monkeypatch, seed
):
    chance = random.Random(seed)
    copies: list[tuple[Path, Ledger]] = []
    writers = Writers(busy, seed)
    append, apply = busy.sequencer.append, ActorStore.apply

    def maybe_copy(moment: str) -> None:
        if len(copies) < 6 and chance.random() < 0.04:
            ledger = writers.ledger.copy()
            copies.append((busy.copy_files(tmp_path / f"copy-{len(copies)}-{moment}"), ledger))

    def append_and_copy(rows, **named) -> None:
        maybe_copy("before-log")
        append(rows, **named)
        maybe_copy("after-log")

    def apply_and_copy(self, commits):
        changes = apply(self, commits)
        maybe_copy("after-file")
        return changes

    monkeypatch.setattr(busy.sequencer, "append", append_and_copy)
    monkeypatch.setattr(ActorStore, "apply", apply_and_copy)
    settling = asyncio.create_task(_keep_settling(busy)) if seed % 2 else None
    await writers.run(25)
    if settling is not None:
        settling.cancel()
    monkeypatch.undo()
    assert copies
    for root, ledger in copies:
        path = await open_write_path(root)
        await check_recovered(path, ledger)
        await path.stop()


async def _keep_settling(path) -> None:
    while True:
        await path.log.settle()
        await asyncio.sleep(0.02)


async def test_files_of_an_earlier_moment_are_brought_up_to_the_log(busy, open_write_path, tmp_path):
    """Loss of power: of what was written since the last sync, a file may have kept any part."""
    writers = Writers(busy, 7)
    await writers.run(5)
    await busy.log.settle()
    early = await busy.log.call(lambda: busy.copy_files(tmp_path / "early"))
    for did in DIDS:
        for number in range(15):
            await busy.post(str(number), did=did)
    late = await busy.log.call(lambda: busy.copy_files(tmp_path / "late"))
    shutil.rmtree(late / "repos")
    shutil.copytree(early / "repos", late / "repos")
    contents = {did: await busy.contents(did) for did in DIDS}
    path = await open_write_path(late)
    assert path.replayed.applied == 45
    assert sorted(path.replayed.touched) == sorted(DIDS)
    for did in DIDS:
        assert await path.contents(did) == path.listed(did) == contents[did]
    check_chain(path)


async def test_a_server_that_was_stopped_in_order_has_nothing_to_replay(busy, open_write_path):
    await Writers(busy, 1).run(5)
    await busy.stop()
    path = await open_write_path()
    assert (path.replayed.applied, path.replayed.touched) == (0, [])
    check_chain(path)


async def test_likes_and_blobs_are_known_again_after_a_replay(busy, open_write_path, tmp_path):
    early = await busy.log.call(lambda: busy.copy_files(tmp_path / "early"))
    like = {
        "subject": {"uri": f"at://{DIDS[1]}/app.bsky.feed.post/3jzfcijpj2z2a", "cid": "bafyreigh2akiscaildc"},
        "createdAt": "2026-01-01T00:00:00.000Z",
    }
    blob = await busy.upload(b"a blob")
    reference = {"$type": "blob", "ref": blob.cid, "mimeType": blob.mime_type, "size": blob.size}
    await busy.write(RequestedWrite("create", Nsid("app.bsky.feed.like"), None, like), validate=False)
    await busy.write(RequestedWrite("create", THING, RecordKey("a"), {"blob": reference}))
    late = await busy.log.call(lambda: busy.copy_files(tmp_path / "late"))
    shutil.rmtree(late / "repos")
    shutil.copytree(early / "repos", late / "repos")
    path = await open_write_path(late)
    assert path.replayed.applied == 2
    with path.stores.open(ALICE) as store:
        assert len(store.backlinks("app.bsky.feed.like", like["subject"]["uri"])) == 1
        assert store.blobs.is_used(blob.cid)
    # The upload itself was synced on its own; here its file was put back, so the blob counts as missing.
    assert path.blobs.missing(ALICE, 5, None) == [(blob.cid, f"at://{ALICE}/com.example.thing/a")]


async def test_a_repository_that_does_not_fit_the_log_keeps_nobody_else_from_starting(busy, open_write_path, tmp_path):
    early = await busy.log.call(lambda: busy.copy_files(tmp_path / "early"))
    await busy.post("before")
    await busy.log.settle()
    await busy.post("builds on what the file will have lost")
    await busy.post("served", did=DIDS[1])
    late = await busy.log.call(lambda: busy.copy_files(tmp_path / "late"))
    file = busy.stores.path_of(ALICE).relative_to(busy.directory.root)
    for name in (file, file.with_name(f"{file.name}-wal")):
        (late / name).unlink(missing_ok=True)
        if (early / name).exists():
            shutil.copy(early / name, late / name)
    path = await open_write_path(late)
    assert path.replayed.broken == [ALICE]
    assert len(await path.contents(DIDS[1])) == 1
    await path.post("still served", did=DIDS[1])
    with pytest.raises(RepoBusy):
        await path.post("would bury what was lost")
    applied = path.sequencer.applied_seq()
    await path.log.settle()
    assert path.sequencer.applied_seq() == applied


async def test_a_deleted_account_is_passed_over(busy, open_write_path, tmp_path):
    await busy.post("one")
    await busy.post("one", did=DIDS[1])
    await busy.repos.remove(ALICE)
    copy = await busy.log.call(lambda: busy.copy_files(tmp_path / "copy"))
    path = await open_write_path(copy)
    assert path.replayed.broken == []
    assert not path.stores.exists(ALICE)
    assert len(await path.contents(DIDS[1])) == 1


async def test_events_that_no_file_has_yet_are_not_pruned(busy):
    await busy.post("one")
    later = time.time_ns() // 1000 + 10**9
    assert await busy.log.call(lambda: busy.sequencer.prune_before(later)) == 0
    await busy.log.settle()
    assert await busy.log.call(lambda: busy.sequencer.prune_before(later)) == 1
    await busy.post("two")
    assert [seq for seq, _, _ in busy.events()] == [2]
