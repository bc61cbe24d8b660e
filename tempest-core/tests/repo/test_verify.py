"""Repositories and proofs of strangers."""

import pytest
from tests.support.repo_paths import paths_of_all_heights, record

from tempest_pds.protocol.crypto.keys import PrivateKey, generate_k256
from tempest_pds.protocol.data_model import car, dag_cbor
from tempest_pds.protocol.data_model.cid import CID
from tempest_pds.protocol.syntax.did import Did
from tempest_pds.protocol.syntax.tid import Tid
from tempest_pds.repo.block_source import MemoryBlockSource
from tempest_pds.repo.commit import sign_commit
from tempest_pds.repo.errors import InvalidNode, InvalidRepo, MissingBlock
from tempest_pds.repo.mst.change import Change
from tempest_pds.repo.mst.diff import diff
from tempest_pds.repo.mst.height import height
from tempest_pds.repo.mst.node import encode
from tempest_pds.repo.mst.tree import EMPTY_ROOT, Tree
from tempest_pds.repo.verify import verify_commit_event, verify_proof, verify_records, verify_repo

DID = Did.parse("did:plc:yk4dd2qkboz2yv6tpubpc6co")
REV = Tid.parse("3jzfcijpj2z2a")
PATHS = paths_of_all_heights(5)
BY_HEIGHT = [[path.encode() for path in PATHS if height(path.encode()) == layer] for layer in range(7)]
VALUE, BLOCK = record(1)


@pytest.fixture
def blocks() -> dict[CID, bytes]:
    """The nodes and records of a tree of all heights."""
    records = [record(number) for number in range(len(PATHS))]
    changes = [Change(path, cid) for path, (cid, _) in zip(PATHS, records, strict=True)]
    return {**Tree(MemoryBlockSource()).apply(changes).new_nodes, **dict(records)}


@pytest.fixture
def data(blocks: dict[CID, bytes]) -> CID:
    return next(cid for cid, block in blocks.items() if not any(cid.raw in other for other in blocks.values()))


def signed(data: CID, blocks: dict[CID, bytes], key: PrivateKey) -> CID:
    commit = sign_commit(DID, REV, data, key)
    blocks[commit.cid] = commit.encode()
    return commit.cid


def test_a_whole_repository_verifies(blocks: dict[CID, bytes], data: CID, signing_key: PrivateKey) -> None:
    root = signed(data, blocks, signing_key)
    commit, records = verify_repo(MemoryBlockSource(blocks), root, did=DID, key=signing_key.public)
    assert commit.data == data
    found = list(records)
    assert [found.path for found in found] == PATHS
    for item in found:
        assert blocks[item.cid] == item.block == dag_cbor.encode(item.value)


def test_every_missing_block_is_noticed(blocks: dict[CID, bytes], data: CID, signing_key: PrivateKey) -> None:
    root = signed(data, blocks, signing_key)
    for missing in blocks:
        rest = {cid: block for cid, block in blocks.items() if cid != missing}
        with pytest.raises(MissingBlock) as caught:
            list(verify_repo(MemoryBlockSource(rest), root)[1])
        assert caught.value.cid == missing


def test_a_repository_of_another_account_or_key_is_refused(
    blocks: dict[CID, bytes], data: CID, signing_key: PrivateKey
) -> None:
    source = MemoryBlockSource(blocks)
    root = signed(data, source.blocks, signing_key)
    with pytest.raises(InvalidRepo):
        verify_repo(source, root, key=generate_k256().public)
    with pytest.raises(InvalidRepo):
        verify_repo(source, root, did=Did.parse("did:plc:aaaaaaaaaaaaaaaaaaaaaaaa"))
    with pytest.raises(InvalidRepo):
        verify_repo(source, data)


@pytest.mark.parametrize("block", [b"\x01", b"\x80", b"\xa1", b"\xa1aa\xfb\x3f\xf0\x00\x00\x00\x00\x00\x00"])
def test_a_record_that_is_not_a_map_of_the_data_model_is_refused(block: bytes) -> None:
    cid = CID.for_dag_cbor(block)
    change = Tree(MemoryBlockSource()).apply([Change(PATHS[0], cid)])
    with pytest.raises(InvalidRepo):
        list(verify_records(MemoryBlockSource({**change.new_nodes, cid: block}), change.tree.root))


def test_an_empty_repository_verifies_when_it_has_its_node() -> None:
    assert list(verify_records(MemoryBlockSource(Tree(MemoryBlockSource()).apply([]).proof_nodes), EMPTY_ROOT)) == []
    with pytest.raises(MissingBlock):
        list(verify_records(MemoryBlockSource(), EMPTY_ROOT))


