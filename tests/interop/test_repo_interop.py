"""Trees, commits, events and exports: `@atproto/repo` makes the same ones, verifies ours, and we verify its."""

import random
from base64 import b64decode, b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from tests.conftest import RunNode
from tests.support.repo_paths import paths_of_all_heights, record

from tempest_pds.protocol.crypto.did_key import parse_did_key
from tempest_pds.protocol.crypto.keys import Curve, generate_k256, generate_p256, private_key
from tempest_pds.protocol.data_model import car, dag_cbor
from tempest_pds.protocol.data_model.cid import CID
from tempest_pds.protocol.syntax.did import Did
from tempest_pds.protocol.syntax.tid import Tid
from tempest_pds.repo.block_source import MemoryBlockSource
from tempest_pds.repo.mst.change import Change
from tempest_pds.repo.mst.tree import Tree
from tempest_pds.repo.repo import PreparedCommit, create_repo, prepare_commit
from tempest_pds.repo.verify import verify_commit_event, verify_proof, verify_repo
from tempest_pds.repo.writes import Action, Create, Delete, RepoOp, Update, Write

SCRIPT = Path(__file__).parent / "repo_reference.mjs"
DID = Did.parse("did:plc:yk4dd2qkboz2yv6tpubpc6co")
PATHS = paths_of_all_heights(12)
RECORDS = dict(record(number) for number in range(6))
VALUES = list(RECORDS)
# The reference loses a record that two paths share when one of them is deleted.
OWN_RECORDS = {path: [record(number, path) for number in range(6)] for path in PATHS}
KEYS = [generate_k256(), generate_p256()]


def batches_of_changes(seed: int, count: int, size: int, *, own: bool = False) -> Iterator[list[Change]]:
    """Yield batches that fit one another, growing at first and shrinking at the end."""
    chance = random.Random(seed)
    paths = chance.sample(PATHS, chance.randint(2, len(PATHS)))
    present: dict[str, CID] = {}
    for step in range(count):
        batch = []
        for path in chance.sample(paths, min(len(paths), chance.randint(1, size))):
            prev = present.pop(path, None)
            number = chance.randrange(6)
            cid = OWN_RECORDS[path][number][0] if own else VALUES[number]
            if prev is None:
                batch.append(Change(path, cid))
            elif cid == prev or chance.random() < (step + 1) / count:
                batch.append(Change(path, None, prev))
                continue
            else:
                batch.append(Change(path, cid, prev))
            present[path] = cid
        yield batch
    yield [Change(path, None, cid) for path, cid in present.items()]


def text(cid: CID | None) -> str | None:
    return None if cid is None else str(cid)


def answers(run_node: RunNode, cases: list[dict[str, Any]]) -> list[Any]:
    verdicts = run_node(SCRIPT, cases)
    assert [verdict for verdict in verdicts if "ok" not in verdict] == []
    return [verdict["ok"] for verdict in verdicts]


def test_trees_and_their_proofs_are_the_same(run_node: RunNode) -> None:
    """Of 200 sequences of batches: every root, the nodes added and removed, and the covering proofs."""
    sequences = [[batch for batch in batches_of_changes(seed, 8, 1 + seed % 12) if batch] for seed in range(200)]
    cases = [
        {"do": "tree", "batches": [[(path, text(cid), text(prev)) for path, cid, prev in batch] for batch in batches]}
        for batches in sequences
    ]
    records = {str(cid) for cid in VALUES}
    operations = 0
    for batches, steps in zip(sequences, answers(run_node, cases), strict=True):
        tree = Tree(MemoryBlockSource())
        for batch, step in zip(batches, steps, strict=True):
            change = tree.apply(batch)
            tree = change.tree
            assert str(tree.root) == step["root"]
            assert sorted(map(str, change.new_nodes)) == step["added"]
            assert sorted(map(str, change.removed_nodes)) == [cid for cid in step["removed"] if cid not in records]
            assert sorted(map(str, tree.covering_proof(path for path, _, _ in batch))) == step["proof"]
            operations += len(batch)
    assert operations > 5000


class Made(NamedTuple):
    """A repository made here: its commits, and everything that it stores."""

    key: int
    commits: list[PreparedCommit]
    blocks: dict[CID, bytes]

    @property
    def export(self) -> bytes:
        """The repository as `com.atproto.sync.getRepo` sends it."""
        last = self.commits[-1]
        return car.encode(last.commit, self._export())

    def _export(self) -> Iterator[tuple[CID, bytes]]:
        last = self.commits[-1]
        yield last.commit, last.commit_block
        for cid, what in last.repo.tree.preorder():
            yield cid, what if isinstance(what, bytes) else self.blocks[cid]

    @property
    def account(self) -> dict[str, str]:
        return {"did": DID, "key": KEYS[self.key].public.did_key}


def as_write(change: Change) -> Write:
    if change.cid is None:
        return Delete(change.path)
    block = RECORDS.get(change.cid) or dict(OWN_RECORDS[change.path])[change.cid]
    return (Create if change.prev is None else Update)(change.path, block, change.cid)


