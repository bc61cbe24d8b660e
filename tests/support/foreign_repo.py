"""Repositories as another server, or somebody who means harm, may hand them to an import."""

import io
import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

import cbor2
from tests.support.plain_tree import leading_zero_pairs

from tempest_pds.protocol.crypto.keys import generate_k256
from tempest_pds.protocol.data_model import car, dag_cbor, lex_json
from tempest_pds.protocol.data_model.cid import CID
from tempest_pds.protocol.data_model.value import LexValue
from tempest_pds.protocol.syntax.did import Did
from tempest_pds.protocol.syntax.tid import Tid, TidClock
from tempest_pds.repo.block_source import MemoryBlockSource
from tempest_pds.repo.commit import Commit, sign_commit
from tempest_pds.repo.mst.change import Change
from tempest_pds.repo.mst.tree import Tree

OLD_REV = Tid("3jzfcijpj2z2a")
BOB = Did("did:plc:bobbbbbbbbbbbbbbbbbbbbbb")
_K256_ORDER: Final = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141


def post(text: str, **extra: LexValue) -> dict[str, LexValue]:
    return {"$type": "app.bsky.feed.post", "text": text, "createdAt": "2026-01-01T00:00:00.000Z", **extra}


RECORDS: Mapping[str, LexValue] = {f"app.bsky.feed.post/{n}": post(f"imported {n}") for n in range(300)}


class Foreign:
    """A repository as another server may export it. A record given as bytes is its block, whatever that is."""

    def __init__(self, records: Mapping[str, LexValue], did: Did, rev: Tid = OLD_REV) -> None:
        self.records = {
            path: value if isinstance(value, bytes) else dag_cbor.encode(value) for path, value in records.items()
        }
        cids = {path: CID.for_dag_cbor(block) for path, block in self.records.items()}
        change = Tree(MemoryBlockSource()).apply([Change(path, cid, None) for path, cid in cids.items()], prove=False)
        self.data = change.tree.root
        self.commit = sign_commit(did, rev, self.data, generate_k256())
        self.nodes = dict(change.tree.nodes())
        self.blocks = {
            self.commit.cid: self.commit.encode(),
            **self.nodes,
            **{cids[path]: block for path, block in self.records.items()},
        }

    def car(self) -> bytes:
        return car.encode(self.commit.cid, self.blocks.items())

    def without(self, cid: CID) -> bytes:
        return car.encode(self.commit.cid, [item for item in self.blocks.items() if item[0] != cid])

    def under(self, commit: Commit) -> bytes:
        """Return the same under another commit."""
        return self.under_block(commit.encode())

    def under_block(self, block: bytes) -> bytes:
        """Return the same under a block that is not quite a commit."""
        cid = CID.for_dag_cbor(block)
        return car.encode(cid, [(cid, block), *self.blocks.items()])

    def under_nodes(self, *nodes: bytes) -> bytes:
        """Return the records under other nodes, of which the last one is the top."""
        cids = [CID.for_dag_cbor(node) for node in nodes]
        commit = replace(self.commit, data=cids[-1])
        return self._signed(commit, zip(cids, nodes, strict=True))

    def _signed(self, commit: Commit, more: Iterable[tuple[CID, bytes]]) -> bytes:
        return car.encode(commit.cid, [(commit.cid, commit.encode()), *more, *self.blocks.items()])


def node(entries: Iterable[tuple[int, str, CID, CID | None]], left: CID | None = None) -> bytes:
    """Encode a node of a tree, right or wrong: entries are prefix length, rest of the key, record, child."""
    parts = [{"p": p, "k": k.encode(), "v": _link(v), "t": _link(t)} for p, k, v, t in entries]
    return cbor2.dumps({"l": _link(left), "e": parts}, canonical=True)


def _link(cid: CID | None) -> cbor2.CBORTag | None:
    return None if cid is None else cbor2.CBORTag(42, b"\0" + cid.raw)


def high_s(sig: bytes) -> bytes:
    """Return the other form of a signature, which says the same and must not be taken for it."""
    return sig[:32] + (_K256_ORDER - int.from_bytes(sig[32:], "big")).to_bytes(32, "big")


