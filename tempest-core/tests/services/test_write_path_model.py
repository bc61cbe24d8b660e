"""Writes, restarts, crashes and imports in any order, held against a dict."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from tempest_pds.protocol.syntax.did import Did
from tempest_pds.protocol.syntax.nsid import Nsid
from tempest_pds.protocol.syntax.record_key import RecordKey
from tempest_pds.protocol.syntax.tid import TidClock
from tempest_pds.services.record_writes import RequestedWrite
from tempest_pds.services.repo_errors import InvalidRecord

ALICE = Did("did:plc:aliceaaaaaaaaaaaaaaaaaaa")
COLLECTIONS = [Nsid("com.example.thing"), Nsid("com.example.other"), Nsid("app.example.zzz")]

paths = st.tuples(
    st.sampled_from(COLLECTIONS), st.sampled_from(["a", "b", "c", "self", "3jzfcijpj2z2a"]).map(RecordKey)
)
values = st.integers(0, 3)
actions = st.sampled_from(["create", "update", "delete", "put"])


class WritePathMachine(RuleBasedStateMachine):
    """The model is a dict of what is in the repository; the clock steps as hypothesis likes."""

    factory = None

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.root = Path(tempfile.mkdtemp(prefix="tempest-model-"))
        self.generation = 0
        self.now = 1_800_000_000_000_000
        self.model: dict[str, int] = {}
        self.rev = ""
        self.commits = 0
        self.exports: list[tuple[bytes, dict[str, int]]] = []

    def run(self, coroutine):
        return self.loop.run_until_complete(coroutine)

    def open(self) -> None:
        self.path = self.run(
            type(self).factory(self.root / str(self.generation), revs=TidClock(now_micros=lambda: self.now))
        )
        assert self.path.replayed.broken == []

    @initialize()
    def begin(self) -> None:
        self.open()
        self.path.create(ALICE)

    def apply(self, model: dict[str, int], action: str, path: str, value: int) -> bool:
        """Apply a write to the model; tell whether it fits."""
        if action == "delete":
            return model.pop(path, None) is not None
        if (action == "create" and path in model) or (action == "update" and path not in model):
            return False
        model[path] = value
        return True

    def write(self, *writes: tuple[str, tuple[Nsid, RecordKey], int]) -> None:
        after = dict(self.model)
        fits = all(self.apply(after, action, f"{c}/{r}", value) for action, (c, r), value in writes)
        alone = len(writes) == 1
        # By itself, a delete of what is not there is no error.
        fits = fits or (alone and writes[0][0] == "delete")
        requested = [
            RequestedWrite(action, c, r, None if action == "delete" else {"n": value})
            for action, (c, r), value in writes
        ]
        try:
            outcome = self.run(self.path.write(*requested))
        except InvalidRecord:
            assert not fits
            return
        assert fits
        if outcome.commit is None:
            assert after == self.model
        else:
            assert outcome.commit.rev > self.rev
            self.rev = outcome.commit.rev
            self.commits += 1
        self.model = after

    @rule(action=actions, path=paths, value=values)
    def write_one(self, action, path, value) -> None:
        self.write((action, path, value))

    @rule(writes=st.lists(st.tuples(actions, paths, values), min_size=2, max_size=6))
    def write_batch(self, writes) -> None:
        self.write(*writes)

    @rule(count=st.integers(2, 30), path=paths)
    def write_at_once(self, count, path) -> None:
        """Writers who do not wait for one another; the last one queued wins."""
        collection, rkey = path

        async def all_of_them() -> None:
            puts = [RequestedWrite("put", collection, rkey, {"n": 1000 + n}) for n in range(count)]
            outcomes = await asyncio.gather(*[self.path.write(put) for put in puts])
            revs = [outcome.commit.rev for outcome in outcomes if outcome.commit is not None]
            assert revs == sorted(set(revs))
            self.rev = max([self.rev, *revs])
            self.commits += len(revs)

        self.run(all_of_them())
        self.model[f"{collection}/{rkey}"] = 1000 + count - 1

    @rule(step=st.integers(-10_000_000, 10_000_000))
    def step_clock(self, step) -> None:
        self.now += step

    @rule()
    def settle(self) -> None:
        self.run(self.path.log.settle())

    @rule()
    def restart(self) -> None:
        self.run(self.path.stop())
        self.open()

    @rule()
    def crash(self) -> None:
        """Go on with the files as they lie on the disk."""
        self.generation += 1
        root = self.root / str(self.generation)
        self.run(self.path.log.call(lambda: self.path.copy_files(root)))
        self.run(self.path.stop())
        self.open()

    @rule()
    def export(self) -> None:
        self.exports = [*self.exports, (self.run(self.path.export()), dict(self.model))][-3:]

    @rule(index=st.integers(0, 2))
    def import_an_export(self, index) -> None:
        if index >= len(self.exports):
            return
        data, model = self.exports[index]

        async def chunks():
            yield data

        self.run(self.path.repos.import_car(ALICE, chunks()))
        head = self.path.sync.head(ALICE)
        assert head.rev > self.rev
        self.rev, self.model = head.rev, dict(model)

    @invariant()
    def records_are_those_of_the_model(self) -> None:
        assert {path: value["n"] for path, value in self.path.listed().items()} == self.model
        if self.rev:
            assert self.path.sync.head(ALICE).rev == self.rev

    @rule()
    def the_tree_is_that_of_the_model(self) -> None:
        assert {path: value["n"] for path, value in self.run(self.path.contents()).items()} == self.model
        commits = [body for _, kind, body in self.path.events() if kind == "commit"]
        assert len(commits) == self.commits
        assert [body["rev"] for body in commits] == sorted({body["rev"] for body in commits})

    def teardown(self) -> None:
        if hasattr(self, "path"):
            self.the_tree_is_that_of_the_model()
            self.run(self.path.stop())
        self.loop.run_until_complete(self.loop.shutdown_default_executor())
        self.loop.close()
        shutil.rmtree(self.root)


def test_writes_restarts_crashes_and_imports_agree_with_a_dict(write_path_factory):
    class Machine(WritePathMachine):
        factory = staticmethod(write_path_factory)

    run_state_machine_as_test(
        Machine,
        settings=settings(
            max_examples=15, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