class Forge:
    """Makes trees out of nodes that no edit would make."""

    def __init__(self) -> None:
        self.source = MemoryBlockSource({VALUE: BLOCK})

    def node(self, keys: list[bytes], children: list[bytes | None]) -> bytes:
        block = encode(keys, [VALUE.raw] * len(keys), children)
        cid = CID.for_dag_cbor(block)
        self.source.blocks[cid] = block
        return cid.raw

    def refused(self, root: bytes) -> None:
        """No way of looking at the whole tree accepts it."""
        cid = CID(root)
        with pytest.raises(InvalidNode):
            list(verify_records(self.source, cid))
        with pytest.raises(InvalidNode):
            list(Tree(self.source, cid).preorder())
        with pytest.raises(InvalidNode):
            list(Tree(self.source, cid).walk_known())
        with pytest.raises(InvalidNode):
            diff(Tree(MemoryBlockSource()), Tree(self.source, cid))


@pytest.fixture
def forge() -> Forge:
    return Forge()


def test_keys_at_another_height_are_refused(forge: Forge) -> None:
    low, high = BY_HEIGHT[0][0], BY_HEIGHT[1][0]
    forge.refused(forge.node(sorted([low, high]), [None, None, None]))


def test_a_child_more_than_one_layer_below_is_refused(forge: Forge) -> None:
    child = forge.node([BY_HEIGHT[0][0]], [None, None])
    above = next(key for key in BY_HEIGHT[2] if key > BY_HEIGHT[0][0])
    forge.refused(forge.node([above], [child, None]))


def test_a_child_on_the_same_layer_is_refused(forge: Forge) -> None:
    first, second = BY_HEIGHT[1][:2]
    forge.refused(forge.node([second], [forge.node([first], [None, None]), None]))


def test_a_child_below_the_lowest_layer_is_refused(forge: Forge) -> None:
    first, second = BY_HEIGHT[0][:2]
    forge.refused(forge.node([second], [forge.node([first], [None, None]), None]))


def test_an_empty_node_inside_a_tree_is_refused(forge: Forge) -> None:
    forge.refused(forge.node([BY_HEIGHT[1][0]], [forge.node([], [None]), None]))


def test_a_top_without_keys_is_refused(forge: Forge) -> None:
    forge.refused(forge.node([], [forge.node([BY_HEIGHT[0][0]], [None, None])]))


def test_a_chain_of_bridges_is_no_deeper_than_its_layer(forge: Forge) -> None:
    child = forge.node([], [None])
    for _ in range(2000):
        child = forge.node([], [child])
    forge.refused(forge.node([BY_HEIGHT[6][0]], [child, None]))


def test_a_child_on_the_wrong_side_of_a_key_is_refused(forge: Forge) -> None:
    key = BY_HEIGHT[1][2]
    before = next(low for low in BY_HEIGHT[0] if low < key)
    forge.refused(forge.node([key], [None, forge.node([before], [None, None])]))


def test_a_subtree_named_many_times_does_not_multiply(forge: Forge) -> None:
    """Six layers of five keys each would come to 6**6 visits of the lowest node."""
    child = forge.node(sorted(BY_HEIGHT[0]), [None] * 6)
    for layer in range(1, 7):
        child = forge.node(sorted(BY_HEIGHT[layer]), [child] * 6)
    forge.refused(child)


def test_a_proof_shows_a_record_or_that_there_is_none(
    blocks: dict[CID, bytes], data: CID, signing_key: PrivateKey
) -> None:
    root = signed(data, blocks, signing_key)
    tree = Tree(MemoryBlockSource(blocks), data)
    for path in (PATHS[0], PATHS[17], "app.bsky.feed.like/nothing", "zzz.example/nothing"):
        cid = tree.get(path)
        parts = {root: blocks[root], **tree.proof(path)}
        if cid is not None:
            parts[cid] = blocks[cid]
        proof = car.encode(root, parts.items())
        assert verify_proof(proof, path, did=DID, key=signing_key.public) == (cid, None if cid is None else blocks[cid])
        for missing in parts:
            rest = car.encode(root, [(cid, block) for cid, block in parts.items() if cid != missing])
            with pytest.raises(InvalidRepo):
                verify_proof(rest, path)
        with pytest.raises(InvalidRepo):
            verify_proof(proof, path, key=generate_k256().public)
        with pytest.raises(InvalidRepo):
            verify_proof(car.encode(None, parts.items()), path)


@pytest.mark.parametrize("junk", [b"", b"\0", b"\xff" * 20, car.encode(None, []), car.encode(EMPTY_ROOT, [])])
def test_bytes_that_are_no_car_prove_nothing(junk: bytes) -> None:
    with pytest.raises(InvalidRepo):
        verify_proof(junk, PATHS[0])
    with pytest.raises(InvalidRepo):
        verify_commit_event(junk, EMPTY_ROOT, [], None)
