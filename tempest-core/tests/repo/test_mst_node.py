"""The codec of one node."""

import cbor2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.plain_tree import leading_zero_pairs

from tempest_pds.protocol.data_model.cid import CID
from tempest_pds.repo.errors import InvalidNode
from tempest_pds.repo.mst.height import height
from tempest_pds.repo.mst.node import EMPTY_BLOCK, EMPTY_ROOT, Node, decode, encode, replace_child

SEGMENT = st.text("abcAZ09._:~-", min_size=1, max_size=40)
PATHS = st.builds(lambda collection, rkey: f"{collection}/{rkey}".encode(), SEGMENT, SEGMENT)
LONG_PATHS = st.builds(
    lambda length, end: b"a/" + b"x" * length + end, st.integers(1, 1000), st.sampled_from([b"", b"b"])
)
RAW_CIDS = st.binary(min_size=8, max_size=8).map(lambda data: CID.for_dag_cbor(data).raw)


@st.composite
def nodes(draw: st.DrawFn) -> tuple[list[bytes], list[bytes], list[bytes | None]]:
    keys = sorted(draw(st.sets(PATHS | LONG_PATHS, max_size=40)))
    values = [draw(RAW_CIDS) for _ in keys]
    children = [
        CID.for_dag_cbor(b"child %d" % number).raw if draw(st.booleans()) else None for number in range(len(keys) + 1)
    ]
    return keys, values, children


def link(raw: bytes | None) -> cbor2.CBORTag | None:
    return None if raw is None else cbor2.CBORTag(42, b"\0" + raw)


@settings(max_examples=100)
@given(nodes())
def test_a_node_is_written_as_canonical_dag_cbor(node: tuple[list[bytes], list[bytes], list[bytes | None]]) -> None:
    keys, values, children = node
    entries = []
    previous = b""
    for key, value, child in zip(keys, values, children[1:], strict=True):
        shared = 0
        while shared < min(len(previous), len(key)) and previous[shared] == key[shared]:
            shared += 1
        entries.append({"k": key[shared:], "p": shared, "t": link(child), "v": link(value)})
        previous = key
    assert encode(keys, values, children) == cbor2.dumps({"e": entries, "l": link(children[0])}, canonical=True)


@settings(max_examples=100)
@given(nodes())
def test_a_node_reads_back(node: tuple[list[bytes], list[bytes], list[bytes | None]]) -> None:
    keys, values, children = node
    block = encode(keys, values, children)
    assert decode(block) == node
    loaded = Node(0, tuple(keys), list(children), block=block, raw=CID.for_dag_cbor(block).raw)
    assert loaded.read_values() == values
    assert [loaded.read_value(index) for index in range(len(keys))] == values


@settings(max_examples=100)
@given(nodes(), st.data())
def test_a_child_is_replaced_in_place(
    node: tuple[list[bytes], list[bytes], list[bytes | None]], data: st.DataObject
) -> None:
    keys, values, children = node
    block = encode(keys, values, children)
    for index, child in enumerate(children):
        if child is not None and data.draw(st.booleans()):
            children[index] = new = CID.for_dag_cbor(b"new %d" % index).raw
            block = replace_child(block, index, child, new)
    assert block == encode(keys, values, children)


def test_a_record_with_the_cid_of_a_child_is_not_taken_for_it() -> None:
    same = CID.for_dag_cbor(b"same").raw
    new = CID.for_dag_cbor(b"new").raw
    keys = [b"a/b", b"a/c"]
    block = encode(keys, [same, same], [None, None, same])
    assert replace_child(block, 2, same, new) == encode(keys, [same, same], [None, None, new])


@settings(max_examples=300)
@given(nodes(), st.data())
def test_what_reads_writes_back_the_same(
    node: tuple[list[bytes], list[bytes], list[bytes | None]], data: st.DataObject
) -> None:
    """Reading takes nothing but what writing gives, however a block is damaged."""
    block = bytearray(encode(*node))
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(block) - 1))
        block[place : place + data.draw(st.integers(0, 2))] = data.draw(st.binary(max_size=2))
        if not block:
            break
    damaged = bytes(block)
    try:
        read = decode(damaged)
    except InvalidNode:
        return
    assert encode(*read) == damaged


