"""The commit block and its signature."""

import cbor2
import pytest

from tempest_pds.protocol.crypto.keys import PrivateKey, generate_p256
from tempest_pds.protocol.data_model.cid import CID
from tempest_pds.protocol.syntax.did import Did
from tempest_pds.protocol.syntax.tid import Tid
from tempest_pds.repo.commit import Commit, decode, sign_commit
from tempest_pds.repo.errors import InvalidRepo
from tempest_pds.repo.mst.tree import EMPTY_ROOT

DID = Did.parse("did:plc:yk4dd2qkboz2yv6tpubpc6co")
REV = Tid.parse("3jzfcijpj2z2a")


def link(cid: CID | None) -> cbor2.CBORTag | None:
    return None if cid is None else cbor2.CBORTag(42, b"\0" + cid.raw)


@pytest.mark.parametrize("did", [DID, Did.parse("did:web:a.example"), Did.parse("did:web:" + "b" * 300)])
@pytest.mark.parametrize("prev", [None, EMPTY_ROOT])
def test_a_commit_is_canonical_dag_cbor(did: Did, prev: CID | None) -> None:
    commit = Commit(did, REV, EMPTY_ROOT, b"s" * 64, prev)
    fields: dict[str, object] = {"did": did, "rev": REV, "data": link(EMPTY_ROOT), "prev": link(prev), "version": 3}
    assert commit.unsigned() == cbor2.dumps(fields, canonical=True)
    assert commit.encode() == cbor2.dumps({**fields, "sig": commit.sig}, canonical=True)
    assert decode(commit.encode()) == commit
    assert commit.cid == CID.for_dag_cbor(commit.encode())


def test_a_signature_is_of_one_key_and_one_content(signing_key: PrivateKey) -> None:
    for key in (signing_key, generate_p256()):
        commit = sign_commit(DID, REV, EMPTY_ROOT, key)
        assert commit.verify(key.public)
        assert not commit.verify(generate_p256().public)
        assert not Commit(DID, Tid.parse("3jzfcijpj2z2b"), EMPTY_ROOT, commit.sig).verify(key.public)
        assert not Commit(DID, REV, EMPTY_ROOT, commit.sig, EMPTY_ROOT).verify(key.public)


def test_a_high_s_signature_is_refused(signing_key: PrivateKey) -> None:
    commit = sign_commit(DID, REV, EMPTY_ROOT, signing_key)
    order = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
    high = order - int.from_bytes(commit.sig[32:], "big")
    assert not Commit(DID, REV, EMPTY_ROOT, commit.sig[:32] + high.to_bytes(32, "big")).verify(signing_key.public)


@pytest.mark.parametrize(
    "change",
    [
        {"version": 2},
        {"version": None},
        {"did": "plc:abc"},
        {"did": 1},
        {"rev": "not-a-tid"},
        {"data": None},
        {"data": link(CID.for_raw(b""))},
        {"prev": "x"},
        {"sig": "text"},
        {"more": 1},
    ],
)
def test_a_block_that_is_not_a_commit_is_refused(change: dict[str, object]) -> None:
    fields = {"did": DID, "rev": REV, "data": link(EMPTY_ROOT), "prev": None, "version": 3, "sig": b"s" * 64, **change}
    with pytest.raises(InvalidRepo):
        decode(cbor2.dumps(fields, canonical=True))


@pytest.mark.parametrize("block", [b"", b"\xa0", b"\x80", b"\xff"])
def test_other_bytes_are_not_a_commit(block: bytes) -> None:
    with pytest.raises(InvalidRepo):
        decode(block)