def bad_repos(did: Did) -> dict[str, tuple[bytes, str]]:
    """Return files that are no repository of that account, each with a part of what the refusal says."""
    cases = [*_bad_files(did), *_bad_commits(did), *_bad_trees(did)]
    for name, block in _bad_records():
        data = Foreign({"app.bsky.feed.post/1": block}, did).car()
        cases.append((f"with a record {name}", data, "app.bsky.feed.post/1"))
    return {name: (data, message) for name, data, message in cases}


def _bad_files(did: Did) -> Iterator[tuple[str, bytes, str]]:
    foreign = Foreign(RECORDS, did)
    whole = foreign.car()
    header = len(car.encode_header(foreign.data))
    record = CID.for_dag_cbor(next(iter(foreign.records.values())))
    inner = next(cid for cid in foreign.nodes if cid != foreign.data)
    blocks = list(foreign.blocks.items())
    yield "nothing", b"", "ends before its header"
    yield "garbage", b"\x10" + b"garbage" * 20, "Invalid CAR file"
    yield "text", b"<html>this is not a CAR</html>" * 20, "Invalid CAR file"
    yield "truncated in a block", whole[:-10], "ends in the middle of a block"
    yield "truncated in a length", whole[:header] + b"\xff", "ends in the middle of a block"
    yield "truncated in the header", whole[:20], "ends before its header"
    yield "a header alone", whole[:header], "missing block"
    yield "a length that never comes", whole + b"\xff\xff\xff\x7f", "larger than"
    yield "a length beyond all bounds", whole[:header] + b"\xff" * 9 + b"\x01", "too large"
    yield "a length that is not the shortest", whole[:header] + b"\xa5\x80\x00", "shortest form"
    yield "a block without room for its CID", whole + b"\x05\x01\x71\x12\x20\x00", "no room for its CID"
    yield "a block of no bytes at all", whole + b"\x00", "no room for its CID"
    yield "a header of 4 MB", car.encode_varint(4_000_000) + bytes(100), "larger than"
    yield "a header of version 2", _section({"roots": [foreign.commit.cid], "version": 2}) + whole[header:], "version 1"
    yield "a header without roots", _section({"version": 1}) + whole[header:], "no roots"
    yield "a header whose roots are texts", _section({"roots": ["x"], "version": 1}) + whole[header:], "not a CID"
    yield "a block larger than any", car.encode_header(foreign.commit.cid) + _block(bytes(2_000_001)), "larger than"
    yield "a block that is not what its CID says", car.encode(foreign.commit.cid, [*blocks, (record, b"\xa0")]), "hash"
    yield "a block whose CID is not of SHA-256", _raw_block(whole, b"\x01\x71\x1e\x20" + bytes(32)), "SHA-256"
    yield "a block with a CID of version 0", _raw_block(whole, b"\x12\x20" + bytes(34)), "Invalid CAR file"
    yield "a block with a CID of 16 bytes", _raw_block(whole, b"\x01\x71\x12\x10" + bytes(32)), "Invalid CAR file"
    yield "no root", car.encode(None, blocks), "expected one root, found 0"
    yield "two roots", _section({"roots": [foreign.commit.cid, foreign.data], "version": 1}) + whole[header:], "found 2"
    yield "without its commit", foreign.without(foreign.commit.cid), "missing block"
    yield "without the top node", foreign.without(foreign.data), "missing block"
    yield "without a node", foreign.without(inner), "missing block"
    yield "without a record", foreign.without(record), "missing block"


def _bad_commits(did: Did) -> Iterator[tuple[str, bytes, str]]:
    foreign = Foreign(RECORDS, did)
    commit = dag_cbor.decode(foreign.commit.encode())
    assert isinstance(commit, dict)
    record = CID.for_dag_cbor(next(iter(foreign.records.values())))
    yield "of somebody else", Foreign(RECORDS, BOB).car(), f"not of {did}"
    yield "whose root is no commit", car.encode(foreign.data, foreign.blocks.items()), "not a commit"
    yield "whose root is a record", car.encode(record, foreign.blocks.items()), "not a commit"
    yield "whose tree is a record", foreign.under(replace(foreign.commit, data=record)), "node"
    yield "at the end of time", Foreign(RECORDS, did, Tid("j" + "z" * 12)).car(), "the last there can be"
    changes: dict[str, dict[str, LexValue]] = {
        "of version 2": {"version": 2},
        "with a field too many": {"more": 1},
        "whose signature is a text": {"sig": "x"},
        "whose revision is none": {"rev": "yesterday"},
        "whose account is a handle": {"did": "alice.test"},
        "whose tree is a text": {"data": "x"},
        "whose tree is a blob": {"data": CID.for_raw(b"x")},
    }
    for name, change in changes.items():
        yield f"a commit {name}", foreign.under_block(dag_cbor.encode({**commit, **change})), "Invalid repository"
    unsigned = {name: value for name, value in commit.items() if name != "sig"}
    yield "a commit without a signature", foreign.under_block(dag_cbor.encode(unsigned)), "not a commit"
    yield "a commit that is not DAG-CBOR", foreign.under_block(b"\xbf\xff"), "not valid DAG-CBOR"


