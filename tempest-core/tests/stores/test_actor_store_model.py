"""The repo file against a model of dicts, through any run of commits, flushes, crashes and reopenings."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from tempest_pds.protocol.data_model.cid import CID
from tempest_pds.stores.actor import store as store_module
from tempest_pds.stores.actor.commit_row import CommitRow
from tempest_pds.stores.actor.store import ActorStore

DID = "did:plc:aaaaaaaaaaaaaaaaaaaaaaaa"
COLLECTIONS = ["a.b.c", "a.b.cd", "a.b.d"]
PATHS = [f"{collection}/{key}" for collection in COLLECTIONS for key in ("1", "2", "a", "~")]
BLOBS = [CID.for_raw(bytes([n])) for n in range(4)]
NODES = {CID.for_dag_cbor(b"node %d" % n): b"node %d" % n for n in range(8)}
SUBJECTS = ["did:plc:x", "at://did:plc:y/a.b.c/1"]

change = st.tuples(
    st.sampled_from(PATHS),
    st.one_of(
        st.none(),
        st.tuples(st.integers(0, 9), st.sets(st.sampled_from(BLOBS), max_size=2), st.sampled_from([None, *SUBJECTS])),
    ),
)
commit = st.tuples(
    st.lists(change, max_size=4, unique_by=lambda item: item[0]),
    st.sets(st.sampled_from(sorted(NODES)), max_size=6),
)


class Model:
    def __init__(self) -> None:
        self.records: dict[str, tuple[bytes, frozenset[CID], str | None]] = {}
        self.nodes: set[CID] = set()
        self.rev = 0


class RepoFile(RuleBasedStateMachine):
    @initialize()
    def begin(self) -> None:
        # Small bounds, so that trees are written in the middle of things too.
        self.bounds = (store_module.UNWRITTEN_NODES, store_module.UNWRITTEN_DELETIONS)
        store_module.UNWRITTEN_NODES, store_module.UNWRITTEN_DELETIONS = 3, 3  # type: ignore[misc]
        self.directory = Path(tempfile.mkdtemp())
        self.path = self.directory / "0.sqlite"
        self.store = ActorStore(DID, self.path)
        self.model = Model()
        self.log: list[CommitRow] = []

    def teardown(self) -> None:
        if hasattr(self, "store"):
            store_module.UNWRITTEN_NODES, store_module.UNWRITTEN_DELETIONS = self.bounds  # type: ignore[misc]
            self.store.close()
            shutil.rmtree(self.directory)

    @rule(commits=st.lists(commit, min_size=1, max_size=3))
    def apply(self, commits: list[tuple[list[tuple[str, tuple[int, set[CID], str | None] | None]], set[CID]]]) -> None:
        before = {cid for _, blobs, _ in self.model.records.values() for cid in blobs}
        touched: set[CID] = set()
        rows = []
        for changes, nodes in commits:
            self.model.rev += 1
            upserts: list[tuple[str, CID, bytes]] = []
            deletes: list[str] = []
            blobs: list[tuple[str, CID]] = []
            backlinks: list[tuple[str, str]] = []
            for path, content in changes:
                if content is None:
                    self.model.records.pop(path, None)
                    deletes.append(path)
                    continue
                value, held, subject = content
                data = f"{path} {value}".encode()
                self.model.records[path] = (data, frozenset(held), subject)
                touched |= held
                upserts.append((path, CID.for_dag_cbor(data), data))
                blobs += [(path, cid) for cid in held]
                backlinks += [(path, subject)] if subject is not None else []
            rev = f"{self.model.rev:06d}"
            rows.append(
                CommitRow(
                    rev=rev,
                    commit_cid=CID.for_dag_cbor(rev.encode()),
                    commit_block=rev.encode(),
                    data_cid=CID.for_dag_cbor(b"data" + rev.encode()),
                    new_nodes={cid: NODES[cid] for cid in nodes - self.model.nodes},
                    removed_nodes=self.model.nodes - nodes,
                    upserts=upserts,
                    deletes=deletes,
                    blobs=blobs,
                    backlinks=backlinks,
                )
            )
            self.model.nodes = nodes
        changes_made = self.store.apply(rows)
        self.log += rows
        after = {cid for _, blobs, _ in self.model.records.values() for cid in blobs}
        assert before - after <= set(changes_made.orphaned)
        assert not set(changes_made.orphaned) & after

    @rule()
    def flush(self) -> None:
        self.store.flush()
        assert {cid for cid in NODES if self.store.get(cid) is not None} == self.model.nodes

    @rule()
    def checkpoint(self) -> None:
        self.store.checkpoint()

    @rule()
    def reopen(self) -> None:
        self.store.close()
        self.store = ActorStore(DID, self.path)

    @rule()
    def crash_and_replay(self) -> None:
        crashed = self.path.with_name(f"{int(self.path.stem) + 1}.sqlite")
        for suffix in ("", "-wal"):
            source = self.path.with_name(self.path.name + suffix)
            if source.exists():
                crashed.with_name(crashed.name + suffix).write_bytes(source.read_bytes())
        self.store.close()
        self.path, self.store = crashed, ActorStore(DID, crashed)
        head = self.store.head()
        reached = "" if head is None else head.rev
        self.store.apply([row for row in self.log if row.rev > reached])

    @invariant()
    def is_the_model(self) -> None:
        if not hasattr(self, "store"):
            return
        records = self.model.records
        for collection in COLLECTIONS:
            expected = sorted(path for path in records if path.startswith(collection + "/"))
            listed = self.store.list_records(collection, 100, reverse=True)
            assert [(record.path, record.value) for record in listed] == [(p, records[p][0]) for p in expected]
            assert self.store.list_records(collection, 100) == listed[::-1]
            for subject in SUBJECTS:
                assert self.store.backlinks(collection, subject) == [p for p in expected if records[p][2] == subject]
        assert self.store.collections() == sorted({path.split("/")[0] for path in records})
        held = {cid for cid in NODES if self.store.get(cid) is not None}
        assert held >= self.model.nodes  # more, until deletions are written
        head = self.store.head()
        assert (head is None) == (self.model.rev == 0)
        if head is not None:
            assert head.rev == f"{self.model.rev:06d}"
            assert self.store.get_block(head.commit) == head.rev.encode()
        used = {cid for _, blobs, _ in records.values() for cid in blobs}
        assert {cid for cid in BLOBS if self.store.blobs.is_used(cid)} == used
        assert self.store.block_count() == len(self.model.nodes) + len(records) + (head is not None)


TestRepoFile = RepoFile.TestCase
TestRepoFile.settings = settings(
    max_examples=30, stateful_step_count=20, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
