"""The tree against a dict, and against one that is built from scratch."""

import tracemalloc

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from tests.support.plain_tree import build
from tests.support.repo_paths import paths_of_all_heights, record

from tempest_pds.protocol.data_model.cid import CID
from tempest_pds.repo.block_source import MemoryBlockSource
from tempest_pds.repo.errors import InvalidRepoPath, MissingBlock, RecordDiffers, RecordExists, RecordMissing
from tempest_pds.repo.mst.change import Change, TreeChange
from tempest_pds.repo.mst.diff import diff
from tempest_pds.repo.mst.tree import EMPTY_ROOT, Tree

PATHS = paths_of_all_heights(10)
VALUES = st.integers(0, 3).map(lambda number: record(number)[0])


class TreeMachine(RuleBasedStateMachine):
    """A tree that changes, is stored, and now and then is forgotten and read again."""

    def __init__(self) -> None:
        super().__init__()
        self.source = MemoryBlockSource(build({})[1])
        self.tree = Tree(self.source)
        self.model: dict[str, CID] = {}

    @rule(paths=st.lists(st.sampled_from(PATHS), min_size=1, max_size=12, unique=True), data=st.data())
    def change(self, paths: list[str], data: st.DataObject) -> None:
        changes = []
        model = self.model.copy()
        for path in paths:
            prev = model.pop(path, None)
            cid = data.draw(VALUES if prev is None else st.none() | VALUES)
            changes.append(Change(path, cid, prev))
            if cid is not None:
                model[path] = cid
        self.take(changes, model)

    @precondition(lambda self: self.model)
    @rule(data=st.data(), leave=st.integers(0, 3))
    def delete_nearly_all(self, data: st.DataObject, leave: int) -> None:
        kept = set(data.draw(st.lists(st.sampled_from(sorted(self.model)), max_size=leave)))
        changes = [Change(path, None, prev) for path, prev in self.model.items() if path not in kept]
        self.take(changes, {path: cid for path, cid in self.model.items() if path in kept})

    def take(self, changes: list[Change], model: dict[str, CID]) -> None:
        old_nodes = build(self.model)[1]
        root, nodes = build(model)
        before = self.tree
        result = before.apply(changes)
        assert before.root == build(self.model)[0]
        assert result.tree.root == root
        assert result.new_nodes == {cid: block for cid, block in nodes.items() if cid not in old_nodes}
        assert result.removed_nodes == old_nodes.keys() - nodes.keys()
        assert result.proof_nodes.items() <= nodes.items()
        assert not result.proof_nodes.keys() & result.new_nodes.keys()
        undo_from_proof(result, changes, before.root)
        self.source.blocks.update(result.new_nodes)
        found = diff(Tree(self.source, before.root), result.tree)
        assert found.changes == sorted(change for change in changes if change.cid != change.prev)
        assert (found.new_nodes, found.removed_nodes) == (result.new_nodes, result.removed_nodes)
        for cid in result.removed_nodes:
            del self.source.blocks[cid]
        self.tree = result.tree
        self.model = model

    @rule()
    def read_again(self) -> None:
        self.tree = Tree(self.source, self.tree.root)

    @rule(max_nodes=st.integers(1, 20))
    def shrink(self, max_nodes: int) -> None:
        self.tree.shrink(max_nodes)
        assert self.tree.cached_nodes <= max_nodes

    @rule(path=st.sampled_from(PATHS))
    def get_and_prove(self, path: str) -> None:
        assert self.tree.get(path) == self.model.get(path)
        proof = self.tree.proof(path)
        assert Tree(MemoryBlockSource(proof), self.tree.root).get(path) == self.model.get(path)
        for missing in proof:
            rest = MemoryBlockSource({cid: block for cid, block in proof.items() if cid != missing})
            if missing != EMPTY_ROOT:
                with pytest.raises(MissingBlock):
                    Tree(rest, self.tree.root).get(path)
        assert proof.keys() <= self.tree.covering_proof([path]).keys()

    @rule(after=st.sampled_from(PATHS))
    def walk_from_the_middle(self, after: str) -> None:
        expected = [(path, cid) for path, cid in sorted(self.model.items()) if path > after]
        assert list(self.tree.walk(after)) == expected

    @rule(path=st.sampled_from(PATHS), value=VALUES, other=VALUES)
    def refuse_what_does_not_fit(self, path: str, value: CID, other: CID) -> None:
        present = self.model.get(path)
        if present is None:
            for prev in (None, value):
                with pytest.raises(RecordMissing if prev else RecordDiffers):
                    self.tree.apply([Change(path, None, prev)])
            with pytest.raises(RecordMissing):
                self.tree.apply([Change(path, value, other)])
            return
        with pytest.raises(RecordExists):
            self.tree.apply([Change(path, value)])
        if present != other:
            with pytest.raises(RecordDiffers):
                self.tree.apply([Change(path, value, other)])
            with pytest.raises(RecordDiffers):
                self.tree.apply([Change(path, None, other)])

    @invariant()
    def holds_what_the_model_holds(self) -> None:
        assert list(self.tree.walk()) == sorted(self.model.items())
        assert dict(self.tree.nodes()) == build(self.model)[1]


