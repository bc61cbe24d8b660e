"""CAR files, in memory and as streams."""

import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tempest_pds.protocol.data_model import car, dag_cbor
from tempest_pds.protocol.data_model.cid import CID
from tempest_pds.protocol.errors import InvalidEncoding

BLOCK = dag_cbor.encode({"a": 1})
ROOT = CID.for_dag_cbor(BLOCK)
HEADER = car.encode_header(ROOT)

block_lists = st.lists(st.binary(max_size=300), max_size=8).map(lambda blocks: [(CID.for_raw(b), b) for b in blocks])


def read(data: bytes, size: int, max_block_size: int = 1000) -> tuple[list[CID], list[tuple[CID, bytes]]]:
    """Read a CAR that arrives in chunks of `size` bytes."""
    reader = car.CarReader(max_block_size=max_block_size)
    blocks: list[tuple[CID, bytes]] = []
    for start in range(0, len(data), size):
        reader.feed(data[start : start + size])
        blocks += reader.blocks()
    return reader.finish(), blocks


def test_a_car_has_the_bytes_of_the_specification() -> None:
    assert HEADER.hex() == "3aa265726f6f747381d82a582500" + ROOT.raw.hex() + "6776657273696f6e01"
    assert car.encode_block(ROOT, BLOCK) == bytes((36 + len(BLOCK),)) + ROOT.raw + BLOCK
    assert car.encode(ROOT, [(ROOT, BLOCK)]) == HEADER + car.encode_block(ROOT, BLOCK)
    assert car.encode_header(None).hex() == "11a265726f6f7473806776657273696f6e01"


@given(block_lists, st.integers(1, 500))
def test_what_is_written_reads_back(blocks: list[tuple[CID, bytes]], size: int) -> None:
    data = car.encode(ROOT, blocks)
    assert car.decode(data) == ([ROOT], dict(blocks))
    assert read(data, size) == ([ROOT], blocks)
    assert HEADER + car.encode_rows((cid.raw, block) for cid, block in blocks) == data


@settings(max_examples=300)
@given(block_lists, st.data())
def test_streams_and_memory_are_judged_alike(blocks: list[tuple[CID, bytes]], draw: st.DataObject) -> None:
    data = bytearray(car.encode(ROOT, blocks))
    position = draw.draw(st.integers(0, len(data)))
    data[position : position + draw.draw(st.integers(0, 3))] = draw.draw(st.binary(max_size=3))
    results: list[object] = []
    try:
        roots, iterator = car.iter_blocks(bytes(data), max_block_size=1000)
        results.append((roots, list(iterator)))
    except InvalidEncoding:
        results.append(None)
    try:
        results.append(read(bytes(data), draw.draw(st.integers(1, 100))))
    except InvalidEncoding:
        results.append(None)
    assert results[0] == results[1]


def header(value: object) -> bytes:
    data = dag_cbor.encode(value)  # type: ignore[arg-type]
    return car.encode_varint(len(data)) + data


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(HEADER[:-1], id="header cut short"),
        pytest.param(b"\x00", id="no header"),
        pytest.param(b"\xff" * 20, id="endless length"),
        pytest.param(b"\xff\xff\xff\xff\xff\xff\xff\xff\x7f", id="length of 63 bits"),
        pytest.param(b"\x80\x80\x80\x80\x01", id="header of 256 MiB"),
        pytest.param(b"\x81\x20" + b"\x00" * 4097, id="header larger than its limit"),
        pytest.param(b"\xba\x00" + HEADER[1:], id="length not in its shortest form"),
        pytest.param(header({"roots": [ROOT], "version": 2}), id="version 2"),
        pytest.param(header({"roots": [ROOT], "version": True}), id="version true"),
        pytest.param(header({"roots": [ROOT]}), id="no version"),
        pytest.param(header({"version": 1}), id="no roots"),
        pytest.param(header({"roots": [1], "version": 1}), id="a root that is no CID"),
        pytest.param(header([1]), id="a header that is no map"),
        pytest.param(HEADER + b"\x00", id="empty block"),
        pytest.param(HEADER + b"\x23" + ROOT.raw[:35], id="block with no room for a CID"),
        pytest.param(HEADER + car.encode_block(ROOT, BLOCK)[:-1], id="block cut short"),
        pytest.param(HEADER + car.encode_block(ROOT, b"other"), id="block that is not its CID's"),
        pytest.param(HEADER + car.encode_block(CID(b"\x01\x70" + ROOT.raw[2:]), BLOCK), id="CID of DAG-PB"),
        pytest.param(HEADER + car.encode_block(CID(b"\x01\x71\x13\x20" + ROOT.digest), BLOCK), id="CID with SHA-512"),
        pytest.param(HEADER + car.encode_block(CID(b"\x01\x71\x00\x20" + ROOT.digest), BLOCK), id="identity CID"),
        pytest.param(HEADER + b"\x22\x12\x20" + ROOT.digest, id="CIDv0"),
        pytest.param(HEADER + car.encode_varint(36 + 1001) + b"\x00" * 1100, id="block larger than its limit"),
        pytest.param(HEADER + b"\xff\xff\xff\xff\x0f", id="block of 4 GiB"),
        pytest.param(HEADER + b"\x80", id="length cut short"),
    ],
)
def test_malformed_cars_are_refused(data: bytes) -> None:
    with pytest.raises(InvalidEncoding):
        car.decode(data, max_block_size=1000)
    for size in (1, 7, 5000):
        with pytest.raises(InvalidEncoding):
            read(data, size)


def test_a_lying_length_is_refused_before_its_bytes_come() -> None:
    reader = car.CarReader(max_block_size=1000)
    reader.feed(HEADER)
    reader.feed(car.encode_varint(36 + 1001))
    with pytest.raises(InvalidEncoding):
        list(reader.blocks())


def test_a_block_is_handed_out_before_the_next_has_come() -> None:
    reader = car.CarReader()
    reader.feed(HEADER)
    assert reader.roots == [ROOT]
    assert list(reader.blocks()) == []
    reader.feed(car.encode_block(ROOT, BLOCK))
    assert list(reader.blocks()) == [(ROOT, BLOCK)]


def test_memory_does_not_grow_with_the_car() -> None:
    """20 MB go through in less than one."""
    reader = car.CarReader()
    tracemalloc.start()
    try:
        reader.feed(HEADER)
        count = 0
        for page in range(200):
            blocks = [number.to_bytes(4, "big") * 256 for number in range(page * 100, page * 100 + 100)]
            reader.feed(car.encode_rows((CID.for_raw(block).raw, block) for block in blocks))
            count += sum(1 for _ in reader.blocks())
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert count == 20_000
    assert peak < 1_000_000


@given(st.integers(0, 2**63))
def test_varints_are_leb128(number: int) -> None:
    data = car.encode_varint(number)
    assert sum((byte & 0x7F) << (7 * index) for index, byte in enumerate(data)) == number
    assert [byte >> 7 for byte in data] == [1] * (len(data) - 1) + [0]