def make(seed: int, *, keep_last: bool) -> Made:
    key = KEYS[seed % 2]
    commits = [create_repo(DID, key, Tid.from_micros(1_700_000_000_000_000))]
    blocks = dict(RECORDS)
    batches = list(batches_of_changes(seed, 5, 1 + seed % 20))
    for number, batch in enumerate(batches if keep_last else batches[:-1], start=1):
        rev = Tid.from_micros(1_700_000_000_000_000 + number)
        commits.append(prepare_commit(commits[-1].repo, [as_write(change) for change in batch], key, rev))
    return Made(seed % 2, commits, blocks)


def test_our_commit_events_verify_there(run_node: RunNode) -> None:
    """Signature, claims, and the tree before from undoing the operations, in either order."""
    cases = []
    expected = []
    for seed in range(40):
        made = make(seed, keep_last=True)
        for commit in made.commits[1:]:
            for ops in (commit.ops, commit.ops[::-1]):
                cases.append(
                    {
                        "do": "event",
                        "car": b64encode(commit.car).decode(),
                        "ops": [{"path": op.path, "cid": text(op.cid), "prev": text(op.prev)} for op in ops],
                        **made.account,
                    }
                )
                expected.append({"unverified": 0, "before": text(commit.prev_data), "rev": commit.rev})
    assert answers(run_node, cases) == expected


def test_our_exports_and_proofs_verify_there(run_node: RunNode) -> None:
    cases: list[dict[str, Any]] = []
    expected: list[Any] = []
    for seed in range(40):
        made = make(seed, keep_last=seed % 10 == 0)
        last = made.commits[-1]
        tree = last.repo.tree
        records = {path: str(cid) for path, cid in tree.walk()}
        cases.append({"do": "repo", "car": b64encode(made.export).decode(), **made.account})
        expected.append(
            {"commit": str(last.commit), "rev": last.rev, "records": records, "readable": len(records)},
        )
        for path in PATHS[seed::17]:
            cid = tree.get(path)
            parts = {last.commit: last.commit_block, **tree.proof(path)}
            if cid is not None:
                parts[cid] = made.blocks[cid]
            proof = car.encode(last.commit, parts.items())
            cases.append(
                {"do": "proof", "car": b64encode(proof).decode(), "path": path, "cid": text(cid), **made.account}
            )
            expected.append(True)
    assert answers(run_node, cases) == expected


def test_a_signature_of_another_key_does_not_verify_there(run_node: RunNode) -> None:
    made = make(3, keep_last=False)
    case = {"do": "repo", "car": b64encode(made.export).decode(), "did": DID, "key": KEYS[0].public.did_key}
    assert "signature" in run_node(SCRIPT, [case])[0]["error"]


@pytest.mark.parametrize("curve", ["k256", "p256"])
def test_repositories_of_the_reference_verify_here(run_node: RunNode, curve: Curve) -> None:
    """Its commits are the same trees as ours; its events, proofs and exports hold."""
    cases = []
    sequences = []
    for seed in range(40):
        batches = [batch for batch in batches_of_changes(seed, 5, 1 + seed % 20, own=True) if batch]
        if seed % 10:
            batches.pop()
        sequences.append(batches)
        cases.append(
            {
                "do": "make",
                "did": DID,
                "curve": curve,
                "secret": f"{seed + 1:064x}",
                "prove": PATHS[seed::17],
                "batches": [[_instruction(change) for change in batch] for batch in batches],
            }
        )
    for seed, (batches, answer) in enumerate(zip(sequences, answers(run_node, cases), strict=True)):
        key = parse_did_key(answer["key"])
        ours = private_key(bytes.fromhex(f"{seed + 1:064x}"), curve)
        assert ours.public == key
        state = create_repo(DID, ours, Tid.from_micros(1)).repo
        for batch, event in zip(batches, answer["events"], strict=True):
            rev = Tid.parse(event["rev"])
            prepared = prepare_commit(state, [as_write(change) for change in batch], ours, rev)
            assert (str(prepared.prev_data), str(prepared.repo.head.data)) == (event["before"], event["after"])
            ops = [RepoOp(_action(change), *change) for change in batch]
            commit = verify_commit_event(
                b64decode(event["car"]), CID.parse(event["commit"]), ops, state.tree.root, did=DID, key=key
            )
            assert commit.rev == rev
            # The same blocks, though the reference signs with another nonce and so has another commit.
            theirs = car.decode(b64decode(event["car"]))[1].keys() - {CID.parse(event["commit"])}
            assert car.decode(prepared.car)[1].keys() - {prepared.commit} == theirs
            state = prepared.repo
        blocks = car.decode(b64decode(answer["car"]))
        commit, found = verify_repo(MemoryBlockSource(blocks[1]), blocks[0][0], did=DID, key=key)
        assert [(item.path, item.cid) for item in found] == list(state.tree.walk())
        for path, proof in zip(PATHS[seed::17], answer["proofs"], strict=True):
            assert verify_proof(b64decode(proof), path, did=DID, key=key).cid == state.tree.get(path)


def _action(change: Change) -> Action:
    return "delete" if change.cid is None else "create" if change.prev is None else "update"


def _instruction(change: Change) -> dict[str, object]:
    """Return a write as `make` takes it."""
    write: dict[str, object] = {"action": _action(change), "path": change.path}
    if change.cid is not None:
        write["record"] = dag_cbor.decode(dict(OWN_RECORDS[change.path])[change.cid])
    return write