def entry(k: bytes, p: int = 0, value: bytes = EMPTY_ROOT.raw) -> dict[str, object]:
    return {"k": k, "p": p, "t": None, "v": link(value)}


@pytest.mark.parametrize(
    ("what", "node"),
    [
        ("keys that fall", {"e": [entry(b"a/b"), entry(b"a/a")], "l": None}),
        ("keys that fall after a prefix", {"e": [entry(b"a/b"), entry(b"a", 2)], "l": None}),
        ("a key twice", {"e": [entry(b"a/b"), entry(b"", 3)], "l": None}),
        ("a key that is the start of the one before", {"e": [entry(b"a/bb"), entry(b"", 3)], "l": None}),
        ("a prefix that could be longer", {"e": [entry(b"a/b"), entry(b"/c", 1)], "l": None}),
        ("a prefix longer than the key before", {"e": [entry(b"a/b"), entry(b"c", 4)], "l": None}),
        ("a prefix of the first key", {"e": [entry(b"a/b", 1)], "l": None}),
        ("a key without a slash", {"e": [entry(b"ab")], "l": None}),
        ("a key with two slashes", {"e": [entry(b"a/b/c")], "l": None}),
        ("a key of other characters", {"e": [entry(b"a/b c")], "l": None}),
        ("a key with a line feed at its end", {"e": [entry(b"a/b\n")], "l": None}),
        ("a key of 1025 bytes", {"e": [entry(b"a/" + b"x" * 1023)], "l": None}),
        ("a record that is a blob", {"e": [entry(b"a/b", 0, CID.for_raw(b"").raw)], "l": None}),
        ("a child that is a blob", {"e": [], "l": link(CID.for_raw(b"").raw)}),
        ("a CID of another hash", {"e": [], "l": link(b"\x01\x71\x13\x20" + bytes(32))}),
        ("no e", {"l": None}),
        ("no l", {"e": []}),
        ("more keys", {"e": [], "l": None, "x": None}),
        ("an entry without t", {"e": [{"k": b"a/b", "p": 0, "v": link(EMPTY_ROOT.raw)}], "l": None}),
        ("a negative prefix", {"e": [entry(b"a/b"), entry(b"a/c", -1)], "l": None}),
        ("a text for a key", {"e": [{"k": "a/b", "p": 0, "t": None, "v": link(EMPTY_ROOT.raw)}], "l": None}),
    ],
)
def test_a_block_that_is_not_a_node_is_refused(what: str, node: object) -> None:
    with pytest.raises(InvalidNode):
        decode(cbor2.dumps(node, canonical=True))


@pytest.mark.parametrize(
    "block",
    [
        b"",
        EMPTY_BLOCK + b"\0",
        EMPTY_BLOCK[:-1],
        b"\xa2ae\x98\x00al\xf6",
        b"\xa2ae\x9a\xff\xff\xff\xffal\xf6",
        b"\xa2ae\x9b\x00\x00\x00\x00\x00\x00\x00\x00al\xf6",
        b"\xa2ae\x9f\xffal\xf6",
        b"\xbfae\x80al\xf6\xff",
        b"\xa2al\xf6ae\x80",
        encode([b"a/b"], [EMPTY_ROOT.raw], [None, None])[:-40],
    ],
)
def test_bytes_that_are_not_canonical_are_refused(block: bytes) -> None:
    with pytest.raises(InvalidNode):
        decode(block)


def test_the_empty_tree_has_the_root_that_everyone_knows() -> None:
    assert str(EMPTY_ROOT) == "bafyreie5737gdxlw5i64vzichcalba3z2v5n6icifvx5xytvske7mr3hpm"
    assert encode([], [], [None]) == EMPTY_BLOCK


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        # https://atproto.com/specs/repository#mst-structure and the interop files of the specification
        ("", 0),
        ("asdf", 0),
        ("blue", 1),
        ("2653ae71", 0),
        ("88bfafc7", 2),
        ("2a92d355", 4),
        ("884976f5", 6),
        ("app.bsky.feed.post/454397e440ec", 4),
        ("app.bsky.feed.post/9adeb165882c", 8),
    ],
)
def test_known_heights(key: str, expected: int) -> None:
    assert height(key.encode()) == expected


@given(st.text(max_size=20))
def test_a_height_is_half_of_the_leading_zero_bits(key: str) -> None:
    assert height(key.encode()) == leading_zero_pairs(key)
