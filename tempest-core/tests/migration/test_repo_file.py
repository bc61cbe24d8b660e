"""A repository in a file: seen to be whole, and compared."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tempest_pds.migration.errors import MigrationError
from tempest_pds.migration.repo_file import RecordDifferences, compare, open_repo_file
from tempest_pds.protocol.crypto.keys import generate_k256
from tempest_pds.protocol.data_model import car, dag_cbor
from tempest_pds.protocol.data_model.cid import CID
from tempest_pds.protocol.data_model.value import LexValue
from tempest_pds.protocol.syntax.did import Did
from tempest_pds.protocol.syntax.tid import Tid
from tempest_pds.repo.block_source import MemoryBlockSource
from tempest_pds.repo.commit import sign_commit
from tempest_pds.repo.mst.change import Change
from tempest_pds.repo.mst.tree import Tree

DID = Did("did:plc:aaaaaaaaaaaaaaaaaaaaaaaa")
BLOB = CID.for_raw(b"a picture")
PICTURE: LexValue = {"$type": "blob", "ref": BLOB, "mimeType": "image/png", "size": 1_000}
RECORDS: dict[str, bytes] = {
    **{f"app.bsky.feed.post/{number}": dag_cbor.encode({"text": str(number)}) for number in range(20)},
    "app.bsky.actor.profile/self": dag_cbor.encode({"avatar": PICTURE}),
}


def write(path: Path, records: dict[str, bytes], *, without: str | None = None, did: Did = DID) -> Path:
    """Write a repository to a file, without the block of one record if a path is given, and return the path."""
    cids = {path: CID.for_dag_cbor(block) for path, block in records.items()}
    tree = Tree(MemoryBlockSource()).apply([Change(path, cid, None) for path, cid in cids.items()], prove=False).tree
    commit = sign_commit(did, Tid("3jzfcijpj2z2a"), tree.root, generate_k256())
    blocks = [(cids[path], block) for path, block in records.items() if path != without]
    path.write_bytes(car.encode(commit.cid, [(commit.cid, commit.encode()), *tree.nodes(), *blocks]))
    return path


def test_a_whole_one_is_counted(tmp_path: Path) -> None:
    path = write(tmp_path / "repo.car", RECORDS)
    with open_repo_file(path, DID) as file:
        contents = file.check(blob_limit=999)
        assert file.refers_to(BLOB)
        assert not file.refers_to(CID.for_raw(b"another"))
    assert contents.collections == {"app.bsky.feed.post": 20, "app.bsky.actor.profile": 1}
    assert (contents.records, contents.blob_refs, contents.blob_bytes) == (21, 1, 1_000)
    assert [(blob.cid, blob.path) for blob in contents.large_blobs] == [(str(BLOB), "app.bsky.actor.profile/self")]
    assert list(tmp_path.iterdir()) == [path], "what lay on the disk meanwhile"


def test_one_that_lacks_a_record_is_none(tmp_path: Path) -> None:
    path = write(tmp_path / "repo.car", RECORDS, without="app.bsky.feed.post/7")
    with pytest.raises(MigrationError, match="missing block"), open_repo_file(path, DID) as file:
        file.check()


def test_one_of_another_account_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "repo.car", RECORDS, did=Did("did:plc:bbbbbbbbbbbbbbbbbbbbbbbb"))
    with pytest.raises(MigrationError, match="not of did:plc:a"), open_repo_file(path, DID):
        pass


@pytest.mark.parametrize("cut", [0, 10, 100, 1_000])
def test_one_that_is_cut_short_is_refused(tmp_path: Path, cut: int) -> None:
    path = write(tmp_path / "repo.car", RECORDS)
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(MigrationError, match="not whole"), open_repo_file(path, DID) as file:
        file.check()


def test_a_record_that_is_not_valid_is_named_and_no_hindrance(tmp_path: Path) -> None:
    """Servers have let such in, and whether the target does is for the target to say."""
    a_float = b"\xa1\x61x\xfb\x3f\xf8\x00\x00\x00\x00\x00\x00"
    path = write(tmp_path / "repo.car", RECORDS | {"app.bsky.feed.post/odd": a_float})
    with open_repo_file(path, DID) as file:
        contents = file.check()
    assert (contents.records, contents.unreadable, contents.unreadable_count) == (22, ["app.bsky.feed.post/odd"], 1)


_REPOS = st.dictionaries(st.sampled_from([f"a.b.c/{number}" for number in range(8)]), st.binary(max_size=1))


@given(_REPOS, _REPOS)
def test_the_comparison_tells_what_dictionaries_tell(source: dict[str, bytes], target: dict[str, bytes]) -> None:
    def walk(repo: dict[str, bytes]) -> list[tuple[str, CID]]:
        return [(path, CID.for_raw(repo[path])) for path in sorted(repo)]

    found = compare(iter(walk(source)), iter(walk(target)))
    both = source.keys() & target.keys()
    changed = {path for path in both if source[path] != target[path]}
    expected = RecordDifferences(
        same=len(both) - len(changed),
        missing=len(source.keys() - target.keys()),
        changed=len(changed),
        added=len(target.keys() - source.keys()),
        named=found.named,
    )
    assert found == expected
    assert len(found.named) == found.missing + found.changed + found.added