def _bad_trees(did: Did) -> Iterator[tuple[str, bytes, str]]:
    empty = Foreign({}, did)
    yield "empty, without the empty node", empty.without(empty.data), "missing block"
    yield "with a collection that is no NSID", Foreign({"posts/1": post("x")}, did).car(), "not a path in a repo"
    yield "with a record key that is none", Foreign({"app.bsky.feed.post/..": post("x")}, did).car(), "not a path"
    one = Foreign({"com.example.x/1": post("x")}, did)
    record = CID.for_dag_cbor(one.records["com.example.x/1"])
    # All of these keys are of height 0.
    low = ["com.example.x/a", "com.example.x/c", "com.example.x/d"]
    wrong = {
        "with a key twice": node([(0, low[0], record, None), (len(low[0]), "", record, None)]),
        "with keys that fall": node([(0, low[1], record, None), (14, "a", record, None)]),
        "with a prefix that is too short": node([(0, low[0], record, None), (3, low[1][3:], record, None)]),
        "with a prefix that is too long": node([(0, low[0], record, None), (99, "c", record, None)]),
        "with a key that is no path": node([(0, "com.example.x", record, None)]),
        "with a key of three parts": node([(0, "com.example.x/a/b", record, None)]),
        "with a key that is not ASCII": node([(0, "com.example.x/ä", record, None)]),
        "with a key that is too long": node([(0, "com.example.x/" + "a" * 1100, record, None)]),
        "with a record that is a blob": node([(0, low[0], CID.for_raw(b"x"), None)]),
        "with a child below the lowest layer": node([(0, low[0], record, record)]),
        "with a node of other fields": cbor2.dumps({"l": None, "e": [], "x": 1}, canonical=True),
        "with a node that is not canonical": cbor2.dumps({"l": None, "e": []}),
        "with a node that says more entries than it has": b"\xa2ae\x99\xff\xffal\xf6",
    }
    for name, block in wrong.items():
        yield f"a tree {name}", one.under_nodes(block), "Invalid repository"
    leaf = node([(0, low[0], record, None)])
    lower = CID.for_dag_cbor(leaf)
    yield "a tree whose top has no key", one.under_nodes(leaf, node([], lower)), "no keys"
    chain = [leaf]
    for _ in range(5_000):
        chain.append(node([], CID.for_dag_cbor(chain[-1])))
    chain.append(node([(0, _high_key(), record, CID.for_dag_cbor(chain[-1]))]))
    yield "a tree that is thousands of layers deep", one.under_nodes(*chain), "below the lowest layer"
    yield "a tree that names a subtree twice", _with_a_subtree_twice(did), "do not rise"


def _with_a_subtree_twice(did: Did) -> bytes:
    foreign = Foreign(RECORDS, did)
    top = foreign.nodes[foreign.data]
    first, second = [cid for cid in foreign.nodes if cid != foreign.data and cid.raw in top][:2]
    return foreign.under_nodes(top.replace(second.raw, first.raw))


def _high_key() -> str:
    """Return a key that stands at least three layers above the lowest."""
    return next(key for n in range(10_000) if leading_zero_pairs(key := f"com.example.a/{n}") >= 3)


