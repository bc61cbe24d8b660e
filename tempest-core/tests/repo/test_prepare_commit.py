"""From a batch of writes to a commit, and from its event back to the state before."""

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.support.repo_paths import paths_of_all_heights, record

from tempest_pds.protocol.crypto.keys import PrivateKey, generate_k256
from tempest_pds.protocol.data_model import car
from tempest_pds.protocol.data_model.cid import CID
from tempest_pds.protocol.syntax.did import Did
from tempest_pds.protocol.syntax.tid import Tid
from tempest_pds.repo.block_source import MemoryBlockSource
from tempest_pds.repo.commit import decode
from tempest_pds.repo.errors import CommitTooLarge, InvalidRepo, RecordExists, RecordMissing, TooManyOps
from tempest_pds.repo.mst.tree import EMPTY_ROOT, Tree
from tempest_pds.repo.repo import PreparedCommit, Repo, create_repo, prepare_commit
from tempest_pds.repo.verify import verify_commit_event
from tempest_pds.repo.writes import Create, Delete, RepoOp, Update, Write

DID = Did.parse("did:plc:yk4dd2qkboz2yv6tpubpc6co")
PATHS = paths_of_all_heights(6)
A, B, C = PATHS[:3]
ONE, TWO = record(1), record(2)


def rev(number: int) -> Tid:
    return Tid.from_micros(1_700_000_000_000_000 + number)


def create(path: str, number: int = 1) -> Create:
    cid, block = record(number)
    return Create(path, block, cid)


def update(path: str, number: int) -> Update:
    cid, block = record(number)
    return Update(path, block, cid)


@pytest.fixture
def genesis(signing_key: PrivateKey) -> PreparedCommit:
    return create_repo(DID, signing_key, rev(0))


def check_event(prepared: PreparedCommit, key: PrivateKey) -> None:
    """The event holds, and carries nothing that it does not need."""
    verify_commit_event(
        prepared.car, prepared.commit, prepared.ops, prepared.prev_data, did=prepared.did, key=key.public
    )
    roots, blocks = car.decode(prepared.car)
    assert roots == [prepared.commit]
    assert next(iter(blocks)) == prepared.commit
    assert len(car.encode(roots[0], blocks.items())) == len(prepared.car), "no block is there twice"
    assert not blocks.keys() & prepared.removed_nodes
    assert {op.cid for op in prepared.ops if op.cid is not None} == prepared.records.keys()
    nodes = dict(prepared.repo.tree.nodes())
    for cid in blocks:
        assert cid == prepared.commit or cid in prepared.records or cid in nodes


def test_a_new_repository_is_a_commit_over_the_empty_tree(genesis: PreparedCommit, signing_key: PrivateKey) -> None:
    assert (genesis.since, genesis.prev_data, genesis.ops) == (None, None, [])
    assert genesis.new_nodes.keys() == {EMPTY_ROOT}
    commit = decode(genesis.commit_block)
    assert (commit.did, commit.rev, commit.data, commit.prev) == (DID, rev(0), EMPTY_ROOT, None)
    assert genesis.repo.head.commit == genesis.commit == CID.for_dag_cbor(genesis.commit_block)
    check_event(genesis, signing_key)


def test_a_commit_says_what_it_follows(genesis: PreparedCommit, signing_key: PrivateKey) -> None:
    first = prepare_commit(genesis.repo, [create(A)], signing_key, rev(1))
    second = prepare_commit(first.repo, [update(A, 2), create(B)], signing_key, rev(2))
    assert (first.since, first.prev_data) == (rev(0), EMPTY_ROOT)
    assert (second.since, second.prev_data) == (rev(1), first.repo.head.data)
    assert second.ops == [RepoOp("update", A, TWO[0], ONE[0]), RepoOp("create", B, ONE[0], None)]
    assert second.records == dict([ONE, TWO])
    assert second.repo.tree.root == second.repo.head.data == decode(second.commit_block).data
    check_event(first, signing_key)
    check_event(second, signing_key)


def test_a_repository_may_become_empty_again(genesis: PreparedCommit, signing_key: PrivateKey) -> None:
    full = prepare_commit(genesis.repo, [create(A), create(B)], signing_key, rev(1))
    assert full.removed_nodes == {EMPTY_ROOT}
    empty = prepare_commit(full.repo, [Delete(A), Delete(B)], signing_key, rev(2))
    assert empty.repo.head.data == EMPTY_ROOT
    assert empty.new_nodes.keys() == {EMPTY_ROOT}
    assert empty.removed_nodes == full.new_nodes.keys()
    check_event(empty, signing_key)


@pytest.mark.parametrize(
    ("writes", "ops"),
    [
        ([create(B), Delete(B)], []),
        ([create(B), update(B, 2)], [RepoOp("create", B, TWO[0], None)]),
        ([create(B), update(B, 2), Delete(B), create(B)], [RepoOp("create", B, ONE[0], None)]),
        ([Delete(A), create(A)], []),
        ([Delete(A), create(A, 2)], [RepoOp("update", A, TWO[0], ONE[0])]),
        ([update(A, 2), Delete(A)], [RepoOp("delete", A, None, ONE[0])]),
        ([update(A, 2), update(A, 1)], []),
        ([update(A, 1)], []),
        (
            [create(C), Delete(A), create(B), update(C, 2)],
            [
                RepoOp("create", C, TWO[0], None),
                RepoOp("delete", A, None, ONE[0]),
                RepoOp("create", B, ONE[0], None),
            ],
        ),
    ],
)
def test_a_batch_comes_to_its_net_operations(
    genesis: PreparedCommit, signing_key: PrivateKey, writes: list[Write], ops: list[RepoOp]
) -> None:
    before = prepare_commit(genesis.repo, [create(A)], signing_key, rev(1))
    prepared = prepare_commit(before.repo, writes, signing_key, rev(2))
    assert prepared.ops == ops
    check_event(prepared, signing_key)