def undo_from_proof(result: TreeChange, changes: list[Change], root: CID) -> None:
    """The new root, the event's nodes and the changes give the old root: in any order, and with no other node."""
    blocks = MemoryBlockSource({**result.new_nodes, **result.proof_nodes})
    undo = [Change(change.path, change.prev, change.cid) for change in changes]
    for order in (undo, undo[::-1], sorted(undo)):
        assert Tree(blocks, result.tree.root).apply(order, prove=False).tree.root == root


TestTree = TreeMachine.TestCase
TestTree.settings = settings(max_examples=40, stateful_step_count=12, deadline=None)


def test_preorder_is_nodes_before_what_they_name_and_records_in_order() -> None:
    records = {path: record(number)[0] for number, path in enumerate(PATHS)}
    root, nodes = build(records)
    tree = Tree(MemoryBlockSource(nodes), root)
    seen: list[CID] = []
    paths = []
    for cid, what in tree.preorder():
        if isinstance(what, bytes):
            assert nodes[cid] == what
            assert not seen or any(cid.raw in nodes[parent] for parent in seen if parent in nodes)
        else:
            assert records[what] == cid
            paths.append(what)
        seen.append(cid)
    assert paths == sorted(records)
    assert len(seen) == len(nodes) + len(records)
    assert tree.cached_nodes == 1


def test_a_failed_batch_leaves_the_tree_as_it_was() -> None:
    value = record(0)[0]
    tree = Tree(MemoryBlockSource()).apply([Change(path, value) for path in PATHS[:20]]).tree
    before = tree.root
    with pytest.raises(RecordExists):
        tree.apply([Change(PATHS[30], value), Change(PATHS[0], None, value), Change(PATHS[1], value)])
    assert tree.root == before
    assert [path for path, _ in tree.walk()] == PATHS[:20]


@pytest.mark.parametrize("path", ["", "a", "a/", "/b", "a/b/c", "a/b c", "a/ü", "a/" + "x" * 1023])
def test_a_path_that_the_tree_cannot_hold_is_refused(path: str) -> None:
    with pytest.raises(InvalidRepoPath):
        Tree(MemoryBlockSource()).apply([Change(path, record(0)[0])])


def test_an_insert_costs_what_its_path_costs() -> None:
    """Of 3,000 records' nodes an insert reads only those around its path."""

    class CountingSource(MemoryBlockSource):
        reads = 0

        def get(self, cid: CID, /) -> bytes | None:
            self.reads += 1
            return super().get(cid)

    value = record(0)[0]
    source = CountingSource()
    change = Tree(source).apply([Change(f"app.bsky.feed.post/{number:013d}", value) for number in range(3000)])
    source.blocks.update(change.new_nodes)
    assert len(source.blocks) > 500
    for number in range(0, 3000, 300):
        source.reads = 0
        cold = Tree(source, change.tree.root).apply([Change(f"app.bsky.feed.post/{number:013d}.5", value)])
        assert source.reads < 25
        source.reads = 0
        cold.tree.apply([Change(f"app.bsky.feed.post/{number:013d}.5", None, value)])
        assert source.reads == 0


def test_a_warm_tree_takes_less_than_400_bytes_a_record() -> None:
    value = record(0)[0]
    change = Tree(MemoryBlockSource()).apply(
        [Change(f"app.bsky.feed.post/{number:013d}", value) for number in range(2000)]
    )
    blocks = {cid.raw: block for cid, block in change.new_nodes.items()}
    root = change.tree.root
    del change

    class CopyingSource:
        """As a database does, gives a new copy of a block each time."""

        def get(self, cid: CID, /) -> bytes | None:
            return bytes(bytearray(blocks[cid.raw]))

    tracemalloc.start()
    try:
        tree = Tree(CopyingSource(), root)
        for number in range(2000):
            tree.get(f"app.bsky.feed.post/{number:013d}.")
        assert tree.cached_nodes == len(blocks)
        warm = tracemalloc.get_traced_memory()[0]
        assert warm < 2000 * 400
        tree.shrink(20)
        assert tracemalloc.get_traced_memory()[0] < warm / 5
    finally:
        tracemalloc.stop()


# The examples of the specification's interop files (bluesky-social/atproto-interop-tests, mst/example_keys and the
# fixed trees of the reference's tests), all with one value.
_VALUE = CID.parse("bafyreie5cvv4h45feadgeuwhbcutmh6t2ceseocckahdoe6uat64zmz454")


@pytest.mark.parametrize(
    ("paths", "root"),
    [
        ([], "bafyreie5737gdxlw5i64vzichcalba3z2v5n6icifvx5xytvske7mr3hpm"),
        (["com.example.record/3jqfcqzm3fo2j"], "bafyreibj4lsc3aqnrvphp5xmrnfoorvru4wynt6lwidqbm2623a6tatzdu"),
        (["com.example.record/3jqfcqzm3fx2j"], "bafyreih7wfei65pxzhauoibu3ls7jgmkju4bspy4t2ha2qdjnzqvoy33ai"),
        (
            [f"com.example.record/3jqfcqzm{end}" for end in ("3fp2j", "3fr2j", "3fs2j", "3ft2j", "4fc2j")],
            "bafyreicmahysq4n6wfuxo522m6dpiy7z7qzym3dzs756t5n7nfdgccwq7m",
        ),
    ],
)
def test_known_roots(paths: list[str], root: str) -> None:
    tree = Tree(MemoryBlockSource()).apply([Change(path, _VALUE) for path in paths]).tree
    assert str(tree.root) == root