def _bad_records() -> Iterator[tuple[str, bytes]]:
    """Yield blocks that are no record."""
    yield "that is a list", dag_cbor.encode([1])
    yield "that is a text", dag_cbor.encode("x")
    yield "of no bytes", b""
    yield "of indefinite length", b"\xbf\x61a\x01\xff"
    yield "with something behind it", dag_cbor.encode({"a": 1}) + b"\0"
    yield "cut short", dag_cbor.encode({"a": [1, 2]})[:-1]
    yield "with a float", b"\xa1\x61a\xfb" + struct.pack(">d", 1.5)
    yield "with a float that is whole", b"\xa1\x61a\xfb" + struct.pack(">d", 2.0)
    yield "with NaN", b"\xa1\x61a\xfb" + struct.pack(">d", float("nan"))
    yield "with infinity", b"\xa1\x61a\xf9\x7c\x00"
    yield "with undefined", b"\xa1\x61a\xf7"
    yield "with a key twice", b"\xa2\x61a\x01\x61a\x02"
    yield "with keys in another order", b"\xa2\x61b\x01\x61a\x02"
    yield "with a key that is a number", b"\xa1\x01\x01"
    yield "with a text that is not UTF-8", b"\xa1\x61a\x61\xff"
    yield "with an integer of 65 bits", b"\xa1\x61a\x1b" + b"\xff" * 8
    yield "with an integer in a long form", b"\xa1\x61a\x18\x01"
    yield "with another tag", b"\xa1\x61a\xc1\x01"
    yield "with a link that is none", b"\xa1\x61a\xd8\x2a\x42\x00\x01"
    yield "with a link of another hash", b"\xa1\x61a\xd8\x2a\x58\x25\x00\x01\x71\x1e\x20" + bytes(32)
    yield "with an endless length", b"\xa1\x61a\x5b" + b"\xff" * 8
    yield "with an endless list", b"\xa1\x61a\x9b\x7f" + b"\xff" * 7
    yield "nested without end", b"\xa1\x61a" + b"\x81" * 100_000 + b"\x80"


def odd_repos(did: Did) -> dict[str, bytes]:
    """Return files that are strange, and hold the repository of `RECORDS` all the same."""
    foreign = Foreign(RECORDS, did)
    commit, blocks = foreign.commit, list(foreign.blocks.items())
    stray = dag_cbor.encode({"stray": True})
    return {
        "in another order": car.encode(commit.cid, reversed(blocks)),
        "with every block twice": car.encode(commit.cid, [*blocks, *blocks]),
        "with blocks that nothing refers to": car.encode(commit.cid, [(CID.for_dag_cbor(stray), stray), *blocks]),
        "with a raw block": car.encode(commit.cid, [(CID.for_raw(b"picture"), b"picture"), *blocks]),
        "with a commit before": foreign.under(replace(commit, prev=commit.cid)),
        # Who imports may write what he likes, and a repository that has moved twice without a write in between has
        # the signature of its server before last. It is signed anew here.
        "signed by another key": foreign.under(sign_commit(did, OLD_REV, foreign.data, generate_k256())),
        "with a high-S signature": foreign.under(replace(commit, sig=high_s(commit.sig))),
        "with a signature of zeros": foreign.under(replace(commit, sig=bytes(64))),
    }


def large_repo(did: Did, size: int, pictures: Sequence[Any], *, lost: bool = True) -> bytes:
    """Return a repository of posts, of which one in a hundred shows a picture.

    Args:
        pictures: references to blobs, as uploadBlob answers them.
        lost: let more posts show pictures that are nowhere.
    """
    clock = TidClock()
    records: dict[str, LexValue] = {}
    for number in range(size):
        value = post(f"{number} {'x' * 600}")
        blob: LexValue = None
        if number % 100 == 0:
            blob = lex_json.from_json(pictures[number // 100 % len(pictures)])
        elif lost and number % 10 == 0:
            blob = {"$type": "blob", "ref": CID.for_raw(b"%d" % number), "mimeType": "image/png", "size": 9}
        if blob is not None:
            value["embed"] = {"$type": "app.bsky.embed.images", "images": [{"alt": "", "image": blob}]}
        records[f"app.bsky.feed.post/{clock.next()}"] = value
    return Foreign(records, did).car()


def _section(header: dict[str, Any]) -> bytes:
    data = dag_cbor.encode(header)
    return car.encode_varint(len(data)) + data


def _block(data: bytes) -> bytes:
    return car.encode_block(CID.for_dag_cbor(data), data)


def _raw_block(whole: bytes, cid: bytes) -> bytes:
    out = io.BytesIO()
    out.write(whole + car.encode_varint(len(cid) + 1) + cid + b"\xa0")
    return out.getvalue()