@pytest.mark.parametrize(
    ("writes", "error"),
    [
        ([create(A)], RecordExists),
        ([create(B), create(B)], RecordExists),
        ([update(B, 1)], RecordMissing),
        ([Delete(B)], RecordMissing),
        ([Delete(A), update(A, 2)], RecordMissing),
        ([create(B), Delete(B), Delete(B)], RecordMissing),
    ],
)
def test_a_write_that_does_not_fit_is_refused(
    genesis: PreparedCommit, signing_key: PrivateKey, writes: list[Write], error: type[Exception]
) -> None:
    before = prepare_commit(genesis.repo, [create(A)], signing_key, rev(1))
    with pytest.raises(error):
        prepare_commit(before.repo, writes, signing_key, rev(2))


def test_an_event_has_at_most_200_operations(genesis: PreparedCommit, signing_key: PrivateKey) -> None:
    writes = [create(f"com.example.x/{number}", number) for number in range(201)]
    check_event(prepare_commit(genesis.repo, writes[:200], signing_key, rev(1)), signing_key)
    with pytest.raises(TooManyOps):
        prepare_commit(genesis.repo, writes, signing_key, rev(1))
    cancelled: list[Write] = [create("com.example.x/new"), Delete("com.example.x/new")]
    assert len(prepare_commit(genesis.repo, [*cancelled, *writes[:200]], signing_key, rev(1)).ops) == 200


def test_an_event_has_at_most_two_million_bytes(genesis: PreparedCommit, signing_key: PrivateKey) -> None:
    block = b"x" * 990_000
    writes = [Create(path, block + path.encode(), CID.for_dag_cbor(block + path.encode())) for path in PATHS[:3]]
    assert len(prepare_commit(genesis.repo, writes[:2], signing_key, rev(1)).car) <= 2_000_000
    with pytest.raises(CommitTooLarge):
        prepare_commit(genesis.repo, writes, signing_key, rev(1))


BATCHES = st.lists(
    st.lists(st.tuples(st.sampled_from(PATHS), st.integers(0, 3)), min_size=1, max_size=20), min_size=1, max_size=8
)


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(BATCHES)
def test_every_event_can_be_undone(
    genesis: PreparedCommit, signing_key: PrivateKey, batches: list[list[tuple[str, int]]]
) -> None:
    """And the stored nodes are those of the tree, when each commit adds its new nodes and drops its removed ones."""
    stored = dict(genesis.new_nodes)
    prepared = genesis
    present: set[str] = set()
    for number, batch in enumerate(batches, start=1):
        writes: list[Write] = []
        for path, value in batch:
            if path not in present:
                writes.append(create(path, value))
                present.add(path)
            elif value == 0:
                writes.append(Delete(path))
                present.discard(path)
            else:
                writes.append(update(path, value))
        prepared = prepare_commit(prepared.repo, writes, signing_key, rev(number))
        check_event(prepared, signing_key)
        stored.update(prepared.new_nodes)
        for cid in prepared.removed_nodes:
            del stored[cid]
        assert stored == dict(prepared.repo.tree.nodes())
        assert {path for path, _ in prepared.repo.tree.walk()} == present
        if number % 3 == 0:
            head = prepared.repo.head
            prepared = replace(prepared, repo=Repo(head, Tree(MemoryBlockSource(stored), head.data)))


def test_an_event_that_leaves_a_node_out_is_refused(genesis: PreparedCommit, signing_key: PrivateKey) -> None:
    full = prepare_commit(genesis.repo, [create(path) for path in PATHS], signing_key, rev(1))
    prepared = prepare_commit(
        full.repo, [Delete(PATHS[7]), create("com.example.y/z"), update(A, 2)], signing_key, rev(2)
    )
    _, blocks = car.decode(prepared.car)
    for missing in blocks:
        rest = car.encode(prepared.commit, [(cid, block) for cid, block in blocks.items() if cid != missing])
        with pytest.raises(InvalidRepo):
            verify_commit_event(rest, prepared.commit, prepared.ops, prepared.prev_data)


def test_an_event_that_misstates_its_operations_is_refused(genesis: PreparedCommit, signing_key: PrivateKey) -> None:
    full = prepare_commit(genesis.repo, [create(path) for path in PATHS[:20]], signing_key, rev(1))
    prepared = prepare_commit(full.repo, [Delete(B), create(PATHS[30]), update(A, 2)], signing_key, rev(2))
    delete, made, updated = prepared.ops
    for ops in (
        [delete, made],
        [delete, updated],
        [made, updated],
        [delete, made, replace(updated, prev=TWO[0])],
        [replace(delete, prev=TWO[0]), made, updated],
        [delete, replace(made, prev=ONE[0]), updated],
        [delete, replace(made, cid=TWO[0]), updated],
        [*prepared.ops, RepoOp("delete", PATHS[40], None, ONE[0])],
    ):
        with pytest.raises(InvalidRepo):
            verify_commit_event(prepared.car, prepared.commit, ops, prepared.prev_data)
    with pytest.raises(InvalidRepo):
        verify_commit_event(prepared.car, prepared.commit, prepared.ops, EMPTY_ROOT)
    with pytest.raises(InvalidRepo):
        verify_commit_event(prepared.car, prepared.commit, prepared.ops, prepared.prev_data, key=generate_k256().public)
    other = Did.parse("did:plc:aaaaaaaaaaaaaaaaaaaaaaaa")
    with pytest.raises(InvalidRepo):
        verify_commit_event(prepared.car, prepared.commit, prepared.ops, prepared.prev_data, did=other)
